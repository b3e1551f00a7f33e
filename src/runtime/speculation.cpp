#include "runtime/speculation.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/control/gate.h"

namespace nxv::runtime {
namespace {

constexpr uint64_t kWord = sizeof(uint32_t);
// Words of the state.
constexpr uint64_t kGoesOn = 0, kRounds = 1, kAround = 2, kWords = 3;
// Rounds of loops in a round that is not known to be run.
constexpr int kMostAhead = 1024;

}  // namespace

Speculation::Speculation(vulkan::Device& device, ProgramMaker& maker, Recorder& recorder,
                         Speculation* around)
    : device_(device),
      maker_(maker),
      recorder_(recorder),
      around_(around),
      state_(device.memory().allocate(kWords * kWord)) {}

void Speculation::begin_batch() {
  vulkan::Queue& queue = device_.queue();
  for (const uint64_t word : {kGoesOn, kAround}) {
    if (around_) {
      queue.copy(*around_->state_, kGoesOn * kWord, *state_, word * kWord, kWord);
    } else {
      queue.fill(*state_, word * kWord, kWord, 1);
    }
  }
  queue.fill(*state_, kRounds * kWord, kWord, 0);
}

Speculation::Gate& Speculation::gate(const Program& program) {
  Gate& gate = gates_[&program];
  if (gate.groups) return gate;
  std::vector<uint32_t> planned;
  for (const Program::Step& step : program.steps) {
    for (const kernels::Launch& d : step.lowering.launches) {
      planned.insert(planned.end(), d.groups.begin(), d.groups.end());
    }
  }
  planned.resize(std::max<size_t>(planned.size(), 1));
  gate.groups = device_.memory().allocate(planned.size() * kWord);
  gate.planned = device_.transfers().allocate_for_upload(planned.size() * kWord);
  device_.transfers().upload(std::as_bytes(std::span(planned)), *gate.planned);
  return gate;
}

void Speculation::begin_round(const DeviceStorage& condition, const Program& program) {
  ++round_;
  ahead_ = 0;
  Gate& opened = gate(program);
  opened.round = round_;
  if (!first_) first_ = &maker_.request("gate", kernels::generate_gate).get();
  dispatch(*first_, condition.block.get(), opened, 3 * program.launches);
}

Gated Speculation::gate_of(const Program& program) {
  Gate& opened = gate(program);
  if (opened.round != round_ && program.launches > 0) {
    if (!further_) {
      further_ = &maker_.request("further_gate", kernels::generate_further_gate).get();
    }
    dispatch(*further_, nullptr, opened, 3 * program.launches);
  }
  opened.round = round_;
  return {opened.groups.get(), &slots_};
}

// Arguments: the condition, if any, the planned groups, the state, the groups; a count.
void Speculation::dispatch(const vulkan::Pipeline& kernel, vulkan::Block* condition,
                           const Gate& gate, uint32_t count) {
  std::vector<vulkan::Block*> buffers;
  if (condition) buffers.push_back(condition);
  buffers.insert(buffers.end(), {gate.planned.get(), state_.get(), gate.groups.get()});
  std::vector<uint64_t> parameters;
  std::vector<vulkan::Access> reads, writes{*gate.groups};
  for (vulkan::Block* b : buffers) {
    parameters.push_back(b->address());
    if (b != gate.groups.get()) reads.emplace_back(*b);
  }
  if (condition) writes.emplace_back(*state_);
  parameters.push_back(count);
  vulkan::Dispatch d;
  d.kernel = &kernel;
  d.parameters = std::as_bytes(std::span(parameters)).first(kernel.parameter_bytes());
  d.buffers = buffers;
  d.reads = reads;
  d.writes = writes;
  recorder_.dispatch(d);
}

void Speculation::note(bool is_run) {
  if (!is_run) {
    is_over_ = true;
    return;
  }
  known_ = round_;
  if (around_) around_->note(true);
}

bool Speculation::is_run() {
  if (known_ == round_ || is_over_) return !is_over_;
  uint32_t goes_on = 0;
  device_.transfers().download(state_, kGoesOn * kWord,
                               std::as_writable_bytes(std::span(&goes_on, 1)));
  note(goes_on != 0);
  return goes_on != 0;
}

bool Speculation::may_go_on() { return ++ahead_ <= kMostAhead || is_run(); }

vulkan::Readback Speculation::question() {
  return device_.transfers().read(state_, 0, kWords * kWord);
}

Speculation::Answer Speculation::answer(const vulkan::Readback& question) {
  device_.transfers().finish(question);
  std::array<uint32_t, kWords> words;
  std::memcpy(words.data(), question.bytes, sizeof(words));
  if (around_) around_->note(words[kAround] != 0);
  return {words[kAround] != 0, words[kRounds]};
}

}  // namespace nxv::runtime

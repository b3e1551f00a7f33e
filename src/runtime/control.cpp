// Loops and branches of programs.
#include <algorithm>
#include <array>

#include "graph/fault.h"
#include "kernels/control/gate.h"
#include "runtime/executor.h"

namespace nxv::runtime {

namespace {

// Rounds of a loop beyond which the device starts on them and the host keeps its distance.
constexpr int kRoundsASubmission = 64;

// Of a batch of rounds.
constexpr uint64_t kMostRounds = 256;
// Of the budget: bytes that a batch may write.
constexpr uint64_t kSpeculationShare = 64;

bool is_nonzero(const Scalar& s) { return to_complex_double(s) != 0.0; }

// No part of it waits for the host.
bool is_straight(const Program& program) {
  return std::none_of(program.steps.begin(), program.steps.end(),
                      [](const Program::Step& s) { return s.control != nullptr; });
}

StorageRef take_last(std::vector<StorageRef>& values) {
  StorageRef last = std::move(values.back());
  values.pop_back();
  return last;
}

// The states of a batch of rounds, of which a later one may take over the storage of those before.
class States {
 public:
  States() = default;
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States() { clear(); }

  void add(std::vector<StorageRef> state) {
    for (const StorageRef& element : state) ++element->kept;
    states_.push_back(std::move(state));
  }
  const std::vector<StorageRef>& operator[](size_t round) const { return states_[round]; }
  // That of a round after which none was run; keeps no other.
  std::vector<StorageRef> take(size_t round) {
    std::vector<StorageRef> state;
    for (const StorageRef& element : states_[round]) {
      const DeviceStorage* last = element.get();
      while (last->taken_by) last = last->taken_by.get();
      state.push_back(std::make_shared<DeviceStorage>(last->block, element->faults));
      state.back()->known = element->known;
    }
    clear();
    return state;
  }

 private:
  void clear() {
    for (const auto& state : states_) {
      for (const StorageRef& element : state) --element->kept;
    }
    states_.clear();
  }

  std::vector<std::vector<StorageRef>> states_;
};

class Speculating {
 public:
  Speculating(Recorder& recorder, Speculation& s) : recorder_(recorder) { recorder.speculate(&s); }
  Speculating(const Speculating&) = delete;
  Speculating& operator=(const Speculating&) = delete;
  ~Speculating() { recorder_.speculate(nullptr); }

 private:
  Recorder& recorder_;
};

// Throws the first fault that the value depends on; forgets those that did not happen.
void check_faults(vulkan::Transfers& transfers, DeviceStorage& storage) {
  for (const auto& slot : storage.faults) {
    if (slot->is_clear.load(std::memory_order_acquire)) continue;
    std::vector<uint32_t> words(slot->ops.size());
    transfers.download(slot->block, 0, std::as_writable_bytes(std::span(words)));
    const Failure fault = find_fault(slot->ops, words, slot->shape);
    if (fault) throw Error(fault.status, fault.message);
    slot->is_clear.store(true, std::memory_order_release);
  }
  storage.faults.clear();
}

}  // namespace

bool Executor::is_true(DeviceStorage& scalar, DType type) {
  if (scalar.known) return is_nonzero(*scalar.known);
  const InPhase waiting(profiler_, Phase::wait);
  std::vector<std::byte> bytes(static_cast<size_t>(storage_bytes(type)));
  device_.transfers().download(scalar.block, 0, bytes);
  check_faults(device_.transfers(), scalar);
  return is_nonzero(load_scalar(type, bytes.data(), 0));
}

namespace {

StorageRef operand_of(const Program::Step& step, size_t i, const Frame& frame) {
  const Position p = step.operands[i];
  if (frame.has_storage(p)) return frame.share(p);
  if (const auto& number = frame.number(p)) return make_number(*number);
  // Constants differ between graphs of one structure, and are part of a Function.
  const Node* node = frame.node(p);
  return make_number(node ? node->attribute<ConstantAttr>().value : *step.constants[i]);
}

}  // namespace

void Executor::run_control(const Program::Step& step, Frame& frame, bool donates) {
  const Program::Control& control = *step.control;
  std::vector<StorageRef> inputs;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    inputs.push_back(operand_of(step, i, frame));
    const int known = frame.scalars.empty() ? -1 : step.known_operands[i];
    if (known >= 0) inputs.back()->known = frame.scalars[static_cast<size_t>(known)];
  }
  if (donates) {
    for (Position p : step.last_reads) frame.give_up(p);
  }
  std::vector<StorageRef> results = control.op == Op::loop ? run_loop(control, std::move(inputs))
                                                           : run_branch(control, std::move(inputs));
  for (const auto& [index, position] : control.results) {
    frame.store(position, in_memory(std::move(results[index])));
  }
}

std::vector<StorageRef> Executor::run_loop(const Program::Control& loop,
                                           std::vector<StorageRef> state) {
  const Function &condition = *loop.functions[0], &body = *loop.functions[1];
  if (loop.counter && follow(*loop.counter, body, state)) return state;
  for (StorageRef& element : state) element = in_memory(std::move(element));
  const Program &test = maker_.of(condition), &round = maker_.of(*loop.round);
  StorageRef holds = run(test, state).front();
  if (is_straight(round)) return speculate(round, std::move(holds), std::move(state));
  while (is_true(*holds, condition.results[0]->dtype)) {
    state = run(round, std::move(state));
    holds = take_last(state);
  }
  return state;
}

// Runs the rounds of a loop that the host can follow, without a read: what it follows are numbers.
// False when it cannot go on.
bool Executor::follow(const LoopCounter& counter, const Function& body,
                      std::vector<StorageRef>& state) {
  std::vector<std::optional<Scalar>> known;
  for (const StorageRef& element : state) known.push_back(element->known);
  if (!counter.holds(known)) return false;
  std::vector<bool> is_followed(state.size());
  counter.each_element([&](size_t element) { is_followed[element] = true; });
  for (size_t i = 0; i < state.size(); ++i) {
    if (!is_followed[i]) state[i] = in_memory(std::move(state[i]));
  }
  for (int round = 1;; ++round) {
    counter.each_element([&](size_t element) {
      if (known[element]) state[element] = make_number(*known[element]);
    });
    const auto holds = counter.holds(known);
    if (!holds) return false;
    if (!*holds) return true;
    counter.advance(known);
    state = run(body, std::move(state));
    if (round % kRoundsASubmission == 0) keep_pace();
  }
}

// Runs a loop whose condition the device alone knows in batches: the rounds of a batch are recorded
// ahead, each behind a gate, and one read at its end tells how many were run. What a round wrote is
// kept until then, so a batch is bounded by the bytes of the state: as if no round took over the
// storage of the one before.
std::vector<StorageRef> Executor::speculate(const Program& round, StorageRef holds,
                                            std::vector<StorageRef> state) {
  std::vector<uint32_t> planned;
  uint64_t bytes = 1;
  for (const Program::Step& step : round.steps) {
    for (const kernels::Launch& d : step.lowering.launches) {
      planned.insert(planned.end(), d.groups.begin(), d.groups.end());
    }
    for (const Program::Output& output : step.outputs) bytes += output.bytes;
  }
  const uint64_t most = std::clamp<uint64_t>(
      device_.memory().stats().budget / kSpeculationShare / bytes, 1, kMostRounds);

  const vulkan::Pipeline& kernel = maker_.request("gate", kernels::generate_gate).get();
  Speculation speculation;
  speculation.groups = device_.memory().allocate(planned.size() * sizeof(uint32_t));
  const vulkan::BlockRef plan = device_.transfers().allocate_for_upload(speculation.groups->size());
  device_.transfers().upload(std::as_bytes(std::span(planned)), *plan);
  const vulkan::BlockRef gate_state = device_.memory().allocate(2 * sizeof(uint32_t));

  std::vector<StorageRef> conditions{std::move(holds)};
  for (uint64_t batch = 1;; batch = std::min(2 * batch, most)) {
    device_.queue().fill(*gate_state, 0, 4, 1);
    device_.queue().fill(*gate_state, 4, 4, 0);
    States states;
    states.add(std::move(state));
    {
      const Speculating speculating(recorder_, speculation);
      for (uint64_t i = 0; i < batch; ++i) {
        gate(kernel, *conditions.back(), *plan, *gate_state, speculation, planned.size());
        std::vector<StorageRef> next = run(round, states[i]);
        conditions.push_back(take_last(next));
        states.add(std::move(next));
        if ((i + 1) % kRoundsASubmission == 0) keep_pace();
      }
    }
    const InPhase waiting(profiler_, Phase::wait);
    std::array<uint32_t, 2> answer;  // whether it goes on, rounds
    device_.transfers().download(gate_state, 0, std::as_writable_bytes(std::span(answer)));
    const uint32_t rounds = answer[1];
    // Conditions of rounds that were not run have not been computed, and report nothing.
    for (const StorageRef& c : conditions) check_faults(device_.transfers(), *c);
    for (const StorageRef& s : states[rounds]) check_faults(device_.transfers(), *s);
    conditions.erase(conditions.begin(), conditions.end() - 1);
    for (const auto& [step, slot] : speculation.slots)
      slot->is_clear = false;  // for the next batch
    state = states.take(rounds);
    if (rounds < batch) return state;
  }
}

void Executor::gate(const vulkan::Pipeline& kernel, const DeviceStorage& condition,
                    vulkan::Block& planned, vulkan::Block& state, Speculation& speculation,
                    size_t count) {
  struct {
    uint64_t condition, planned, state, groups;
    uint32_t count, padding;
  } const parameters{condition.block->address(),
                     planned.address(),
                     state.address(),
                     speculation.groups->address(),
                     static_cast<uint32_t>(count),
                     0};
  vulkan::Dispatch d;
  d.kernel = &kernel;
  d.parameters = std::as_bytes(std::span(&parameters, 1)).first(kernel.parameter_bytes());
  const std::array<vulkan::Block*, 4> buffers{condition.block.get(), &planned, &state,
                                              speculation.groups.get()};
  const std::array<vulkan::Access, 3> reads{*condition.block, planned, state};
  const std::array<vulkan::Access, 2> writes{state, speculation.groups};
  d.buffers = buffers;
  d.reads = reads;
  d.writes = writes;
  recorder_.dispatch(d);
  speculation.next = 0;
}

std::vector<StorageRef> Executor::run_branch(const Program::Control& branch,
                                             std::vector<StorageRef> inputs) {
  const size_t predicates = branch.functions.size() - 1;
  size_t chosen = 0;
  while (chosen < predicates && !is_true(*inputs[chosen], branch.predicates[chosen])) ++chosen;
  inputs.erase(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(predicates));
  return run(*branch.functions[chosen], std::move(inputs));
}

}  // namespace nxv::runtime

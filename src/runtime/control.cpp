// Loops and branches of programs.
#include <algorithm>

#include "graph/fault.h"
#include "runtime/executor.h"

namespace nxv::runtime {

namespace {

// Rounds of a loop beyond which the device starts on them and the host keeps its distance.
constexpr int kRoundsASubmission = 64;

bool is_nonzero(const Scalar& s) { return to_complex_double(s) != 0.0; }

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
  std::vector<std::byte> bytes(static_cast<size_t>(storage_bytes(type)));
  device_.transfers().download(scalar.block, 0, bytes);
  check_faults(device_.transfers(), scalar);
  return is_nonzero(load_scalar(type, bytes.data(), 0));
}

void Executor::run_control(const Program::Step& step, Frame& frame, bool donates) {
  const Program::Control& control = *step.control;
  std::vector<StorageRef> inputs;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    inputs.push_back(frame.share(step.operands[i]));
    const int known = frame.scalars.empty() ? -1 : step.known_operands[i];
    if (known >= 0) inputs.back()->known = frame.scalars[static_cast<size_t>(known)];
  }
  if (donates) {
    for (Position p : step.last_reads) frame.give_up(p);
  }
  const std::vector<StorageRef> results = control.op == Op::loop
                                              ? run_loop(control, std::move(inputs))
                                              : run_branch(control, std::move(inputs));
  for (const auto& [index, position] : control.results) frame.store(position, results[index]);
}

std::vector<StorageRef> Executor::run_loop(const Program::Control& loop,
                                           std::vector<StorageRef> state) {
  const Function& condition = *loop.functions[0];
  const Program& test = maker_.of(condition);
  const Program& body = maker_.of(*loop.functions[1]);
  if (loop.host && follow(*loop.host, body, state)) return state;
  while (is_true(*run(test, state).front(), condition.results[0]->dtype)) {
    state = run(body, std::move(state));
  }
  return state;
}

// Runs the rounds of a loop that the host can follow, without a read. False when it cannot go on.
bool Executor::follow(const Program::HostState& host, const Program& body,
                      std::vector<StorageRef>& state) {
  std::vector<std::optional<Scalar>> known;
  for (const StorageRef& s : state) known.push_back(s->known);
  for (int round = 1;; ++round) {
    const auto holds = host.condition.run(known)[static_cast<size_t>(host.holds)];
    if (!holds) return false;
    if (!is_nonzero(*holds)) return true;
    const auto next = host.body.run(known);
    state = run(body, std::move(state));
    for (const auto& [element, value] : host.carried) {
      const auto e = static_cast<size_t>(element);
      known[e] = state[e]->known = next[static_cast<size_t>(value)];
    }
    if (round % kRoundsASubmission == 0) keep_pace();
  }
}

std::vector<StorageRef> Executor::run_branch(const Program::Control& branch,
                                             std::vector<StorageRef> inputs) {
  const size_t predicates = branch.functions.size() - 1;
  size_t chosen = 0;
  while (chosen < predicates && !is_true(*inputs[chosen], branch.predicates[chosen])) ++chosen;
  inputs.erase(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(predicates));
  return run(maker_.of(*branch.functions[chosen]), std::move(inputs));
}

}  // namespace nxv::runtime

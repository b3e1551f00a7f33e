// Loops and branches of programs.
#include <algorithm>

#include "runtime/executor.h"
#include "runtime/speculation.h"

namespace nxv::runtime {
namespace {

bool is_nonzero(const Scalar& s) { return to_complex_double(s) != 0.0; }

}  // namespace

bool Executor::is_true(DeviceStorage& scalar, DType type) {
  if (scalar.known) return is_nonzero(*scalar.known);
  const InPhase waiting(profiler_, Phase::wait);
  const auto bytes = static_cast<uint64_t>(storage_bytes(type));
  const vulkan::Readback value = device_.transfers().read(scalar.block, 0, bytes);
  wait(value.epoch);
  // Of a round that is not run nothing has been computed, and nothing matters.
  if (speculation_ && !speculation_->is_run()) return false;
  device_.transfers().finish(value);
  check_faults(scalar);
  return is_nonzero(load_scalar(type, value.bytes, 0));
}

namespace {

StorageRef operand_of(const Program::Step& step, size_t i, const Frame& frame) {
  const Position p = step.operands[i];
  if (frame.has_storage(p)) return frame.share(p);
  if (const auto& number = frame.number(p)) return make_number(*number);
  // Constants differ between graphs of one structure, and are part of a Function. Those of several
  // elements are in memory.
  const Node* node = frame.node(p);
  if (node && node->count > 1) return frame.share(p);
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
  const StorageRef holds = run(condition, state).front();
  for (StorageRef& element : state) element = in_memory(std::move(element));
  if (holds->is_number() && !is_nonzero(*holds->known)) return state;
  return speculate(maker_.of(*loop.round), in_memory(holds), std::move(state));
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
    if (!*holds || (speculation_ && !speculation_->may_go_on())) return true;
    counter.advance(known);
    state = run(body, std::move(state));
    if (round % kRoundsASubmission == 0) pace_rounds();
  }
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

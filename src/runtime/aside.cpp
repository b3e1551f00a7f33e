// Work that is done while a loop or a branch waits for the device.
#include <algorithm>
#include <utility>

#include "base/restored.h"
#include "runtime/executor.h"

namespace nxv::runtime {
namespace {

bool has_control(const Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(),
                     [](const Program::Step& step) { return step.control != nullptr; });
}

// What is pending of them.
std::unordered_set<const Node*> pending_below(std::span<const NodeRef> nodes) {
  std::unordered_set<const Node*> all;
  std::vector<const Node*> stack;
  const auto visit = [&](const NodeRef& n) {
    if (n->is_pending() && all.insert(n.get()).second) stack.push_back(n.get());
  };
  for (const NodeRef& n : nodes) visit(n);
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    for (const NodeRef& input : node->inputs) visit(input);
  }
  return all;
}

}  // namespace

void Executor::wait(uint64_t epoch) {
  // A profile tells what an evaluation takes, undisturbed.
  if (waiting_ && !profiler_) waiting_(epoch);
}

void Executor::aside(const std::function<void()>& work) {
  const Restored waiting(waiting_, Waiting());
  const Restored speculation(speculation_, static_cast<Speculation*>(nullptr));
  const Restored graph(graph_, schedule::Structure());
  const Restored evaluating(is_evaluating_, false);
  const Restored under_way(under_way_, decltype(under_way_)());
  work();
}

bool Executor::can_run_aside(std::span<const NodeRef> nodes, const Function* function) {
  if (!under_way_) {
    under_way_.emplace();
    if (is_evaluating_) under_way_->insert(graph_.nodes.begin(), graph_.nodes.end());
  }
  const std::unordered_set<const Node*> pending = pending_below(nodes);
  const auto is_awaited = [&](const Node* n) {
    // Data that nobody has is the result of a call.
    const bool is_result = n->op == Op::data && !n->host_data;
    return is_result || info(n->op).fusion == Fusion::control || under_way_->contains(n);
  };
  bool can_run = std::none_of(pending.begin(), pending.end(), is_awaited);
  if (can_run && function != nullptr) {
    Numbers numbers;
    can_run = !has_control(program_of(*function, nodes, numbers));
  }
  if (!can_run) under_way_->insert(pending.begin(), pending.end());
  return can_run;
}

}  // namespace nxv::runtime

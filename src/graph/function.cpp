#include "graph/function.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <unordered_set>
#include <utility>

#include "graph/build.h"
#include "graph/unrolled_loop.h"

namespace nxv {
namespace {

std::string text_of(const Node& node) {
  return std::string(name(node.dtype)) + to_string(node.shape);
}

[[noreturn]] void refuse(const std::string& why) { throw Error(Status::invalid_argument, why); }

uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

void check_parameters(const std::vector<NodeRef>& parameters) {
  std::unordered_set<const Node*> known;
  for (const NodeRef& p : parameters) {
    if (p->op != Op::parameter) {
      refuse("function: " + text_of(*p) + " is no parameter but the result of " +
             std::string(name(p->op)));
    }
    if (!known.insert(p.get()).second) refuse("function: a parameter is named twice");
  }
}

// Walks what depends on parameters: such nodes keep their inputs.
void check_results(const std::vector<NodeRef>& parameters, const std::vector<NodeRef>& results) {
  if (results.empty()) refuse("function: needs at least one result");
  std::unordered_set<const Node*> known;
  for (const NodeRef& p : parameters) known.insert(p.get());
  std::vector<const Node*> stack;
  const auto visit = [&](const NodeRef& node) {
    if (node->graveyard() != results.front()->graveyard()) {
      refuse("function: results belong to different engines");
    }
    if (!node->is_function || !known.insert(node.get()).second) return;
    if (node->op == Op::parameter) {
      refuse("function: a result depends on " + text_of(*node) +
             ", a parameter of another function; pass it as an argument");
    }
    stack.push_back(node.get());
  };
  for (const NodeRef& result : results) visit(result);
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    for (const NodeRef& input : node->inputs) visit(input);
  }
}

bool are_alike(const Node& a, const Node& b) { return a.dtype == b.dtype && a.shape == b.shape; }

void check_alike(const std::string& what, std::span<const NodeRef> given,
                 std::span<const NodeRef> expected) {
  if (given.size() != expected.size()) {
    refuse(what + ": " + std::to_string(given.size()) + " where " +
           std::to_string(expected.size()) + " are expected");
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (are_alike(*given[i], *expected[i])) continue;
    refuse(what + ": number " + std::to_string(i) + " is " + text_of(*given[i]) + ", expected " +
           text_of(*expected[i]));
  }
}

void check_predicate(const std::string& what, const Node& node) {
  if (node.shape.empty() && !is_complex(node.dtype)) return;
  refuse(what + " is " + text_of(node) + ": it must be a real scalar");
}

// The condition as a u32: 0 or 1.
FunctionRef truth_of(const Function& condition) {
  const NodeRef& result = condition.results[0];
  const NodeRef zero =
      constant(result->shared_graveyard(), make_scalar(result->dtype, int64_t{0}), {});
  const NodeRef truth = cast(elementwise(Op::not_equal, {result, zero}), DType::u32);
  return std::make_shared<const Function>(condition.parameters, std::vector<NodeRef>{truth});
}

// The node that computes all results, and a node for each of them.
std::vector<NodeRef> results_of(Op op, std::vector<NodeRef> inputs, ControlAttr control) {
  const std::vector<NodeRef> results = control.functions.back()->results;
  const auto& graveyard = results.front()->shared_graveyard();
  const NodeRef all =
      make_node(graveyard, op, DType::u8, {}, std::move(inputs), std::move(control));
  std::vector<NodeRef> out;
  for (size_t i = 0; i < results.size(); ++i) {
    out.push_back(make_node(graveyard, Op::result, results[i]->dtype, results[i]->shape, {all},
                            ResultAttr{static_cast<int64_t>(i)}));
  }
  return out;
}

}  // namespace

Function::Function(std::vector<NodeRef> parameter_list, std::vector<NodeRef> result_list)
    : parameters(std::move(parameter_list)), results(std::move(result_list)), id(next_id()) {
  check_parameters(parameters);
  check_results(parameters, results);
}

void check_arguments(const Function& function, std::span<const NodeRef> arguments) {
  check_alike("arguments of a function", arguments, function.parameters);
  for (const NodeRef& argument : arguments) {
    if (argument->graveyard() != function.results.front()->graveyard()) {
      refuse("arguments of a function: of another engine than the function");
    }
  }
}

std::vector<NodeRef> loop(std::span<const NodeRef> state, const FunctionRef& condition,
                          const FunctionRef& body) {
  check_arguments(*condition, state);
  check_arguments(*body, state);
  check_alike("results of a loop's condition", condition->results,
              std::span(condition->results).first(1));
  check_predicate("loop: the result of the condition", *condition->results[0]);
  check_alike("results of a loop's body", body->results, state);
  if (auto values = unrolled_loop(state, *condition, *body)) return *std::move(values);
  return results_of(Op::loop, {state.begin(), state.end()}, {{truth_of(*condition), body}});
}

std::vector<NodeRef> branch(std::span<const NodeRef> predicates, std::span<const NodeRef> arguments,
                            std::span<const FunctionRef> functions) {
  if (functions.size() != predicates.size() + 1) {
    refuse("branch: " + std::to_string(functions.size()) + " functions for " +
           std::to_string(predicates.size()) + " predicates; one more than predicates is needed");
  }
  for (const NodeRef& p : predicates) check_predicate("branch: a predicate", *p);
  for (const FunctionRef& f : functions) {
    check_arguments(*f, arguments);
    check_alike("results of a branch", f->results, functions.front()->results);
  }
  std::vector<NodeRef> inputs(predicates.begin(), predicates.end());
  inputs.insert(inputs.end(), arguments.begin(), arguments.end());
  return results_of(Op::branch, std::move(inputs), {{functions.begin(), functions.end()}});
}

}  // namespace nxv

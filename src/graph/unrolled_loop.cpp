#include "graph/unrolled_loop.h"

#include <algorithm>
#include <unordered_set>

#include "graph/loop_counter.h"
#include "graph/substitute.h"

namespace nxv {
namespace {

constexpr int kMostRounds = 8;
// Of all rounds together.
constexpr size_t kMostNodes = 512;

// What of the body depends on its parameters.
std::vector<const Node*> nodes_of(const Function& body) {
  std::vector<const Node*> nodes;
  std::unordered_set<const Node*> known;
  const auto visit = [&](const NodeRef& node) {
    if (node->is_function && known.insert(node.get()).second) nodes.push_back(node.get());
  };
  for (const NodeRef& result : body.results) visit(result);
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const NodeRef& input : nodes[i]->inputs) visit(input);
  }
  return nodes;
}

// A round hands arrays on to the next, each in another's place.
bool takes_turns(const Function& body) {
  for (size_t i = 0; i < body.results.size(); ++i) {
    const NodeRef& result = body.results[i];
    if (result->op == Op::parameter && result->count > 1 &&
        result.get() != body.parameters[i].get()) {
      return true;
    }
  }
  return false;
}

bool reads_at_counter(const Function& body, const std::vector<const Node*>& nodes,
                      const LoopCounter& counter) {
  std::vector<bool> is_followed(body.parameters.size());
  counter.each_element([&](size_t element) { is_followed[element] = true; });
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node* node) {
    if (node->op != Op::gather || !node->inputs[1]->is_function) return false;
    ScalarProgram index;
    return index.add(*node->inputs[1], body.parameters) &&
           std::all_of(index.parameters().begin(), index.parameters().end(),
                       [&](int p) { return is_followed[static_cast<size_t>(p)]; });
  });
}

}  // namespace

std::optional<std::vector<NodeRef>> unrolled_loop(std::span<const NodeRef> state,
                                                  const Function& condition, const Function& body) {
  const auto counter = LoopCounter::of(condition, body);
  if (!counter) return std::nullopt;
  std::vector<std::optional<Scalar>> known;
  for (const NodeRef& element : state) known.push_back(integer_constant(*element));
  int rounds = 0;
  for (;; ++rounds) {
    const auto holds = counter->holds(known);
    if (!holds || rounds > kMostRounds) return std::nullopt;
    if (!*holds) break;
    counter->advance(known);
  }
  const std::vector<const Node*> nodes = nodes_of(body);
  if (static_cast<size_t>(rounds) * nodes.size() > kMostNodes) return std::nullopt;
  if (!takes_turns(body) && !reads_at_counter(body, nodes, *counter)) return std::nullopt;
  std::vector<NodeRef> values(state.begin(), state.end());
  for (int i = 0; i < rounds; ++i) values = substitute(body, values);
  return values;
}

}  // namespace nxv

#include "testing/random/graph_check.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "graph/attention.h"
#include "testing/random/random_call.h"
#include "testing/random/random_products.h"
#include "testing/random/random_rows.h"

namespace nxv {
namespace {

// Inputs before their readers.
void collect(const NodeRef& node, std::set<const Node*>& seen, std::vector<NodeRef>& order) {
  if (!seen.insert(node.get()).second) return;
  for (const NodeRef& input : node->inputs) collect(input, seen, order);
  // What has several results is looked at by them.
  if (!has_results(*node)) order.push_back(node);
}

std::vector<NodeRef> nodes_of(const std::vector<NodeRef>& roots) {
  std::set<const Node*> seen;
  std::vector<NodeRef> order;
  for (const NodeRef& root : roots) collect(root, seen, order);
  return order;
}

// Whether something is computed from f64 or to it. What is only renamed does not count.
bool needs_f64(const std::vector<NodeRef>& nodes) {
  const auto is_wide = [](const NodeRef& n) { return to_real(n->dtype) == DType::f64; };
  return std::any_of(nodes.begin(), nodes.end(), [&](const NodeRef& n) {
    if (n->op == Op::data || n->op == Op::reshape) return false;
    return is_wide(n) || std::any_of(n->inputs.begin(), n->inputs.end(), is_wide);
  });
}

// Empty when evaluating fails as it must where there is no f64.
std::string refusal(const GraphEvaluator& device, const std::vector<NodeRef>& nodes) {
  try {
    device.evaluate(nodes);
  } catch (const Error& e) {
    const bool names_it = std::string_view(e.what()).find("f64") != std::string_view::npos;
    if (e.status() == Status::unsupported && names_it) return {};
    return std::string("instead of a lack of f64: ") + e.what();
  }
  return "is computed without f64";
}

}  // namespace

std::string check_graph(const std::string& label, const GraphBuilder& build,
                        const GraphEvaluator& fused, const GraphEvaluator& apart,
                        const AgreementOptions& agreement) {
  // Three copies: evaluation changes the nodes.
  const auto roots = build(fused.owner);
  const auto nodes = nodes_of(build(apart.owner));
  const auto graph_roots = build(host_graveyard());
  const auto graph = nodes_of(graph_roots);

  std::string wrong;
  const auto report = [&](const std::string& what) {
    if (!what.empty()) wrong += label + ": " + what + "\n";
  };
  if (!agreement.f64 && needs_f64(graph)) {
    report(refusal(fused, roots));
    report(refusal(apart, nodes));
    return wrong;
  }

  const std::vector<HostTensor> results = fused.evaluate(roots);
  const std::vector<HostTensor> values = apart.evaluate(nodes);
  std::unordered_map<const Node*, const HostTensor*> value_of;
  for (size_t i = 0; i < graph.size(); ++i) value_of[graph[i].get()] = &values[i];

  for (const NodeRef& node : graph) {
    if (node->op == Op::data) continue;
    std::vector<HostTensor> inputs;
    for (const NodeRef& input : operation_of(*node).inputs) {
      inputs.push_back(*value_of.at(input.get()));
    }
    report(disagreement(*node, inputs, *value_of.at(node.get()), agreement));
  }
  for (size_t i = 0; i < graph_roots.size(); ++i) {
    const std::string off = difference(results[i], *value_of.at(graph_roots[i].get()));
    if (off.empty()) continue;
    report(std::string(name(graph_roots[i]->op)) + " fused and one node at a time, " + off);
  }
  return wrong;
}

std::string check_random_graph(uint64_t seed, const RandomGraphOptions& options,
                               const GraphEvaluator& fused, const GraphEvaluator& apart,
                               const AgreementOptions& agreement) {
  const auto build = [&](const GraveyardRef& owner) { return random_graph(owner, seed, options); };
  return check_graph("seed " + std::to_string(seed), build, fused, apart, agreement);
}

std::string check_random_rows(uint64_t seed, const GraphEvaluator& fused,
                              const GraphEvaluator& apart, const AgreementOptions& agreement) {
  const auto build = [&](const GraveyardRef& owner) { return random_rows(owner, seed); };
  return check_graph("rows of seed " + std::to_string(seed), build, fused, apart, agreement);
}

std::string check_random_products(uint64_t seed, const GraphEvaluator& fused,
                                  const GraphEvaluator& apart, const AgreementOptions& agreement) {
  const auto build = [&](const GraveyardRef& owner) { return random_products(owner, seed); };
  return check_graph("products of seed " + std::to_string(seed), build, fused, apart, agreement);
}

std::string check_random_call(uint64_t seed, const GraphEvaluator& fused,
                              const GraphEvaluator& apart, const AgreementOptions& agreement) {
  const std::string label =
      random_call(host_graveyard(), seed).name + ", seed " + std::to_string(seed);
  const auto build = [&](const GraveyardRef& owner) { return random_call(owner, seed).results; };
  return check_graph(label, build, fused, apart, agreement);
}

std::vector<Op> real_ops() {
  std::vector<Op> ops;
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (op != Op::conjugate && op != Op::real && op != Op::imag) ops.push_back(op);
  }
  return ops;
}

}  // namespace nxv

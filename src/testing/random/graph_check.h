// The property that random graphs are for: evaluated fused and one node at a time they give the
// same bits, and each node what the reference makes of the same operands.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/build.h"
#include "testing/numbers/agreement.h"
#include "testing/random/random_graph.h"

namespace nxv {

// Something that evaluates the nodes of an owner, in order.
struct GraphEvaluator {
  GraveyardRef owner;
  std::function<std::vector<HostTensor>(std::span<const NodeRef>)> evaluate;
};

// The same graph for any owner; its roots.
using GraphBuilder = std::function<std::vector<NodeRef>(const GraveyardRef&)>;

// Everything that is wrong, one a line, each starting with `label`; empty when nothing is. On a
// device without f64, what needs it must fail with `unsupported` and name the capability.
std::string check_graph(const std::string& label, const GraphBuilder& build,
                        const GraphEvaluator& fused, const GraphEvaluator& apart,
                        const AgreementOptions& agreement);

std::string check_random_graph(uint64_t seed, const RandomGraphOptions& options,
                               const GraphEvaluator& fused, const GraphEvaluator& apart,
                               const AgreementOptions& agreement);
std::string check_random_rows(uint64_t seed, const GraphEvaluator& fused,
                              const GraphEvaluator& apart, const AgreementOptions& agreement);
std::string check_random_products(uint64_t seed, const GraphEvaluator& fused,
                                  const GraphEvaluator& apart, const AgreementOptions& agreement);
std::string check_random_call(uint64_t seed, const GraphEvaluator& fused,
                              const GraphEvaluator& apart, const AgreementOptions& agreement);

// The table without what only complex numbers need.
std::vector<Op> real_ops();

}  // namespace nxv

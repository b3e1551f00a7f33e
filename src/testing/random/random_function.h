// Random functions with loops and branches nested in them, the same on every platform for a seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/function.h"
#include "testing/random/random_graph.h"
#include "testing/reference/reference.h"

namespace nxv {

struct RandomFunction {
  FunctionRef function;
  std::vector<HostTensor> arguments;
};

// Graphs of operations (random_graph) and of the library's that update in place, between loops and
// branches: some of these count what the host knows, others depend on values alone, and none has
// more than a few rounds. Equal for equal seeds and options, whatever the owner. Nothing raises.
RandomFunction random_function(const GraveyardRef& owner, uint64_t seed,
                               const RandomGraphOptions& options);
// The results of the same function in terms of any nodes of its arguments' types and shapes.
std::vector<NodeRef> random_results(const GraveyardRef& owner, uint64_t seed,
                                    const RandomGraphOptions& options,
                                    std::vector<NodeRef> arguments);

// Its nodes, one a line, and those of the functions in it, indented.
std::string text_of(const Function& function);

// A drawing of options: small graphs of few types.
RandomGraphOptions random_function_options(uint64_t seed);

}  // namespace nxv

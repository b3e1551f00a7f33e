// The body of a function of scalars, as a caller builds it from parameter nodes.
//
// What depends on a parameter is computed for each call; so are constants, which cost nothing. Any
// other scalar has a value of its own: it is captured, computed once and read by each call.
#pragma once

#include <vector>

#include "graph/node.h"

namespace nxv {

struct FunctionBody {
  std::vector<const Node*> nodes;     // parameters, constants, operations; inputs before readers
  std::vector<const Node*> captured;  // in the order of their first use
  const Node* result = nullptr;       // one of either
};

// Throws Error(invalid_argument) for what a function may not contain: values of more than one
// element, operations other than elementwise ones, parameters of another function.
FunctionBody function_body(const NodeRef& result, const std::vector<NodeRef>& parameters);

}  // namespace nxv

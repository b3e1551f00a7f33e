// Gradients written out as graphs, operation by operation, as Nx.Defn.Grad writes them.
#pragma once

#include <span>
#include <vector>

#include "graph/build.h"

namespace nxv {

// Of parameters, by the gradient of a value that is made of them by products, sums and maxima along
// axes, pointwise arithmetic, exp, selections, casts, reshapes, transposes, slices of step 1 and
// broadcasts. What masks select is f32, as there. Follows pending nodes.
std::vector<NodeRef> written_gradients(const NodeRef& value, const NodeRef& gradient,
                                       std::span<const NodeRef> parameters,
                                       bool maxima_are_constants = false);

}  // namespace nxv

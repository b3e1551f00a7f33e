// Factors of products that casts widened.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Values in which products of f32 read f16 and bf16 that casts widen, also behind views, as they
// are: kernels widen what they load, and add up by the type of the product, so that elements have
// the same bits. Follows pending nodes: the engine's thread only.
std::vector<NodeRef> with_narrow_factors(std::span<const NodeRef> values);

}  // namespace nxv

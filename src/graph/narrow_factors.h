// Factors of products that casts widened.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// What a cast widens from f16 or bf16 to f32, below views of one value, viewed alike; null where
// there is none.
NodeRef before_widening(const NodeRef& x);

// Values in which products of f32 read f16 and bf16 that casts widen, also behind views, as they
// are: kernels widen what they load, and add up by the type of the product, so that elements have
// the same bits. Follows pending nodes: the engine's thread only.
std::vector<NodeRef> with_narrow_factors(std::span<const NodeRef> values);

}  // namespace nxv

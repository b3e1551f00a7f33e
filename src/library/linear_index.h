// Linear indices as expressions of s32 nodes, and what the host knows of indices.
#pragma once

#include <optional>
#include <span>

#include "graph/node.h"

namespace nxv::library {

// An s32 scalar.
NodeRef s32(const std::shared_ptr<Graveyard>& owner, int64_t value);
// a + b and x * factor, with nothing to do for no node and the factor 1.
NodeRef plus(const NodeRef& a, const NodeRef& b);
NodeRef times(const NodeRef& x, int64_t factor);

// The sum over the axes of coordinate * factors[axis], of a shape that broadcasts to `shape`.
// Factors of 0 and axes of one element add nothing; no node when nothing is left.
NodeRef offsets(const std::shared_ptr<Graveyard>& owner, const Shape& shape,
                std::span<const int64_t> factors);

// Element i of an integer tensor, where the host knows it: constants, and uploads that it kept.
// Beyond the range of s64 the largest s64.
std::optional<int64_t> known_integer(const Node& node, int64_t i);

// The start of `length` elements within `size`, as a scalar in [0, size - length]: any integer is
// clamped.
NodeRef clamped_start(const NodeRef& start, int64_t size, int64_t length);

// Whether the host knows the indices, and that they are inside; throws Error(out_of_bounds) with
// Nx's words when one is not. Element i is a position along axis first + i % axes of `shape`.
bool known_inside(const Node& indices, int64_t first, int64_t axes, const Shape& shape);
// Indices as s32 in [0, size); where they are not known to be inside, others are a fault.
NodeRef position(const NodeRef& indices, bool is_inside, int64_t size);

}  // namespace nxv::library

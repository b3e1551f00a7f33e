// Sums of parts that lie side by side.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Values in which a sum of f32 tensors, each padded with zeros along one axis, of which every place
// has one, is a concatenation, if all of them are f16 or bf16 that were widened: it is widened
// then, behind views of it. So are gradients of slices added up, such as those of queries, keys and
// values of one product. Elements have the same bits. Follows pending nodes: the engine's thread
// only.
std::vector<NodeRef> with_joined_parts(std::span<const NodeRef> values);

}  // namespace nxv

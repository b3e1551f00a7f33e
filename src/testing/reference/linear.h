// Linear algebra on whole tensors, one matrix after the other.
#pragma once

#include <span>

#include "graph/node.h"
#include "testing/reference/reference.h"

namespace nxv::reference {

// Results are packed as the nodes have them (see kernels/lu.cpp, qr.cpp, eigh.cpp, svd.cpp).
// Throws Error(arithmetic) for a triangular system with a zero on its diagonal.
HostTensor evaluate_linear(const Node& node, std::span<const HostTensor* const> inputs);

}  // namespace nxv::reference

// Gathers and the operations with kernels of their own, as plainly as possible.
#pragma once

#include <span>

#include "testing/reference/reference.h"

namespace nxv::reference {

// Throws an Error of the same status where a kernel would report a fault.
HostTensor evaluate_library(const Node& node, std::span<const HostTensor* const> inputs);

HostTensor evaluate_fold(const Node& node, std::span<const HostTensor* const> inputs);

}  // namespace nxv::reference

// How many pieces of d cover n.
#pragma once

#include <cstdint>

namespace nxv::kernels {

constexpr uint64_t divide_up(uint64_t n, uint64_t d) { return (n + d - 1) / d; }

}  // namespace nxv::kernels

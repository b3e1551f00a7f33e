// What tells the attributes of two nodes of one operation apart, as words.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Appends it. `with_scalars`: the numbers of constants and of random streams too, which kernels
// take as words. What follows from types and shapes is left out. False where words cannot tell:
// functions of scalars.
bool append_attributes(std::vector<uint64_t>& words, const Attributes& attributes,
                       bool with_scalars);

}  // namespace nxv

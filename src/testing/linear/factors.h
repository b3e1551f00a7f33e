// Whether decompositions are what they should be: their results are not unique, so that no other
// values can be compared with them.
#pragma once

#include <string>

#include "testing/reference/reference.h"

namespace nxv {

// lu, qr, eigh and svd.
bool is_decomposition(Op op);

// `got` is what a device made of such a node for `x`, packed as library/linear_parts.cpp takes it
// apart. The factors must multiply to x and have orthonormal columns, to 10 units: epsilon times
// the root of the size. Empty, or what is wrong.
std::string factor_error(const Node& node, const HostTensor& x, const HostTensor& got);

}  // namespace nxv

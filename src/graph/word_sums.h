// Products of 8-bit integers whose sums 32 bits tell.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace nxv {

class Node;

// Integers of a byte, of all bits of it or of fewer.
inline bool is_byte(DType t) { return is_integer(t) && storage_bytes(t) == 1; }

// Whether sums modulo 2^32 of products of `a` and `b` tell sums of the type: it is an integer of no
// more bits, or k is too short for a sum to leave them, or to be rounded as a float.
bool has_word_sums(DType sum, DType a, DType b, uint64_t k);

// Whether the node casts 8-bit integers to a type that has all of their values.
bool widens_bytes(const Node& cast);

}  // namespace nxv

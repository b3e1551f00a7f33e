// 64-bit integers in memory and in casts: vectors of u32, low half first, lane by lane.
#pragma once

#include "ir/passes/wide.h"

namespace nxv::ir {

inline constexpr bool is_wide(Type t) { return t.scalar == Scalar::u64 || t.scalar == Scalar::s64; }
// The type of either half.
inline constexpr Type halves(Type t) { return with_scalar(t, Scalar::u32); }
// The vector that a wide number is in memory. Four numbers are two of these.
inline constexpr Type words(Type t) { return vec(kU32, t.lanes == 4 ? 4 : 2 * t.lanes); }
inline constexpr bool is_split_in_memory(Type t) { return is_wide(t) && t.lanes == 4; }

// Of one or two numbers.
Value joined(Wide w);
Wide split(Value words);
// Four numbers from two and two, and back: lanes 0 1 (half 0) or 2 3 (half 1).
Wide concatenated(Wide first, Wide second);
Wide half_of(Wide w, int half);

// Casts between wide numbers and other types of 64 bits a lane or of twice the lanes.
Wide bitcast_to_wide(Value v, Type to);
Value bitcast_from_wide(Wide w, Type to);

}  // namespace nxv::ir

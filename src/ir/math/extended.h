// Numbers that carry more precision than the result they lead to.
//
// An f32 result is computed in one f64 where the device has it, else in an unevaluated sum of two
// f32; an f64 result in a sum of two f64. A step towards a type narrower than f32 is one f32. The
// algorithms of this folder are written once, over Extended. Pairs are normalised: lo is at most
// half a unit in the last place of hi. Pair products split their factors (Dekker), which overflows
// beyond 2^115 (f32) and 2^996 (f64): callers keep away from there. Infinities and NaN do not
// survive pair arithmetic as IEEE has them; callers clamp and select.
#pragma once

#include "ir/math/math.h"

namespace nxv::ir::math {

enum class Carrier : uint8_t { f64, pair_f32, pair_f64, f32 };

// How a function of type t is computed.
struct Arithmetic {
  Carrier carrier;
  bool fused = false;     // fma of the base type rounds once
  bool branches = false;  // see MathOptions

  Arithmetic(Type t, const MathOptions& options);
  bool is_pair() const { return carrier == Carrier::pair_f32 || carrier == Carrier::pair_f64; }
  bool is_f32() const { return carrier == Carrier::pair_f32 || carrier == Carrier::f32; }
  Type base() const { return is_f32() ? kF32 : kF64; }
  // One of three values, in the order of Carrier; one f32 has that of two.
  template <typename T>
  T pick(T f64, T pair_f32, T pair_f64) const {
    return carrier == Carrier::f64 ? f64 : is_f32() ? pair_f32 : pair_f64;
  }
};

struct Extended {
  Arithmetic arithmetic;
  Value hi;
  Value lo = {};  // absent: exactly zero, and always where the carrier is no pair

  Builder& builder() const { return hi.builder(); }
  bool has_lo() const { return static_cast<bool>(lo); }
  // The number hi + lo of the result's type; for Carrier::f64 still f64.
  Value value() const { return lo ? hi + lo : hi; }
};

// An argument that its type does not hold: value + rest, value being the nearest number that it
// does. Where functions compute in pairs, an integer has a rest (whole.h); a float never has.
struct Argument {
  Value value;
  Value rest = {};  // absent: exactly zero
};
Argument abs(const Argument& x);

// x in the carrier of its results: converted to f64 for Carrier::f64.
Value widen(Value x, const Arithmetic& arithmetic);
// Rounds to the type of the result.
Value narrow(Value v, Type t);
// The constant hi + lo, cut to the carrier's precision.
Extended constant(Builder& b, const Arithmetic& arithmetic, double hi, double lo = 0);

// Exact: a + b = sum; sum with |a| >= |b| or a = 0; a * b.
Extended two_sum(const Arithmetic& arithmetic, Value a, Value b);
Extended fast_two_sum(const Arithmetic& arithmetic, Value a, Value b);
Extended two_product(const Arithmetic& arithmetic, Value a, Value b);

Extended operator+(const Extended& a, const Extended& b);
Extended operator-(const Extended& a, const Extended& b);
Extended operator*(const Extended& a, const Extended& b);
Extended operator/(const Extended& a, const Extended& b);
Extended operator-(const Extended& a);
Extended sqrt(const Extended& a);  // of zero: zero

// The f32 that hi + lo is, or of its two neighbours the one with an odd last bit: rounding it
// further, to fewer than 23 bits, rounds hi + lo once. |hi| >= |lo| or hi = 0; infinities and NaN
// of hi stay.
Value round_to_odd(const Extended& a);

// hi + lo for a small correction lo that needs no more than the base precision.
Extended correct(const Extended& a, Value correction);

// Results of f64 may be composed of functions that are themselves rounded to f64: the f64 nearest
// to a, from where on arithmetic is that of f64. Steps towards f32 keep their precision.
Extended rounded(const Extended& a);

// a * power for a power of two.
Extended scale(const Extended& a, Value power);
Extended select(Value condition, const Extended& a, const Extended& b);

}  // namespace nxv::ir::math

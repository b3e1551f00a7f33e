// Exact integers of 65 bits, and conversions between stored numbers.
#pragma once

#include <compare>
#include <complex>
#include <cstdint>

#include "base/dtype.h"
#include "base/scalar.h"

namespace nxv::reference {

// Any value of any integer type. Zero is never negative.
struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;

  // The low 64 bits in two's complement.
  uint64_t low_bits() const { return negative ? ~magnitude + 1 : magnitude; }
  bool operator==(const Integer&) const = default;
};

Integer to_integer(const Scalar& s);
double to_double(Integer n);

// Converts to another type: integers wrap, reals round once or truncate, complex numbers drop
// their imaginary part for a real type.
Scalar convert(const Scalar& s, DType to);

// By value, across types; unordered when either is NaN. Real numbers only.
std::partial_ordering compare(const Scalar& a, const Scalar& b);
// Also of complex numbers; NaN equals nothing.
bool equal(const Scalar& a, const Scalar& b);

bool is_nan(const Scalar& s);
bool is_infinity(const Scalar& s);
// NaN is true, -0.0 false.
bool is_true(const Scalar& s);

}  // namespace nxv::reference

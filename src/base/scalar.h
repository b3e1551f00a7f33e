// One number of any DType, and the host's conversions between numbers and their stored bits.
#pragma once

#include <complex>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace nxv {

// The stored bits of a number: the low bits of `lo` for all types but c64 (re in the low half of
// lo, im in the high half) and c128 (re in lo, im in hi).
struct Scalar {
  DType dtype = DType::f32;
  uint64_t lo = 0;
  uint64_t hi = 0;
  bool operator==(const Scalar&) const = default;
};

// Integers wrap to the type's width; reals round once, to nearest even (f8_e4m3fn saturates); an
// integer type given a real truncates it, wraps, and answers 0 for NaN and its bounds for ±Inf.
Scalar make_scalar(DType dtype, int64_t value);
Scalar make_scalar(DType dtype, uint64_t value);
Scalar make_scalar(DType dtype, double value);
Scalar make_scalar(DType dtype, std::complex<double> value);

// Exact for every type but 64-bit integers beyond 2^53.
double to_double(const Scalar& s);
std::complex<double> to_complex_double(const Scalar& s);
// Integers and truncated reals.
int64_t to_int64(const Scalar& s);

// Element i of an array stored with storage_bytes(dtype) bytes an element.
Scalar load_scalar(DType dtype, const std::byte* data, int64_t i);
void store_scalar(const Scalar& s, std::byte* data, int64_t i);

// Rounds to a narrow float format and gives its bits (f16, bf16, f8_e5m2, f8_e4m3fn).
uint16_t encode_narrow(DType dtype, double value);
double decode_narrow(DType dtype, uint16_t bits);

// Between packed elements (sub-byte types bit-packed, most significant bits first) and one element
// a byte, as on the device. For other types both are plain copies.
void unpack_elements(DType dtype, const std::byte* packed, int64_t count, std::byte* storage);
void pack_elements(DType dtype, const std::byte* storage, int64_t count, std::byte* packed);

}  // namespace nxv

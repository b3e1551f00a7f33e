#include "base/scalar.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace nxv {
namespace {

struct FloatFormat {
  int mantissa;  // stored bits
  int exponent;  // bits
};

FloatFormat format(DType t) {
  switch (t) {
    case DType::f8_e4m3fn:
      return {3, 4};
    case DType::f8_e5m2:
      return {2, 5};
    case DType::bf16:
      return {7, 8};
    default:
      return {10, 5};
  }
}

uint64_t width_mask(DType t) { return bits(t) == 64 ? ~uint64_t{0} : (uint64_t{1} << bits(t)) - 1; }

// Stored form of an integer: sub-byte types keep their value sign- or zero-extended to a byte.
uint64_t wrap(DType t, uint64_t value) {
  value &= width_mask(t);
  if (is_signed_int(t) && bits(t) < 8 && (value >> (bits(t) - 1)) != 0)
    value |= 0xff & ~width_mask(t);
  return value;
}

// Low 64 bits of trunc(value) as a two's complement number of any size.
uint64_t truncate_modulo(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::trunc(value), &exponent);
  const auto mantissa = static_cast<int64_t>(std::ldexp(fraction, 53));
  exponent -= 53;
  if (exponent <= 0)
    return static_cast<uint64_t>(mantissa / (int64_t{1} << std::min(-exponent, 62)));
  return exponent >= 64 ? 0 : static_cast<uint64_t>(mantissa) << exponent;
}

}  // namespace

uint16_t encode_narrow(DType t, double value) {
  const auto [mantissa_bits, exponent_bits] = format(t);
  const bool finite_only = t == DType::f8_e4m3fn;
  const uint16_t sign = std::signbit(value) ? 1u << (mantissa_bits + exponent_bits) : 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto max_exponent = static_cast<uint16_t>((1 << exponent_bits) - 1);
  if (std::isnan(value)) {
    if (finite_only) return 0x7f;
    return static_cast<uint16_t>(max_exponent << mantissa_bits | 1 << (mantissa_bits - 1));
  }
  // Infinity has no exponent; what this large a number overflows to is the same.
  const double magnitude = std::min(std::fabs(value), 0x1p200);
  // Spacing of representable numbers around the magnitude; below the smallest normal it is
  // constant.
  int e = magnitude == 0 ? 0 : std::ilogb(magnitude);
  e = std::max(e, 1 - bias);
  const double units = std::nearbyint(std::ldexp(magnitude, mantissa_bits - e));
  // units in [2^mantissa, 2^(mantissa + 1)] for normals: the carry moves into the exponent by
  // itself.
  const double implied = std::ldexp(1.0, mantissa_bits);
  double code = units;
  if (units >= implied) code = (e + bias) * implied + (units - implied);
  const double largest = finite_only ? 0x7e : (max_exponent << mantissa_bits) - 1;
  if (!(code <= largest)) code = finite_only ? 0x7e : max_exponent << mantissa_bits;
  return sign | static_cast<uint16_t>(code);
}

double decode_narrow(DType t, uint16_t code) {
  const auto [mantissa_bits, exponent_bits] = format(t);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int max_exponent = (1 << exponent_bits) - 1;
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  const int exponent = (code >> mantissa_bits) & max_exponent;
  const bool negative = (code >> (mantissa_bits + exponent_bits)) & 1;
  double magnitude = 0;
  if (t == DType::f8_e4m3fn && (code & 0x7f) == 0x7f) {
    magnitude = std::numeric_limits<double>::quiet_NaN();
  } else if (t != DType::f8_e4m3fn && exponent == max_exponent) {
    magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    magnitude = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    magnitude = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return negative ? -magnitude : magnitude;
}

Scalar make_scalar(DType t, uint64_t value) {
  if (is_integer(t)) return {t, wrap(t, value), 0};
  if (t == DType::f32) return {t, std::bit_cast<uint32_t>(static_cast<float>(value)), 0};
  if (t == DType::c64) return {t, std::bit_cast<uint32_t>(static_cast<float>(value)), 0};
  return make_scalar(t, static_cast<double>(value));
}

Scalar make_scalar(DType t, int64_t value) {
  if (is_integer(t)) return {t, wrap(t, static_cast<uint64_t>(value)), 0};
  if (t == DType::f32) return {t, std::bit_cast<uint32_t>(static_cast<float>(value)), 0};
  if (t == DType::c64) return {t, std::bit_cast<uint32_t>(static_cast<float>(value)), 0};
  return make_scalar(t, static_cast<double>(value));
}

Scalar make_scalar(DType t, double value) {
  if (is_complex(t)) return make_scalar(t, std::complex<double>(value, 0.0));
  if (t == DType::f32) return {t, std::bit_cast<uint32_t>(static_cast<float>(value)), 0};
  if (t == DType::f64) return {t, std::bit_cast<uint64_t>(value), 0};
  if (is_real_float(t)) return {t, encode_narrow(t, value), 0};
  if (std::isnan(value)) return {t, 0, 0};
  if (std::isinf(value)) {
    const uint64_t top = uint64_t{1} << (bits(t) - 1);
    if (is_unsigned(t)) return {t, value > 0 ? width_mask(t) : 0, 0};
    return {t, wrap(t, value > 0 ? top - 1 : top), 0};
  }
  return {t, wrap(t, truncate_modulo(value)), 0};
}

Scalar make_scalar(DType t, std::complex<double> value) {
  if (t == DType::c128) {
    return {t, std::bit_cast<uint64_t>(value.real()), std::bit_cast<uint64_t>(value.imag())};
  }
  if (t == DType::c64) {
    const auto re = std::bit_cast<uint32_t>(static_cast<float>(value.real()));
    const auto im = std::bit_cast<uint32_t>(static_cast<float>(value.imag()));
    return {t, re | static_cast<uint64_t>(im) << 32, 0};
  }
  return make_scalar(t, value.real());
}

int64_t to_int64(const Scalar& s) {
  if (!is_integer(s.dtype)) {
    return static_cast<int64_t>(make_scalar(DType::s64, to_double(s)).lo);
  }
  if (is_unsigned(s.dtype) || bits(s.dtype) == 64) return static_cast<int64_t>(s.lo);
  const int shift = 64 - bits(s.dtype);
  return static_cast<int64_t>(s.lo << shift) >> shift;
}

double to_double(const Scalar& s) {
  switch (s.dtype) {
    case DType::f32:
      return std::bit_cast<float>(static_cast<uint32_t>(s.lo));
    case DType::f64:
      return std::bit_cast<double>(s.lo);
    case DType::c64:
    case DType::c128:
      return to_complex_double(s).real();
    case DType::u64:
      return static_cast<double>(s.lo);
    default:
      break;
  }
  if (is_real_float(s.dtype)) return decode_narrow(s.dtype, static_cast<uint16_t>(s.lo));
  return static_cast<double>(to_int64(s));
}

std::complex<double> to_complex_double(const Scalar& s) {
  if (s.dtype == DType::c64) {
    return {std::bit_cast<float>(static_cast<uint32_t>(s.lo)),
            std::bit_cast<float>(static_cast<uint32_t>(s.lo >> 32))};
  }
  if (s.dtype == DType::c128) return {std::bit_cast<double>(s.lo), std::bit_cast<double>(s.hi)};
  return {to_double(s), 0.0};
}

Scalar load_scalar(DType t, const std::byte* data, int64_t i) {
  Scalar s{t, 0, 0};
  const int n = storage_bytes(t);
  std::memcpy(&s.lo, data + i * n, std::min(n, 8));
  if (n == 16) std::memcpy(&s.hi, data + i * n + 8, 8);
  return s;
}

void store_scalar(const Scalar& s, std::byte* data, int64_t i) {
  const int n = storage_bytes(s.dtype);
  std::memcpy(data + i * n, &s.lo, std::min(n, 8));
  if (n == 16) std::memcpy(data + i * n + 8, &s.hi, 8);
}

namespace {

// A byte of packed elements at a time, so that compilers unroll and vectorise: what callers are
// kept waiting for. Elements are stored as `wrap` has them.
template <int width, bool is_signed>
struct Packed {
  static constexpr int kPerByte = 8 / width;
  static constexpr unsigned kMask = (1u << width) - 1, kSign = is_signed ? 1u << (width - 1) : 0;

  static constexpr int shift(int i) { return 8 - width * (i + 1); }
  static std::byte element(std::byte packed, int i) {
    const unsigned value = (std::to_integer<unsigned>(packed) >> shift(i)) & kMask;
    return static_cast<std::byte>((value ^ kSign) - kSign);
  }
  static void unpack(const std::byte* packed, int64_t count, std::byte* storage) {
    for (int64_t b = 0; b < count / kPerByte; ++b) {
      for (int i = 0; i < kPerByte; ++i) storage[b * kPerByte + i] = element(packed[b], i);
    }
    for (int64_t k = count / kPerByte * kPerByte; k < count; ++k) {
      storage[k] = element(packed[k / kPerByte], static_cast<int>(k % kPerByte));
    }
  }
  static std::byte pack_byte(const std::byte* elements, int count) {
    unsigned byte = 0;
    for (int i = 0; i < count; ++i) {
      byte |= (std::to_integer<unsigned>(elements[i]) & kMask) << shift(i);
    }
    return static_cast<std::byte>(byte);
  }
  static void pack(const std::byte* storage, int64_t count, std::byte* packed) {
    const int64_t whole = count / kPerByte;
    for (int64_t b = 0; b < whole; ++b) packed[b] = pack_byte(storage + b * kPerByte, kPerByte);
    if (count % kPerByte != 0) {
      packed[whole] = pack_byte(storage + whole * kPerByte, static_cast<int>(count % kPerByte));
    }
  }
};

// Calls `use` with the Packed of a type of fewer than 8 bits.
template <typename Use>
void with_packed(DType t, Use use) {
  const bool is_signed = is_signed_int(t);
  if (bits(t) == 2) return is_signed ? use(Packed<2, true>()) : use(Packed<2, false>());
  return is_signed ? use(Packed<4, true>()) : use(Packed<4, false>());
}

}  // namespace

void unpack_elements(DType t, const std::byte* packed, int64_t count, std::byte* storage) {
  if (bits(t) >= 8) {
    std::memcpy(storage, packed, static_cast<size_t>(count * storage_bytes(t)));
    return;
  }
  with_packed(t, [&](auto form) { form.unpack(packed, count, storage); });
}

void pack_elements(DType t, const std::byte* storage, int64_t count, std::byte* packed) {
  if (bits(t) >= 8) {
    std::memcpy(packed, storage, static_cast<size_t>(count * storage_bytes(t)));
    return;
  }
  with_packed(t, [&](auto form) { form.pack(storage, count, packed); });
}

}  // namespace nxv

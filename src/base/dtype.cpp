#include "base/dtype.h"

#include <algorithm>
#include <array>

namespace nxv {
namespace {

constexpr std::array<DTypeInfo, kDTypeCount> kInfo = {{
    {"u2", Kind::unsigned_int, 2, 1},   {"u4", Kind::unsigned_int, 4, 1},
    {"u8", Kind::unsigned_int, 8, 1},   {"u16", Kind::unsigned_int, 16, 2},
    {"u32", Kind::unsigned_int, 32, 4}, {"u64", Kind::unsigned_int, 64, 8},
    {"s2", Kind::signed_int, 2, 1},     {"s4", Kind::signed_int, 4, 1},
    {"s8", Kind::signed_int, 8, 1},     {"s16", Kind::signed_int, 16, 2},
    {"s32", Kind::signed_int, 32, 4},   {"s64", Kind::signed_int, 64, 8},
    {"f8_e4m3fn", Kind::real, 8, 1},    {"f8", Kind::real, 8, 1},
    {"bf16", Kind::real, 16, 2},        {"f16", Kind::real, 16, 2},
    {"f32", Kind::real, 32, 4},         {"f64", Kind::real, 64, 8},
    {"c64", Kind::complex, 64, 8},      {"c128", Kind::complex, 128, 16},
}};

DType integer(bool is_signed, int bits) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const DTypeInfo& row = kInfo[i];
    if (row.kind == (is_signed ? Kind::signed_int : Kind::unsigned_int) && row.bits == bits) {
      return static_cast<DType>(i);
    }
  }
  return DType::s64;
}

DType merge_integers(DType a, DType b) {
  if (is_unsigned(a) == is_unsigned(b)) return bits(a) >= bits(b) ? a : b;
  const DType u = is_unsigned(a) ? a : b;
  const DType s = is_unsigned(a) ? b : a;
  return integer(true, std::min(64, std::max(2 * bits(u), bits(s))));
}

DType merge_reals(DType a, DType b) {
  if (a == b) return a;
  // f8_e4m3fn wins over every other float in Nx 0.13.
  if (a == DType::f8_e4m3fn || b == DType::f8_e4m3fn) return DType::f8_e4m3fn;
  if (bits(a) == bits(b)) return DType::f16;  // bf16 with f16
  return bits(a) > bits(b) ? a : b;
}

}  // namespace

const DTypeInfo& info(DType t) { return kInfo[static_cast<size_t>(t)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

DType merge(DType a, DType b) {
  if (is_integer(a) && is_integer(b)) return merge_integers(a, b);
  if (is_integer(a)) return b;
  if (is_integer(b)) return a;
  if (!is_complex(a) && !is_complex(b)) return merge_reals(a, b);
  return a == DType::c128 || b == DType::c128 || a == DType::f64 || b == DType::f64 ? DType::c128
                                                                                    : DType::c64;
}

DType to_floating(DType t) { return is_integer(t) ? DType::f32 : t; }

DType to_aggregate(DType t) {
  if (t == DType::u64) return DType::s64;  // as Nx 0.13 has it
  if (is_unsigned(t)) return DType::u32;
  if (is_signed_int(t) && t != DType::s64) return DType::s32;
  return t;
}

DType to_complex(DType t) {
  if (is_complex(t)) return t;
  return t == DType::f64 ? DType::c128 : DType::c64;
}

DType to_real(DType t) {
  if (t == DType::c64) return DType::f32;
  if (t == DType::c128) return DType::f64;
  return t;
}

int64_t packed_bytes(DType t, int64_t elements) { return (elements * bits(t) + 7) / 8; }

}  // namespace nxv

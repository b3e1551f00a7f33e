// The element types of Nx and the rules that combine them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace nxv {

// Order is part of the C ABI (nxv_dtype).
enum class DType : uint8_t {
  u2,
  u4,
  u8,
  u16,
  u32,
  u64,
  s2,
  s4,
  s8,
  s16,
  s32,
  s64,
  f8_e4m3fn,
  f8_e5m2,
  bf16,
  f16,
  f32,
  f64,
  c64,
  c128,
};
inline constexpr int kDTypeCount = 20;

enum class Kind : uint8_t { unsigned_int, signed_int, real, complex };

struct DTypeInfo {
  std::string_view name;  // as Nx prints it: "u8", "f8_e4m3fn", "f8", ...
  Kind kind;
  uint8_t bits;           // logical width; complex counts both parts
  uint8_t storage_bytes;  // bytes an element takes on the device (sub-byte types: one)
};

const DTypeInfo& info(DType t);
std::optional<DType> dtype_from_name(std::string_view name);

inline std::string_view name(DType t) { return info(t).name; }
inline int storage_bytes(DType t) { return info(t).storage_bytes; }
inline int bits(DType t) { return info(t).bits; }
inline bool is_unsigned(DType t) { return info(t).kind == Kind::unsigned_int; }
inline bool is_signed_int(DType t) { return info(t).kind == Kind::signed_int; }
inline bool is_integer(DType t) { return is_unsigned(t) || is_signed_int(t); }
inline bool is_real_float(DType t) { return info(t).kind == Kind::real; }
inline bool is_complex(DType t) { return info(t).kind == Kind::complex; }

// Type of a binary operation's result (Nx.Type.merge/2).
DType merge(DType a, DType b);
// Floating type that holds the values of t: integers become f32, others stay
// (Nx.Type.to_floating/1).
DType to_floating(DType t);
// Accumulator type of sum and product (Nx.Type.to_aggregate/1).
DType to_aggregate(DType t);
// f64 becomes c128, other reals c64; complex stays (Nx.Type.to_complex/1).
DType to_complex(DType t);
// Type of a complex number's parts; reals stay (Nx.Type.to_real/1).
DType to_real(DType t);

// Bytes of `elements` packed as Nx packs them at the boundary: sub-byte types are bit-packed, most
// significant bits first, the last byte padded with zeros.
int64_t packed_bytes(DType t, int64_t elements);

}  // namespace nxv

// Types of KernelIR's values.
//
// f16, bf16, s8 and u8 are element types of cooperative matrices alone. Sums are 16 x 16, factors
// have 16 lines of 16 steps, of 8-bit integers of 16 or 32. Where the device's own matrices have
// fewer rows or columns, each is made of several of those (passes/tile_matrices.h).
#pragma once

#include <cstdint>
#include <string>

namespace nxv::ir {

enum class Scalar : uint8_t { boolean, u32, s32, u64, s64, f16, bf16, f32, f64, s8, u8 };

// What a cooperative matrix is used as: a factor (of f16, bf16, s8 or u8) or a sum of products (of
// f32, s32 or u32).
enum class Matrix : uint8_t { none, a, b, accumulator };

inline constexpr uint32_t kMatrixSide = 16;

struct Type {
  Scalar scalar = Scalar::u32;
  uint8_t lanes = 1;  // 1, 2 or 4
  Matrix matrix = Matrix::none;
  uint8_t steps = 0;                         // of a factor: its extent along k
  uint8_t m = kMatrixSide, n = kMatrixSide;  // rows of the sum, and columns, where it has them
  bool operator==(const Type&) const = default;
};

inline constexpr Type kBool{Scalar::boolean};
inline constexpr Type kU32{Scalar::u32};
inline constexpr Type kS32{Scalar::s32};
inline constexpr Type kU64{Scalar::u64};
inline constexpr Type kS64{Scalar::s64};
inline constexpr Type kF32{Scalar::f32};
inline constexpr Type kF64{Scalar::f64};

inline constexpr Type vec(Type t, int lanes) { return {t.scalar, static_cast<uint8_t>(lanes)}; }
inline constexpr Type element(Type t) { return {t.scalar, 1}; }
// A type of the same lanes.
inline constexpr Type with_scalar(Type t, Scalar s) { return {s, t.lanes}; }

inline constexpr Type factor(Scalar scalar, Matrix use, uint32_t steps = kMatrixSide) {
  return {scalar, 1, use, static_cast<uint8_t>(steps)};
}
inline constexpr Type accumulator(Scalar scalar) { return {scalar, 1, Matrix::accumulator}; }
inline constexpr Type kAccumulator = accumulator(Scalar::f32);
inline constexpr bool is_matrix(Type t) { return t.matrix != Matrix::none; }
// Of a matrix. All that depends on a matrix's shape asks these.
inline constexpr uint32_t rows(Type t) { return t.matrix == Matrix::b ? t.steps : t.m; }
inline constexpr uint32_t columns(Type t) { return t.matrix == Matrix::a ? t.steps : t.n; }
inline constexpr uint32_t elements(Type t) { return rows(t) * columns(t); }

inline constexpr bool is_bool(Type t) { return t.scalar == Scalar::boolean; }
bool is_float(Type t);
bool is_integer(Type t);
bool is_number(Type t);  // float or integer
bool is_signed(Type t);  // floats are
bool is_64_bit(Type t);  // each lane
bool is_narrow(Type t);  // each lane or element has less than 32 bits
int bytes(Type t);       // of one value (or element of a matrix) in memory; boolean has none

// Another code for each type: for tables and fingerprints.
inline constexpr uint64_t code(Type t) {
  return static_cast<uint64_t>(t.scalar) | static_cast<uint64_t>(t.lanes) << 8 |
         static_cast<uint64_t>(t.matrix) << 16 | static_cast<uint64_t>(t.steps) << 24 |
         static_cast<uint64_t>(kMatrixSide - t.m) << 32 |
         static_cast<uint64_t>(kMatrixSide - t.n) << 40;
}
std::string to_string(Type t);

}  // namespace nxv::ir

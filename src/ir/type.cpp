#include "ir/type.h"

#include <string_view>

#include "base/error.h"

namespace nxv::ir {

bool is_float(Type t) {
  return t.scalar == Scalar::f32 || t.scalar == Scalar::f64 || t.scalar == Scalar::f16 ||
         t.scalar == Scalar::bf16;
}

bool is_integer(Type t) {
  return t.scalar == Scalar::u32 || t.scalar == Scalar::s32 || t.scalar == Scalar::u64 ||
         t.scalar == Scalar::s64 || t.scalar == Scalar::s8 || t.scalar == Scalar::u8;
}

bool is_number(Type t) { return is_float(t) || is_integer(t); }

bool is_signed(Type t) {
  return is_float(t) || t.scalar == Scalar::s32 || t.scalar == Scalar::s64 ||
         t.scalar == Scalar::s8;
}

bool is_64_bit(Type t) { return !is_bool(t) && bytes(element(t)) == 8; }
bool is_narrow(Type t) { return !is_bool(t) && bytes(element(t)) < 4; }

int bytes(Type t) {
  switch (t.scalar) {
    case Scalar::boolean:
      break;
    case Scalar::s8:
    case Scalar::u8:
      return t.lanes;
    case Scalar::f16:
    case Scalar::bf16:
      return 2 * t.lanes;
    case Scalar::u32:
    case Scalar::s32:
    case Scalar::f32:
      return 4 * t.lanes;
    case Scalar::u64:
    case Scalar::s64:
    case Scalar::f64:
      return 8 * t.lanes;
  }
  throw Error(Status::internal, "a boolean has no size in memory; convert it to u32");
}

std::string to_string(Type t) {
  static constexpr std::string_view kNames[] = {"bool", "u32", "s32", "u64", "s64", "f16",
                                                "bf16", "f32", "f64", "s8",  "u8"};
  std::string text(kNames[static_cast<size_t>(t.scalar)]);
  if (t.lanes != 1) text += "x" + std::to_string(t.lanes);
  static constexpr std::string_view kUses[] = {"", "_a", "_b", "_sum"};
  text += kUses[static_cast<size_t>(t.matrix)];
  if (t.steps > kMatrixSide) text += std::to_string(t.steps);
  if (t.m != kMatrixSide || t.n != kMatrixSide) {
    text += "_" + std::to_string(rows(t)) + "x" + std::to_string(columns(t));
  }
  return text;
}

}  // namespace nxv::ir

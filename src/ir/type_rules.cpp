#include "ir/type_rules.h"

namespace nxv::ir {
namespace {

bool is_one_or_as_many(Type t, Type result) { return t.lanes == 1 || t.lanes == result.lanes; }

}  // namespace

RuleCheck check(Result rule, Type t) {
  switch (rule) {
    case Result::none:
      return {t == kBool, "bool, which instructions without a type are of"};
    case Result::any:
      return {true, "anything"};
    case Result::boolean:
      return {is_bool(t), "boolean"};
    case Result::number:
      return {is_number(t), "a number"};
    case Result::floating:
      return {is_float(t), "a float"};
    case Result::f32:
      return {t.scalar == Scalar::f32, "f32 (see ir/math/rounding.cpp)"};
    case Result::integer:
      return {is_integer(t), "an integer"};
    case Result::integer32:
      return {is_integer(t) && !is_64_bit(t), "a 32-bit integer"};
    case Result::u32:
      return {t.scalar == Scalar::u32, "u32"};
    case Result::scalar:
      return {t.lanes == 1, "of one lane"};
    case Result::vector:
      return {t.lanes > 1, "a vector"};
    case Result::one_u32:
      return {t == kU32, "u32 of one lane"};
    case Result::one_f32:
      return {t == kF32, "f32 of one lane"};
    case Result::one_word:
      return {t == kU32 || t == kS32, "u32 or s32 of one lane"};
    case Result::ballot:
      return {t == vec(kU32, 4), "u32x4"};
    case Result::matrix:
      return {is_matrix(t), "a cooperative matrix"};
    case Result::accumulator:
      return {t.matrix == Matrix::accumulator, "an accumulator"};
  }
  return {false, "named by a rule of the table"};
}

RuleCheck check(Operand rule, Type t, Type result, Type first) {
  const bool alike = t.lanes == result.lanes;
  switch (rule) {
    case Operand::same:
    case Operand::variable:
      return {t == result, "of the same type"};
    case Operand::like_first:
      return {t == first, "of the first operand's type"};
    case Operand::one_lane:
      return {t == element(result), "of the type of one lane"};
    case Operand::vector:
      return {t.lanes > 1 && element(t) == result, "a vector of that type"};
    case Operand::alike:
      return {alike, "of as many lanes"};
    case Operand::alike_number:
      return {alike && is_number(t), "a number of as many lanes"};
    case Operand::alike_unsigned:
      return {alike && is_integer(t) && !is_signed(t), "an unsigned integer of as many lanes"};
    case Operand::same_bits:
      return {is_number(t) && bytes(t) == bytes(result), "a number of as many bits"};
    case Operand::amount:
      return {t.scalar == Scalar::u32 && is_one_or_as_many(t, result),
              "u32 of one lane or as many"};
    case Operand::choice:
      return {is_bool(t) && is_one_or_as_many(t, result), "boolean of one lane or as many"};
    case Operand::condition:
      return {t == kBool, "boolean of one lane"};
    case Operand::one_u32:
      return {t == kU32, "u32 of one lane"};
    case Operand::one_f32:
      return {t == kF32, "f32 of one lane"};
    case Operand::one_element:
      return {t == Type{result.scalar}, "an element of the matrix"};
    case Operand::pair_f32:
      return {t == vec(kF32, 2), "f32x2"};
    case Operand::variable_sum:
      return {t.matrix == Matrix::accumulator && t.scalar == Scalar::f32, "an accumulator of f32"};
    case Operand::variable_matrix:
      return {is_matrix(t) && is_float(t), "a cooperative matrix of floats"};
    case Operand::index:
      return {t == kU32 || t == kU64 || t == vec(kU32, 2), "an index: u32, u64 or u32x2"};
    case Operand::buffer:
      return {t == kU64, "an address"};
    case Operand::factor_a:
      return {t.matrix == Matrix::a && is_float(t) == is_float(result) && t.m == result.m,
              "a factor a of that sum"};
    case Operand::factor_b:
      return {t.matrix == Matrix::b && t.steps == first.steps && t.n == result.n &&
                  (t.scalar == first.scalar || (is_integer(t) && is_integer(first))),
              "a factor b of that sum, of the first factor's elements and steps"};
  }
  return {false, "named by a rule of the table"};
}

}  // namespace nxv::ir

#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using ir::Scalar;
using ir::Type;
using spv::Op;

Id shift(Translation& t, const Inst& inst, Op op) {
  const Id value = t.arg(inst, 0);
  const Id amount = t.splat(t.arg(inst, 1), t.arg_type(inst, 1), inst.type.lanes);
  return t.result(inst.type, op, {value, amount});
}

struct Halves {
  Id low, high;
};

Halves halves(Translation& t, Type wide, Id value) {
  const Type narrow = ir::with_scalar(wide, Scalar::u32);
  const Id amount = t.module.constant(narrow, 32);
  const Id low = t.result(narrow, Op::OpUConvert, {value});
  const Id shifted = t.result(wide, Op::OpShiftRightLogical, {value, amount});
  return {low, t.result(narrow, Op::OpUConvert, {shifted})};
}

// FindUMsb(0) is -1, which makes the count of an empty word 32.
Id clz32(Translation& t, Type type, Id word32) {
  const Id last = t.module.constant(type, 31);
  return t.result(type, Op::OpISub, {last, t.glsl(type, GLSLstd450FindUMsb, {word32})});
}

}  // namespace

Id bit_and(Translation& t, const Inst& inst) { return t.binary(inst, Op::OpBitwiseAnd); }
Id bit_or(Translation& t, const Inst& inst) { return t.binary(inst, Op::OpBitwiseOr); }
Id bit_xor(Translation& t, const Inst& inst) { return t.binary(inst, Op::OpBitwiseXor); }
Id bit_not(Translation& t, const Inst& inst) { return t.unary(inst, Op::OpNot); }

Id shl(Translation& t, const Inst& inst) { return shift(t, inst, Op::OpShiftLeftLogical); }
Id shr(Translation& t, const Inst& inst) {
  const bool is_signed = ir::is_signed(inst.type);
  return shift(t, inst, is_signed ? Op::OpShiftRightArithmetic : Op::OpShiftRightLogical);
}

Id clz(Translation& t, const Inst& inst) {
  const Type from = t.arg_type(inst, 0);
  if (!ir::is_64_bit(from)) return clz32(t, inst.type, t.arg(inst, 0));
  const Halves h = halves(t, from, t.arg(inst, 0));
  const Id of_high = clz32(t, inst.type, h.high);
  const Id of_low = clz32(t, inst.type, h.low);
  const Id width = t.module.constant(inst.type, 32);
  const Id through = t.result(inst.type, Op::OpIAdd, {of_low, width});
  const Id zero = t.module.constant(inst.type, 0);
  const Type boolean = ir::with_scalar(inst.type, Scalar::boolean);
  const Id empty = t.result(boolean, Op::OpIEqual, {h.high, zero});
  return t.result(inst.type, Op::OpSelect, {empty, through, of_high});
}

Id popcount(Translation& t, const Inst& inst) {
  const Type from = t.arg_type(inst, 0);
  if (!ir::is_64_bit(from)) return t.unary(inst, Op::OpBitCount);
  const Halves h = halves(t, from, t.arg(inst, 0));
  const Id low = t.result(inst.type, Op::OpBitCount, {h.low});
  const Id high = t.result(inst.type, Op::OpBitCount, {h.high});
  return t.result(inst.type, Op::OpIAdd, {low, high});
}

}  // namespace nxv::spirv::emitters

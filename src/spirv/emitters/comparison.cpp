// Comparisons, booleans and the choice between two values.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

Id compare(Translation& t, const Inst& inst, Op of_float, Op of_signed, Op of_unsigned) {
  return t.binary(inst, by_type(t.arg_type(inst, 0), of_float, of_signed, of_unsigned));
}

}  // namespace

Id eq(Translation& t, const Inst& inst) {
  if (ir::is_bool(t.arg_type(inst, 0))) return t.binary(inst, Op::OpLogicalEqual);
  return compare(t, inst, Op::OpFOrdEqual, Op::OpIEqual, Op::OpIEqual);
}
Id ne(Translation& t, const Inst& inst) {
  if (ir::is_bool(t.arg_type(inst, 0))) return t.binary(inst, Op::OpLogicalNotEqual);
  return compare(t, inst, Op::OpFUnordNotEqual, Op::OpINotEqual, Op::OpINotEqual);
}

Id lt(Translation& t, const Inst& inst) {
  return compare(t, inst, Op::OpFOrdLessThan, Op::OpSLessThan, Op::OpULessThan);
}
Id le(Translation& t, const Inst& inst) {
  return compare(t, inst, Op::OpFOrdLessThanEqual, Op::OpSLessThanEqual, Op::OpULessThanEqual);
}
Id gt(Translation& t, const Inst& inst) {
  return compare(t, inst, Op::OpFOrdGreaterThan, Op::OpSGreaterThan, Op::OpUGreaterThan);
}
Id ge(Translation& t, const Inst& inst) {
  return compare(t, inst, Op::OpFOrdGreaterThanEqual, Op::OpSGreaterThanEqual,
                 Op::OpUGreaterThanEqual);
}

Id logical_and(Translation& t, const Inst& inst) { return t.binary(inst, Op::OpLogicalAnd); }
Id logical_or(Translation& t, const Inst& inst) { return t.binary(inst, Op::OpLogicalOr); }
Id logical_not(Translation& t, const Inst& inst) { return t.unary(inst, Op::OpLogicalNot); }

// Vulkan 1.2 allows a scalar condition for vectors, but not every compiler of it does.
Id select(Translation& t, const Inst& inst) {
  const Id condition = t.splat(t.arg(inst, 0), t.arg_type(inst, 0), inst.type.lanes);
  return t.result(inst.type, Op::OpSelect, {condition, t.arg(inst, 1), t.arg(inst, 2)});
}

}  // namespace nxv::spirv::emitters

#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

Id exact_unary(Translation& t, const Inst& inst, Op op) {
  return t.exact(inst.type, t.unary(inst, op));
}

Id exact_binary(Translation& t, const Inst& inst, Op of_float, Op of_signed, Op of_unsigned) {
  const Op op = by_type(inst.type, of_float, of_signed, of_unsigned);
  return t.exact(inst.type, t.binary(inst, op));
}

Id min_max(Translation& t, const Inst& inst, GLSLstd450 f, GLSLstd450 s, GLSLstd450 u) {
  const GLSLstd450 op = ir::is_float(inst.type) ? f : ir::is_signed(inst.type) ? s : u;
  return t.glsl(inst.type, op, {t.arg(inst, 0), t.arg(inst, 1)});
}

}  // namespace

Id neg(Translation& t, const Inst& inst) {
  return exact_unary(t, inst, by_type(inst.type, Op::OpFNegate, Op::OpSNegate, Op::OpSNegate));
}

Id abs(Translation& t, const Inst& inst) {
  if (!ir::is_signed(inst.type)) return t.arg(inst, 0);
  return t.glsl_unary(inst, ir::is_float(inst.type) ? GLSLstd450FAbs : GLSLstd450SAbs);
}

Id sqrt(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.glsl_unary(inst, GLSLstd450Sqrt));
}

Id floor(Translation& t, const Inst& inst) { return t.glsl_unary(inst, GLSLstd450Floor); }
Id ceil(Translation& t, const Inst& inst) { return t.glsl_unary(inst, GLSLstd450Ceil); }
Id trunc(Translation& t, const Inst& inst) { return t.glsl_unary(inst, GLSLstd450Trunc); }
Id round_even(Translation& t, const Inst& inst) { return t.glsl_unary(inst, GLSLstd450RoundEven); }
Id exp2(Translation& t, const Inst& inst) { return t.glsl_unary(inst, GLSLstd450Exp2); }

Id add(Translation& t, const Inst& inst) {
  return exact_binary(t, inst, Op::OpFAdd, Op::OpIAdd, Op::OpIAdd);
}
Id sub(Translation& t, const Inst& inst) {
  return exact_binary(t, inst, Op::OpFSub, Op::OpISub, Op::OpISub);
}
Id mul(Translation& t, const Inst& inst) {
  if (t.plain_products && ir::is_float(inst.type)) return t.binary(inst, Op::OpFMul);
  return exact_binary(t, inst, Op::OpFMul, Op::OpIMul, Op::OpIMul);
}
Id div(Translation& t, const Inst& inst) {
  return exact_binary(t, inst, Op::OpFDiv, Op::OpSDiv, Op::OpUDiv);
}
Id rem(Translation& t, const Inst& inst) {
  return exact_binary(t, inst, Op::OpFRem, Op::OpSRem, Op::OpUMod);
}

Id min(Translation& t, const Inst& inst) {
  return min_max(t, inst, GLSLstd450FMin, GLSLstd450SMin, GLSLstd450UMin);
}
Id max(Translation& t, const Inst& inst) {
  return min_max(t, inst, GLSLstd450FMax, GLSLstd450SMax, GLSLstd450UMax);
}

Id mul_hi(Translation& t, const Inst& inst) {
  const Op op = ir::is_signed(inst.type) ? Op::OpSMulExtended : Op::OpUMulExtended;
  const Id pair = t.module.pair_type(inst.type);
  const Id both = t.result_of(pair, op, {t.arg(inst, 0), t.arg(inst, 1)});
  return t.result(inst.type, Op::OpCompositeExtract, {both, 1});
}

Id fma(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.glsl(inst.type, GLSLstd450Fma,
                                   {t.arg(inst, 0), t.arg(inst, 1), t.arg(inst, 2)}));
}

}  // namespace nxv::spirv::emitters

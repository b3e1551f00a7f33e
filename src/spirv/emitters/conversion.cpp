#include <bit>

#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using ir::Scalar;
using ir::Type;
using spv::Op;

bool same_storage(Type a, Type b) {
  return a.lanes == b.lanes && ir::is_float(a) == ir::is_float(b) && ir::bytes(a) == ir::bytes(b);
}

Id from_bool(Translation& t, Id value, Type to) {
  const uint64_t one = to.scalar == Scalar::f32   ? std::bit_cast<uint32_t>(1.0f)
                       : to.scalar == Scalar::f64 ? std::bit_cast<uint64_t>(1.0)
                                                  : 1;
  return t.result(to, Op::OpSelect, {value, t.module.constant(to, one), t.module.constant(to, 0)});
}

// Integer comparison for f32: a device that flushes subnormals would call them zero.
Id to_bool(Translation& t, Id value, Type from) {
  const Type to = ir::with_scalar(from, Scalar::boolean);
  if (from.scalar == Scalar::f64) {
    return t.result(to, Op::OpFUnordNotEqual, {value, t.module.constant(from, 0)});
  }
  if (from.scalar == Scalar::f32) {
    from.scalar = Scalar::u32;
    value = t.result(from, Op::OpBitcast, {value});
    value = t.result(from, Op::OpShiftLeftLogical, {value, t.module.constant(from, 1)});
  }
  return t.result(to, Op::OpINotEqual, {value, t.module.constant(from, 0)});
}

// From words: lavapipe of Mesa 22.3 gets comparisons of OpSConvert with a constant wrong.
Id sign_extend(Translation& t, Id value, Type from, Type to) {
  const Id amount = t.module.constant(from, 31);
  const Id high = t.result(from, Op::OpShiftRightArithmetic, {value, amount});
  const Id words = t.result(ir::vec(from, 2), Op::OpCompositeConstruct, {value, high});
  return t.result(to, Op::OpBitcast, {words});
}

Id between_integers(Translation& t, Id value, Type from, Type to) {
  if (ir::is_64_bit(from) == ir::is_64_bit(to)) return value;
  const bool widens_signed = ir::is_64_bit(to) && ir::is_signed(from);
  if (widens_signed && to.lanes == 1) return sign_extend(t, value, from, to);
  return t.result(to, widens_signed ? Op::OpSConvert : Op::OpUConvert, {value});
}

}  // namespace

Id convert(Translation& t, const Inst& inst) {
  const Type to = inst.type;
  const Type from = t.arg_type(inst, 0);
  const Id value = t.arg(inst, 0);
  if (from == to) return value;
  if (ir::is_bool(from)) return from_bool(t, value, to);
  if (ir::is_bool(to)) return to_bool(t, value, from);
  const bool from_float = ir::is_float(from);
  const bool to_float = ir::is_float(to);
  if (from_float && to_float) return t.result(to, Op::OpFConvert, {value});
  if (from_float) {
    return t.result(to, ir::is_signed(to) ? Op::OpConvertFToS : Op::OpConvertFToU, {value});
  }
  if (to_float) {
    return t.result(to, ir::is_signed(from) ? Op::OpConvertSToF : Op::OpConvertUToF, {value});
  }
  return between_integers(t, value, from, to);
}

Id bitcast(Translation& t, const Inst& inst) {
  if (same_storage(inst.type, t.arg_type(inst, 0))) return t.arg(inst, 0);
  return t.unary(inst, Op::OpBitcast);
}

Id pack_half(Translation& t, const Inst& inst) {
  return t.glsl_unary(inst, GLSLstd450PackHalf2x16);
}

Id pack(Translation& t, const Inst& inst) {
  const auto lane = [&](size_t i) { return t.arg(inst, i); };
  if (inst.type.lanes == 2) {
    return t.result(inst.type, Op::OpCompositeConstruct, {lane(0), lane(1)});
  }
  return t.result(inst.type, Op::OpCompositeConstruct, {lane(0), lane(1), lane(2), lane(3)});
}

Id extract(Translation& t, const Inst& inst) {
  const auto lane = static_cast<uint32_t>(inst.imm);
  return t.result(inst.type, Op::OpCompositeExtract, {t.arg(inst, 0), lane});
}

}  // namespace nxv::spirv::emitters

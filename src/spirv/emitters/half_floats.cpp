#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using ir::Scalar;
using ir::Type;
using spv::Op;

constexpr Type kF16{Scalar::f16}, kBf16{Scalar::bf16};

// `otherwise` where x is no number, if it matters which one is given then.
Id unless_nan(Translation& t, const Inst& inst, Id x, Id result, uint32_t otherwise) {
  if (!t.is_nan_seen(inst)) return result;
  const Id is_nan = t.result(ir::kBool, Op::OpFUnordNotEqual, {x, x});
  return t.result(inst.type, Op::OpSelect,
                  {is_nan, t.module.constant(inst.type, otherwise), result});
}

// Two numbers in the halves of a word.
Id halves(Translation& t, Type half, Id low, Id high, Type word) {
  const Id pair = t.result(ir::vec(ir::kF32, 2), Op::OpCompositeConstruct, {low, high});
  const Id narrow = t.result(ir::vec(half, 2), Op::OpFConvert, {pair});
  return t.result(word, Op::OpBitcast, {narrow});
}

}  // namespace

// A bf16 is the upper half of an f32.
Id round_bf16(Translation& t, const Inst& inst) {
  const Id x = t.arg(inst, 0);
  const Id rounded = halves(t, kBf16, t.module.constant(ir::kF32, 0), x, ir::kF32);
  return unless_nan(t, inst, x, rounded, 0x7fc00000);
}

// Through the upper half of a word: where NVIDIA's compiler sees a conversion back, it leaves out
// both, or gives zeros for subnormals.
Id round_f16(Translation& t, const Inst& inst) {
  const Id x = t.arg(inst, 0);
  const Id above = halves(t, kF16, t.module.constant(ir::kF32, 0), x, ir::kU32);
  const Id bits = t.result(ir::kU32, Op::OpShiftRightLogical, {above, t.module.u32(16)});
  const Id pair = t.result(ir::vec(kF16, 2), Op::OpBitcast, {bits});
  const Id half = t.result(kF16, Op::OpCompositeExtract, {pair, 0});
  const Id rounded = t.result(ir::kF32, Op::OpFConvert, {half});
  return unless_nan(t, inst, x, rounded, 0x7fc00000);
}

Id to_f16(Translation& t, const Inst& inst) {
  const Id x = t.arg(inst, 0);
  const Id bits = halves(t, kF16, x, t.module.constant(ir::kF32, 0), ir::kU32);
  return unless_nan(t, inst, x, bits, 0x7e00);
}

Id from_f16(Translation& t, const Inst& inst) {
  const Id word = t.arg(inst, 0);
  const Id pair = t.result(ir::vec(kF16, 2), Op::OpBitcast, {word});
  const Id half = t.result(kF16, Op::OpCompositeExtract, {pair, 0});
  const Id number = t.result(ir::kF32, Op::OpFConvert, {half});
  if (!t.is_nan_seen(inst)) return number;
  // The NaN's own bits.
  const auto u32 = [&](Op op, Id a, uint32_t b) {
    return t.result(ir::kU32, op, {a, t.module.u32(b)});
  };
  const Id sign = u32(Op::OpShiftLeftLogical, u32(Op::OpBitwiseAnd, word, 0x8000), 16);
  const Id payload = u32(Op::OpShiftLeftLogical, u32(Op::OpBitwiseAnd, word, 0x3ff), 13);
  const Id bits =
      t.result(ir::kU32, Op::OpBitwiseOr, {sign, u32(Op::OpBitwiseOr, payload, 0x7f800000)});
  const Id is_nan = t.result(ir::kBool, Op::OpFUnordNotEqual, {number, number});
  return t.result(ir::kF32, Op::OpSelect,
                  {is_nan, t.result(ir::kF32, Op::OpBitcast, {bits}), number});
}

}  // namespace nxv::spirv::emitters

// Dot products of 8-bit integers that are packed into words.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

Id packed_dot(Translation& t, const ir::Inst& inst, spv::Op op) {
  t.module.capability(spv::Capability::DotProductKHR);
  t.module.capability(spv::Capability::DotProductInput4x8BitPackedKHR);
  t.module.extension("SPV_KHR_integer_dot_product");
  const auto format = word(spv::PackedVectorFormat::PackedVectorFormat4x8BitKHR);
  return t.result(inst.type, op, {t.arg(inst, 0), t.arg(inst, 1), format});
}

}  // namespace

Id dot_signed(Translation& t, const ir::Inst& inst) {
  return packed_dot(t, inst, spv::Op::OpSDotKHR);
}
Id dot_unsigned(Translation& t, const ir::Inst& inst) {
  return packed_dot(t, inst, spv::Op::OpUDotKHR);
}
Id dot_mixed(Translation& t, const ir::Inst& inst) {
  return packed_dot(t, inst, spv::Op::OpSUDotKHR);
}

}  // namespace nxv::spirv::emitters

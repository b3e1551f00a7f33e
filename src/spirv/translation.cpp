#include "spirv/translation.h"

#include "ir/passes/nan_bits.h"

namespace nxv::spirv {

using ir::Inst;
using ir::Type;
using spv::Op;

Translation::Translation(const ir::Kernel& k, const Options& options)
    : kernel(k),
      plain_products(options.plain_products),
      addressing(module, k, options),
      texels(module, k, addressing, options),
      inputs(module),
      ids(k.body.size()) {}

Id Translation::result(Type type, Op op, std::initializer_list<uint32_t> operands) {
  return result_of(module.type(type), op, operands);
}

Id Translation::result_of(Id type, Op op, std::initializer_list<uint32_t> operands) {
  return module.instruction(module.code, type, op, operands);
}

Id Translation::glsl(Type type, GLSLstd450 op, std::initializer_list<uint32_t> operands) {
  Words& code = module.code;
  const Id id = module.new_id();
  const Id type_id = module.type(type);
  code.push_back(static_cast<uint32_t>((operands.size() + 5) << 16) | word(Op::OpExtInst));
  code.push_back(type_id);
  code.push_back(id);
  code.push_back(module.glsl());
  code.push_back(op);
  code.insert(code.end(), operands);
  return id;
}

Id Translation::unary(const Inst& inst, Op op) { return result(inst.type, op, {arg(inst, 0)}); }

Id Translation::binary(const Inst& inst, Op op) {
  return result(inst.type, op, {arg(inst, 0), arg(inst, 1)});
}

Id Translation::glsl_unary(const Inst& inst, GLSLstd450 op) {
  return glsl(inst.type, op, {arg(inst, 0)});
}

Id Translation::splat(Id value, Type type, uint8_t lanes) {
  if (type.lanes == lanes) return value;
  const Type vector = ir::vec(type, lanes);
  if (lanes == 2) return result(vector, Op::OpCompositeConstruct, {value, value});
  return result(vector, Op::OpCompositeConstruct, {value, value, value, value});
}

bool Translation::is_nan_seen(const Inst& inst) {
  if (nan_seen_.empty()) nan_seen_ = ir::nan_bits_seen(kernel);
  return nan_seen_[static_cast<size_t>(&inst - kernel.body.data())];
}

Id Translation::exact(Type type, Id id) {
  if (ir::is_float(type)) module.decorate(id, spv::Decoration::NoContraction);
  return id;
}

}  // namespace nxv::spirv

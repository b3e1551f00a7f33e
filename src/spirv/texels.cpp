#include "spirv/texels.h"

namespace nxv::spirv {
namespace {

using ir::Inst;
using ir::Opcode;
using ir::Type;
using spv::Op;
using spv::StorageClass;

constexpr Type kTexel = ir::vec(ir::kU32, 4);
constexpr Type kHalfTexel = ir::vec(ir::kU32, 2);

bool can_fetch(const ir::Kernel& k, const Inst& inst) {
  return inst.op == Opcode::load && k.body[inst.args[1]].type == ir::kU32;
}

}  // namespace

std::vector<uint32_t> texel_params(const ir::Kernel& k) {
  std::vector<uint8_t> is_read(k.params.size()), is_other(k.params.size());
  for (const Inst& inst : k.body) {
    for (size_t i = 0; i < inst.args.size() && inst.args[i] != ir::kNone; ++i) {
      const Inst& arg = k.body[inst.args[i]];
      if (arg.op != Opcode::param) continue;
      const bool fetches = i == 0 && can_fetch(k, inst);
      (fetches ? is_read : is_other)[arg.imm] = true;
    }
  }
  std::vector<uint32_t> params;
  for (uint32_t p = 0; p < k.params.size() && params.size() < kMaxTexelBuffers; ++p) {
    if (is_read[p] && !is_other[p]) params.push_back(p);
  }
  return params;
}

Texels::Texels(ModuleBuilder& module, const ir::Kernel& kernel, const Addressing& addressing,
               const Options& options)
    : m_(module), k_(kernel), views_(kernel.params.size()) {
  if (!options.texels) return;
  if (const auto params = texel_params(kernel); !params.empty()) declare(params, addressing);
}

void Texels::declare(const std::vector<uint32_t>& params, const Addressing& addressing) {
  constexpr uint32_t kSampled = 1;
  m_.capability(spv::Capability::SampledBuffer);
  const Id component = m_.type(ir::kU32);
  const Id image = m_.new_id();
  append(m_.declarations, Op::OpTypeImage,
         {image, component, word(spv::Dim::Buffer), 0, 0, 0, kSampled,
          word(spv::ImageFormat::Unknown)});
  const Id pointer = m_.pointer(StorageClass::UniformConstant, image);
  for (uint32_t binding = 0; binding < params.size(); ++binding) {
    const Id variable = m_.global(StorageClass::UniformConstant, pointer);
    m_.decorate(variable, spv::Decoration::DescriptorSet, {0});
    m_.decorate(variable, spv::Decoration::Binding, {binding});
    View& view = views_[params[binding]];
    view.image = m_.instruction(m_.prologue, image, Op::OpLoad, {variable});
    view.first = m_.instruction(m_.prologue, component, Op::OpCompositeExtract,
                                {addressing.param(params[binding]), 0});
  }
}

Id Texels::u32(Op op, std::initializer_list<uint32_t> operands) {
  return m_.instruction(m_.code, m_.type(ir::kU32), op, operands);
}

Id Texels::fetch(const View& view, Id texel) {
  return m_.instruction(m_.code, m_.type(kTexel), Op::OpImageFetch, {view.image, texel});
}

Id Texels::choose(Id index, uint32_t bit, Id set, Id clear) {
  const Id masked = u32(Op::OpBitwiseAnd, {index, m_.u32(bit)});
  const Id is_set =
      m_.instruction(m_.code, m_.type(ir::kBool), Op::OpINotEqual, {masked, m_.u32(0)});
  return u32(Op::OpSelect, {is_set, set, clear});
}

Id Texels::cast(Type from, Type to, Id value) {
  const Type stored = storage_type(to);
  return stored == from ? value : m_.instruction(m_.code, m_.type(stored), Op::OpBitcast, {value});
}

Id Texels::load(const Inst& inst, Id index) {
  const View& view = views_[param(inst)];
  const auto texel_at = [&](Id offset) {
    return fetch(view, u32(Op::OpIAdd, {view.first, offset}));
  };
  switch (ir::bytes(inst.type)) {
    case 4: {
      const Id texel = texel_at(u32(Op::OpShiftRightLogical, {index, m_.u32(2)}));
      const Id low = choose(index, 1, component(texel, 1), component(texel, 0));
      const Id high = choose(index, 1, component(texel, 3), component(texel, 2));
      return cast(ir::kU32, inst.type, choose(index, 2, high, low));
    }
    case 8: {
      const Id texel = texel_at(u32(Op::OpShiftRightLogical, {index, m_.u32(1)}));
      const Id x = choose(index, 1, component(texel, 2), component(texel, 0));
      const Id y = choose(index, 1, component(texel, 3), component(texel, 1));
      const Id half =
          m_.instruction(m_.code, m_.type(kHalfTexel), Op::OpCompositeConstruct, {x, y});
      return cast(kHalfTexel, inst.type, half);
    }
    case 16:
      return cast(kTexel, inst.type, texel_at(index));
    default: {  // four components of 8 bytes
      const Type half = ir::vec({inst.type.scalar}, 2);
      const Id even = u32(Op::OpShiftLeftLogical, {index, m_.u32(1)});
      const Id low = cast(kTexel, half, texel_at(even));
      const Id high = cast(kTexel, half, texel_at(u32(Op::OpBitwiseOr, {even, m_.u32(1)})));
      return m_.instruction(m_.code, m_.type(inst.type), Op::OpVectorShuffle,
                            {low, high, 0, 1, 2, 3});
    }
  }
}

}  // namespace nxv::spirv

// Buffers that a kernel reads through uniform texel buffers.
#pragma once

#include <vector>

#include "ir/kernel.h"
#include "spirv/addressing.h"
#include "spirv/module_builder.h"
#include "spirv/translate.h"

namespace nxv::spirv {

class Texels {
 public:
  // Declares a texel buffer for each of texel_params(), or nothing without Options::texels.
  Texels(ModuleBuilder& module, const ir::Kernel& kernel, const Addressing& addressing,
         const Options& options);

  bool reads(const ir::Inst& load) const { return views_[param(load)].image != 0; }
  // What a load that reads() gives; index is the id of its index.
  Id load(const ir::Inst& load, Id index);

 private:
  struct View {
    Id image = 0;  // loaded; 0: not a texel buffer
    Id first = 0;  // texel that the buffer starts at
  };

  uint64_t param(const ir::Inst& load) const { return k_.body[load.args[0]].imm; }
  void declare(const std::vector<uint32_t>& params, const Addressing& addressing);
  Id u32(spv::Op op, std::initializer_list<uint32_t> operands);
  Id fetch(const View& view, Id texel);
  Id component(Id texel, uint32_t i) { return u32(spv::Op::OpCompositeExtract, {texel, i}); }
  Id choose(Id index, uint32_t bit, Id set, Id clear);
  Id cast(ir::Type from, ir::Type to, Id value);

  ModuleBuilder& m_;
  const ir::Kernel& k_;
  std::vector<View> views_;  // by param
};

}  // namespace nxv::spirv

#include "spirv/translate.h"

#include <array>

#include "spirv/emitters/emitters.h"
#include "spirv/translation.h"

namespace nxv::spirv {
namespace {

using Emitter = Id (*)(Translation&, const ir::Inst&);

// By opcode.
constexpr Emitter kEmitters[] = {
#define NXV_EMITTER(name, ...) emitters::name,
    NXV_OPCODES(NXV_EMITTER)
#undef NXV_EMITTER
};

// The modes of a width are declared when the kernel computes with that width.
void declare_float_controls(ModuleBuilder& module, const ir::Kernel& kernel, const Options& o) {
  bool f16 = false;
  bool f32 = false;
  bool f64 = false;
  for (const ir::Inst& inst : kernel.body) {
    f16 |= inst.op == ir::Opcode::round_f16 || inst.op == ir::Opcode::to_f16 ||
           inst.op == ir::Opcode::from_f16;
    f32 |= inst.type.scalar == ir::Scalar::f32;
    f64 |= inst.type.scalar == ir::Scalar::f64;
  }
  const auto declare = [&](bool wanted, spv::Capability c, spv::ExecutionMode mode,
                           uint32_t width) {
    if (!wanted) return;
    module.capability(c);
    module.execution_mode(mode, {width});
  };
  using spv::Capability;
  using spv::ExecutionMode;
  declare(f32 && o.signed_zero_inf_nan_f32, Capability::SignedZeroInfNanPreserve,
          ExecutionMode::SignedZeroInfNanPreserve, 32);
  declare(f64 && o.signed_zero_inf_nan_f64, Capability::SignedZeroInfNanPreserve,
          ExecutionMode::SignedZeroInfNanPreserve, 64);
  declare(f16 && o.denorm_preserve_f16, Capability::DenormPreserve, ExecutionMode::DenormPreserve,
          16);
  declare(f32 && o.denorm_preserve_f32, Capability::DenormPreserve, ExecutionMode::DenormPreserve,
          32);
  declare(f64 && o.denorm_preserve_f64, Capability::DenormPreserve, ExecutionMode::DenormPreserve,
          64);
  declare(f32 && o.round_to_even_f32, Capability::RoundingModeRTE, ExecutionMode::RoundingModeRTE,
          32);
  declare(f64 && o.round_to_even_f64, Capability::RoundingModeRTE, ExecutionMode::RoundingModeRTE,
          64);
}

}  // namespace

Words translate(const ir::Kernel& kernel, const Options& options) {
  Translation t(kernel, options);
  ModuleBuilder& module = t.module;
  // Cooperative matrices exist in the Vulkan memory model alone.
  if (ir::requirements(kernel).matrices) module.use_vulkan_memory_model();
  module.execution_mode(spv::ExecutionMode::LocalSize, {kernel.local_size, 1, 1});
  for (uint32_t i = 0; i < kernel.body.size(); ++i) {
    const ir::Inst& inst = kernel.body[i];
    t.ids[i] = kEmitters[static_cast<size_t>(inst.op)](t, inst);
  }
  declare_float_controls(module, kernel, options);
  return module.finish();
}

}  // namespace nxv::spirv

// KernelIR to SPIR-V 1.5 (Vulkan 1.2), without a shader compiler.
//
// The module has one GLCompute entry point, "main". Buffers are device addresses: each is an uvec2
// in the parameter block that is bitcast to a PhysicalStorageBuffer pointer, so addresses need no
// 64-bit integers. The parameter block is the push constants while it fits in kPushBytes;
// otherwise the push constants hold its 16-byte-aligned address, and the layout stays the same.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.h"

namespace nxv::spirv {

struct Options {
  // The buffers that texel_params() names are read through uniform texel buffers of 16-byte texels
  // (VK_FORMAT_R32G32B32A32_UINT), the i-th of them at binding i of set 0. In place of the address
  // the parameter's first half is the number of the buffer's first texel in the view.
  bool texels = false;
  // Vectors of 32-bit components are loaded and stored as 64-bit integers: a driver that moves
  // memory component by component moves half as many. Needs shaderInt64.
  bool word_pairs = false;
  // Products carry no NoContraction; sums and differences do, so that none is fused with one.
  bool plain_products = false;
  // Float controls that the device supports (VkPhysicalDeviceFloatControlsProperties).
  bool signed_zero_inf_nan_f32 = true;
  bool signed_zero_inf_nan_f64 = true;
  bool denorm_preserve_f16 = false;
  bool denorm_preserve_f32 = false;
  bool denorm_preserve_f64 = false;
  bool round_to_even_f32 = false;
  bool round_to_even_f64 = false;
};

inline constexpr uint32_t kMaxTexelBuffers = 16;
// Params, in the order of their bindings, that texels apply to: the first 16 buffers that the
// kernel does nothing with but loads at 32-bit indices.
std::vector<uint32_t> texel_params(const ir::Kernel& kernel);

// The kernel must have passed ir::verify.
std::vector<uint32_t> translate(const ir::Kernel& kernel, const Options& options = {});

}  // namespace nxv::spirv

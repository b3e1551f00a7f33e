#include "runtime/module.h"

#include <algorithm>
#include <string_view>

#include "base/source_identity.h"

namespace nxv::runtime {

static_assert(spirv::kMaxTexelBuffers == vulkan::kMaxTexelBuffers);

spirv::Options spirv_options(const plan::DevicePlan& plan) {
  spirv::Options options;
  options.texels = plan.has.texel_loads;
  options.word_pairs = plan.tuning.word_pairs && plan.has.int64;
  options.plain_products = plan.plain_products;
  options.signed_zero_inf_nan_f32 = plan.has.preserve_f32;
  options.signed_zero_inf_nan_f64 = plan.has.preserve_f64;
  options.denorm_preserve_f16 = plan.has.denorm_preserve_f16;
  options.denorm_preserve_f32 = plan.has.denorm_preserve_f32;
  options.denorm_preserve_f64 = plan.has.denorm_preserve_f64;
  return options;
}

vulkan::ShaderModule make_module(const ir::Kernel& kernel, const spirv::Options& options) {
  vulkan::ShaderModule module;
  module.name = kernel.name;
  module.words = spirv::translate(kernel, options);
  module.push_bytes = kernel.params_in_block() ? 8 : kernel.param_bytes();
  module.parameter_bytes = kernel.param_bytes();
  module.local_size[0] = kernel.local_size;
  module.required_subgroup_size = kernel.subgroup_size;
  module.shared_bytes = kernel.shared_bytes();
  if (options.texels) {
    const std::vector<uint32_t> offsets = kernel.param_offsets();
    for (const uint32_t p : spirv::texel_params(kernel)) {
      const auto before = std::count_if(kernel.params.begin(), kernel.params.begin() + p,
                                        [](const ir::Param& q) { return q.is_buffer; });
      module.texels.push_back({static_cast<uint32_t>(before), offsets[p]});
    }
  }
  return module;
}

std::string module_identity(const plan::Snapshot& device, const plan::DevicePlan& plan) {
  std::string text = source_identity();
  const auto add = [&](std::string_view part) {
    text += '\n';
    text += part;
  };
  const auto bytes = [](const auto& a) {
    return std::string_view(reinterpret_cast<const char*>(a.data()), a.size());
  };
  add(bytes(device.uuid));
  add(bytes(device.cache_uuid));
  add(device.driver_info);
  add(plan::name(plan.profile));
  for (const plan::CapabilityInfo& c : plan::capability_table()) {
    if (plan.has.*c.flag) add(c.name);
  }
  return text;
}

}  // namespace nxv::runtime

#include "vulkan/context.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "vulkan/device.h"
#include "vulkan/portability.h"

namespace nxv::vulkan {
namespace {

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

int preference(plan::DeviceType t) {
  switch (t) {
    case plan::DeviceType::discrete:
      return 4;
    case plan::DeviceType::integrated:
      return 3;
    case plan::DeviceType::virtual_gpu:
      return 2;
    case plan::DeviceType::other:
      return 1;
    case plan::DeviceType::cpu:
      return 0;
  }
  return 0;
}

}  // namespace

size_t choose_device(const std::vector<plan::Snapshot>& devices, const std::string& select) {
  if (devices.empty()) {
    throw Error(Status::no_device,
                "there is no Vulkan device: install a driver, or Mesa's "
                "lavapipe to compute on the CPU");
  }
  const std::string want = lower(select);
  const bool is_index =
      !want.empty() && want.size() < 6 && want.find_first_not_of("0123456789") == std::string::npos;
  if (is_index && std::stoul(want) < devices.size()) return std::stoul(want);
  size_t best = devices.size();
  const auto rank = [](const plan::Snapshot& d) {
    return preference(d.type) + (plan::missing_requirements(d).empty() ? 10 : 0);
  };
  for (size_t i = 0; i < devices.size(); ++i) {
    const bool matches = want.empty() || lower(devices[i].name).find(want) != std::string::npos ||
                         (want == "cpu" && devices[i].type == plan::DeviceType::cpu);
    if (!is_index && matches &&
        (best == devices.size() || rank(devices[i]) > rank(devices[best]))) {
      best = i;
    }
  }
  if (best == devices.size()) {
    std::string list;
    for (size_t i = 0; i < devices.size(); ++i) {
      list += (i ? ", " : "") + std::to_string(i) + ": " + devices[i].name;
    }
    throw Error(Status::no_device, "no Vulkan device matches '" + select + "'; there are " + list);
  }
  return best;
}

namespace {

// Everything the plan relies on, and nothing else, so that the validation layers notice a kernel
// that uses a capability which was switched off.
VkDevice create_device(Context& c, uint32_t family, bool statistics) {
  const plan::Capabilities& has = c.plan.has;
  const plan::Features& f = c.snapshot.features;
  const auto available = device_extensions(*c.instance, c.physical);
  std::vector<const char*> extensions;
  const auto enable = [&](const char* name) {
    const bool present = std::find(available.begin(), available.end(), name) != available.end();
    if (present) extensions.push_back(name);
    return present;
  };
  const auto demand = [&](const char* name) {
    if (!enable(name)) {
      throw Error(Status::unsupported, "the plan of '" + c.snapshot.name + "' relies on " + name +
                                           ", which the device lacks");
    }
  };

  VkPhysicalDeviceFeatures2 all{};
  all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  all.features.shaderFloat64 = has.f64;
  all.features.shaderInt64 = f.int64;  // device addresses are 64-bit integers
  VkPhysicalDeviceVulkan12Features v12{};
  v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  v12.bufferDeviceAddress = VK_TRUE;
  v12.timelineSemaphore = VK_TRUE;
  v12.shaderFloat16 = has.f16 || has.native_f16;
  v12.shaderInt8 = has.int8;
  v12.vulkanMemoryModel = has.memory_model;
  v12.vulkanMemoryModelDeviceScope = has.memory_model;
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes{};
  sizes.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT;
  sizes.subgroupSizeControl = VK_TRUE;
  sizes.computeFullSubgroups = VK_TRUE;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{};
  matrix.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR;
  matrix.cooperativeMatrix = VK_TRUE;
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16{};
  bf16.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR;
  bf16.shaderBFloat16Type = VK_TRUE;
  bf16.shaderBFloat16CooperativeMatrix = has.bf16;
  VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dots{};
  dots.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR;
  dots.shaderIntegerDotProduct = VK_TRUE;

  all.pNext = &v12;
  void** tail = &v12.pNext;
  const auto chain = [&](auto& s) {
    *tail = &s;
    tail = &s.pNext;
  };
  const bool has_13 = c.snapshot.api_version >= VK_API_VERSION_1_3;
  if (has.subgroup_size_control) {
    if (!has_13) demand(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    chain(sizes);
  }
  if (has.coopmat) {
    demand(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
    chain(matrix);
  }
  if (has.bf16 || has.native_bf16) {
    demand(VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);
    chain(bf16);
  }
  if (has.packed_dot) {
    if (!has_13) demand(VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
    chain(dots);
  }
  if (has.texel_loads) demand(VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
  if (f.pipeline_creation_feedback && !has_13) {
    enable(VK_EXT_PIPELINE_CREATION_FEEDBACK_EXTENSION_NAME);
  }
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executables{};
  executables.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR;
  executables.pipelineExecutableInfo = VK_TRUE;
  c.has_statistics = statistics && enable(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME);
  if (c.has_statistics) chain(executables);
  enable(kPortabilitySubset);  // must be, where it exists

  const float priority = 1;
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  info.pNext = &all;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  VkDevice device = VK_NULL_HANDLE;
  create(c.vk().CreateDevice, device, c.physical, &info, nullptr);
  return device;
}

VkDescriptorSetLayout create_texel_layout(const Context& c) {
  std::array<VkDescriptorSetLayoutBinding, kMaxTexelBuffers> bindings{};
  for (uint32_t i = 0; i < kMaxTexelBuffers; ++i) {
    bindings[i].binding = i;
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  info.flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR;
  info.bindingCount = kMaxTexelBuffers;
  info.pBindings = bindings.data();
  VkDescriptorSetLayout layout = VK_NULL_HANDLE;
  create(c.vk().CreateDescriptorSetLayout, layout, c.device, &info, nullptr);
  return layout;
}

}  // namespace

std::unique_ptr<Context> Context::open(const DeviceOptions& options) {
  auto c = std::make_unique<Context>();
  c->instance = Instance::open(options.validation, options.inject);
  const auto devices = physical_devices(*c->instance);
  std::vector<plan::Snapshot> snapshots;
  for (VkPhysicalDevice d : devices) snapshots.push_back(take_snapshot(*c->instance, d));
  const size_t chosen = choose_device(snapshots, options.select);
  c->physical = devices[chosen];
  c->snapshot = std::move(snapshots[chosen]);
  if (options.amend) options.amend(c->snapshot);
  c->plan = plan::make_plan(c->snapshot, options.plan);

  c->queue_family = compute_family(*c->instance, c->physical).index;
  c->device = create_device(*c, c->queue_family, options.statistics);
  gate::close_at_exit();
  load_device_functions(c->instance->vk, c->device);
  c->vk().GetDeviceQueue(c->device, c->queue_family, 0, &c->queue);

  VkPushConstantRange range{};
  range.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  range.size = c->plan.push_bytes;
  VkPipelineLayoutCreateInfo layout{};
  layout.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  if (c->plan.has.texel_loads) {
    c->texel_layout = create_texel_layout(*c);
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &c->texel_layout;
  }
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &range;
  create(c->vk().CreatePipelineLayout, c->layout, c->device, &layout, nullptr);
  return c;
}

Context::~Context() {
  if (device == VK_NULL_HANDLE) return;
  if (layout != VK_NULL_HANDLE) vk().DestroyPipelineLayout(device, layout, nullptr);
  if (texel_layout != VK_NULL_HANDLE) {
    vk().DestroyDescriptorSetLayout(device, texel_layout, nullptr);
  }
  vk().DestroyDevice(device, nullptr);
}

}  // namespace nxv::vulkan

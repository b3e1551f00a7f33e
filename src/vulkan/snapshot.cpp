// What the driver reports, as a plan::Snapshot.
#include <algorithm>
#include <cstring>

#include "vulkan/context.h"
#include "vulkan/portability.h"

namespace nxv::vulkan {
namespace {

using plan::Snapshot;

// Links structures into a pNext chain, in any order.
class Chain {
 public:
  explicit Chain(void* head) : last_(static_cast<VkBaseOutStructure*>(head)) {}
  void add(void* next) {
    last_->pNext = static_cast<VkBaseOutStructure*>(next);
    last_ = last_->pNext;
  }

 private:
  VkBaseOutStructure* last_;
};

template <class T>
T structure(VkStructureType type) {
  T t{};
  t.sType = type;
  return t;
}

bool contains(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <size_t N>
void copy(std::array<uint8_t, N>& to, const uint8_t* from) {
  std::copy_n(from, N, to.begin());
}

plan::DeviceType type_of(VkPhysicalDeviceType t) {
  switch (t) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return plan::DeviceType::integrated;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return plan::DeviceType::discrete;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return plan::DeviceType::virtual_gpu;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return plan::DeviceType::cpu;
    default:
      return plan::DeviceType::other;
  }
}

bool has_dots(const Snapshot& s, const std::vector<std::string>& extensions) {
  return s.api_version >= VK_API_VERSION_1_3 ||
         contains(extensions, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
}

void read_properties(const Instance& instance, VkPhysicalDevice device,
                     const std::vector<std::string>& extensions, Snapshot& s) {
  const bool has_12 = s.api_version >= VK_API_VERSION_1_2;
  const bool has_13 = s.api_version >= VK_API_VERSION_1_3;
  const bool size_control =
      has_13 || contains(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  const bool maintenance4 = has_13 || contains(extensions, VK_KHR_MAINTENANCE_4_EXTENSION_NAME);

  auto all = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto v11 = structure<VkPhysicalDeviceVulkan11Properties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES);
  auto v12 = structure<VkPhysicalDeviceVulkan12Properties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES);
  auto sizes = structure<VkPhysicalDeviceSubgroupSizeControlPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT);
  auto m4 = structure<VkPhysicalDeviceMaintenance4PropertiesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES_KHR);
  auto dots = structure<VkPhysicalDeviceShaderIntegerDotProductPropertiesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES_KHR);
  auto sms = structure<VkPhysicalDeviceShaderSMBuiltinsPropertiesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
  auto units = structure<VkPhysicalDeviceShaderCoreProperties2AMD>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_2_AMD);
  Chain chain(&all);
  if (has_12) chain.add(&v11);
  if (has_12) chain.add(&v12);
  if (size_control) chain.add(&sizes);
  if (maintenance4) chain.add(&m4);
  if (contains(extensions, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) chain.add(&sms);
  if (contains(extensions, VK_AMD_SHADER_CORE_PROPERTIES_2_EXTENSION_NAME)) chain.add(&units);
  if (has_dots(s, extensions)) chain.add(&dots);
  instance.vk.GetPhysicalDeviceProperties2(device, &all);

  const VkPhysicalDeviceLimits& l = all.properties.limits;
  s.driver_name = v12.driverName;
  s.driver_info = v12.driverInfo;
  copy(s.cache_uuid, all.properties.pipelineCacheUUID);
  copy(s.uuid, v11.deviceUUID);

  s.limits.shared_memory_bytes = l.maxComputeSharedMemorySize;
  s.limits.max_workgroup_invocations = l.maxComputeWorkGroupInvocations;
  std::copy_n(l.maxComputeWorkGroupSize, 3, s.limits.max_workgroup_size.begin());
  std::copy_n(l.maxComputeWorkGroupCount, 3, s.limits.max_workgroup_count.begin());
  s.limits.subgroup_size = v11.subgroupSize;
  s.limits.min_subgroup_size = size_control ? sizes.minSubgroupSize : v11.subgroupSize;
  s.limits.max_subgroup_size = size_control ? sizes.maxSubgroupSize : v11.subgroupSize;
  s.limits.max_workgroup_subgroups = size_control ? sizes.maxComputeWorkgroupSubgroups : 0;
  s.subgroup.required_size = (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  // 1 GiB is the least that Vulkan 1.1 lets a driver report.
  s.limits.max_allocation_bytes = has_12 ? v11.maxMemoryAllocationSize : uint64_t{1} << 30;
  s.limits.max_buffer_bytes = maintenance4 ? m4.maxBufferSize : s.limits.max_allocation_bytes;
  s.limits.cores = std::max(sms.shaderSMCount, units.activeComputeUnitCount);
  s.limits.max_texel_buffer_elements = l.maxTexelBufferElements;
  s.limits.texel_buffer_alignment = l.minTexelBufferOffsetAlignment;
  s.limits.timestamp_period_ns = l.timestampPeriod;

  if (v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) {
    const auto ops = v11.subgroupSupportedOperations;
    s.subgroup.arithmetic = (ops & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT) != 0;
    s.subgroup.ballot = (ops & VK_SUBGROUP_FEATURE_BALLOT_BIT) != 0;
    s.subgroup.shuffle = (ops & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0;
  }
  s.fast_dots = {dots.integerDotProduct4x8BitPackedSignedAccelerated != 0,
                 dots.integerDotProduct4x8BitPackedUnsignedAccelerated != 0,
                 dots.integerDotProduct4x8BitPackedMixedSignednessAccelerated != 0};
  s.float16 = {v12.shaderSignedZeroInfNanPreserveFloat16 != 0,
               v12.shaderDenormPreserveFloat16 != 0};
  s.float32 = {v12.shaderSignedZeroInfNanPreserveFloat32 != 0,
               v12.shaderDenormPreserveFloat32 != 0};
  s.float64 = {v12.shaderSignedZeroInfNanPreserveFloat64 != 0,
               v12.shaderDenormPreserveFloat64 != 0};
}

void read_features(const Instance& instance, VkPhysicalDevice device,
                   const std::vector<std::string>& extensions, Snapshot& s) {
  const bool has_12 = s.api_version >= VK_API_VERSION_1_2;
  const bool has_13 = s.api_version >= VK_API_VERSION_1_3;
  const bool size_control =
      has_13 || contains(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  const bool coopmat = contains(extensions, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  const bool bfloat16 = contains(extensions, VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME);

  auto all = structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  auto v11 = structure<VkPhysicalDeviceVulkan11Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
  auto v12 = structure<VkPhysicalDeviceVulkan12Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
  auto sizes = structure<VkPhysicalDeviceSubgroupSizeControlFeaturesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT);
  auto matrix = structure<VkPhysicalDeviceCooperativeMatrixFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
  auto bf16 = structure<VkPhysicalDeviceShaderBfloat16FeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR);
  auto dots = structure<VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR);
  Chain chain(&all);
  if (has_12) chain.add(&v11);
  if (has_12) chain.add(&v12);
  if (size_control) chain.add(&sizes);
  if (has_dots(s, extensions)) chain.add(&dots);
  if (coopmat) chain.add(&matrix);
  if (bfloat16) chain.add(&bf16);
  instance.vk.GetPhysicalDeviceFeatures2(device, &all);

  plan::Features& f = s.features;
  f.buffer_device_address = v12.bufferDeviceAddress != 0;
  f.timeline_semaphore = v12.timelineSemaphore != 0;
  f.f64 = all.features.shaderFloat64 != 0;
  f.int64 = all.features.shaderInt64 != 0;
  f.f16 = v12.shaderFloat16 != 0;
  f.int8 = v12.shaderInt8 != 0;
  f.integer_dot_product = dots.shaderIntegerDotProduct != 0;
  f.vulkan_memory_model = v12.vulkanMemoryModel && v12.vulkanMemoryModelDeviceScope;
  f.subgroup_size_control = sizes.subgroupSizeControl != 0;
  f.full_subgroups = sizes.computeFullSubgroups != 0;
  f.cooperative_matrix = matrix.cooperativeMatrix != 0;
  f.bfloat16 = bf16.shaderBFloat16Type && bf16.shaderBFloat16CooperativeMatrix;
  f.push_descriptor = contains(extensions, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
  f.memory_budget = contains(extensions, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  f.pipeline_creation_feedback =
      has_13 || contains(extensions, VK_EXT_PIPELINE_CREATION_FEEDBACK_EXTENSION_NAME);
}

void read_memory(const Instance& instance, VkPhysicalDevice device, Snapshot& s) {
  auto all = structure<VkPhysicalDeviceMemoryProperties2>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  auto budget = structure<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  if (s.features.memory_budget) all.pNext = &budget;
  instance.vk.GetPhysicalDeviceMemoryProperties2(device, &all);
  const VkPhysicalDeviceMemoryProperties& m = all.memoryProperties;
  for (uint32_t i = 0; i < m.memoryHeapCount; ++i) {
    const VkMemoryHeap& h = m.memoryHeaps[i];
    s.heaps.push_back({h.size, s.features.memory_budget ? budget.heapBudget[i] : h.size,
                       (h.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0});
  }
  // Lazily allocated or protected memory serves no buffer of ours; AMD's other kinds demand a
  // feature.
  constexpr VkMemoryPropertyFlags kUnusable =
      VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
      VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
  for (uint32_t i = 0; i < m.memoryTypeCount; ++i) {
    if (m.memoryTypes[i].propertyFlags & kUnusable) continue;
    const auto has = [&](VkMemoryPropertyFlags bit) {
      return (m.memoryTypes[i].propertyFlags & bit) != 0;
    };
    s.memory_types.push_back({m.memoryTypes[i].heapIndex, has(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
                              has(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT),
                              has(VK_MEMORY_PROPERTY_HOST_COHERENT_BIT),
                              has(VK_MEMORY_PROPERTY_HOST_CACHED_BIT), i});
  }
}

bool matrix_type(VkComponentTypeKHR from, plan::MatrixType& to) {
  switch (static_cast<int>(from)) {
    case VK_COMPONENT_TYPE_FLOAT16_KHR:
      to = plan::MatrixType::f16;
      return true;
    case VK_COMPONENT_TYPE_FLOAT32_KHR:
      to = plan::MatrixType::f32;
      return true;
    case VK_COMPONENT_TYPE_FLOAT64_KHR:
      to = plan::MatrixType::f64;
      return true;
    case VK_COMPONENT_TYPE_SINT8_KHR:
      to = plan::MatrixType::s8;
      return true;
    case VK_COMPONENT_TYPE_SINT32_KHR:
      to = plan::MatrixType::s32;
      return true;
    case VK_COMPONENT_TYPE_UINT8_KHR:
      to = plan::MatrixType::u8;
      return true;
    case VK_COMPONENT_TYPE_UINT32_KHR:
      to = plan::MatrixType::u32;
      return true;
    case kComponentTypeBfloat16:
      to = plan::MatrixType::bf16;
      return true;
    default:
      return false;
  }
}

void read_matrix_shapes(const Instance& instance, VkPhysicalDevice device, Snapshot& s) {
  const auto& query = instance.vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  if (!s.features.cooperative_matrix || !query) return;
  uint32_t count = 0;
  checked(query, device, &count, nullptr);
  std::vector<VkCooperativeMatrixPropertiesKHR> rows(
      count, structure<VkCooperativeMatrixPropertiesKHR>(
                 VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR));
  checked(query, device, &count, rows.data());
  for (const auto& r : rows) {
    plan::MatrixShape shape{r.MSize, r.NSize, r.KSize, {}, {}, {}};
    plan::MatrixType c{};
    if (r.scope == VK_SCOPE_SUBGROUP_KHR && !r.saturatingAccumulation &&
        matrix_type(r.AType, shape.a) && matrix_type(r.BType, shape.b) && matrix_type(r.CType, c) &&
        matrix_type(r.ResultType, shape.accumulator) && c == shape.accumulator) {
      s.matrix_shapes.push_back(shape);
    }
  }
}

}  // namespace

std::vector<VkPhysicalDevice> physical_devices(const Instance& instance) {
  uint32_t count = 0;
  checked(instance.vk.EnumeratePhysicalDevices, instance.handle, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  if (count > 0) {
    checked(instance.vk.EnumeratePhysicalDevices, instance.handle, &count, devices.data());
    devices.resize(count);
  }
  return devices;
}

ComputeFamily compute_family(const Instance& instance, VkPhysicalDevice device) {
  uint32_t count = 0;
  instance.vk.GetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  instance.vk.GetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  ComputeFamily best;
  for (uint32_t i = 0; i < count; ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0) continue;
    // A family that also draws is shared with the desktop: a compute-only one is preferred.
    const bool compute_only = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
    if (best.found && !compute_only) continue;
    best = {i, families[i].timestampValidBits, true};
    if (compute_only) break;
  }
  return best;
}

std::vector<std::string> device_extensions(const Instance& instance, VkPhysicalDevice device) {
  uint32_t count = 0;
  checked(instance.vk.EnumerateDeviceExtensionProperties, device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> rows(count);
  checked(instance.vk.EnumerateDeviceExtensionProperties, device, nullptr, &count, rows.data());
  std::vector<std::string> names;
  for (const auto& r : rows) names.emplace_back(r.extensionName);
  return names;
}

plan::Snapshot take_snapshot(const Instance& instance, VkPhysicalDevice device) {
  auto head =
      structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  instance.vk.GetPhysicalDeviceProperties2(device, &head);
  Snapshot s;
  s.name = head.properties.deviceName;
  s.vendor_id = head.properties.vendorID;
  s.api_version = head.properties.apiVersion;
  s.type = type_of(head.properties.deviceType);
  const auto extensions = device_extensions(instance, device);
  read_properties(instance, device, extensions, s);
  read_features(instance, device, extensions, s);
  read_memory(instance, device, s);
  read_matrix_shapes(instance, device, s);
  if (contains(extensions, kPortabilitySubset)) {
    s.portability = read_portability(instance, device);
  }
  const ComputeFamily family = compute_family(instance, device);
  s.has_compute_queue = family.found;
  if (family.timestamp_bits == 0) s.limits.timestamp_period_ns = 0;
  s.limits.timestamp_bits = family.timestamp_bits;
  return s;
}

}  // namespace nxv::vulkan

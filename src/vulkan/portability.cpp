// Before any header of Vulkan: the extension is provisional.
#define VK_ENABLE_BETA_EXTENSIONS
#include "vulkan/portability.h"

#include <vulkan/vulkan_beta.h>

namespace nxv::vulkan {
namespace {

using Features = VkPhysicalDevicePortabilitySubsetFeaturesKHR;

struct Row {
  const char* name;
  VkBool32 Features::*feature;
};
constexpr Row kRows[] = {
#define NXV_ROW(x) \
  { #x, &Features::x }
    NXV_ROW(constantAlphaColorBlendFactors),
    NXV_ROW(events),
    NXV_ROW(imageViewFormatReinterpretation),
    NXV_ROW(imageViewFormatSwizzle),
    NXV_ROW(imageView2DOn3DImage),
    NXV_ROW(multisampleArrayImage),
    NXV_ROW(mutableComparisonSamplers),
    NXV_ROW(pointPolygons),
    NXV_ROW(samplerMipLodBias),
    NXV_ROW(separateStencilMaskRef),
    NXV_ROW(shaderSampleRateInterpolationFunctions),
    NXV_ROW(tessellationIsolines),
    NXV_ROW(tessellationPointMode),
    NXV_ROW(triangleFans),
    NXV_ROW(vertexAttributeAccessBeyondStride),
#undef NXV_ROW
};

}  // namespace

plan::Portability read_portability(const Instance& instance, VkPhysicalDevice device) {
  Features features{};
  features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_FEATURES_KHR;
  VkPhysicalDeviceFeatures2 all_features{};
  all_features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  all_features.pNext = &features;
  instance.vk.GetPhysicalDeviceFeatures2(device, &all_features);

  VkPhysicalDevicePortabilitySubsetPropertiesKHR properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_PROPERTIES_KHR;
  VkPhysicalDeviceProperties2 all_properties{};
  all_properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  all_properties.pNext = &properties;
  instance.vk.GetPhysicalDeviceProperties2(device, &all_properties);

  plan::Portability found;
  found.is_subset = true;
  for (const Row& row : kRows) {
    if (!(features.*row.feature)) found.lacks.emplace_back(row.name);
  }
  found.vertex_stride_alignment = properties.minVertexInputBindingStrideAlignment;
  return found;
}

}  // namespace nxv::vulkan

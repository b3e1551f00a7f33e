#include "vulkan/executables.h"

#include "vulkan/context.h"

namespace nxv::vulkan {
namespace {

double number_of(const VkPipelineExecutableStatisticKHR& s) {
  switch (s.format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
      return s.value.b32 != 0;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
      return static_cast<double>(s.value.i64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
      return static_cast<double>(s.value.u64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR:
      return s.value.f64;
    default:
      return 0;
  }
}

// Calls a function that counts when it is given nothing to fill.
template <class T, class Get>
std::vector<T> listed(VkStructureType type, const Get& get) {
  uint32_t count = 0;
  get(&count, static_cast<T*>(nullptr));
  T empty{};
  empty.sType = type;
  std::vector<T> all(count, empty);
  if (count > 0) get(&count, all.data());
  all.resize(count);
  return all;
}

}  // namespace

std::vector<Executable> executables_of(const Context& c, uint64_t pipeline) {
  if (!c.has_statistics) return {};
  VkPipelineInfoKHR of{};
  of.sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR;
  of.pipeline = reinterpret_cast<VkPipeline>(pipeline);
  const auto found = listed<VkPipelineExecutablePropertiesKHR>(
      VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR, [&](uint32_t* count, auto* rows) {
        checked(c.vk().GetPipelineExecutablePropertiesKHR, c.device, &of, count, rows);
      });
  std::vector<Executable> all;
  for (const VkPipelineExecutablePropertiesKHR& e : found) {
    VkPipelineExecutableInfoKHR which{};
    which.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR;
    which.pipeline = of.pipeline;
    which.executableIndex = static_cast<uint32_t>(all.size());
    Executable& made = all.emplace_back(Executable{e.name, e.subgroupSize, {}});
    for (const auto& s : listed<VkPipelineExecutableStatisticKHR>(
             VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR, [&](uint32_t*count, auto*rows) {
               checked(c.vk().GetPipelineExecutableStatisticsKHR, c.device, &which, count, rows);
             })) {
      made.statistics.push_back({s.name, number_of(s)});
    }
  }
  return all;
}

}  // namespace nxv::vulkan

// What drivers say of the machine code that they made of a kernel: registers, spills, instructions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nxv::vulkan {

struct Context;

// A number under the name that the driver has for it.
struct Statistic {
  std::string name;
  double value = 0;
};

// Some drivers make several of a kernel, one for each size of subgroups.
struct Executable {
  std::string name;
  uint32_t subgroup_size = 0;
  std::vector<Statistic> statistics;
};

// Of a VkPipeline made with VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR; empty without the
// context's has_statistics.
std::vector<Executable> executables_of(const Context& context, uint64_t pipeline);

}  // namespace nxv::vulkan

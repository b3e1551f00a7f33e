// What a driver made of a kernel, in the words of all drivers.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vulkan/executables.h"

namespace nxv::tools {

// Nothing where the driver does not say; the most of several executables.
struct Resources {
  std::optional<double> registers;  // of an invocation, or of a subgroup: as the driver counts them
  std::optional<double> spills;     // registers, or the instructions that store them
  std::optional<double> scratch;    // bytes of memory for what is not in registers
  std::optional<double> occupancy;  // subgroups under way at once, or as the driver counts them
};
Resources resources_of(std::span<const vulkan::Executable> executables);

struct CompiledKernel {
  std::string name;
  std::string graph;  // the first that needs it
  std::array<uint32_t, 3> groups = {};
  uint32_t invocations = 0;    // of a workgroup
  uint32_t subgroup_size = 0;  // that it demands; 0: none
  uint32_t shared_bytes = 0;
  size_t instructions = 0;  // of KernelIR
  double seconds = 0;       // of processors, while the driver compiled it
  std::string error;        // empty: it compiled
  std::vector<vulkan::Executable> executables;
};

struct Bounds {
  double seconds = 1;
  std::vector<std::string> except;  // parts of "kernel graph" of those that may spill, take longer
};
// Empty where nothing is wrong: failed, spills, took over the bound.
std::string fault_of(const CompiledKernel& kernel, const Bounds& bounds);

nlohmann::json to_json(const CompiledKernel& kernel, const Bounds& bounds);

// Counts and extremes, of all kernels together.
struct Summary {
  int kernels = 0, failed = 0, spilling = 0, slow = 0;
  int excepted = 0;      // that would be spilling or slow
  double slowest = 0;    // seconds
  double registers = 0;  // of the kernel that has most
  void add(const CompiledKernel& kernel, const Bounds& bounds);
  bool is_good() const { return kernels > 0 && failed + spilling + slow == 0; }
};

}  // namespace nxv::tools

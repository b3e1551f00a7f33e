#include "compiled_kernel.h"

#include <algorithm>
#include <cstdio>

namespace nxv::tools {
namespace {

using Names = std::span<const char* const>;

// By RADV, ANV, Turnip, V3DV, NVIDIA's driver, NVK and Honeykrisp.
constexpr const char* kRegisters[] = {"VGPRs", "Max live registers", "Registers used",
                                      "Register Count", "Number of GPRs"};
// To memory: RADV keeps spilled SGPRs in lanes of VGPRs.
constexpr const char* kSpills[] = {"Spilled VGPRs", "Spill Count", "STP Count", "TMU Spills"};
constexpr const char* kScratch[] = {"Scratch size", "Scratch Memory Size", "Spill Size",
                                    "Local Memory Size", "SLM Size"};
constexpr const char* kOccupancy[] = {"Subgroups per SIMD", "Max Waves Per Core", "Thread Count"};

// The sum of the statistics that an executable has under one of the names.
std::optional<double> sum(const vulkan::Executable& executable, Names names) {
  std::optional<double> total;
  for (const vulkan::Statistic& s : executable.statistics) {
    const bool counts =
        std::any_of(names.begin(), names.end(), [&](const char* name) { return s.name == name; });
    if (counts) total = total.value_or(0) + s.value;
  }
  return total;
}

template <class Better>
std::optional<double> extreme(std::span<const vulkan::Executable> executables, Names names,
                              Better better) {
  std::optional<double> found;
  for (const vulkan::Executable& e : executables) {
    const std::optional<double> value = sum(e, names);
    if (value && (!found || better(*value, *found))) found = value;
  }
  return found;
}

struct Faults {
  bool failed = false, spills = false, is_slow = false, is_excepted = false;
};

Faults faults_of(const CompiledKernel& kernel, const Bounds& bounds) {
  const Resources r = resources_of(kernel.executables);
  Faults f;
  f.failed = !kernel.error.empty();
  f.spills = r.spills.value_or(0) > 0;
  f.is_slow = kernel.seconds > bounds.seconds;
  const bool may =
      std::any_of(bounds.except.begin(), bounds.except.end(), [&](const std::string& part) {
        return (kernel.name + ' ' + kernel.graph).find(part) != std::string::npos;
      });
  f.is_excepted = may && !f.failed && (f.spills || f.is_slow);
  if (f.is_excepted) f.spills = f.is_slow = false;
  return f;
}

std::string seconds(double s) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", s);
  return text;
}

}  // namespace

Resources resources_of(std::span<const vulkan::Executable> executables) {
  Resources r;
  r.registers = extreme(executables, kRegisters, std::greater<>());
  r.spills = extreme(executables, kSpills, std::greater<>());
  r.scratch = extreme(executables, kScratch, std::greater<>());
  r.occupancy = extreme(executables, kOccupancy, std::less<>());
  return r;
}

std::string fault_of(const CompiledKernel& kernel, const Bounds& bounds) {
  const Faults f = faults_of(kernel, bounds);
  if (f.failed) return kernel.error;
  std::string text = f.spills ? "spills" : "";
  if (f.is_slow) text += (text.empty() ? "took " : ", took ") + seconds(kernel.seconds);
  return text;
}

nlohmann::json to_json(const CompiledKernel& kernel, const Bounds& bounds) {
  const Resources r = resources_of(kernel.executables);
  nlohmann::json made = {{"name", kernel.name},
                         {"graph", kernel.graph},
                         {"groups", kernel.groups},
                         {"invocations", kernel.invocations},
                         {"subgroup_size", kernel.subgroup_size},
                         {"shared_bytes", kernel.shared_bytes},
                         {"instructions", kernel.instructions},
                         {"seconds", kernel.seconds},
                         {"fault", fault_of(kernel, bounds)}};
  const auto add = [&](const char* name, const std::optional<double>& value) {
    if (value) made[name] = *value;
  };
  add("registers", r.registers);
  add("spills", r.spills);
  add("scratch", r.scratch);
  add("occupancy", r.occupancy);
  for (const vulkan::Executable& e : kernel.executables) {
    nlohmann::json statistics = nlohmann::json::object();
    for (const vulkan::Statistic& s : e.statistics) statistics[s.name] = s.value;
    made["executables"].push_back({{"name", e.name},
                                   {"subgroup_size", e.subgroup_size},
                                   {"statistics", std::move(statistics)}});
  }
  return made;
}

void Summary::add(const CompiledKernel& kernel, const Bounds& bounds) {
  const Faults f = faults_of(kernel, bounds);
  ++kernels;
  failed += f.failed;
  spilling += !f.failed && f.spills;
  slow += !f.failed && f.is_slow;
  excepted += f.is_excepted;
  slowest = std::max(slowest, kernel.seconds);
  registers = std::max(registers, resources_of(kernel.executables).registers.value_or(0));
}

}  // namespace nxv::tools

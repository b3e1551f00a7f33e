// The corpus of kernels as the driver at hand compiles it: a table or JSON.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "commands.h"
#include "compiled_kernel.h"
#include "plan/device_plan.h"
#include "snapshot_json.h"
#include "survey.h"

namespace nxv::tools {
namespace {

using nlohmann::json;

json parsed(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw Error(Status::invalid_argument, "cannot read " + file);
  try {
    return json::parse(in, nullptr, true, true);  // comments are fine
  } catch (const json::exception& e) {
    throw Error(Status::invalid_argument, file + " is no JSON: " + e.what());
  }
}

std::string number(const std::optional<double>& v) {
  if (!v) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", *v);
  return text;
}

// A line for each kernel: its beginning before it is compiled, so that it is seen which one a
// driver did not survive.
class Table {
 public:
  void head() const {
    std::printf("%-24s %14s %6s %6s %7s %9s %9s %6s %9s  %s\n", "kernel", "workgroups", "lanes",
                "subgr.", "shared", "ms", "registers", "spills", "occupancy", "graph");
  }
  void before(const CompiledKernel& k) const {
    std::ostringstream groups;
    groups << k.groups[0];
    for (int i = 1; i < 3; ++i) {
      if (k.groups[1] * k.groups[2] > 1) groups << 'x' << k.groups[i];
    }
    std::printf("%-24s %14s %6u %6s %7u ", k.name.c_str(), groups.str().c_str(), k.invocations,
                k.subgroup_size == 0 ? "-" : std::to_string(k.subgroup_size).c_str(),
                k.shared_bytes);
    std::fflush(stdout);
  }
  void after(const CompiledKernel& k, const Bounds& bounds) const {
    const Resources r = resources_of(k.executables);
    const std::string fault = fault_of(k, bounds);
    std::printf("%9.1f %9s %6s %9s  %s%s%s\n", 1e3 * k.seconds, number(r.registers).c_str(),
                number(r.spills).c_str(), number(r.occupancy).c_str(), k.graph.c_str(),
                fault.empty() ? "" : ": ", fault.c_str());
    std::fflush(stdout);
  }
  void foot(const Summary& s, const Bounds& bounds, const Survey& survey) const {
    for (const auto& [graph, why] : survey.refused()) {
      std::printf("not on this device: %s: %s\n", graph.c_str(), why.c_str());
    }
    std::printf(
        "%s: %d kernels, %d failed, %d spill, %d took over %g s, %d of these excepted; slowest "
        "%.2f s\n",
        survey.snapshot().name.c_str(), s.kernels, s.failed, s.spilling, s.slow, bounds.seconds,
        s.excepted, s.slowest);
    std::fflush(stdout);  // a driver may not survive the end
  }
};

}  // namespace

int run_kernels(const KernelsOptions& options) {
  vulkan::DeviceOptions device = vulkan::DeviceOptions::from_environment();
  if (!options.device.empty()) device.select = options.device;
  if (!options.plan.empty()) {
    device.amend = [changes = parsed(options.plan)](plan::Snapshot& snapshot) {
      plan::Snapshot other = amended(snapshot, changes);
      // Memory is that of the device at hand.
      other.heaps = snapshot.heaps;
      other.memory_types = snapshot.memory_types;
      snapshot = std::move(other);
    };
  }
  const Bounds bounds{options.seconds, options.except};
  const Table table;
  Summary summary;
  json rows = json::array();
  Survey survey(
      device,
      [&](const CompiledKernel& kernel) {
        if (!options.json) table.before(kernel);
      },
      [&](const CompiledKernel& kernel) {
        summary.add(kernel, bounds);
        if (options.json) {
          rows.push_back(to_json(kernel, bounds));
        } else {
          table.after(kernel, bounds);
        }
      });
  if (!options.json) table.head();
  survey.compile(testing::corpus(), options.names);
  if (options.json) {
    const json all = {{"device", to_json(survey.snapshot())}, {"kernels", std::move(rows)},
                      {"refused", survey.refused()},          {"failed", summary.failed},
                      {"spilling", summary.spilling},         {"slow", summary.slow},
                      {"excepted", summary.excepted},         {"slowest_seconds", summary.slowest}};
    std::cout << all.dump(1) << std::endl;  // a driver may not survive the end
  } else {
    table.foot(summary, bounds, survey);
  }
  return summary.is_good() ? 0 : 1;
}

}  // namespace nxv::tools

// From a Region to the dispatches that compute it: a pure function of the region and the plan.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "graph/region.h"
#include "ir/kernel.h"
#include "ir/math/math.h"
#include "plan/device_plan.h"

namespace nxv::kernels {

// What kernels are generated for.
struct Target {
  const plan::DevicePlan* plan = nullptr;
  ir::math::MathOptions math;
};
Target make_target(const plan::DevicePlan& plan);

// One dispatch. The kernel's arguments are the addresses of the region's operands, the output, the
// fault slot (if the region can fail) and the listed workspaces, then the region's words and
// `extra_words`; what follows is zero.
struct Dispatch {
  std::string key;
  // Makes the kernel; called on another thread, at most once a key, while the region's nodes live.
  std::function<ir::Kernel(const Region&)> generate;
  std::array<uint32_t, 3> groups = {1, 1, 1};
  std::vector<uint32_t> extra_words;
  std::vector<int> workspaces;  // indices into Lowering::workspaces
  // What it touches, for the barriers.
  bool reads_operands = true;
  bool reads_output = false, writes_output = true;
  std::vector<int> reads, writes;  // of the workspaces
  uint64_t work = 0;               // element operations, estimated
};

struct Lowering {
  std::vector<Dispatch> dispatches;
  std::vector<uint64_t> workspaces;  // bytes
  // An operand for which is_read_in_place holds may be the output.
  bool in_place = false;
};

// Throws Error(unsupported) naming the capability that the device lacks.
Lowering lower(const Region& region, const Target& target);

Lowering lower_pointwise(const Region& region, const Target& target);
Lowering lower_reduction(const Region& region, const Target& target);
Lowering lower_matmul(const Region& region, const Target& target);
// Operations with kernels of their own, by operation.
Lowering lower_library(const Region& region, const Target& target);

// The kernel as the device can run it: with pairs for 64-bit integers where it has none. Throws
// Error(unsupported) naming the capability that the kernel needs and the device lacks.
ir::Kernel legalised(ir::Kernel kernel, const plan::Capabilities& has);

// Workgroups folded so that no dimension passes the plan's limit.
std::array<uint32_t, 3> fold_groups(uint64_t groups, const plan::DevicePlan& plan);

}  // namespace nxv::kernels

// From a Region to the dispatches that compute it: a pure function of the region and the plan.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
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

// A workspace of a dispatch, by its index in Lowering::workspaces.
struct Use {
  int workspace;
  bool is_read, is_written;
};
inline Use reads(int workspace) { return {workspace, true, false}; }
inline Use writes(int workspace) { return {workspace, false, true}; }
inline Use updates(int workspace) { return {workspace, true, true}; }

// One dispatch. common/arguments.h packs what it passes to its kernel.
struct Launch {
  std::string key;  // of the kernel
  // Makes the kernel; called on another thread, at most once a key, while the region's nodes live.
  std::function<ir::Kernel(const Region&)> generate;
  std::array<uint32_t, 3> groups = {1, 1, 1};
  std::vector<uint32_t> words;  // behind those of the region
  // What it touches, for the barriers; workspaces in the order of the kernel's arguments.
  std::vector<Use> workspaces;
  bool reads_operands = true;
  bool reads_output = false, writes_output = true;
  // Of the operands and of the outputs, where it does not go over all of them.
  std::optional<uint64_t> bytes_read, bytes_written;
  uint64_t work = 0;  // element operations, estimated

  // Of parts of large tensors (large.h): bytes of each buffer before what the kernel sees of it,
  // and words of the region that are others. Empty: none.
  struct Patch {
    WordIndex at = 0;
    uint32_t word = 0;
  };
  std::vector<uint64_t> operand_offsets, output_offsets, workspace_offsets;
  std::vector<Patch> patches;
};

struct Lowering {
  std::vector<Launch> launches;
  std::vector<uint64_t> workspaces;  // bytes
  // An operand for which is_read_in_place holds may be the output.
  bool in_place = false;
  // The operand, if there is one, whose elements the output has before the first dispatch: they are
  // copied, unless the output has taken over its storage.
  std::optional<int> target;

  // Returns its index.
  int add_workspace(uint64_t bytes) {
    workspaces.push_back(bytes);
    return static_cast<int>(workspaces.size()) - 1;
  }
  Launch& add(Launch d) { return launches.emplace_back(std::move(d)); }
};

// Throws Error(unsupported) naming the capability that the device lacks.
Lowering lower(const Region& region, const Target& target);

// A kernel that may compute a region.
struct Candidate {
  std::string name;
  const char* refusal = nullptr;  // why it does not; null: it could
};
// Best first: the first that is not refused computes the region. Of regions of matrix products and
// of attention; empty for others.
std::vector<Candidate> candidates(const Region& region, const Target& target);
std::vector<Candidate> candidates_of_product(const Region& region, const Target& target);
std::vector<Candidate> candidates_of_attention(const Region& region, const Target& target);

Lowering lower_pointwise(const Region& region, const Target& target);
Lowering lower_overwrite(const Region& region, const Target& target);
Lowering lower_reduction(const Region& region, const Target& target);
Lowering lower_matmul(const Region& region, const Target& target);
// Operations with kernels of their own, by operation.
Lowering lower_library(const Region& region, const Target& target);

// The kernel as the device can run it: with pairs for 64-bit integers where it has none, and with
// matrices of its own sides. Throws Error(unsupported) naming the capability that the kernel needs
// and the device lacks.
ir::Kernel legalised(ir::Kernel kernel, const plan::DevicePlan& plan);

// Workgroups folded so that no dimension passes the plan's limit.
std::array<uint32_t, 3> fold_groups(uint64_t groups, const plan::DevicePlan& plan);

}  // namespace nxv::kernels

#include "plan/plainer.h"

#include <algorithm>

namespace nxv::plan {
namespace {

constexpr uint32_t kWorkgroup = 64;
constexpr uint32_t kSharedBytes = 16384;  // the least that Vulkan promises
constexpr uint32_t kRegisters = 32;

}  // namespace

DevicePlan plainer(DevicePlan p) {
  Capabilities& has = p.has;
  has.subgroup_shuffle = has.subgroup_arithmetic = has.subgroup_ballot = false;
  has.coopmat = has.matrix_elements = has.matrix_chains = false;
  has.packed_dot = has.mixed_dot = has.int8 = false;
  has.forward_progress = false;
  p.matrix_shapes.clear();
  p.row_subgroup_size = 0;
  p.shared_memory_bytes = std::min(p.shared_memory_bytes, kSharedBytes);
  Tuning& t = p.tuning;
  for (uint32_t* size :
       {&t.workgroup, &t.lone_workgroup, &t.fold_workgroup, &t.line_workgroup, &t.team_workgroup}) {
    *size = std::min(*size, kWorkgroup);
  }
  t.lane_registers = kRegisters;
  t.holds_rows = false;
  t.heavy_cost = 0;
  t.scan_loads = 1;
  t.plain_unroll = std::min(t.plain_unroll, 4u);
  t.scan_shared_bytes = t.merge_shared_bytes = kSharedBytes / 2;
  return p;
}

}  // namespace nxv::plan

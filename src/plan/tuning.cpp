#include "plan/tuning.h"

#include <algorithm>

namespace nxv::plan {
namespace {

// A CPU: one subgroup a workgroup, contiguous chunks, short code.
Tuning of_cpu(const Snapshot& device) {
  Tuning t;
  const uint32_t lanes =
      std::min(std::max(device.limits.subgroup_size, 1u), device.limits.invocations());
  t.workgroup = t.lone_workgroup = t.fold_workgroup = t.linear_workgroup = lanes;
  t.chunk_elements = 8192;
  t.shares_cheaply = t.holds_rows = false;
  t.heavy_cost = 150;
  t.apart_elements = 4096;
  t.word_pairs = true;
  t.rank_sort_columns = 32;
  t.scan_loads = 1;
  t.plain_unroll = 4;
  t.busy_workgroups = 4;
  t.busy_subgroups = 8;
  t.busy_lines = 16;
  t.busy_products = 64;
  t.busy_windows = t.busy_rows = 0;
  t.submit_work = uint64_t{1} << 26;
  t.submit_dispatches = 128;
  t.submit_early = 0;
  return t;
}

constexpr uint32_t kAmd = 0x1002, kIntel = 0x8086, kQualcomm = 0x5143, kBroadcom = 0x14e4;
// From which compilers that take long gain by code of one element after the other.
constexpr int kHeavyCost = 120;

// Where registers are fewer than elsewhere, as these GPUs' compilers tell.
void fit_registers(Tuning& t, const Snapshot& device) {
  switch (device.vendor_id) {
    case kIntel:
      // 128 of 32 bytes, or of 64 where subgroups have 16 lanes at least. Workgroups of more than
      // 56 subgroups of 8 take wider ones, whose lanes have half as many.
      t.lane_registers = 128;
      t.line_workgroup = std::min(t.line_workgroup, 256u);
      t.large_integer_tiles = false;
      break;
    case kAmd:
      t.large_integer_tiles = false;
      // GCN shares 256 among the four subgroups of a unit that a workgroup of 1024 takes.
      if (device.limits.min_subgroup_size == 64)
        t.line_workgroup = std::min(t.line_workgroup, 512u);
      break;
    case kQualcomm:
      // 192 of a lane, a quarter of that in the largest workgroups.
      t.lane_registers = 128;
      t.line_workgroup = std::min(t.line_workgroup, 256u);
      t.plain_unroll = 8;
      t.holds_rows = false;
      t.heavy_cost = kHeavyCost;
      break;
    case kBroadcom:
      t.lane_registers = 32;
      t.line_workgroup = std::min(t.line_workgroup, 64u);
      t.holds_rows = false;
      t.heavy_cost = kHeavyCost;
      t.plain_unroll = 4;
      break;
    default:
      break;
  }
}

}  // namespace

std::string_view name(Profile p) {
  switch (p) {
    case Profile::cpu:
      return "cpu";
    case Profile::integrated:
      return "integrated";
    case Profile::discrete:
      return "discrete";
  }
  return "";
}

Tuning tuning_of(Profile profile, const Snapshot& device) {
  if (profile == Profile::cpu) return of_cpu(device);
  Tuning t;
  const uint32_t most = device.limits.invocations();
  t.workgroup = std::min(t.workgroup, most);
  t.lone_workgroup = std::min(t.lone_workgroup, most);
  t.fold_workgroup = std::min(t.fold_workgroup, most);
  t.linear_workgroup = std::min(t.linear_workgroup, most);
  t.line_workgroup = std::min(t.line_workgroup, most);
  t.team_workgroup = std::min(t.team_workgroup, most);
  fit_registers(t, device);
  if (device.limits.cores != 0) t.cores = device.limits.cores;
  if (profile == Profile::integrated) {
    t.submit_work = uint64_t{1} << 30;
    t.submit_dispatches = 256;
  } else {
    t.poll_microseconds = 1000;
    t.scatter_slots = uint64_t{1} << 23;
  }
  return t;
}

}  // namespace nxv::plan

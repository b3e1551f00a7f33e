#include "plan/device_plan.h"

#include <algorithm>
#include <sstream>

#include "base/env.h"
#include "base/error.h"

namespace nxv::plan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kMaxSharedBytes = 49152;
// That are worth shuffling.
constexpr uint32_t kFewestLanes = 4;

// In the order of Capabilities.
constexpr CapabilityInfo kTable[] = {
    {"f64", &Capabilities::f64},
    {"fast_f64", &Capabilities::fast_f64},
    {"int64", &Capabilities::int64},
    {"f16", &Capabilities::f16},
    {"bf16", &Capabilities::bf16},
    {"int8", &Capabilities::int8},
    {"packed_dot", &Capabilities::packed_dot},
    {"mixed_dot", &Capabilities::mixed_dot},
    {"memory_model", &Capabilities::memory_model},
    {"subgroup_size_control", &Capabilities::subgroup_size_control},
    {"subgroup_arithmetic", &Capabilities::subgroup_arithmetic},
    {"subgroup_ballot", &Capabilities::subgroup_ballot},
    {"subgroup_shuffle", &Capabilities::subgroup_shuffle},
    {"coopmat", &Capabilities::coopmat},
    {"matrix_elements", &Capabilities::matrix_elements},
    {"matrix_chains", &Capabilities::matrix_chains},
    {"preserve_f32", &Capabilities::preserve_f32},
    {"preserve_f64", &Capabilities::preserve_f64},
    {"denorm_preserve_f16", &Capabilities::denorm_preserve_f16},
    {"denorm_preserve_f32", &Capabilities::denorm_preserve_f32},
    {"denorm_preserve_f64", &Capabilities::denorm_preserve_f64},
    {"native_div", &Capabilities::native_div},
    {"native_sqrt", &Capabilities::native_sqrt},
    {"native_bf16", &Capabilities::native_bf16},
    {"native_f16", &Capabilities::native_f16},
    {"f32_subnormals", &Capabilities::f32_subnormals},
    {"fused_fma", &Capabilities::fused_fma},
    {"forward_progress", &Capabilities::forward_progress},
    {"texel_loads", &Capabilities::texel_loads},
    {"timestamps", &Capabilities::timestamps},
};
static_assert(std::size(kTable) == sizeof(Capabilities) / sizeof(bool));

// Mesa before 23 compiles a load through an address to a loop over the lanes that stalls once a
// lane, and a texel fetch to a plain gather. A view of 16-byte texels must span any buffer.
bool gains_from_texels(const Snapshot& d) {
  unsigned major = 0;
  const bool is_old = d.driver_name == "llvmpipe" &&
                      std::sscanf(d.driver_info.c_str(), "Mesa %u.", &major) == 1 && major < 23;
  const Limits& l = d.limits;
  return is_old && d.features.push_descriptor && l.texel_buffer_alignment <= 64 &&
         uint64_t{16} * l.max_texel_buffer_elements >=
             std::min(l.max_allocation_bytes, l.max_buffer_bytes);
}

// Cooperative matrices of 8-bit integers.
bool has_integer_units(const Snapshot& d) {
  return std::any_of(d.matrix_shapes.begin(), d.matrix_shapes.end(), [](const MatrixShape& s) {
    return s.a == MatrixType::s8 || s.a == MatrixType::u8;
  });
}

Capabilities reported(const Snapshot& d) {
  const Features& f = d.features;
  Capabilities c;
  c.f64 = f.f64;
  // Results depend on this answer, so it must not depend on how busy a CPU is; they all do f64 at
  // half the rate. GPUs lie far from the bound on either side.
  c.fast_f64 = d.type == DeviceType::cpu || d.probes.f64_rate >= kFastF64;
  c.int64 = f.int64;
  c.f16 = f.f16;
  c.bf16 = f.bfloat16;
  c.int8 = f.int8 && has_integer_units(d) && (!d.probes.done || d.probes.integer_units_exact);
  c.packed_dot = f.integer_dot_product && d.fast_dots.of_signed && d.fast_dots.of_unsigned &&
                 (!d.probes.done || d.probes.packed_dot_exact);
  c.mixed_dot = d.fast_dots.mixed;
  c.memory_model = f.vulkan_memory_model;
  c.subgroup_size_control = f.subgroup_size_control && f.full_subgroups && d.subgroup.required_size;
  c.subgroup_arithmetic = d.subgroup.arithmetic;
  c.subgroup_ballot = d.subgroup.ballot;
  c.subgroup_shuffle = d.subgroup.shuffle;
  // Wrong matrix units are switched off; before the self-test they count as right.
  const bool matrix_units = !d.probes.done || d.probes.matrix_units_exact;
  c.coopmat = f.cooperative_matrix && matrix_units;
  c.matrix_elements = c.coopmat && (!d.probes.done || d.probes.matrix_elements_exact);
  c.matrix_chains = c.coopmat && (!d.probes.done || d.probes.matrix_chains_exact);
  c.preserve_f32 = d.float32.signed_zero_inf_nan_preserve;
  c.preserve_f64 = d.float64.signed_zero_inf_nan_preserve;
  c.denorm_preserve_f16 = d.float16.denorm_preserve;
  c.denorm_preserve_f32 = d.float32.denorm_preserve;
  c.denorm_preserve_f64 = d.float64.denorm_preserve;
  c.native_div = d.probes.f32_div_exact;
  c.native_sqrt = d.probes.f32_sqrt_exact;
  // Likewise. Drivers for CPUs convert number by number, and slowly.
  const bool converts = d.type != DeviceType::cpu;
  c.native_bf16 = f.bfloat16 && converts && (!d.probes.done || d.probes.bf16_conversion_exact);
  c.native_f16 = f.f16 && converts && (!d.probes.done || d.probes.f16_conversion_exact);
  c.f32_subnormals = d.probes.f32_subnormals;
  c.fused_fma = d.probes.f32_fma_fused;
  // Vulkan promises none; NVIDIA's schedulers keep running what has started.
  c.forward_progress = d.vendor_id == 0x10de;
  c.texel_loads = gains_from_texels(d);
  c.timestamps = d.limits.timestamp_period_ns > 0;
  return c;
}

void disable(Capabilities& c, const std::vector<std::string>& names) {
  for (const std::string& n : names) {
    const auto row = std::find_if(std::begin(kTable), std::end(kTable),
                                  [&](const CapabilityInfo& i) { return i.name == n; });
    if (row == std::end(kTable)) {
      std::string all;
      for (const CapabilityInfo& i : kTable) all += (all.empty() ? "" : ", ") + std::string(i.name);
      throw Error(Status::invalid_argument,
                  "cannot disable '" + n + "': no such capability; there are " + all);
    }
    c.*row->flag = false;
  }
  // What builds on a capability goes with it.
  c.fast_f64 &= c.f64;
  c.preserve_f64 &= c.f64;
  c.denorm_preserve_f64 &= c.f64;
  c.denorm_preserve_f16 &= c.native_f16;
  // Cooperative matrices need the Vulkan memory model; they are of f16, or of bf16 as well.
  c.coopmat &= c.memory_model && c.f16;
  c.matrix_elements &= c.coopmat;
  c.matrix_chains &= c.matrix_elements;
  c.bf16 &= c.coopmat;
  c.int8 &= c.coopmat;
  c.mixed_dot &= c.packed_dot;
  // As types they serve nothing else.
  c.f16 &= c.coopmat;
  c.memory_model &= c.coopmat;
}

Profile suggested_profile(const Snapshot& d) {
  switch (d.type) {
    case DeviceType::cpu:
      return Profile::cpu;
    case DeviceType::integrated:
      return Profile::integrated;
    case DeviceType::other:
    case DeviceType::discrete:
    case DeviceType::virtual_gpu:
      return Profile::discrete;
  }
  return Profile::discrete;
}

// Bytes to use by default: most of what the driver leaves us in its largest device-local heap.
// Where memory is unified all heaps are parts of the machine's, which others need too.
uint64_t default_budget(const Snapshot& d, Profile profile) {
  const bool is_unified = has_unified_memory(d);
  uint64_t available = 0;
  for (const MemoryHeap& h : d.heaps) {
    const uint64_t left = h.budget > 0 ? std::min(h.budget, h.bytes) : h.bytes;
    if (is_unified) {
      available += left;
    } else if (h.device_local) {
      available = std::max(available, left);
    }
  }
  const double share = profile == Profile::discrete ? 0.9 : 0.6;
  return static_cast<uint64_t>(static_cast<double>(available) * share) / kMiB * kMiB;
}

constexpr uint32_t kIntel = 0x8086;

// The sizes that kernels may demand of their subgroups, and those of the kernels that fold rows.
void choose_subgroups(DevicePlan& p, const Snapshot& d) {
  const Limits& l = d.limits;
  p.subgroup_size = std::max(l.subgroup_size, 1u);
  const bool one_size = l.min_subgroup_size == l.max_subgroup_size;
  p.fixed_subgroup_size = p.has.subgroup_size_control || one_size;
  p.max_row_workgroup = p.max_workgroup_invocations;
  if (!p.fixed_subgroup_size) return;
  p.min_subgroup_size = p.has.subgroup_size_control ? l.min_subgroup_size : p.subgroup_size;
  p.max_subgroup_size = p.has.subgroup_size_control ? l.max_subgroup_size : p.subgroup_size;
  const uint32_t best = d.vendor_id == kIntel ? 16 : 32;
  const uint32_t size = std::clamp(best, p.min_subgroup_size, p.max_subgroup_size);
  if (!p.has.subgroup_shuffle || size < kFewestLanes) return;
  p.row_subgroup_size = size;
  if (p.has.subgroup_size_control && l.max_workgroup_subgroups != 0) {
    const uint64_t most = uint64_t{size} * l.max_workgroup_subgroups;
    p.max_row_workgroup =
        static_cast<uint32_t>(std::min<uint64_t>(p.max_workgroup_invocations, most));
  }
}

constexpr uint32_t kMatrixSide = 16;  // of the matrices of kernels

// Which of the reported shapes kernels' matrices are made of: for products of halves, whose sums
// are of f32, the largest of which a whole number makes one.
void choose_matrices(DevicePlan& p, const Snapshot& d) {
  p.matrix_subgroup_size = p.subgroup_size;
  if (!p.has.coopmat) return;
  const auto is_divisor = [](uint32_t side) { return side != 0 && kMatrixSide % side == 0; };
  uint32_t best = 0;
  for (const MatrixShape& s : d.matrix_shapes) {
    const bool fits = is_divisor(s.m) && is_divisor(s.n) && s.k == kMatrixSide;
    const bool is_of_halves =
        s.a == MatrixType::f16 && s.b == MatrixType::f16 && s.accumulator == MatrixType::f32;
    if (!fits || !is_of_halves || s.m * s.n <= best) continue;
    best = s.m * s.n;
    p.matrix_rows = s.m;
    p.matrix_columns = s.n;
  }
  for (MatrixShape s : d.matrix_shapes) {
    if (s.m != p.matrix_rows || s.n != p.matrix_columns) continue;
    s.m = s.n = kMatrixSide;
    p.matrix_shapes.push_back(s);
  }
  // Sums of several matrices are no factors of one.
  if (best != kMatrixSide * kMatrixSide) p.has.matrix_chains = false;
  // Intel's units are as wide as the narrowest subgroups.
  if (d.vendor_id == kIntel && p.has.subgroup_size_control) {
    p.matrix_subgroup_size = p.min_subgroup_size;
  }
}

}  // namespace

std::span<const CapabilityInfo> capability_table() { return kTable; }

PlanOptions PlanOptions::from_environment() {
  PlanOptions o;
  if (const auto list = env::get("NXV_DISABLE")) {
    std::istringstream in(*list);
    for (std::string item; std::getline(in, item, ',');) {
      if (!item.empty()) o.disable.push_back(item);
    }
  }
  if (const auto profile = env::get("NXV_PROFILE")) {
    for (Profile p : {Profile::cpu, Profile::integrated, Profile::discrete}) {
      if (*profile == name(p)) o.profile = p;
    }
    if (!o.profile) {
      throw Error(Status::invalid_argument,
                  "NXV_PROFILE=" + *profile + " is not one of cpu, integrated, discrete");
    }
  }
  o.memory_budget = env::bytes("NXV_MEMORY_BUDGET");
  return o;
}

std::vector<std::string> missing_requirements(const Snapshot& d) {
  std::vector<std::string> missing;
  if (d.api_major() < 1 || (d.api_major() == 1 && d.api_minor() < 2)) {
    missing.push_back("Vulkan 1.2 (it has " + std::to_string(d.api_major()) + "." +
                      std::to_string(d.api_minor()) + ")");
  }
  if (!d.features.buffer_device_address) missing.emplace_back("bufferDeviceAddress");
  if (!d.features.timeline_semaphore) missing.emplace_back("timelineSemaphore");
  if (!d.has_compute_queue) missing.emplace_back("a compute queue");
  if (std::none_of(d.memory_types.begin(), d.memory_types.end(),
                   [](const MemoryType& t) { return t.host_visible && t.host_coherent; })) {
    missing.emplace_back("host-visible coherent memory");
  }
  return missing;
}

DevicePlan make_plan(const Snapshot& d, const PlanOptions& options) {
  if (const auto missing = missing_requirements(d); !missing.empty()) {
    std::string list;
    for (const std::string& m : missing) list += (list.empty() ? "" : ", ") + m;
    throw Error(Status::no_device, "device '" + d.name + "' cannot be used: it lacks " + list);
  }
  DevicePlan p;
  p.profile = options.profile.value_or(suggested_profile(d));
  p.has = reported(d);
  disable(p.has, options.disable);

  const Limits& l = d.limits;
  p.push_bytes = 128;  // the least that Vulkan allows; ir::kPushBytes
  p.shared_memory_bytes = std::min(l.shared_memory_bytes, kMaxSharedBytes);
  p.max_workgroup_invocations = l.invocations();
  p.max_group_count = std::min(
      65535u, *std::min_element(l.max_workgroup_count.begin(), l.max_workgroup_count.end()));
  p.plain_products = d.portability.is_subset;
  choose_subgroups(p, d);
  choose_matrices(p, d);

  p.use_staging = p.profile == Profile::discrete || !has_unified_memory(d);
  p.memory_budget = options.memory_budget.value_or(default_budget(d, p.profile));
  p.max_allocation_bytes = std::min(l.max_allocation_bytes, l.max_buffer_bytes);
  p.max_slab_bytes = std::min(p.max_allocation_bytes, 256 * kMiB);
  p.staging_chunk_bytes = std::min<uint64_t>(8 * kMiB, p.max_slab_bytes);
  p.staging_bytes = 64 * kMiB;
  for (int use = 0; use < kMemoryUses; ++use) {
    p.memory[use] = memory_order(d, static_cast<MemoryUse>(use), p.use_staging);
  }
  p.tuning = tuning_of(p.profile, d);
  p.slowness = options.slowness;
  return p;
}

}  // namespace nxv::plan

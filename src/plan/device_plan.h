// DevicePlan: how a device is used. A pure function of its Snapshot and of options, so that every
// decision is tested without a device and every fallback can be forced on any machine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/memory_order.h"
#include "plan/snapshot.h"
#include "plan/tuning.h"

namespace nxv::plan {

// Rate of f64, beside that of f32, from which it is worth its use.
inline constexpr double kFastF64 = 1.0 / 8;

// What kernels and the runtime may rely on. Every flag can be forced off by its name
// (NXV_DISABLE=f64,coopmat); false is always the safe value.
struct Capabilities {
  bool f64 = false;
  bool fast_f64 = false;  // at least kFastF64 of the f32 rate: f32 accumulates in f64
  bool int64 = false;
  bool f16 = false;  // these three as types of matrix units only
  bool bf16 = false;
  bool int8 = false;
  bool packed_dot = false;    // fast dot products of four 8-bit integers in a word
  bool mixed_dot = false;     // also of signed and unsigned ones
  bool memory_model = false;  // Vulkan memory model
  bool subgroup_size_control = false;
  bool subgroup_arithmetic = false;
  bool subgroup_ballot = false;
  bool subgroup_shuffle = false;
  bool coopmat = false;  // VK_KHR_cooperative_matrix, subgroup scope
  // Invocations have equal parts of its matrices; and those of sums are where those of a first
  // factor are, so that one becomes the other element by element (probes).
  bool matrix_elements = false;
  bool matrix_chains = false;
  bool preserve_f32 = false;  // SignedZeroInfNanPreserve of each width
  bool preserve_f64 = false;
  bool denorm_preserve_f16 = false;
  bool denorm_preserve_f32 = false;
  bool denorm_preserve_f64 = false;
  bool native_div = false;        // f32 division is correctly rounded (probe)
  bool native_sqrt = false;       // f32 square root is correctly rounded (probe)
  bool native_bf16 = false;       // f32 is converted to bf16 as its rounding demands (probe)
  bool native_f16 = false;        // and to f16 (probe)
  bool f32_subnormals = false;    // f32 arithmetic keeps subnormals (probe)
  bool fused_fma = false;         // f32 fma rounds once (probe)
  bool forward_progress = false;  // workgroups that started are not starved: look-back is allowed
  bool texel_loads = false;       // kernels had better read buffers through texel views
  bool timestamps = false;
  bool operator==(const Capabilities&) const = default;
};

struct CapabilityInfo {
  std::string_view name;
  bool Capabilities::*flag;
};
// Every capability with the name NXV_DISABLE knows it by.
std::span<const CapabilityInfo> capability_table();

struct PlanOptions {
  std::vector<std::string> disable;       // capability names; an unknown one is an error
  std::optional<Profile> profile;         // instead of the one the device type suggests
  std::optional<uint64_t> memory_budget;  // bytes
  double slowness = 1;  // tests: the device counts as so many times slower than it is
  // NXV_DISABLE, NXV_PROFILE and NXV_MEMORY_BUDGET.
  static PlanOptions from_environment();
};

struct DevicePlan {
  Profile profile = Profile::cpu;
  Capabilities has;
  Tuning tuning;

  // Limits a kernel must keep.
  uint32_t push_bytes = 0;           // parameters beyond this travel in a parameter block
  uint32_t shared_memory_bytes = 0;  // never above 49 152: more loses the device on some drivers
  uint32_t max_workgroup_invocations = 0;
  uint32_t max_group_count = 65535;           // per dimension
  uint32_t max_loop_iterations = 32768;       // of one invocation over all its loops
  uint64_t max_elements = uint64_t{1} << 31;  // 32-bit indices reach fewer

  // Products are not marked against contraction; sums are, which is enough. A driver that stands on
  // Metal writes a marked product as fma(a, b, 0), which loses the sign of a zero.
  bool plain_products = false;

  // Subgroups. What the device reports is the size of kernels that demand none.
  uint32_t subgroup_size = 0;
  bool fixed_subgroup_size = false;  // every subgroup has that size (required or only one exists)
  // Of kernels that fold rows, whose lanes shuffle: 32, or as near to it as there is, since a block
  // has 32 accumulators; 16 for Intel's compiler, which spills at 32. 0: lanes meet in shared
  // memory.
  uint32_t row_subgroup_size = 0;
  uint32_t max_row_workgroup = 0;  // invocations of a workgroup of such subgroups
  // What kernels may demand; equal where there is but one.
  uint32_t min_subgroup_size = 0, max_subgroup_size = 0;
  // Products that kernels may ask of matrix units; empty without `coopmat`. Their matrices have 16
  // rows and columns, and are made of the device's own of so many.
  std::vector<MatrixShape> matrix_shapes;
  uint32_t matrix_rows = 16, matrix_columns = 16;
  uint32_t matrix_subgroup_size = 0;  // of kernels of matrix units

  // Memory.
  uint64_t memory_budget = 0;         // bytes of device memory the pool takes at most
  uint64_t max_slab_bytes = 0;        // largest piece the pool asks the driver for
  uint64_t max_allocation_bytes = 0;  // largest single request that can succeed
  bool use_staging = false;  // false: the host reads and writes device blocks where it sees them
  uint64_t staging_chunk_bytes = 0;
  uint64_t staging_bytes = 0;  // of staging in flight at most
  // By MemoryUse: where blocks come from, until a heap is exhausted and the next one serves.
  std::array<std::vector<MemoryChoice>, kMemoryUses> memory;

  double slowness = 1;  // see PlanOptions

  // Whether a kernel may be compiled for subgroups of this size.
  bool can_demand(uint32_t size) const {
    return min_subgroup_size <= size && size <= max_subgroup_size;
  }
};

// Everything the device lacks of the floor (Vulkan 1.2, bufferDeviceAddress, timelineSemaphore, a
// compute queue, host-visible coherent memory), in words; empty when it can be used.
std::vector<std::string> missing_requirements(const Snapshot& device);

// Throws Error(no_device) naming what is missing below the floor, and Error(invalid_argument) for
// an option that names no capability.
DevicePlan make_plan(const Snapshot& device, const PlanOptions& options = {});

}  // namespace nxv::plan

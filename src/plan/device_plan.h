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

#include "plan/snapshot.h"

namespace nxv::plan {

enum class Profile : uint8_t { cpu, integrated, discrete };
std::string_view name(Profile p);

// What kernels and the runtime may rely on. Every flag can be forced off by its name
// (NXV_DISABLE=f64,coopmat); false is always the safe value.
struct Capabilities {
  bool f64 = false;
  bool fast_f64 = false;  // at least 1/8 of the f32 rate: f32 accumulates in f64
  bool int64 = false;
  bool int16 = false;
  bool int8 = false;
  bool f16 = false;
  bool bf16 = false;  // as a type of matrix units only
  bool storage_8bit = false;
  bool storage_16bit = false;
  bool int64_atomics = false;
  bool memory_model = false;  // Vulkan memory model
  bool subgroup_size_control = false;
  bool subgroup_arithmetic = false;
  bool subgroup_ballot = false;
  bool subgroup_shuffle = false;
  bool coopmat = false;       // VK_KHR_cooperative_matrix, subgroup scope
  bool coopmat2 = false;      // VK_NV_cooperative_matrix2, workgroup scope
  bool preserve_f16 = false;  // SignedZeroInfNanPreserve of each width
  bool preserve_f32 = false;
  bool preserve_f64 = false;
  bool denorm_preserve_f16 = false;
  bool denorm_preserve_f32 = false;
  bool denorm_preserve_f64 = false;
  bool native_div = false;        // f32 division is correctly rounded (probe)
  bool native_sqrt = false;       // f32 square root is correctly rounded (probe)
  bool f32_subnormals = false;    // f32 arithmetic keeps subnormals (probe)
  bool fused_fma = false;         // f32 fma rounds once (probe)
  bool forward_progress = false;  // workgroups that started are not starved: look-back is allowed
  bool texel_loads = false;       // kernels had better read buffers through texel views
  bool host_import = false;       // VK_EXT_external_memory_host
  bool memory_budget = false;     // VK_EXT_memory_budget
  bool timestamps = false;
  bool pipeline_statistics = false;  // VK_KHR_pipeline_executable_properties
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
  // NXV_DISABLE, NXV_PROFILE and NXV_MEMORY_BUDGET.
  static PlanOptions from_environment();
};

// Shape of a pointwise kernel's grid.
struct PointwiseShape {
  uint32_t workgroup = 0;       // invocations in x
  uint32_t vector_width = 0;    // elements an invocation loads at once
  uint32_t chunk_elements = 0;  // elements a workgroup handles; lanes are adjacent inside it
};

struct DevicePlan {
  Profile profile = Profile::cpu;
  Capabilities has;

  // Limits a kernel must keep.
  uint32_t push_bytes = 0;           // parameters beyond this travel in a parameter block
  uint32_t shared_memory_bytes = 0;  // never above 49 152: more loses the device on some drivers
  uint32_t max_workgroup_invocations = 0;
  uint32_t max_group_count = 65535;      // per dimension
  uint32_t max_loop_iterations = 32768;  // of one invocation over all its loops
  uint32_t subgroup_size = 0;            // that kernels are written for
  bool fixed_subgroup_size = false;  // every subgroup has that size (required or only one exists)
  std::vector<MatrixShape> matrix_shapes;  // empty without `coopmat`

  // Tuning.
  PointwiseShape pointwise;
  uint32_t reduction_workgroup = 0;
  uint32_t row_workgroup = 0;  // of softmax-like kernels: one workgroup a row
  uint32_t sort_workgroup = 0;
  // Atomic operations at random places of more memory than a GPU's last cache holds wait for memory
  // each time: scatters into more slots than this go over their updates once for each so many.
  uint64_t scatter_slots = 0;  // words; 0: no bound
  // Matrices of up to so many rows and columns are decomposed by an invocation each, in one kernel.
  uint32_t lone_matrix = 16;

  // Memory.
  uint64_t memory_budget = 0;         // bytes of device memory the pool takes at most
  uint64_t max_slab_bytes = 0;        // largest piece the pool asks the driver for
  uint64_t max_allocation_bytes = 0;  // largest single request that can succeed
  bool use_staging = false;           // false: device blocks are host-visible, no copies
  uint64_t staging_chunk_bytes = 0;
  uint64_t staging_bytes = 0;  // of staging in flight at most

  // Submission.
  uint32_t poll_microseconds = 50;  // spin on the semaphore this long before sleeping
  uint64_t submit_work = 0;         // accumulated work estimate that triggers a submission
  uint32_t submit_dispatches = 0;   // so does this number of commands
  // Commands that are worth a submission when the device is about to run out of work; 0: never.
  uint32_t submit_early = 0;
};

// Everything the device lacks of the floor (Vulkan 1.2, bufferDeviceAddress, timelineSemaphore, a
// compute queue, host-visible coherent memory), in words; empty when it can be used.
std::vector<std::string> missing_requirements(const Snapshot& device);

// Throws Error(no_device) naming what is missing below the floor, and Error(invalid_argument) for
// an option that names no capability.
DevicePlan make_plan(const Snapshot& device, const PlanOptions& options = {});

}  // namespace nxv::plan

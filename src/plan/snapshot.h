// What a device and its driver report, and what the opening probes found: plain data without
// Vulkan.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace nxv::plan {

enum class DeviceType : uint8_t { other, integrated, discrete, virtual_gpu, cpu };

struct Limits {
  uint64_t max_allocation_bytes = 0;  // of one vkAllocateMemory
  uint64_t max_buffer_bytes = 0;
  uint32_t shared_memory_bytes = 0;  // of one workgroup
  uint32_t max_workgroup_invocations = 0;
  std::array<uint32_t, 3> max_workgroup_size = {};
  std::array<uint32_t, 3> max_workgroup_count = {};
  uint32_t subgroup_size = 0;      // of kernels that demand none, at most
  uint32_t min_subgroup_size = 0;  // all sizes that there are; equal to subgroup_size where the
  uint32_t max_subgroup_size = 0;  // driver says no more
  uint32_t max_workgroup_subgroups = 0;  // of kernels that demand a size; 0: no such limit
  uint32_t cores = 0;                    // that run a workgroup each; 0: the driver does not say
  uint32_t max_texel_buffer_elements = 0;
  uint64_t texel_buffer_alignment = 0;  // of a view's offset in its buffer
  double timestamp_period_ns = 0;       // nanoseconds a tick; 0: the queue has no timestamps
  uint32_t timestamp_bits = 64;         // of a tick's number that count

  // Of a workgroup along one dimension.
  uint32_t invocations() const {
    return std::min(max_workgroup_invocations, max_workgroup_size[0]);
  }
};

// What compute shaders may do with subgroups.
struct SubgroupOps {
  bool arithmetic = false;
  bool ballot = false;
  bool shuffle = false;
  bool required_size = false;  // demand a size: requiredSubgroupSizeStages has compute
};

// Float controls of one width.
struct FloatControls {
  bool signed_zero_inf_nan_preserve = false;
  bool denorm_preserve = false;
};

struct Features {
  bool buffer_device_address = false;  // part of the floor
  bool timeline_semaphore = false;     // part of the floor
  bool f64 = false;
  bool int64 = false;
  bool f16 = false;
  bool vulkan_memory_model = false;
  bool subgroup_size_control = false;
  bool full_subgroups = false;
  bool cooperative_matrix = false;  // VK_KHR_cooperative_matrix
  bool bfloat16 = false;            // VK_KHR_shader_bfloat16
  bool int8 = false;                // as an element type of matrices
  bool integer_dot_product = false;
  bool memory_budget = false;
  bool pipeline_creation_feedback = false;
  bool push_descriptor = false;  // VK_KHR_push_descriptor
};

// Dot products of four 8-bit integers in a word that take no longer than other instructions: the
// integerDotProduct4x8BitPacked...Accelerated that the driver reports.
struct FastDots {
  bool of_signed = false, of_unsigned = false;
  bool mixed = false;  // of a signed and an unsigned one
};

struct MemoryHeap {
  uint64_t bytes = 0;
  uint64_t budget = 0;  // what this process may use now; `bytes` where the driver does not say
  bool device_local = false;
};

struct MemoryType {
  uint32_t heap = 0;
  bool device_local = false;
  bool host_visible = false;
  bool host_coherent = false;
  bool host_cached = false;
  uint32_t index = 0;  // the driver's: those that no block can have are left out
};

// Drivers that stand on another system's graphics, such as MoltenVK on Metal, need not have all of
// Vulkan (VK_KHR_portability_subset). Kernels use nothing of what may be missing.
struct Portability {
  bool is_subset = false;
  std::vector<std::string> lacks;  // by the names of the extension's features
  uint32_t vertex_stride_alignment = 0;
};

enum class MatrixType : uint8_t { f16, bf16, f32, f64, s8, u8, s32, u32 };

// One supported shape of a cooperative matrix: C (m x n) += A (m x k) * B (k x n), subgroup scope.
struct MatrixShape {
  uint32_t m = 0, n = 0, k = 0;
  MatrixType a = MatrixType::f16, b = MatrixType::f16;
  MatrixType accumulator = MatrixType::f32;
};

// Results of the small kernels that run when a device opens. The defaults are the answers that are
// safe to assume on a device that was not probed.
struct Probes {
  bool done = false;
  bool f32_div_exact = false;          // native f32 division is correctly rounded
  bool f32_sqrt_exact = false;         // so is the square root
  bool f32_subnormals = false;         // arithmetic keeps subnormals
  bool f32_fma_fused = false;          // fma rounds once
  double f64_rate = 0;                 // f64 throughput divided by f32 throughput
  bool matrix_units_exact = false;     // cooperative matrices passed their self-test
  bool integer_units_exact = false;    // those of 8-bit integers did
  bool packed_dot_exact = false;       // dot products of packed integers did
  bool bf16_conversion_exact = false;  // f32 to bf16 rounds to nearest even, and keeps subnormals
  bool f16_conversion_exact = false;   // so does f32 to f16, and f16 to f32 is exact
  // Elements of matrices are where Capabilities say.
  bool matrix_elements_exact = false, matrix_chains_exact = false;
  bool operator==(const Probes&) const = default;
};

struct Snapshot {
  std::string name;
  std::string driver_name;  // "llvmpipe", "NVIDIA"
  std::string driver_info;  // "Mesa 22.3.6 (LLVM 15.0.6)"
  uint32_t vendor_id = 0;
  uint32_t api_version = 0;  // as VK_MAKE_API_VERSION packs it
  DeviceType type = DeviceType::other;
  std::array<uint8_t, 16> uuid = {};        // of the device
  std::array<uint8_t, 16> cache_uuid = {};  // changes whenever cached pipelines become invalid

  Limits limits;
  SubgroupOps subgroup;
  FastDots fast_dots;
  Features features;
  Portability portability;
  FloatControls float16, float32, float64;
  std::vector<MemoryHeap> heaps;
  std::vector<MemoryType> memory_types;
  std::vector<MatrixShape> matrix_shapes;
  bool has_compute_queue = false;

  Probes probes;  // filled in by the runtime, which can generate kernels

  uint32_t api_major() const { return (api_version >> 22) & 0x7f; }
  uint32_t api_minor() const { return (api_version >> 12) & 0x3ff; }
};

}  // namespace nxv::plan

#include "testing/driver/snapshots.h"

#include <string>

namespace nxv::testing {
namespace {

using plan::DeviceType;
using plan::MatrixShape;
using plan::MatrixType;
using plan::Snapshot;

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint32_t kNvidia = 0x10de, kAmd = 0x1002, kIntel = 0x8086, kQualcomm = 0x5143,
                   kBroadcom = 0x14e4, kApple = 0x106b, kMesa = 0x10005, kGoogle = 0x1ae0;

constexpr uint32_t version(uint32_t major, uint32_t minor) { return major << 22 | minor << 12; }

void set_workgroups(Snapshot& s, uint32_t invocations, uint32_t shared_bytes) {
  s.limits.max_workgroup_invocations = invocations;
  s.limits.max_workgroup_size = {invocations, invocations, 64};
  s.limits.shared_memory_bytes = shared_bytes;
}

// What a driver reports for kernels that demand no size, and the sizes that there are.
void set_subgroups(Snapshot& s, uint32_t size, uint32_t least, uint32_t most) {
  s.limits.subgroup_size = size;
  s.limits.min_subgroup_size = least;
  s.limits.max_subgroup_size = most;
}

void set_subgroup_operations(Snapshot& s, bool are_there) {
  s.subgroup.arithmetic = s.subgroup.ballot = s.subgroup.shuffle = are_there;
}

// Sizes of subgroups; `most` of them are a workgroup then, 0: as many as there are invocations.
void let_kernels_demand(Snapshot& s, uint32_t most) {
  s.features.subgroup_size_control = s.features.full_subgroups = true;
  s.subgroup.required_size = true;
  s.limits.max_workgroup_subgroups = most;
}

// Memory of the device's own beside that of the machine, a part of it seen by the host.
void set_own_memory(Snapshot& s, uint64_t bytes) {
  s.type = DeviceType::discrete;
  s.heaps = {{bytes, bytes, true}, {32 * kGiB, 32 * kGiB, false}};
  s.memory_types = {{0, true, false, false, false},
                    {0, true, true, true, false},
                    {1, false, true, true, false},
                    {1, false, true, true, true}};
}

// The memory of the machine.
void set_shared_memory(Snapshot& s, uint64_t bytes) {
  s.type = DeviceType::integrated;
  s.heaps = {{bytes, bytes, true}};
  s.memory_types = {{0, true, true, true, true}};
}

// A driver of today without anything that one may lack.
Snapshot device(const char* name, const char* driver, uint32_t vendor) {
  Snapshot s;
  s.name = name;
  s.driver_name = driver;
  s.vendor_id = vendor;
  s.api_version = version(1, 3);
  s.has_compute_queue = true;
  s.features.buffer_device_address = s.features.timeline_semaphore = true;
  s.limits.max_allocation_bytes = 4 * kGiB - 4;
  s.limits.max_buffer_bytes = 4 * kGiB - 4;
  s.limits.max_workgroup_count = {65535, 65535, 65535};
  s.limits.timestamp_period_ns = 1;
  set_workgroups(s, 1024, 32768);
  set_subgroups(s, 1, 1, 1);
  set_shared_memory(s, 8 * kGiB);
  s.probes.done = true;
  return s;
}

// With 64-bit integers, a memory model, and subgroups whose size kernels demand.
Snapshot able_device(const char* name, const char* driver, uint32_t vendor) {
  Snapshot s = device(name, driver, vendor);
  plan::Features& f = s.features;
  f.int64 = f.f16 = f.vulkan_memory_model = true;
  f.pipeline_creation_feedback = f.push_descriptor = true;
  s.float32.signed_zero_inf_nan_preserve = true;
  set_subgroup_operations(s, true);
  let_kernels_demand(s, 0);
  return s;
}

void add_f64(Snapshot& s, double rate) {
  s.features.f64 = true;
  s.float64.signed_zero_inf_nan_preserve = s.float64.denorm_preserve = true;
  s.probes.f64_rate = rate;
}

void add_matrix_units(Snapshot& s, std::vector<MatrixShape> shapes) {
  s.features.cooperative_matrix = s.features.bfloat16 = s.features.int8 = true;
  s.matrix_shapes = std::move(shapes);
  s.probes.matrix_units_exact = s.probes.integer_units_exact = true;
  s.probes.matrix_elements_exact = s.probes.matrix_chains_exact = true;
}

// Fast dot products of packed integers.
void add_dots(Snapshot& s, bool mixed) {
  s.features.integer_dot_product = true;
  s.fast_dots = {true, true, mixed};
  s.probes.packed_dot_exact = true;
}

std::vector<MatrixShape> shapes_of(uint32_t m, uint32_t n, uint32_t k) {
  return {{m, n, k, MatrixType::f16, MatrixType::f16, MatrixType::f32},
          {m, n, k, MatrixType::bf16, MatrixType::bf16, MatrixType::f32}};
}

// Those of 8-bit integers of one sign.
void add_integer_shapes(std::vector<MatrixShape>& shapes, uint32_t m, uint32_t n, uint32_t k) {
  shapes.push_back({m, n, k, MatrixType::u8, MatrixType::u8, MatrixType::u32});
  shapes.push_back({m, n, k, MatrixType::s8, MatrixType::s8, MatrixType::s32});
}

// And of two.
void add_mixed_shapes(std::vector<MatrixShape>& shapes, uint32_t m, uint32_t n, uint32_t k) {
  shapes.push_back({m, n, k, MatrixType::u8, MatrixType::s8, MatrixType::s32});
  shapes.push_back({m, n, k, MatrixType::s8, MatrixType::u8, MatrixType::s32});
}

Snapshot hopper(const char* name, uint64_t memory) {
  Snapshot s = able_device(name, "NVIDIA", kNvidia);
  s.driver_info = "580.95.05";
  s.api_version = version(1, 4);
  set_own_memory(s, memory);
  s.limits.max_allocation_bytes = memory;
  s.limits.max_buffer_bytes = kGiB << 10;
  set_workgroups(s, 1024, 49152);
  set_subgroups(s, 32, 32, 32);
  add_f64(s, 0.48);
  add_matrix_units(s, shapes_of(16, 16, 16));
  add_integer_shapes(s.matrix_shapes, 16, 16, 32);
  add_dots(s, true);
  s.float16.denorm_preserve = true;
  s.probes.f16_conversion_exact = true;  // those to bf16 drop bits
  s.probes.f32_fma_fused = true;         // its division and square root are not exact
  return s;
}

Snapshot radeon(const char* name, uint64_t memory) {
  Snapshot s = able_device(name, "radv", kAmd);
  s.driver_info = "Mesa 25.0.7";
  set_own_memory(s, memory);
  set_workgroups(s, 1024, 65536);
  set_subgroups(s, 64, 64, 64);
  s.subgroup.required_size = false;  // there is but one
  add_f64(s, 1.0 / 16);
  s.float32.denorm_preserve = true;
  s.limits.timestamp_period_ns = 10;
  s.probes.f32_subnormals = s.probes.f32_fma_fused = true;
  return s;
}

Snapshot rdna(const char* name, uint64_t memory) {
  Snapshot s = radeon(name, memory);
  set_subgroups(s, 64, 32, 64);
  let_kernels_demand(s, 0);
  return s;
}

Snapshot intel(const char* name, uint32_t least_subgroup) {
  Snapshot s = able_device(name, "Intel open-source Mesa driver", kIntel);
  s.driver_info = "Mesa 25.0.7";
  s.api_version = version(1, 4);
  set_shared_memory(s, 12 * kGiB);
  set_workgroups(s, 1024, 65536);
  set_subgroups(s, 32, least_subgroup, 32);
  let_kernels_demand(s, 64);
  s.float32.denorm_preserve = true;
  s.limits.timestamp_period_ns = 52;
  s.probes.f32_subnormals = s.probes.f32_fma_fused = true;
  return s;
}

Snapshot adreno(const char* name) {
  Snapshot s = able_device(name, "turnip Mesa driver", kQualcomm);
  s.driver_info = "Mesa 25.0.7";
  set_shared_memory(s, 6 * kGiB);
  set_workgroups(s, 1024, 32768);
  set_subgroups(s, 128, 64, 128);
  let_kernels_demand(s, 16);
  s.limits.timestamp_period_ns = 52;
  s.probes.f32_fma_fused = true;
  return s;
}

Snapshot video_core(const char* name) {
  Snapshot s = device(name, "V3DV Mesa", kBroadcom);
  s.driver_info = "Mesa 25.0.7";
  set_shared_memory(s, 4 * kGiB);
  set_workgroups(s, 256, 16384);
  set_subgroups(s, 16, 16, 16);
  s.limits.max_allocation_bytes = s.limits.max_buffer_bytes = kGiB;
  let_kernels_demand(s, 16);
  s.features.pipeline_creation_feedback = true;
  return s;
}

Snapshot apple(const char* driver, uint32_t vendor) {
  Snapshot s = able_device("Apple M1", driver, vendor);
  set_shared_memory(s, 10 * kGiB);
  set_workgroups(s, 1024, 32768);
  set_subgroups(s, 32, 32, 32);
  s.probes.f32_fma_fused = true;
  return s;
}

Snapshot cpu(const char* name, const char* driver, uint32_t vendor, uint32_t subgroup_size) {
  Snapshot s = able_device(name, driver, vendor);
  s.type = DeviceType::cpu;
  set_subgroups(s, subgroup_size, subgroup_size, subgroup_size);
  let_kernels_demand(s, 32);
  s.limits.max_allocation_bytes = 2 * kGiB;
  s.limits.max_buffer_bytes = 4 * kGiB - 1;
  s.probes.f32_div_exact = s.probes.f32_sqrt_exact = s.probes.f32_subnormals = true;
  return s;
}

// Subgroups are as wide as AVX.
Snapshot lavapipe(const char* info) {
  Snapshot s = cpu("llvmpipe (256 bits)", "llvmpipe", kMesa, 8);
  s.driver_info = info;
  add_f64(s, 0.5);
  s.float64.denorm_preserve = false;
  return s;
}

}  // namespace

Snapshot common_gpu() {
  Snapshot s = able_device("common GPU", "some driver", 0);
  set_own_memory(s, 16 * kGiB);
  set_workgroups(s, 1024, 49152);
  set_subgroups(s, 32, 32, 32);
  add_f64(s, 0.5);
  s.features.bfloat16 = s.float16.denorm_preserve = true;
  s.probes = {.done = true,
              .f32_div_exact = true,
              .f32_sqrt_exact = true,
              .f32_subnormals = true,
              .f32_fma_fused = true,
              .f64_rate = 0.5,
              .bf16_conversion_exact = true,
              .f16_conversion_exact = true};
  return s;
}

Snapshot bare_gpu() {
  Snapshot s = device("bare GPU", "some driver", 0);
  s.api_version = version(1, 2);
  set_own_memory(s, 2 * kGiB);
  set_workgroups(s, 1024, 49152);
  return s;
}

Snapshot h100() { return hopper("NVIDIA H100 80GB HBM3", 80 * kGiB); }
Snapshot h200() { return hopper("NVIDIA H200", 141 * kGiB); }

Snapshot polaris() {
  Snapshot s = radeon("AMD Radeon RX 580 Series (RADV POLARIS10)", 8 * kGiB);
  s.features.f16 = false;
  return s;
}
Snapshot vega() { return radeon("AMD Radeon RX Vega (RADV VEGA10)", 8 * kGiB); }
Snapshot rdna1() { return rdna("AMD Radeon RX 5700 XT (RADV NAVI10)", 8 * kGiB); }
Snapshot rdna2() {
  Snapshot s = rdna("AMD Radeon RX 6800 XT (RADV NAVI21)", 16 * kGiB);
  add_dots(s, false);
  return s;
}
Snapshot rdna3() {
  Snapshot s = rdna("AMD Radeon RX 7900 XTX (RADV NAVI31)", 24 * kGiB);
  add_matrix_units(s, shapes_of(16, 16, 16));
  add_integer_shapes(s.matrix_shapes, 16, 16, 16);
  add_mixed_shapes(s.matrix_shapes, 16, 16, 16);
  add_dots(s, true);
  return s;
}
Snapshot rdna4() {
  Snapshot s = rdna("AMD Radeon RX 9070 XT (RADV GFX1201)", 16 * kGiB);
  add_matrix_units(s, shapes_of(16, 16, 16));
  add_integer_shapes(s.matrix_shapes, 16, 16, 16);
  add_mixed_shapes(s.matrix_shapes, 16, 16, 16);
  add_dots(s, true);
  return s;
}

Snapshot skylake() {
  Snapshot s = intel("Intel(R) HD Graphics 530 (SKL GT2)", 8);
  s.limits.max_workgroup_subgroups = 56;
  add_f64(s, 1.0 / 4);
  return s;
}
Snapshot tiger_lake() { return intel("Intel(R) Xe Graphics (TGL GT2)", 8); }
Snapshot dg2() {
  Snapshot s = intel("Intel(R) Arc(tm) A770 Graphics (DG2)", 8);
  set_own_memory(s, 16 * kGiB);
  add_matrix_units(s, shapes_of(8, 8, 16));
  add_integer_shapes(s.matrix_shapes, 8, 8, 32);
  add_dots(s, true);
  return s;
}
Snapshot lunar_lake() {
  Snapshot s = intel("Intel(R) Arc(tm) 140V Graphics (LNL)", 16);
  add_f64(s, 1.0 / 16);
  add_matrix_units(s, shapes_of(8, 16, 16));
  add_integer_shapes(s.matrix_shapes, 8, 16, 32);
  add_dots(s, true);
  return s;
}
Snapshot battlemage() {
  Snapshot s = intel("Intel(R) Arc(tm) B580 Graphics (BMG G21)", 16);
  set_own_memory(s, 12 * kGiB);
  add_f64(s, 1.0 / 16);
  add_matrix_units(s, shapes_of(8, 16, 16));
  add_integer_shapes(s.matrix_shapes, 8, 16, 32);
  add_dots(s, true);
  return s;
}

Snapshot adreno_630() { return adreno("Turnip Adreno (TM) 630"); }
Snapshot adreno_660() { return adreno("Turnip Adreno (TM) 660"); }
Snapshot adreno_740() { return adreno("Turnip Adreno (TM) 740"); }
Snapshot adreno_750() { return adreno("Turnip Adreno (TM) 750"); }

Snapshot v3d_42() { return video_core("V3D 4.2.14.0"); }
Snapshot v3d_71() {
  Snapshot s = video_core("V3D 7.1.10.2");
  s.subgroup.ballot = s.subgroup.shuffle = true;
  return s;
}

Snapshot apple_m1() {
  Snapshot s = apple("MoltenVK", kApple);
  s.driver_info = "1.3.0";
  s.portability = {true, {"pointPolygons", "triangleFans"}, 4};
  return s;
}
Snapshot apple_m1_linux() {
  Snapshot s = apple("Honeykrisp", kMesa);
  s.driver_info = "Mesa 25.0.7";
  return s;
}

Snapshot lavapipe_22() {
  Snapshot s = lavapipe("Mesa 22.3.6 (LLVM 15.0.6)");
  s.limits.max_texel_buffer_elements = 1 << 27;
  s.limits.texel_buffer_alignment = 16;
  return s;
}
Snapshot lavapipe_25() { return lavapipe("Mesa 25.0.7 (LLVM 19.1.7)"); }
Snapshot swiftshader() {
  Snapshot s = cpu("SwiftShader Device (LLVM 16.0.0)", "SwiftShader driver", kGoogle, 4);
  s.features.int64 = s.features.f16 = false;
  set_workgroups(s, 256, 32768);
  return s;
}

std::vector<Snapshot> known_devices() {
  return {
      h100(),       h200(),       polaris(),        vega(),        rdna1(),       rdna2(),
      rdna3(),      rdna4(),      skylake(),        tiger_lake(),  dg2(),         lunar_lake(),
      battlemage(), adreno_630(), adreno_660(),     adreno_740(),  adreno_750(),  v3d_42(),
      v3d_71(),     apple_m1(),   apple_m1_linux(), lavapipe_22(), lavapipe_25(), swiftshader()};
}

}  // namespace nxv::testing

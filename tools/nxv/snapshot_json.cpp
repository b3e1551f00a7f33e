#include "snapshot_json.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace nxv::plan {

NLOHMANN_JSON_SERIALIZE_ENUM(DeviceType, {{DeviceType::other, "other"},
                                          {DeviceType::integrated, "integrated"},
                                          {DeviceType::discrete, "discrete"},
                                          {DeviceType::virtual_gpu, "virtual"},
                                          {DeviceType::cpu, "cpu"}})
NLOHMANN_JSON_SERIALIZE_ENUM(MatrixType, {{MatrixType::f16, "f16"},
                                          {MatrixType::bf16, "bf16"},
                                          {MatrixType::f32, "f32"},
                                          {MatrixType::f64, "f64"},
                                          {MatrixType::s8, "s8"},
                                          {MatrixType::u8, "u8"},
                                          {MatrixType::s32, "s32"},
                                          {MatrixType::u32, "u32"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Limits, max_allocation_bytes, max_buffer_bytes,
                                   shared_memory_bytes, max_workgroup_invocations,
                                   max_workgroup_size, max_workgroup_count, subgroup_size,
                                   min_subgroup_size, max_subgroup_size, max_workgroup_subgroups,
                                   cores, max_texel_buffer_elements, texel_buffer_alignment,
                                   timestamp_period_ns, timestamp_bits)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SubgroupOps, arithmetic, ballot, shuffle, required_size)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FloatControls, signed_zero_inf_nan_preserve, denorm_preserve)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Features, buffer_device_address, timeline_semaphore, f64, int64,
                                   f16, vulkan_memory_model, subgroup_size_control, full_subgroups,
                                   cooperative_matrix, bfloat16, int8, integer_dot_product,
                                   memory_budget, pipeline_creation_feedback, push_descriptor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Portability, is_subset, lacks, vertex_stride_alignment)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FastDots, of_signed, of_unsigned, mixed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MemoryHeap, bytes, budget, device_local)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MemoryType, heap, device_local, host_visible,
                                                host_coherent, host_cached, index)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MatrixShape, m, n, k, a, b, accumulator)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Probes, done, f32_div_exact, f32_sqrt_exact, f32_subnormals,
                                   f32_fma_fused, f64_rate, matrix_units_exact, integer_units_exact,
                                   packed_dot_exact, bf16_conversion_exact, f16_conversion_exact,
                                   matrix_elements_exact, matrix_chains_exact)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Snapshot, name, driver_name, driver_info, vendor_id, api_version,
                                   type, uuid, cache_uuid, limits, subgroup, fast_dots, features,
                                   portability, float16, float32, float64, heaps, memory_types,
                                   matrix_shapes, has_compute_queue, probes)

}  // namespace nxv::plan

namespace nxv::tools {
namespace {

using nlohmann::json;

bool has_fractions(const json& value) {
  return value.is_number_float() ||
         (value.is_structured() && std::any_of(value.begin(), value.end(), has_fractions));
}

// What is misspelt would silently change nothing.
void check_members(const json& known, const json& changes, const std::string& path) {
  if (!changes.is_object()) {
    // Numbers in lists are whole, too.
    if (has_fractions(changes) && !known.is_number_float()) {
      throw Error(Status::invalid_argument,
                  "'" + path.substr(std::min<size_t>(path.size(), 1)) + "' takes whole numbers");
    }
    if (known.is_object()) {
      throw Error(Status::invalid_argument,
                  (path.empty() ? "a snapshot" : path.substr(1)) + " is to be a JSON object");
    }
    return;
  }
  for (const auto& [name, value] : changes.items()) {
    if (!known.is_object() || !known.contains(name)) {
      throw Error(Status::invalid_argument, "snapshots of devices have no member '" +
                                                (path + "." + name).substr(1) +
                                                "' (`nxv info --json` prints all)");
    }
    check_members(known[name], value, path + "." + name);
  }
}

}  // namespace

json to_json(const plan::Snapshot& snapshot) { return snapshot; }

plan::Snapshot amended(const plan::Snapshot& snapshot, const json& changes) {
  json all = snapshot;
  check_members(all, changes, "");
  all.merge_patch(changes);
  plan::Snapshot read;
  try {
    read = all.get<plan::Snapshot>();
  } catch (const json::exception& e) {
    throw Error(Status::invalid_argument, std::string("this is no snapshot: ") + e.what());
  }
  // Numbers that a member does not hold, and names that there are not.
  if (const json held = read; held != all) {
    throw Error(Status::invalid_argument,
                "this is no snapshot: " + json::diff(held, all).dump() + " is beyond its members");
  }
  return read;
}

}  // namespace nxv::tools

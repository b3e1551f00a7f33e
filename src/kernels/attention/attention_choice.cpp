#include "kernels/attention/attention_choice.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/attention/attention_chunks.h"
#include "kernels/attention/attention_tiles.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {
namespace {

uint32_t matrices(int64_t width) {
  return static_cast<uint32_t>(divide_up(static_cast<uint64_t>(width), ir::kMatrixSide));
}

// Products of f32 of this many multiplications at most are added up in f64, where the device has
// it, as those of matrices are.
constexpr int64_t kWideProducts = int64_t{1} << 22;

// Invocations of a workgroup on matrix units: four subgroups of 32, which share keys and values.
constexpr uint32_t kUnitInvocations = 128;
// Rows that share a head of keys, of those whose keys are split; of fewer keys parts do not pay.
constexpr int64_t kDecodeRows = 16, kDecodeKeys = 128;
// A workgroup goes over the keys of a row by itself as long as they are so few, with so many parts
// of them at a time.
constexpr int64_t kRowKeys = 2048;
constexpr uint32_t kRowTeams = 4;
constexpr uint32_t kRowChunks = 16;  // of a row of values: more take too many registers
// Registers of an invocation that has a part of the keys.
constexpr uint32_t kDecodeRegisters = 64;
// And of one that has several rows of a block.
constexpr uint32_t kRowsRegisters = 64;
// From here on their products take longer than reading the keys, without matrix units.
constexpr int64_t kUnitPartsKeys = 1024;
// Of fewer queries matrices would be mostly empty.
constexpr int64_t kUnitQueries = 16;

// Of the kernel that shares tiles, over the slabs of all tiles of keys.
uint64_t shared_iterations(const AttentionSizes& s) {
  const uint64_t slabs = divide_up(static_cast<uint64_t>(s.width), 32);
  return divide_up(static_cast<uint64_t>(s.keys), 32) * (1 + slabs);
}

SharedAttentionLayout shared_layout(const AttentionProblem& p, const Target& target) {
  const AttentionSizes& s = p.sizes;
  SharedAttentionLayout layout;
  layout.options = p.options;
  layout.query_groups = p.query_groups;
  layout.key_groups = p.key_groups;
  layout.value_groups = p.value_groups;
  layout.result_groups = p.result_groups;
  layout.value_slabs = static_cast<uint32_t>(divide_up(static_cast<uint64_t>(s.value_width), 32));
  layout.wide = adds_up_wide(s, p.options.type, target);
  // Totals of more would not stay in registers.
  const uint32_t registers = target.plan->tuning.lane_registers;
  const bool few_registers = target.plan->tuning.has_few_registers();
  const uint32_t wide = layout.value_slabs * (layout.wide ? 2 : 1) > 4 ? 2 : 4;
  const uint32_t most = !few_registers ? wide : registers < kRowsRegisters ? 1 : wide / 2;
  layout.rows = std::min(s.queries <= 8 ? 1u : s.queries <= 16 ? 2u : 4u, most);
  const uint64_t others = divide_up(static_cast<uint64_t>(s.keys), AttentionTiles::kOthers);
  layout.in_turn = few_registers && (shared_iterations(s) + others * layout.value_slabs) *
                                            AttentionTiles::kIterationsInTurn <=
                                        target.plan->max_loop_iterations;
  return layout;
}

const char* shared_obstacle(const AttentionProblem& p, const Target& target) {
  if (shared_iterations(p.sizes) > target.plan->max_loop_iterations) {
    return "the loop over keys is too long";
  }
  return nullptr;
}

DecodeLayout decode_layout(const AttentionProblem& p, const Target& target) {
  const auto chunks = [&](int64_t width) {
    return static_cast<uint32_t>(
        divide_up(static_cast<uint64_t>(width), chunk_elements(p.options.type)));
  };
  const auto rows = static_cast<uint64_t>(p.sizes.queries * (p.sizes.heads / p.sizes.kv_heads));
  DecodeLayout layout;
  layout.options = p.options;
  layout.rows = rows > 4 ? 8 : rows > 2 ? 4 : static_cast<uint32_t>(rows);
  layout.part = part_of_keys(p.sizes.keys);
  layout.width = chunks(p.sizes.width);
  layout.value_width = chunks(p.sizes.value_width);
  layout.tile = layout.width > 32 ? 16 : layout.width > 8 ? 32 : 64;
  const auto fits = [&] { return decode_shared_bytes(layout) <= target.plan->shared_memory_bytes; };
  while (layout.tile > 16 && !fits()) layout.tile /= 2;
  return layout;
}

const char* decode_obstacle(const AttentionProblem& p, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (!plan.tuning.shares_cheaply) return "barriers cost much";
  if (plan.tuning.lane_registers < kDecodeRegisters) return "registers are too few";
  if (p.sizes.queries * (p.sizes.heads / p.sizes.kv_heads) > kDecodeRows) {
    return "many queries share a head of keys";
  }
  if (p.sizes.keys < kDecodeKeys) return "there are few keys";
  if (!p.has_chunks) return "its columns do not come in chunks of 16 bytes";
  if (kCombineInvocations > plan.max_workgroup_invocations) return "the workgroup is too large";
  if (decode_shared_bytes(decode_layout(p, target)) > plan.shared_memory_bytes) {
    return "the tiles do not fit into shared memory";
  }
  return nullptr;
}

RowAttentionLayout row_layout(const AttentionProblem& p, const Target& target) {
  const DecodeLayout parts = decode_layout(p, target);
  RowAttentionLayout layout;
  layout.options = p.options;
  layout.part = parts.part;
  layout.block = parts.tile;
  layout.width = parts.width;
  layout.value_width = parts.value_width;
  layout.pairs = combined_pairs(p.sizes.value_width);
  const auto keys = static_cast<uint64_t>(p.sizes.keys);
  layout.parts = std::max(kCombineInvocations / layout.pairs,
                          static_cast<uint32_t>(std::bit_ceil(divide_up(keys, layout.part))));
  layout.teams = kRowTeams;
  const plan::DevicePlan& plan = *target.plan;
  const auto fits = [&] {
    return row_shared_bytes(layout) <= plan.shared_memory_bytes &&
           kDecodeInvocations * layout.teams <= plan.max_workgroup_invocations;
  };
  while (layout.teams > 1 && !fits()) layout.teams /= 2;
  return layout;
}

const char* row_obstacle(const AttentionProblem& p, const Target& target) {
  if (const char* obstacle = decode_obstacle(p, target)) return obstacle;
  const AttentionSizes& s = p.sizes;
  const plan::DevicePlan& plan = *target.plan;
  if (s.keys > kRowKeys) return "there are many keys";
  if (static_cast<uint64_t>(s.batch * s.heads * s.queries) > plan.tuning.busy_line_tiles) {
    return "there are many rows";
  }
  const RowAttentionLayout layout = row_layout(p, target);
  if (!std::has_single_bit(layout.value_width) || layout.value_width > kRowChunks) {
    return "the chunks of a row of values are many, or no power of two";
  }
  if (kDecodeInvocations * layout.teams > plan.max_workgroup_invocations) {
    return "the workgroup is too large";
  }
  if (row_shared_bytes(layout) > plan.shared_memory_bytes) {
    return "the tiles do not fit into shared memory";
  }
  return nullptr;
}

// Whether columns fill the matrices.
bool fills_matrices(const AttentionSizes& s) {
  return s.width % ir::kMatrixSide == 0 && s.value_width % ir::kMatrixSide == 0;
}

// Makes blocks, then stages, then workgroups smaller until shared memory holds them.
template <typename Fits>
void fit(uint32_t& others, uint32_t& stages, uint32_t& subgroups, const Fits& fits) {
  while (!fits() && others > 32) others /= 2;
  if (!fits()) stages = 1;
  while (!fits() && others > ir::kMatrixSide) others /= 2;
  while (!fits() && subgroups > 1) subgroups /= 2;
}

// The largest blocks of which registers hold the totals and the scores.
UnitAttentionLayout unit_layout(const AttentionProblem& p, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  UnitAttentionLayout layout;
  layout.options = p.options;
  layout.lanes = std::max(1u, plan.matrix_subgroup_size);
  layout.width = matrices(p.sizes.width);
  layout.value_width = matrices(p.sizes.value_width);
  layout.whole = fills_matrices(p.sizes);
  layout.in_registers = plan.has.matrix_chains;
  const bool is_narrow = std::max(layout.width, layout.value_width) <= 4;
  layout.rows = is_narrow ? std::min(layout.lanes, 32u) : ir::kMatrixSide;
  layout.keys = layout.rows > ir::kMatrixSide ? 32 : 64;
  layout.subgroups = std::max(1u, kUnitInvocations / layout.lanes);
  fit(layout.keys, layout.stages, layout.subgroups,
      [&] { return unit_shared_bytes(layout) <= plan.shared_memory_bytes; });
  layout.subgroups = fewer_subgroups(layout.subgroups, layout.rows, p.sizes.queries,
                                     p.sizes.batch * p.sizes.heads, target);
  return layout;
}

// Of a part on matrix units: subgroups have tiles of their own.
UnitPartsLayout unit_parts_layout(const AttentionProblem& p, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  UnitPartsLayout layout;
  layout.options = p.options;
  layout.lanes = std::max(1u, plan.matrix_subgroup_size);
  layout.subgroups = std::max(1u, kDecodeInvocations / layout.lanes);
  layout.width = matrices(p.sizes.width);
  layout.value_width = matrices(p.sizes.value_width);
  layout.part = unit_part_of_keys(p.sizes.keys);
  layout.in_registers = plan.has.matrix_chains;
  const auto fits = [&] { return unit_parts_shared_bytes(layout) <= plan.shared_memory_bytes; };
  layout.keys = std::max(layout.width, layout.value_width) <= 4 ? 32 : 16;
  if (!fits()) layout.keys = 16;
  while (!fits() && layout.subgroups > 1) layout.subgroups /= 2;
  return layout;
}

const char* unit_parts_obstacle(const AttentionProblem& p, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (p.sizes.keys < kUnitPartsKeys) return "there are few keys";
  if (const char* obstacle = decode_obstacle(p, target)) return obstacle;
  if (const char* obstacle = unit_factors_obstacle(p, target)) return obstacle;
  if (unit_parts_shared_bytes(unit_parts_layout(p, target)) > plan.shared_memory_bytes) {
    return "the tiles do not fit into shared memory";
  }
  return nullptr;
}

const char* unit_obstacle(const AttentionProblem& p, const Target& target) {
  if (const char* obstacle = unit_factors_obstacle(p, target)) return obstacle;
  if (p.sizes.queries < kUnitQueries) return "there are too few queries";
  const plan::DevicePlan& plan = *target.plan;
  const UnitAttentionLayout layout = unit_layout(p, target);
  if (layout.lanes * layout.subgroups > plan.max_workgroup_invocations) {
    return "the workgroup is too large";
  }
  if (unit_shared_bytes(layout) > plan.shared_memory_bytes) {
    return "the tiles do not fit into shared memory";
  }
  if (divide_up(static_cast<uint64_t>(p.sizes.keys), layout.keys) > plan.max_loop_iterations) {
    return "the loop over keys is too long";
  }
  return nullptr;
}

}  // namespace

bool scores_fit(const plan::DevicePlan& plan, DType type, const AttentionSizes& s) {
  const int64_t bytes = s.batch * s.heads * s.queries * s.keys * storage_bytes(type);
  return static_cast<uint64_t>(bytes) <= plan.max_allocation_bytes;
}

bool attention_pays(const plan::DevicePlan& plan, DType type, const AttentionSizes& s) {
  if (!plan.tuning.shares_cheaply || shared_iterations(s) > plan.max_loop_iterations) return false;
  const bool is_decode = s.queries * (s.heads / s.kv_heads) <= kDecodeRows && s.keys >= kDecodeKeys;
  return storage_bytes(type) == 2 || is_decode || !scores_fit(plan, type, s);
}

const char* unit_factors_obstacle(const AttentionProblem& p, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const DType type = p.options.type;
  const auto factor = type == DType::bf16 ? plan::MatrixType::bf16 : plan::MatrixType::f16;
  const bool has_shape = std::any_of(
      plan.matrix_shapes.begin(), plan.matrix_shapes.end(), [&](const plan::MatrixShape& s) {
        return s.m == ir::kMatrixSide && s.n == ir::kMatrixSide && s.k == ir::kMatrixSide &&
               s.a == factor && s.b == factor && s.accumulator == plan::MatrixType::f32;
      });
  const bool has_units = plan.has.coopmat && plan.fixed_subgroup_size && has_shape &&
                         (type == DType::f16 ? plan.has.f16 : plan.has.bf16);
  if (storage_bytes(type) != 2 || !has_units) {
    return "the device has no matrix units for its types";
  }
  if (plan.matrix_subgroup_size < ir::kMatrixSide || plan.matrix_subgroup_size > 64) {
    return "subgroups are of another size";
  }
  if (plan.matrix_subgroup_size > ir::kMatrixSide && !plan.has.subgroup_shuffle) {
    return "subgroups cannot shuffle";
  }
  if (!plan.has.matrix_elements) return "elements of matrices are out of reach";
  if (!plan.has.subgroup_ballot) return "subgroups cannot vote";
  if (!p.scales) return "its scale is not positive";
  if (!p.has_chunks) return "its columns do not come in chunks of 16 bytes";
  return nullptr;
}

bool has_groups(const Region& region, size_t operand, const Shape& shape, uint32_t several) {
  const Operand& o = region.operands[operand];
  const uint32_t* const place = region.words.data() + o.words;  // the offset, four strides
  bool fits = place[0] % several == 0 && place[4] == 1 && shape[3] % several == 0;
  for (size_t axis = 0; axis < 3; ++axis) {
    fits = fits && (shape[axis] == 1 || place[1 + axis] % several == 0);
  }
  return fits;
}

// Parts enough for all cores of a GPU, and few enough to combine.
uint32_t part_of_keys(int64_t keys) {
  if (keys <= 4096) return 64;
  if (keys <= 16384) return 128;
  return keys <= 65536 ? 256 : 512;
}

uint32_t combined_pairs(int64_t value_width) {
  uint32_t pairs = 32;
  while (2 * pairs < value_width) pairs *= 2;
  return pairs;
}

uint32_t unit_part_of_keys(int64_t keys) {
  uint32_t part = 128;
  while (part < 1024 && keys > 32 * int64_t{part}) part *= 2;
  return part;
}

uint32_t fewer_subgroups(uint32_t subgroups, uint32_t rows, int64_t all_rows, int64_t heads,
                         const Target& target) {
  const auto blocks = [&](uint32_t of) {
    return divide_up(static_cast<uint64_t>(all_rows), uint64_t{rows} * of);
  };
  while (subgroups > 1 &&
         (blocks(subgroups) == blocks(subgroups / 2) ||
          blocks(subgroups) * static_cast<uint64_t>(heads) < target.plan->tuning.busy_tiles)) {
    subgroups /= 2;
  }
  return subgroups;
}

bool adds_up_wide(const AttentionSizes& s, DType type, const Target& target) {
  return type == DType::f32 && target.math.f64 && s.queries * s.keys <= kWideProducts &&
         s.queries * s.keys * s.width <= kWideProducts;
}

AttentionProblem attention_problem(const Region& region) {
  const Node& node = operation_of(*region.root);
  const auto& attr = node.attribute<AttentionAttr>();
  const AttentionOperands operands(attr);
  AttentionProblem p{AttentionSizes(node), {}};
  p.scales = attr.scale > 0;
  AttentionOptions& o = p.options;
  o.type = node.inputs[0]->dtype;
  o.has_mask = attr.has_mask;
  o.has_bias = attr.has_bias;
  o.has_lengths = attr.has_lengths;
  o.has_offsets = attr.has_offsets;
  o.has_sinks = attr.has_sinks;
  o.has_cap = attr.soft_cap != 0;
  o.has_before = attr.before >= 0;
  o.has_after = attr.after >= 0;
  o.bias = operands.bias < 0 ? DType::f32 : node.inputs[static_cast<size_t>(operands.bias)]->dtype;
  o.result = -1;
  for (size_t r = 0; r < region.roots.size(); ++r) {
    const Node& root = *region.roots[r].node;
    const bool is_statistics = root.op == Op::result && root.attribute<ResultAttr>().index == 1;
    (is_statistics ? o.statistics : o.result) = static_cast<int>(r);
    if (!is_statistics) o.stored = root.dtype;
  }
  p.query_groups = has_groups(region, 0, node.inputs[0]->shape, 4);
  p.key_groups = has_groups(region, 1, node.inputs[1]->shape, 4);
  p.value_groups = has_groups(region, 2, node.inputs[2]->shape, 4);
  p.has_chunks = true;
  for (size_t i = 0; i < 3; ++i) {
    p.has_chunks =
        p.has_chunks && has_groups(region, i, node.inputs[i]->shape, chunk_elements(o.type));
  }
  p.result_groups = p.sizes.value_width % 4 == 0;
  return p;
}

std::vector<AttentionCandidate> attention_candidates(const AttentionProblem& problem,
                                                     const Target& target) {
  return {{"attention_row", row_layout(problem, target), row_obstacle(problem, target)},
          {"attention_unit_parts", unit_parts_layout(problem, target),
           unit_parts_obstacle(problem, target)},
          {"attention_parts", decode_layout(problem, target), decode_obstacle(problem, target)},
          {"attention_units", unit_layout(problem, target), unit_obstacle(problem, target)},
          {"attention_shared", shared_layout(problem, target), shared_obstacle(problem, target)}};
}

AttentionLayout choose_attention(const AttentionProblem& problem, const Target& target) {
  const auto all = attention_candidates(problem, target);
  for (const AttentionCandidate& c : all) {
    if (!c.refusal) return c.layout;
  }
  throw Error(Status::unsupported, std::string("attention: ") + all.back().refusal);
}

std::vector<Candidate> candidates_of_attention(const Region& region, const Target& target) {
  std::vector<Candidate> all;
  for (const auto& c : attention_candidates(attention_problem(region), target)) {
    all.push_back({c.name, c.refusal});
  }
  return all;
}

// ---- Gradients ----

size_t gradient_operand(const Node& node) {
  return static_cast<size_t>(
      AttentionGradientOperands(AttentionOperands(node.attribute<AttentionAttr>()).count).gradient);
}

// Rows whose factors and totals stay in registers: of keys there are two totals.
GradientUnitLayout gradient_unit_layout(const AttentionProblem& p, const Target& target,
                                        bool of_queries) {
  const plan::DevicePlan& plan = *target.plan;
  GradientUnitLayout layout;
  layout.options = p.options;
  layout.of_queries = of_queries;
  layout.lanes = std::max(1u, plan.matrix_subgroup_size);
  layout.width = matrices(p.sizes.width);
  layout.value_width = matrices(p.sizes.value_width);
  layout.whole = fills_matrices(p.sizes);
  layout.in_registers = plan.has.matrix_chains;
  const bool is_narrow = std::max(layout.width, layout.value_width) <= 4;
  layout.rows = of_queries && is_narrow ? std::min(layout.lanes, 32u) : ir::kMatrixSide;
  layout.others = layout.rows > ir::kMatrixSide ? 32 : 64;
  layout.stages = of_queries ? 2 : 1;
  layout.subgroups = std::max(1u, kUnitInvocations / layout.lanes);
  fit(layout.others, layout.stages, layout.subgroups,
      [&] { return gradient_shared_bytes(layout) <= plan.shared_memory_bytes; });
  const AttentionSizes& s = p.sizes;
  layout.subgroups = fewer_subgroups(layout.subgroups, layout.rows, of_queries ? s.queries : s.keys,
                                     s.batch * (of_queries ? s.heads : s.kv_heads), target);
  return layout;
}

// Of both kernels.
const char* gradient_unit_obstacle(const Region& region, const AttentionProblem& p,
                                   const Target& target) {
  if (const char* obstacle = unit_factors_obstacle(p, target)) return obstacle;
  if (p.sizes.queries < kUnitQueries) return "there are too few queries";
  const Node& node = operation_of(*region.root);
  const auto gradient = gradient_operand(node);
  if (!has_groups(region, gradient, node.inputs[gradient]->shape, 8)) {
    return "columns of the gradient do not come in chunks of 16 bytes";
  }
  for (bool of_queries : {false, true}) {
    const GradientUnitLayout layout = gradient_unit_layout(p, target, of_queries);
    if (layout.lanes * layout.subgroups > target.plan->max_workgroup_invocations) {
      return "the workgroup is too large";
    }
    if (gradient_shared_bytes(layout) > target.plan->shared_memory_bytes) {
      return "the tiles do not fit into shared memory";
    }
  }
  const auto others = static_cast<uint64_t>(
      std::max(p.sizes.keys, p.sizes.queries * (p.sizes.heads / p.sizes.kv_heads)));
  if (divide_up(others, ir::kMatrixSide) > target.plan->max_loop_iterations)
    return "the loop is too long";
  return nullptr;
}

std::vector<Candidate> candidates_of_attention_gradient(const Region& region,
                                                        const Target& target) {
  return {{"attention_gradient_units",
           gradient_unit_obstacle(region, attention_problem(region), target)},
          {"attention_gradient", nullptr}};
}

}  // namespace nxv::kernels

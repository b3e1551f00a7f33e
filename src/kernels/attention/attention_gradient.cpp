#include "kernels/attention/attention_gradient.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/attention/attention_choice.h"
#include "kernels/attention/attention_tiles.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {
namespace {

const Family<GradientAttentionLayout> kGradient = {"attention_gradient",
                                                   generate_attention_gradient};
const Family<GradientUnitLayout> kUnits = {"attention_gradient_units",
                                           generate_attention_gradient_units};

uint32_t slabs(int64_t width) {
  return static_cast<uint32_t>(divide_up(static_cast<uint64_t>(width), 32));
}

GradientAttentionLayout gradient_layout(const Region& region, const AttentionProblem& p,
                                        const Target& target) {
  const Node& node = operation_of(*region.root);
  const auto gradient = gradient_operand(node);
  GradientAttentionLayout layout;
  layout.options = p.options;
  layout.options.stored = region.root->dtype;
  layout.options.result = layout.options.statistics = -1;
  layout.slabs = slabs(p.sizes.width);
  layout.value_slabs = slabs(p.sizes.value_width);
  layout.wide = adds_up_wide(p.sizes, p.options.type, target);
  layout.query_groups = p.query_groups;
  layout.key_groups = p.key_groups;
  layout.value_groups = p.value_groups;
  layout.gradient_groups = has_groups(region, gradient, node.inputs[gradient]->shape, 4);
  return layout;
}

AttentionResultWords result_words(const AttentionSizes& s, bool heads_inside, int64_t heads,
                                  int64_t rows, int64_t width) {
  AttentionResultWords w;
  w.batch_stride = static_cast<uint32_t>(s.batch == 1 ? 0 : heads * rows * width);
  w.head_stride = static_cast<uint32_t>(heads_inside ? width : rows * width);
  w.row_stride = static_cast<uint32_t>(heads_inside ? heads * width : width);
  return w;
}

// Rows of an invocation: totals of more slabs would not stay in registers.
uint32_t rows_of(uint32_t slabs, bool wide, const Target& target) {
  return target.plan->tuning.has_few_registers() || slabs * (wide ? 2 : 1) > 4 ? 1 : 2;
}

// Rows that a kernel goes over.
int64_t others_of(const AttentionSizes& s) {
  return std::max(s.keys, s.queries * (s.heads / s.kv_heads));
}

// Products and what they are added up to are loops within those over blocks of 32.
uint64_t iterations_of(const AttentionSizes& s) {
  const uint64_t each = 1 + slabs(s.width) + slabs(s.value_width);
  return divide_up(static_cast<uint64_t>(others_of(s)), 32) * each;
}

bool loops_fit(const AttentionSizes& s, const plan::DevicePlan& plan) {
  return iterations_of(s) <= plan.max_loop_iterations;
}

}  // namespace

bool attention_gradients_pay(const plan::DevicePlan& plan, DType type, const AttentionSizes& s,
                             bool is_causal) {
  // Of halves attention pays wherever it can be.
  const bool fits = attention_pays(plan, DType::bf16, s) && loops_fit(s, plan);
  if (!fits || !scores_fit(plan, type, s)) return fits;
  if (storage_bytes(type) > 2) return is_causal;
  const bool has_chunks = s.width % 8 == 0 && s.value_width % 8 == 0;  // of 16 bytes
  return !plan.has.coopmat || has_chunks;
}

Lowering lower_attention_gradient(const Region& region, const Target& target) {
  const Node& node = operation_of(*region.root);
  const AttentionProblem p = attention_problem(region);
  const AttentionSizes& s = p.sizes;
  const bool heads_inside = node.attribute<AttentionAttr>().heads_inside;
  const GradientAttentionLayout all = gradient_layout(region, p, target);
  int roots[3] = {-1, -1, -1};
  for (size_t r = 0; r < region.roots.size(); ++r) {
    roots[region.roots[r].node->attribute<ResultAttr>().index] = static_cast<int>(r);
  }

  const bool on_units = !gradient_unit_obstacle(region, p, target);
  Lowering lowering;
  const auto add = [&](const auto& family, const auto& layout, uint32_t block_rows, int64_t heads,
                       int64_t rows) {
    GradientWords words;
    words.attention = attention_words(node, heads, rows, block_rows);
    if (on_units) words.attention.head_block = head_block(s, heads);
    words.first = result_words(s, heads_inside, heads, rows, s.width);
    words.second = result_words(s, heads_inside, heads, rows, s.value_width);
    Launch d = launch_of(family, region, target, layout, words);
    d.groups = fold_groups(words.attention.groups, *target.plan);
    d.reads_output = false;
    d.work = static_cast<uint64_t>(s.batch * s.heads * s.queries) *
             static_cast<uint64_t>(s.keys * 2 * (s.width + s.value_width));
    lowering.add(std::move(d));
  };
  if (!on_units && !loops_fit(s, *target.plan)) {
    throw Error(Status::unsupported, "attention_gradient: a loop over " +
                                         std::to_string(others_of(s)) +
                                         " rows is longer than one kernel may go over");
  }
  const auto add_kernel = [&](bool of_queries, int first, int second) {
    const int64_t heads = of_queries ? s.heads : s.kv_heads;
    const int64_t rows = of_queries ? s.queries : s.keys;
    if (on_units) {
      GradientUnitLayout layout = gradient_unit_layout(p, target, of_queries);
      layout.options = all.options;
      layout.first = first;
      layout.second = second;
      return add(kUnits, layout, layout.rows * layout.subgroups, heads, rows);
    }
    GradientAttentionLayout layout = all;
    layout.of_queries = of_queries;
    layout.first = first;
    layout.second = second;
    const uint32_t slabs = layout.slabs + (of_queries ? 0 : layout.value_slabs);
    layout.rows = rows_of(slabs, layout.wide, target);
    layout.in_turn = target.plan->tuning.has_few_registers() &&
                     2 * iterations_of(s) * AttentionTiles::kIterationsInTurn <=
                         target.plan->max_loop_iterations;
    add(kGradient, layout, 8 * layout.rows, heads, rows);
  };
  if (roots[0] >= 0) add_kernel(true, roots[0], -1);
  if (roots[1] >= 0 || roots[2] >= 0) add_kernel(false, roots[1], roots[2]);
  return lowering;
}

}  // namespace nxv::kernels

#include "kernels/attention/attention.h"

#include <limits>
#include <numbers>

#include "kernels/attention/attention_choice.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {
namespace {

const Family<SharedAttentionLayout> kShared = {"attention_shared", generate_shared_attention};
const Family<UnitAttentionLayout> kUnits = {"attention_units", generate_unit_attention};

uint32_t word(int64_t v) { return static_cast<uint32_t>(v); }

}  // namespace

AttentionWords attention_words(const Node& node, int64_t heads, int64_t rows, uint32_t block_rows) {
  const auto& attr = node.attribute<AttentionAttr>();
  const AttentionSizes s(node);
  const uint64_t blocks = divide_up(static_cast<uint64_t>(rows), block_rows);
  AttentionWords w;
  w.groups = word(s.batch * heads) * static_cast<uint32_t>(blocks);
  w.query_blocks = Divisor(blocks);
  w.heads = Divisor(static_cast<uint64_t>(heads));
  w.head_group = Divisor(static_cast<uint64_t>(s.heads / s.kv_heads));
  w.queries = word(s.queries);
  w.keys = word(s.keys);
  w.width = word(s.width);
  w.value_width = word(s.value_width);
  w.scale = RealWord(attr.scale);
  w.binary_scale = RealWord(attr.scale * std::numbers::log2e);
  w.cap = RealWord(attr.soft_cap);
  w.inverse_cap = RealWord(attr.soft_cap == 0 ? 1.0 : 1 / attr.soft_cap);
  w.masked = RealWord(attr.masked);
  w.lowest = RealWord(-std::numeric_limits<double>::infinity());
  w.before = word(attr.before);
  w.after = word(attr.after);
  w.offset = word(attr.offset);
  w.batch_stride = word(s.heads * s.queries * s.value_width);
  w.head_stride = word(attr.heads_inside ? s.value_width : s.queries * s.value_width);
  w.row_stride = word(attr.heads_inside ? s.heads * s.value_width : s.value_width);
  return w;
}

Lowering lower_attention(const Region& region, const Target& target) {
  const Node& node = operation_of(*region.root);
  const AttentionProblem problem = attention_problem(region);
  const AttentionSizes& s = problem.sizes;
  const auto launch = [&](const auto& family, const auto& layout, uint32_t block_rows) {
    const AttentionWords words = attention_words(node, s.heads, s.queries, block_rows);
    Launch d = launch_of(family, region, target, layout, words);
    d.groups = fold_groups(words.groups, *target.plan);
    d.reads_output = false;
    d.work = static_cast<uint64_t>(s.batch * s.heads * s.queries) *
             static_cast<uint64_t>(s.keys * (s.width + s.value_width));
    return d;
  };
  const AttentionLayout chosen = choose_attention(problem, target);
  Lowering lowering;
  if (const auto* units = std::get_if<UnitAttentionLayout>(&chosen)) {
    lowering.add(launch(kUnits, *units, units->rows * units->subgroups));
  } else {
    const auto& layout = std::get<SharedAttentionLayout>(chosen);
    lowering.add(launch(kShared, layout, 8 * layout.rows));
  }
  return lowering;
}

}  // namespace nxv::kernels

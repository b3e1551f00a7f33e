#include "kernels/attention/attention.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "kernels/attention/attention_choice.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {
namespace {

const Family<SharedAttentionLayout> kShared = {"attention_shared", generate_shared_attention};
const Family<UnitAttentionLayout> kUnits = {"attention_units", generate_unit_attention};
const Family<DecodeLayout> kParts = {"attention_parts", generate_attention_parts};
const Family<UnitPartsLayout> kUnitParts = {"attention_unit_parts", generate_attention_unit_parts};
const Family<CombineLayout> kCombination = {"attention_combination",
                                            generate_attention_combination};

uint32_t word(int64_t v) { return static_cast<uint32_t>(v); }

}  // namespace

uint32_t head_block(const AttentionSizes& s, int64_t heads) {
  constexpr int64_t kCached = 16 << 20;  // bytes, of halves
  const int64_t keys = s.keys * s.kv_heads, queries = s.queries * s.heads;
  const int64_t bytes = 2 * std::max(keys, queries) / s.heads * (s.width + s.value_width);
  return word(std::clamp(kCached / std::max<int64_t>(1, bytes), int64_t{1}, s.batch * heads));
}

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

namespace {

// `block_rows`: of a workgroup.
template <typename Layout>
Lowering lower_decode(const Region& region, const Target& target, const Family<Layout>& family,
                      const Layout& layout, uint32_t block_rows) {
  const Node& node = operation_of(*region.root);
  const AttentionSizes s(node);
  const int64_t rows = s.queries * (s.heads / s.kv_heads);
  const uint64_t parts = divide_up(static_cast<uint64_t>(s.keys), layout.part);
  const uint64_t blocks = divide_up(static_cast<uint64_t>(rows), block_rows);
  const auto all = static_cast<uint64_t>(s.batch * s.kv_heads * rows) * parts;
  DecodeWords words;
  words.attention = attention_words(node, s.kv_heads, static_cast<int64_t>(blocks * parts), 1);
  words.row_blocks = Divisor(static_cast<uint64_t>(rows));
  words.rows = word(rows);
  words.parts = static_cast<uint32_t>(parts);
  words.statistics = static_cast<uint32_t>(all * static_cast<uint64_t>(s.value_width));

  Lowering lowering;
  const int totals = lowering.add_workspace(4 * all * (static_cast<uint64_t>(s.value_width) + 2));
  Launch d = launch_of(family, region, target, layout, words);
  d.groups = fold_groups(words.attention.groups, *target.plan);
  d.workspaces = {writes(totals)};
  d.reads_output = d.writes_output = false;
  d.work = static_cast<uint64_t>(s.batch * s.heads * s.queries) *
           static_cast<uint64_t>(s.keys * (s.width + s.value_width));
  lowering.add(std::move(d));

  CombineLayout combine;
  combine.options = layout.options;
  while (2 * combine.pairs < s.value_width) combine.pairs *= 2;
  words.attention.groups = word(s.batch * s.kv_heads * rows);
  Launch c = launch_of(kCombination, region, target, combine, words);
  c.groups = fold_groups(words.attention.groups, *target.plan);
  c.workspaces = {reads(totals)};
  c.reads_operands = layout.options.has_sinks;
  c.reads_output = false;
  c.work = all * static_cast<uint64_t>(s.value_width);
  lowering.add(std::move(c));
  return lowering;
}

}  // namespace

Lowering lower_attention(const Region& region, const Target& target) {
  const Node& node = operation_of(*region.root);
  const AttentionProblem problem = attention_problem(region);
  const AttentionSizes& s = problem.sizes;
  const auto launch = [&](const auto& family, const auto& layout, uint32_t block_rows,
                          uint32_t heads) {
    AttentionWords words = attention_words(node, s.heads, s.queries, block_rows);
    words.head_block = heads;
    Launch d = launch_of(family, region, target, layout, words);
    d.groups = fold_groups(words.groups, *target.plan);
    d.reads_output = false;
    d.work = static_cast<uint64_t>(s.batch * s.heads * s.queries) *
             static_cast<uint64_t>(s.keys * (s.width + s.value_width));
    return d;
  };
  const AttentionLayout chosen = choose_attention(problem, target);
  if (const auto* decode = std::get_if<DecodeLayout>(&chosen)) {
    return lower_decode(region, target, kParts, *decode, decode->rows);
  }
  if (const auto* parts = std::get_if<UnitPartsLayout>(&chosen)) {
    return lower_decode(region, target, kUnitParts, *parts, ir::kMatrixSide);
  }
  Lowering lowering;
  if (const auto* units = std::get_if<UnitAttentionLayout>(&chosen)) {
    lowering.add(launch(kUnits, *units, units->rows * units->subgroups, head_block(s, s.heads)));
  } else {
    const auto& layout = std::get<SharedAttentionLayout>(chosen);
    lowering.add(launch(kShared, layout, 8 * layout.rows, 1));
  }
  return lowering;
}

}  // namespace nxv::kernels

#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

LineSpace::LineSpace(const Product& product) {
  const auto whole = [](uint64_t n) { return (n + kJudged - 1) / kJudged * kJudged; };
  const uint64_t row_stride = whole(product.m), column_stride = whole(product.n);
  const uint64_t columns = product.batch * row_stride;
  const uint64_t lines = columns + product.batch * column_stride, groups = lines / kJudgedTogether;
  words.row_stride = static_cast<uint32_t>(row_stride);
  words.column_stride = static_cast<uint32_t>(column_stride);
  words.columns = static_cast<uint32_t>(columns);
  words.substances = static_cast<uint32_t>(lines);
  words.counts = static_cast<uint32_t>(lines + groups);
  words.verdicts = static_cast<uint32_t>(lines + 2 * groups);
  words.column_blocks = static_cast<uint32_t>(column_stride / kJudged);
  const uint64_t blocks = columns / kJudged * words.column_blocks;
  bytes = (lines + 2 * groups + blocks) * 4;
}

Value SplitLines::verdict(Value batch, Value row, Value column) const {
  ir::Builder& b = kernel_.b;
  const Value block_row = first_row(batch) + (row & ~(kJudged - 1));
  const Value block_column = first_column(batch) + (column & ~(kJudged - 1));
  const auto least_of = [&](uint32_t LineWords::*first) {
    return std::pair{least(words_[first], block_row), least(words_[first], block_column)};
  };
  const auto [row_substance, column_substance] = least_of(&LineWords::substances);
  const auto [row_count, column_count] = least_of(&LineWords::counts);
  const Value k = kernel_.k();
  const Value one = row_substance + column_substance >= k + (k >> 3);
  const Value are_held = (row_count != 0u) & (column_count != 0u);
  const Value fewer = b.binary(Opcode::min, row_count, column_count);
  const Value two =
      are_held & ((row_count + column_count >= k + kFewProducts) | (fewer >= (k >> 3)));
  const auto word = [&](Verdict v) { return b.u32(static_cast<uint32_t>(v)); };
  return b.select(one, word(Verdict::one_scale),
                  b.select(two, word(Verdict::two_scales), word(Verdict::rejected)));
}

void SplitLines::keep(Value verdict, Value batch, Value row, Value column) const {
  ir::Builder& b = kernel_.b;
  b.if_(((row | column) & (kJudged - 1)) == 0u,
        [&] { b.store(kernel_.workspace(0), block(batch, row, column), verdict); });
}

std::pair<Value, Value> judged_parts(const MatmulKernel& kernel, Value element, Value others) {
  ir::Builder& b = kernel.b;
  const auto words = kernel.arguments.words_as<PlainWords>();
  const Value row = words.divide(element, &PlainWords::columns);
  const Value column = element - row * words[&PlainWords::columns];
  const Value batch = words.divide(row, &PlainWords::rows);
  const Value verdict = SplitLines(kernel, kWordsOf<PlainWords>)
                            .kept_verdict(batch, row - batch * words[&PlainWords::rows], column);
  const Value by_units = verdict != static_cast<uint32_t>(Verdict::rejected);
  const Value of_units = kernel.arguments.words_as<JudgedWords>()[&JudgedWords::unit_parts];
  return {b.select(by_units, b.u32(0), of_units), b.select(by_units, of_units, of_units + others)};
}

Value SplitLines::least(Value first, Value line) const {
  ir::Builder& b = kernel_.b;
  constexpr uint32_t kWords = kJudged / kJudgedTogether;
  const Value begin = (first + line / kJudgedTogether) >> 2;
  Value all;
  for (uint32_t i = 0; i < kWords / kGroup; ++i) {
    const Value four =
        b.load(kernel_.workspace(0), i == 0 ? begin : begin + i, ir::vec(ir::kU32, kGroup));
    all = i == 0 ? four : b.binary(Opcode::min, all, four);
  }
  Value result = b.extract(all, 0);
  for (int i = 1; i < kGroup; ++i) result = b.binary(Opcode::min, result, b.extract(all, i));
  return result;
}

}  // namespace nxv::kernels

#include "kernels/matmul/scaled_lines.h"

#include "kernels/matmul/line_walk.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

namespace {

bool is_whole(const Product& product, const Factor& factor) {
  // Such lines take longer one by one than all together.
  const bool is_slow =
      factor.is_gathered || (product.k > kLongMeasured && factor.extent < kFewMeasured);
  // A tensor of which the factor is a small part is not read for it.
  return is_slow && factor.stored <= 4 * product.batch * factor.extent * product.k;
}

}  // namespace

ScaleLayout scale_layout(const Product& product) {
  return {is_whole(product, product.a), is_whole(product, product.b)};
}

ScaleSpace::ScaleSpace(const Product& product) {
  const ScaleLayout layout = scale_layout(product);
  const uint64_t rows = layout.whole_a ? kWholeParts : product.batch * product.m;
  const uint64_t columns = layout.whole_b ? kWholeParts : product.batch * product.n;
  words.row_stride = static_cast<uint32_t>(product.m);
  words.column_stride = static_cast<uint32_t>(product.n);
  words.columns = static_cast<uint32_t>(rows);
  bytes = (rows + columns) * 4;
}

void ScaledLines::locate(Value batch) {
  const Value zero = kernel_.b.u32(0), columns = words_[&ScaleWords::columns];
  rows_ = layout_.whole_a ? whole(zero) : batch * words_[&ScaleWords::row_stride];
  columns_ =
      layout_.whole_b ? whole(columns) : columns + batch * words_[&ScaleWords::column_stride];
}

Value ScaledLines::word(bool is_row, Value line) const {
  const Value of_factor = is_row ? rows_ : columns_;
  if (is_whole(is_row)) return of_factor;
  return kernel_.b.load(kernel_.workspace(0), of_factor + line, ir::kU32);
}

Value ScaledLines::whole(Value first) const {
  ir::Builder& b = kernel_.b;
  const Value lane = b.builtin(ir::Builtin::subgroup_lane);
  const Value lanes = b.builtin(ir::Builtin::subgroup_size);
  const ir::Var exponent = b.var(b.u32(0)), bits = b.var(b.u32(0));
  b.for_range(lane, b.u32(kWholeParts), lanes, [&](Value i) {
    const Value word = b.load(kernel_.workspace(0), first + i, ir::kU32);
    exponent.set(b.binary(Opcode::max, exponent.get(), word & (kNotFinite - 1)));
    bits.set(bits.get() | word);
  });
  const Value largest = b.subgroup(Opcode::subgroup_max, exponent.get());
  return largest | b.subgroup(Opcode::subgroup_max, bits.get() & kNotFinite);
}

// An element with an exponent of 127 lies in [1, 2): it comes to [2^14, 2^15). Powers of two up to
// 2^126 have reciprocals.
Value ScaledLines::shift(Value word) {
  ir::Builder& b = word.builder();
  return b.u32(127 + 14) - b.binary(Opcode::max, word & (kNotFinite - 1), b.u32(127 + 14 - 126));
}

}  // namespace nxv::kernels

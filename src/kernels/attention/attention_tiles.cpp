#include "kernels/attention/attention_tiles.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Type;
using ir::Value;
using ir::Var;

namespace {
constexpr Type kFour = ir::vec(ir::kF32, 4);
}  // namespace

AttentionTiles::AttentionTiles(ir::Builder& b, const KernelArguments& arguments,
                               const AttentionScores& scores, uint32_t rows, bool wide,
                               bool in_turn)
    : b_(b),
      arguments_(arguments),
      scores_(scores),
      rows_(rows),
      wide_(wide),
      in_turn_(in_turn),
      sum_(wide ? ir::kF64 : ir::kF32),
      row_slab_(b.shared("rows", kFour, rows * kRowGroups * kStride)),
      other_slab_(b.shared("others", kFour, kOthers * kStride)),
      weights_(b.shared("weights", kFour, rows * kRowGroups * kStride)),
      row_parts_(b.shared("row_parts", ir::kF32, rows * kRowGroups * kLanes)) {
  const Value local = b.builtin(ir::Builtin::local_index);
  lane_ = local & (kLanes - 1);
  row_group_ = local / kLanes;
  zero_ = wide ? b.convert(scores.zero(), ir::kF64) : scores.zero();
}

Value AttentionTiles::widened(Value v) const {
  return wide_ ? b_.convert(v, v.type().lanes == 4 ? ir::vec(ir::kF64, 4) : ir::kF64) : v;
}

Value AttentionTiles::rounded(Value v) const { return wide_ ? b_.convert(v, ir::kF32) : v; }

// Rows first_row.. of a factor, of which each invocation carries `count`, 32 columns from `column`
// on; what lies beyond the ends is 0. Row i goes to place(i).
template <typename Place>
void AttentionTiles::fill(ir::Shared shared, const Factor& f, Value first_row, uint32_t count,
                          Value column, Place place) {
  const Value buffer = arguments_.operand(f.operand);
  const Value own = column + lane_ * 4u;
  for (uint32_t i = 0; i < count; ++i) {
    const Value wanted = first_row + row_in_block(i);
    const Value start =
        scores_.start(f.operand, f.head, b_.binary(Opcode::min, wanted, f.end - 1u));
    const Value has_row = wanted < f.end;
    std::array<Value, 4> v;
    if (f.groups) {
      const Value at = start + b_.binary(Opcode::min, own, f.width - 4u);
      const Group group = load_group(buffer, at >> 2, f.type);
      const Value inside = has_row & (own < f.width);
      for (size_t e = 0; e < 4; ++e) v[e] = b_.select(inside, group[e].re, scores_.zero());
    } else {
      const Value stride = scores_.column_stride(f.operand);
      for (uint32_t e = 0; e < 4; ++e) {
        const Value c = own + e;
        const Value at = start + b_.binary(Opcode::min, c, f.width - 1u) * stride;
        const Value inside = has_row & (c < f.width);
        v[e] = b_.select(inside, load_element(buffer, at, f.type).re, scores_.zero());
      }
    }
    b_.shared_store(shared, place(row_in_block(i)) * kStride + lane_, b_.pack(v));
  }
}

template <typename Body>
void AttentionTiles::repeat(uint32_t count, const std::vector<Var>& sums, const Body& body) {
  const auto change = [&](const auto& with) {
    std::vector<Value> values;
    for (const Var& sum : sums) values.push_back(sum.get());
    with(values);
    for (size_t i = 0; i < sums.size(); ++i) sums[i].set(values[i]);
  };
  if (in_turn_) {
    return b_.for_range(
        b_.u32(0), b_.u32(count), b_.u32(1),
        [&](Value i) { change([&](std::vector<Value>& values) { body(i, values); }); },
        ir::Unrolling::never);
  }
  change([&](std::vector<Value>& values) {
    for (uint32_t i = 0; i < count; ++i) body(i, values);
  });
}

std::vector<Value> AttentionTiles::multiply(const Factor& rows, Value first_row,
                                            const Factor& others, Value first_other) {
  std::vector<Var> products;
  for (uint32_t i = 0; i < 4 * rows_; ++i) products.push_back(b_.var(four(zero_)));
  b_.for_range(b_.u32(0), rows.width, b_.u32(kSlab), [&](Value column) {
    b_.barrier();
    fill(row_slab_, rows, first_row, rows_, column, [](Value row) { return row; });
    // Neighbours read others of neighbouring places, four apart each.
    fill(other_slab_, others, first_other, kOthers / kRowGroups, column,
         [](Value row) { return (row & 3u) * kLanes + (row >> 2); });
    b_.barrier();
    repeat(kChunks, products, [&](auto c, std::vector<Value>& sums) {
      std::array<Value, 4> y;
      for (uint32_t j = 0; j < 4; ++j) {
        y[j] = widened(b_.shared_load(other_slab_, (lane_ + j * kLanes) * kStride + c));
      }
      for (uint32_t i = 0; i < rows_; ++i) {
        const Value x = widened(b_.shared_load(row_slab_, row_in_block(i) * kStride + c));
        for (uint32_t j = 0; j < 4; ++j) sums[4 * i + j] = b_.fma(x, y[j], sums[4 * i + j]);
      }
    });
  });
  std::vector<Value> result;
  for (const Var& p : products) {
    const Value v = p.get();
    result.push_back((b_.extract(v, 0) + b_.extract(v, 1)) + (b_.extract(v, 2) + b_.extract(v, 3)));
  }
  return result;
}

void AttentionTiles::share(const std::vector<Value>& weights) {
  for (uint32_t i = 0; i < rows_; ++i) {
    b_.shared_store(weights_, row_in_block(i) * kStride + lane_,
                    b_.pack(std::span(weights).subspan(size_t{4} * i, 4)));
  }
}

void AttentionTiles::add(const Factor& factor, Value first_other, uint32_t slabs,
                         const std::vector<Var>& totals, const std::vector<Value>& scales) {
  for (uint32_t s = 0; s < slabs; ++s) {
    b_.barrier();
    fill(other_slab_, factor, first_other, kOthers / kRowGroups, b_.u32(s * kSlab),
         [](Value row) { return row; });
    b_.barrier();
    std::vector<Var> of_slab;
    for (uint32_t i = 0; i < rows_; ++i) {
      const Var& total = of_slab.emplace_back(totals[i * slabs + s]);
      if (!scales.empty()) total.set(total.get() * four(scales[i]));
    }
    repeat(kOthers / 4, of_slab, [&](auto quad, std::vector<Value>& sums) {
      std::array<Value, 4> y;
      for (uint32_t e = 0; e < 4; ++e) {
        y[e] = widened(b_.shared_load(other_slab_, lane_ + (quad * 4 + e) * kStride));
      }
      for (uint32_t i = 0; i < rows_; ++i) {
        const Value p = widened(b_.shared_load(weights_, row_in_block(i) * kStride + quad));
        for (int e = 0; e < 4; ++e) {
          sums[i] = b_.fma(four(b_.extract(p, e)), y[static_cast<size_t>(e)], sums[i]);
        }
      }
    });
  }
}

std::vector<Var> AttentionTiles::zero_totals(uint32_t slabs) {
  std::vector<Var> totals;
  for (uint32_t i = 0; i < rows_ * slabs; ++i) totals.push_back(b_.var(four(zero_)));
  return totals;
}

std::vector<Value> AttentionTiles::exchange(
    const std::vector<Value>& parts, const std::function<Value(std::vector<Value>)>& combine) {
  for (uint32_t i = 0; i < rows_; ++i) {
    b_.shared_store(row_parts_, row_in_block(i) * kLanes + lane_, parts[i]);
  }
  b_.barrier();
  std::vector<Value> results;
  for (uint32_t i = 0; i < rows_; ++i) {
    std::vector<Value> all;
    for (uint32_t l = 0; l < kLanes; ++l) {
      all.push_back(b_.shared_load(row_parts_, row_in_block(i) * kLanes + l));
    }
    results.push_back(combine(std::move(all)));
  }
  return results;
}

void AttentionTiles::store(const Result& result, uint32_t row, uint32_t slabs,
                           const std::vector<Var>& totals, Value scale) {
  const DType type = result.type;
  for (uint32_t s = 0; s < slabs; ++s) {
    const Value column = lane_ * 4u + s * kSlab;
    const Value total = totals[row * slabs + s].get();
    Group v;
    for (int e = 0; e < 4; ++e) {
      const Value x = rounded(b_.extract(total, e) * scale);
      v[static_cast<size_t>(e)] = {type, ir::wrap(x, type), {}};
    }
    if (result.groups) {
      const Value group = (result.start + column) >> 2;
      b_.if_(column < result.width, [&] { store_group(result.buffer, group, v); });
      continue;
    }
    const auto step = static_cast<uint32_t>(elements_per_word(type));
    for (uint32_t e = 0; e < 4; e += step) {
      const Value at = result.start + column + e;
      b_.if_(column + e < result.width, [&] {
        if (step == 1) return store_element(result.buffer, at, v[e]);
        b_.store(result.buffer, at >> 1, word_of(std::span(v).subspan(e, 2)));
      });
    }
  }
}

}  // namespace nxv::kernels

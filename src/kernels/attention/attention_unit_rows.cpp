#include "kernels/attention/attention_unit_rows.h"

#include <array>

#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Value;

namespace {
constexpr uint32_t kSide = ir::kMatrixSide;
}  // namespace

Value unit_halves(DType type, Value low, Value high) {
  ir::Builder& b = low.builder();
  const auto rounded = [&](Value x, uint32_t half) { return b.bitcast(x, ir::kU32) + half; };
  if (type == DType::bf16) {
    return (rounded(low, 0x8000) >> 16) | (rounded(high, 0x8000) & 0xffff0000u);
  }
  // Which way pack_half rounds is the device's choice.
  const auto cut = [&](Value x) { return b.bitcast(rounded(x, 0x1000) & 0xffffe000u, ir::kF32); };
  return b.pack_half(cut(low), cut(high));
}

UnitRows::UnitRows(ir::Builder& builder, uint32_t lane_count, uint32_t row_count)
    : b(builder), lanes(lane_count), rows(row_count), sharers(lane_count / row_count) {
  lane = b.builtin(ir::Builtin::subgroup_lane);
  subgroup_row = b.builtin(ir::Builtin::subgroup_index) * rows;
  own_row = subgroup_row + lane / sharers;
  part = lane - lane / sharers * sharers;
}

void UnitRows::put(ir::Shared shared, uint32_t first, uint32_t row_matrix, uint32_t column_matrix,
                   Value matrix) const {
  const Value row = (subgroup_row + row_matrix * kSide) * kScoreStride;
  b.matrix_store(shared, row + (first + column_matrix * (kSide / 4)), kScoreStride, matrix);
}

std::vector<Value> UnitRows::scores(ir::Shared shared, uint32_t first) const {
  const Value from = own_row * kScoreStride + part * (count() / 4) + first;
  std::vector<Value> all;
  for (uint32_t i = 0; i < count() / 4; ++i) {
    const Value four = b.shared_load(shared, from + i);
    for (int e = 0; e < 4; ++e) all.push_back(b.bitcast(b.extract(four, e), ir::kF32));
  }
  return all;
}

void UnitRows::put_weights(ir::Shared shared, uint32_t first, DType type,
                           const std::vector<Value>& w) const {
  const Value to = own_row * kWeightStride + part * (count() / kHalves) + first;
  for (uint32_t i = 0; i < count(); i += kHalves) {
    std::array<Value, 4> words;
    for (uint32_t k = 0; k < 4; ++k) {
      words[k] = unit_halves(type, w[i + 2 * k], w[i + 2 * k + 1]);
    }
    b.shared_store(shared, to + i / kHalves, b.pack(words));
  }
}

Value UnitRows::weights(ir::Shared shared, uint32_t first, ir::Type type, uint32_t row_matrix,
                        uint32_t column_matrix) const {
  const Value row = (subgroup_row + row_matrix * kSide) * kWeightStride;
  return b.matrix_load(shared, row + (first + column_matrix * 2), kWeightStride, type);
}

void UnitRows::store(ir::Shared shared, uint32_t first, const Result& result,
                     const std::vector<ir::Var>& totals, uint32_t columns,
                     const std::function<Value(Value)>& scale) const {
  constexpr uint32_t kAtOnce = kUnitOthers / kSide;  // matrices side by side
  for (uint32_t c = 0; c < columns; c += kAtOnce) {
    b.barrier();
    const uint32_t several = std::min(kAtOnce, columns - c);
    for (uint32_t r = 0; r < matrices(); ++r) {
      for (uint32_t i = 0; i < several; ++i) {
        put(shared, first, r, i, totals[r * columns + c + i].get());
      }
    }
    b.barrier();
    // Neighbours have chunks side by side.
    const uint32_t chunks = 2 * several;
    for (uint32_t item = 0; item < rows * chunks; item += lanes) {
      const Value index = lane + item;
      const Value in_block = subgroup_row + index / chunks;
      const Value chunk = index - index / chunks * chunks;
      const Value row = result.first_row + in_block;
      const Value column = chunk * kHalves + c * kSide;
      b.if_((row < result.row_end) & (column < result.width), [&] {
        const Value factor = scale(in_block);
        const Value from = in_block * kScoreStride + chunk * 2u + first;
        std::vector<ir::Number> v;
        for (uint32_t half = 0; half < 2; ++half) {
          const Value four = b.shared_load(shared, from + half);
          for (int e = 0; e < 4; ++e) {
            const Value product = b.bitcast(b.extract(four, e), ir::kF32) * factor;
            v.push_back({result.type, ir::wrap(product, result.type), {}});
          }
        }
        std::array<Value, 4> packed;
        for (size_t w = 0; w < 4; ++w) packed[w] = word_of(std::span(v).subspan(2 * w, 2));
        const Value at = result.start + row * result.row_stride + column;
        b.store(result.buffer, at >> 3, b.pack(packed));
      });
    }
  }
}

}  // namespace nxv::kernels

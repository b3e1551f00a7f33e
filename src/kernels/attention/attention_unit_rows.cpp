#include "kernels/attention/attention_unit_rows.h"

#include <array>

#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Value;

namespace {
constexpr uint32_t kSide = ir::kMatrixSide;
}  // namespace

ir::Type unit_factor(DType type, ir::Matrix use) {
  return ir::factor(type == DType::f16 ? ir::Scalar::f16 : ir::Scalar::bf16, use);
}

// The way devices round on their own differs.
Value unit_nearest(DType type, Value x) {
  ir::Builder& b = x.builder();
  const Value bits = b.bitcast(x, ir::kU32);
  const bool is_f16 = type == DType::f16;
  const Value cut = is_f16 ? (bits + 0x1000) & 0xffffe000u : (bits + 0x8000) & 0xffff0000u;
  return b.bitcast(cut, ir::kF32);
}

Value unit_halves(DType type, Value low, Value high) {
  ir::Builder& b = low.builder();
  low = unit_nearest(type, low);
  high = unit_nearest(type, high);
  if (type == DType::f16) return b.pack_half(low, high);
  return (b.bitcast(low, ir::kU32) >> 16) | b.bitcast(high, ir::kU32);
}

UnitRows::UnitRows(ir::Builder& builder, uint32_t lane_count, uint32_t row_count)
    : b(builder), lanes(lane_count), rows(row_count) {
  lane = b.builtin(ir::Builtin::subgroup_lane);
  subgroup_row = b.builtin(ir::Builtin::subgroup_index) * rows;
}

std::vector<ir::Var> UnitRows::variables(uint32_t count, Value fill) const {
  std::vector<ir::Var> all;
  for (uint32_t i = 0; i < count; ++i) all.push_back(b.var(fill));
  return all;
}

void UnitRows::store(ir::Shared shared, const Result& result, const std::vector<ir::Var>& totals,
                     uint32_t columns, const std::function<Value(Value)>& scale) const {
  for (uint32_t c = 0; c < columns; c += kTotalsAtOnce) {
    b.barrier();
    const uint32_t several = std::min(kTotalsAtOnce, columns - c);
    for (uint32_t r = 0; r < matrices(); ++r) {
      for (uint32_t i = 0; i < several; ++i) {
        const Value at = (subgroup_row + r * kSide) * kTotalsStride + i * (kSide / 4);
        b.matrix_store(shared, at, kTotalsStride, totals[r * columns + c + i].get());
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
      Value is_there = (row < result.row_end) & (column < result.width);
      if (item + lanes > rows * chunks) is_there = is_there & (index < rows * chunks);
      b.if_(is_there, [&] {
        const Value factor = scale(in_block);
        const Value from = in_block * kTotalsStride + chunk * 2u;
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

#include "kernels/attention/attention_unit_sums.h"

#include <array>

#include "kernels/attention/attention_unit_rows.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;
using ir::Var;

namespace {

constexpr uint32_t kSide = ir::kMatrixSide;
// Of rows in shared memory, in chunks: of f32, and of halves.
constexpr uint32_t kRow = kSide / 4 + 1, kHalfRow = kSide / kHalves + 1;

uint32_t scratch_matrices(uint32_t row_matrices, bool in_registers) {
  return std::max(row_matrices, in_registers ? 0u : 1u);
}

}  // namespace

uint32_t UnitSums::shared_bytes(uint32_t subgroups, uint32_t row_matrices, bool in_registers) {
  const uint32_t chunks = scratch_matrices(row_matrices, in_registers) * kRow;
  return 16 * kSide * (chunks + (in_registers ? 0 : kHalfRow)) * subgroups + 4 * kSide;
}

UnitSums::UnitSums(ir::Builder& b, uint32_t lanes, uint32_t subgroups, uint32_t row_matrices,
                   DType factors, bool in_registers)
    : b_(b),
      lanes_(lanes),
      type_(factors),
      in_registers_(in_registers),
      factor_(unit_factor(factors, ir::Matrix::a)),
      scratch_matrices_(scratch_matrices(row_matrices, in_registers)),
      numbers_(b.shared("numbers", ir::kF32, kSide)),
      scratch_(scratch_matrices_ == 0 ? ir::Shared{}
                                      : b.shared("row_scratch", kChunkType,
                                                 subgroups * scratch_matrices_ * kSide * kRow)),
      halves_(in_registers ? ir::Shared{}
                           : b.shared("halves", kChunkType, subgroups * kSide * kHalfRow)) {
  lane_ = b.builtin(ir::Builtin::subgroup_lane);
  const Value subgroup = b.builtin(ir::Builtin::subgroup_index);
  own_scratch_ = subgroup * (scratch_matrices_ * kSide * kRow);
  own_halves_ = subgroup * (kSide * kHalfRow);
  const Value local = b.builtin(ir::Builtin::local_index);
  b.if_(local < kSide, [&] { b.shared_store(numbers_, local, b.convert(local, ir::kF32)); });
}

std::vector<Value> UnitSums::places(bool of_rows) const {
  const Var matrix = b_.var(b_.matrix_load(numbers_, b_.u32(0), 0, ir::kAccumulator, of_rows));
  std::vector<Value> all;
  each([&](uint32_t e) { all.push_back(b_.convert(b_.element_load(matrix, e), ir::kU32)); });
  return all;
}

void UnitSums::reduce_rows(Opcode op, const std::vector<Var>& matrices, const OfRow& f) const {
  const uint32_t sharers = lanes_ / kSide;
  for (uint32_t m = 0; m < matrices.size(); ++m) {
    b_.matrix_store(scratch_, own_scratch_ + m * kSide * kRow, kRow, matrices[m].get());
  }
  b_.subgroup_barrier();
  const Value row = lane_ / sharers, part = lane_ - row * sharers;
  for (uint32_t m = 0; m < matrices.size(); ++m) {
    const Value from = own_scratch_ + row * kRow + part * (4 / sharers) + m * kSide * kRow;
    Value result;
    for (uint32_t chunk = 0; chunk < 4 / sharers; ++chunk) {
      const Value four = b_.shared_load(scratch_, from + chunk);
      for (int i = 0; i < 4; ++i) {
        const Value v = b_.bitcast(b_.extract(four, i), ir::kF32);
        result = result ? b_.binary(op, result, v) : v;
      }
    }
    for (uint32_t mask = 1; mask < sharers; mask *= 2) {
      result = b_.binary(op, result, b_.subgroup(Opcode::subgroup_shuffle_xor, result, mask));
    }
    f(m, row, result, part == 0u);
  }
}

Value UnitSums::factor(Var sums) const {
  if (!in_registers_) return factor_by_memory(sums);
  const Var result = b_.var(factor_);
  each([&](uint32_t e) {
    b_.element_store(result, e, unit_nearest(type_, b_.element_load(sums, e)));
  });
  return result.get();
}

Value UnitSums::factor_by_memory(Var sums) const {
  b_.matrix_store(scratch_, own_scratch_, kRow, sums.get());
  b_.subgroup_barrier();
  const auto convert = [&](Value task) {
    const Value row = task / 2u, half = task - row * 2u;
    std::vector<Value> v;
    for (uint32_t i = 0; i < 2; ++i) {
      const Value four = b_.shared_load(scratch_, own_scratch_ + row * kRow + half * 2u + i);
      for (int e = 0; e < 4; ++e) v.push_back(b_.bitcast(b_.extract(four, e), ir::kF32));
    }
    std::array<Value, 4> words;
    for (size_t w = 0; w < 4; ++w) words[w] = unit_halves(type_, v[2 * w], v[2 * w + 1]);
    b_.shared_store(halves_, own_halves_ + row * kHalfRow + half, b_.pack(words));
  };
  for (uint32_t first = 0; first < 2 * kSide; first += lanes_) {
    const Value task = lane_ + first;
    lanes_ <= 2 * kSide ? convert(task) : b_.if_(task < 2 * kSide, [&] { convert(task); });
  }
  b_.subgroup_barrier();
  return b_.matrix_load(halves_, own_halves_, kHalfRow, factor_);
}

}  // namespace nxv::kernels

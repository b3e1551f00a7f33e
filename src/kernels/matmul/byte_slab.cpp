#include "kernels/matmul/byte_slab.h"

#include <algorithm>

namespace nxv::kernels {

using ir::Value;

namespace {

constexpr uint32_t kBytes = 16;  // of a chunk

}  // namespace

ByteSlab::ByteSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
                   PackedAccess access, const MatmulTile& tile, uint32_t extent, bool is_full)
    : b_(kernel.b),
      factor_(kernel, operand, access, is_full),
      threads_(tile.threads()),
      together_(factor_.by_fours() ? kGroup : 1),
      line_chunks_(tile.depth / kBytes),
      distance_(extent / kUnitSide * line_chunks_ + 1),
      slots_of_all_(extent / together_ * line_chunks_) {}

void ByteSlab::locate(Value local, Value batch, Value first, Value free_end,
                      const std::function<Value(Value)>&) {
  factor_.locate(batch, free_end);
  // Of fewer slots than invocations some of these load what others carry.
  Value number = local;
  if (slots_of_all_ < threads_) {
    has_slot_ = local < slots_of_all_;
    number = local & (slots_of_all_ - 1);
  }
  const Value order = number / line_chunks_;
  const Value chunk = number - order * line_chunks_;
  // Four lines of a chunk lie in different banks from those of the next chunks.
  const Value first_line =
      factor_.by_fours() ? order * together_ : spread_lines(order, line_chunks_);
  const Value target =
      (first_line & (kUnitSide - 1)) * distance_ + (first_line >> 4) * line_chunks_ + chunk;
  // Sizes are powers of two: what this invocation carries lies at constant distances.
  const uint32_t stride = std::max(threads_ / line_chunks_, 1u) * together_;
  for (uint32_t skipped = 0; skipped * line_chunks_ < slots_of_all_ * together_;
       skipped += stride) {
    Slot slot;
    slot.target = target + (skipped % kUnitSide * distance_ + skipped / kUnitSide * line_chunks_);
    slot.step = chunk * kBytes;
    slot.lines = factor_.lines(first + (skipped == 0 ? first_line : first_line + skipped), 1);
    slots_.push_back(std::move(slot));
  }
}

void ByteSlab::load(Value k) {
  loaded_.clear();
  for (const Slot& slot : slots_) loaded_.push_back(factor_.chunks(slot.lines, k + slot.step));
}

void ByteSlab::store(uint32_t) {
  const auto store = [&] {
    for (size_t s = 0; s < slots_.size(); ++s) {
      for (uint32_t i = 0; i < loaded_[s].size(); ++i) {
        b_.shared_store(shared_, slots_[s].target + (first_ + i * distance_), loaded_[s][i]);
      }
    }
  };
  has_slot_ ? b_.if_(has_slot_, store) : store();
}

Value ByteSlab::matrix(ir::Type type, uint32_t, Value free, uint32_t step) const {
  const Value at = (free >> 4) * line_chunks_ + (first_ + step / kBytes);
  return b_.matrix_load(shared_, at, distance_, type, type.matrix == ir::Matrix::b);
}

}  // namespace nxv::kernels

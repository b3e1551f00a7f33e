#include "kernels/matmul/shared_slab.h"

namespace nxv::kernels {

using ir::Value;

namespace {

constexpr uint32_t kStages = 2;

}  // namespace

SharedSlab::SharedSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
                       FactorAccess access, PackedAccess packed_access, const char* name,
                       const MatmulTile& tile, uint32_t extent, bool is_full)
    : b_(kernel.b),
      kernel_(kernel),
      operand_(operand),
      access_(access),
      depth_(tile.is_packed ? tile.depth / kPacked : tile.depth),
      quads_(extent / kGroup),
      // An odd distance between steps spreads the stores of a transposed slab over the banks.
      stride_(quads_ + 1),
      threads_(tile.team_threads()),
      teams_(tile.teams),
      is_full_(is_full),
      shared_(b_.shared(name, ir::vec(tile.is_packed ? ir::kU32 : kernel.type, kGroup),
                        teams_ * kStages * depth_ * stride_)) {
  if (tile.is_packed) packed_.emplace(kernel, operand, packed_access, is_full);
}

Value SharedSlab::at_most(Value v, Value limit) const {
  return b_.binary(ir::Opcode::min, v, limit);
}

void SharedSlab::locate(Value team, Value local, Value batch, Value first, Value free_end) {
  const Place base = operand_.of_batch(batch);
  if (packed_) packed_->locate(batch, free_end);
  if (teams_ > 1) first_ = team * (kStages * depth_ * stride_);
  const uint32_t total = quads_ * depth_;
  // Some load what others carry.
  Value own = local;
  if (total < threads_) {
    has_slot_ = local < total;
    own = local & (total - 1);
  }
  for (uint32_t s = 0; s * threads_ < total; ++s) {
    Slot slot;
    const Value index = s == 0 ? own : own + s * threads_;
    Value quad;
    // Neighbouring lanes read neighbours in memory.
    if (packed_ ? !packed_->by_fours() : access_.unit == FactorAccess::Unit::depth) {
      quad = index / depth_;
      slot.step = index - quad * depth_;
    } else {
      slot.step = index / quads_;
      quad = index - slot.step * quads_;
    }
    slot.target = slot.step * stride_ + quad;
    if (first_) slot.target = first_ + slot.target;
    const Value row = first + quad * kGroup;
    if (packed_) {
      slot.at = packed_->lines(row, kGroup);
    } else if (by_groups()) {
      const Value first_of_quad = is_full_ ? row : at_most(row, (free_end - 1u) & ~3u);
      slot.at.push_back({base.index + first_of_quad, {}});
    } else {
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Value at = i == 0 ? row : row + i;
        slot.at.push_back(base + operand_.of_free(is_full_ ? at : at_most(at, free_end - 1u)));
      }
    }
    slots_.push_back(slot);
  }
}

void SharedSlab::load(Value k) {
  loaded_.clear();
  const Value end = kernel_.k();
  for (const Slot& slot : slots_) {
    if (packed_) {
      loaded_.push_back(b_.pack(packed_->words(slot.at, k + slot.step * kPacked)));
      continue;
    }
    const Value step = k + slot.step;
    const Place at_k = operand_.of_depth(is_full_ ? step : at_most(step, end - 1u));
    std::array<Value, kGroup> quad;
    if (by_groups()) {
      quad = kernel_.group(operand_, (slot.at[0] + at_k).index);
    } else {
      for (size_t i = 0; i < kGroup; ++i) {
        quad[i] = kernel_.element(operand_, slot.at[i] + at_k)[0];
      }
    }
    if (!is_full_) {
      const Value inside = step < end;
      for (Value& v : quad) v = b_.select(inside, v, kernel_.zero());
    }
    loaded_.push_back(b_.pack({quad[0], quad[1], quad[2], quad[3]}));
  }
}

void SharedSlab::store(uint32_t stage) {
  const auto store = [&] {
    for (size_t i = 0; i < slots_.size(); ++i) {
      b_.shared_store(shared_, slots_[i].target + stage * depth_ * stride_, loaded_[i]);
    }
  };
  has_slot_ ? b_.if_(has_slot_, store) : store();
}

std::array<Value, kGroup> SharedSlab::read(uint32_t stage, uint32_t step, Value quad,
                                           uint32_t offset) const {
  const Value at = first_ ? first_ + quad : quad;
  const Value v = b_.shared_load(shared_, at + ((stage * depth_ + step) * stride_ + offset));
  return {b_.extract(v, 0), b_.extract(v, 1), b_.extract(v, 2), b_.extract(v, 3)};
}

}  // namespace nxv::kernels

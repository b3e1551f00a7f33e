#include "kernels/matmul/unit_slab.h"

#include <algorithm>
#include <array>

namespace nxv::kernels {

using ir::Value;

UnitSlab::UnitSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
                   ChunkAccess access, const MatmulTile& tile, uint32_t extent, UnitFactors factors,
                   bool is_full)
    : b_(kernel.b),
      kernel_(kernel),
      operand_(operand),
      access_(access),
      depth_(tile.depth),
      threads_(tile.threads()),
      factors_(factors),
      planes_(planes_of(operand.dtype, factors)),
      is_full_(is_full),
      lines_(access.along_k ? extent : depth_),
      line_chunks_((access.along_k ? depth_ : extent) / kChunk),
      distance_(lines_ / kUnitSide * line_chunks_ + 1) {}

void UnitSlab::locate(Value local, Value batch, Value first, Value free_end,
                      const std::function<Value(Value)>& scale_of) {
  const Value base = operand_.is_gathered() ? Value() : operand_.at(batch);
  const Value order = local / line_chunks_;
  const Value chunk = local - order * line_chunks_;
  const Value first_line = spread_lines(order, line_chunks_);
  const Value target =
      (first_line & (kUnitSide - 1)) * distance_ + (first_line >> 4) * line_chunks_ + chunk;
  // Sizes are powers of two: what this invocation carries lies at constant distances.
  const uint32_t stride = threads_ / line_chunks_;
  for (uint32_t skipped = 0; skipped < lines_; skipped += stride) {
    Slot slot;
    slot.target = target + (skipped % kUnitSide * distance_ + skipped / kUnitSide * line_chunks_);
    const Value line = skipped == 0 ? first_line : first_line + skipped;
    Value free = first + (access_.along_k ? line : chunk * kChunk);
    slot.step = access_.along_k ? chunk * kChunk : line;
    const uint32_t several = access_.along_k ? 1 : kChunk;
    const bool is_whole = access_.contiguous || (operand_.is_gathered() && access_.adjacent);
    if (!is_full_) free = at_most(free, free_end - (is_whole ? several : 1u));
    if (slots_.empty() && !is_full_) limit_ = free_end - 1u - free;
    if (operand_.is_gathered()) {
      locate_gathered(slot, batch, free);
    } else {
      slot.at = base + free * operand_.free_stride;
    }
    if (is_full_ && access_.contiguous && !operand_.is_gathered()) {
      const Value start = slots_.empty() ? slot.at + slot.step * operand_.depth_stride : start_;
      if (slots_.empty()) start_ = start;
      slot.skip = (access_.along_k ? operand_.free_stride : operand_.depth_stride) * skipped;
    }
    if (are_scaled()) {
      const bool shares = !access_.along_k && !slots_.empty();
      if (shares) slot.scales = slots_[0].scales;
      for (uint32_t i = 0; i < several && !shares; ++i) {
        slot.scales.push_back(scale_of(i == 0 ? free : free + beside(i)));
      }
    }
    slots_.push_back(std::move(slot));
  }
}

void UnitSlab::load(Value k) {
  loaded_.clear();
  const Value end = kernel_.k();
  for (const Slot& slot : slots_) {
    Loaded loaded;
    const Value step = k + slot.step;
    const uint32_t several = access_.along_k ? kChunk : 1;
    if (operand_.is_gathered()) {
      load_gathered(slot, step, end, loaded);
    } else if (access_.contiguous && is_full_) {
      load_contiguous(start_ + (k * operand_.depth_stride + slot.skip), loaded);
    } else if (access_.contiguous) {
      loaded.inside.push_back(step < end);
      load_contiguous(slot.at + at_most(step, end - several) * operand_.depth_stride, loaded);
    } else if (access_.adjacent && are_halves()) {
      load_adjacent(slot, step, end, loaded);
    } else {
      for (uint32_t i = 0; i < kChunk; ++i) {
        Value at_k = access_.along_k && i > 0 ? step + i : step;
        if (!is_full_ && (access_.along_k || i == 0)) loaded.inside.push_back(at_k < end);
        if (!is_full_) at_k = at_most(at_k, end - 1u);
        Value index = slot.at + at_k * operand_.depth_stride;
        if (!access_.along_k && i > 0) index = index + beside(i) * operand_.free_stride;
        loaded.values.push_back(load_one(index));
      }
    }
    loaded_.push_back(std::move(loaded));
  }
}

void UnitSlab::store(uint32_t lower_scale) {
  for (size_t s = 0; s < slots_.size(); ++s) {
    const Value target = slots_[s].target + first_;
    if (!are_scaled()) {
      b_.shared_store(shared_, target, halves(loaded_[s]));
      continue;
    }
    const Chunk all = scaled(elements(loaded_[s]), slots_[s].scales);
    Chunk high, low;
    for (size_t i = 0; i < kChunk; ++i) high[i] = upper(all[i]);
    b_.shared_store(shared_, target, packed(high));
    if (planes_ == 1) continue;
    for (size_t i = 0; i < kChunk; ++i) {
      low[i] = all[i] - high[i];
      if (lower_scale > 0) low[i] = low[i] * static_cast<double>(uint32_t{1} << lower_scale);
    }
    b_.shared_store(shared_, target + plane_size(), packed(low));
  }
}

void UnitSlab::store_carefully() {
  for (size_t s = 0; s < slots_.size(); ++s) {
    const Chunk present = elements(loaded_[s]);
    Chunk all = scaled(present, slots_[s].scales);
    for (size_t i = 0; i < kChunk; ++i) all[i] = upper_carefully(present[i], all[i]);
    b_.shared_store(shared_, slots_[s].target + first_, packed(all));
  }
}

Value UnitSlab::matrix(ir::Type type, uint32_t plane, Value free, uint32_t step) const {
  const uint32_t across = step / kUnitSide;
  const Value down = free >> 4;
  const Value at =
      access_.along_k ? down * line_chunks_ + across * 2 : down * 2u + across * line_chunks_;
  const bool by_columns = access_.along_k == (type.matrix == ir::Matrix::b);
  return b_.matrix_load(shared_, at + (first_ + plane * plane_size()), distance_, type, by_columns);
}

void UnitSlab::load_contiguous(Value index, Loaded& loaded) {
  if (are_halves()) {
    loaded.values = {b_.load(operand_.buffer, index >> 3, kUnitWordType)};
    return;
  }
  const ir::Type four = ir::vec(ir::kF32, 4);
  const Value word = index >> 2;
  loaded.values = {b_.load(operand_.buffer, word, four), b_.load(operand_.buffer, word + 1u, four)};
}

void UnitSlab::load_adjacent(const Slot& slot, Value step, Value end, Loaded& loaded) {
  const Value at_k = is_full_ ? step : at_most(step, end - 1u);
  const Value first = slot.at + at_k * operand_.depth_stride;
  const uint32_t others = kChunk - 1;
  Value last = first + others;
  if (!is_full_) {
    last = first + at_most(b_.u32(others), access_.along_k ? end - 1u - at_k : limit_);
    for (uint32_t i = 0; i < (access_.along_k ? kChunk : 1); ++i) {
      loaded.inside.push_back(step + i < end);
    }
  }
  const Value word = first >> 1, last_word = last >> 1;
  AdjacentWords words;
  for (uint32_t i = 0; i <= kUnitWords; ++i) {
    words[i] = b_.load(operand_.buffer, at_most(word + i, last_word), ir::kU32);
  }
  push_halves(words, first, loaded);
}

void UnitSlab::push_halves(const AdjacentWords& words, Value first, Loaded& loaded) {
  const Value is_odd = (first & 1u) != 0u;
  for (uint32_t i = 0; i < kUnitWords; ++i) {
    const Value across = (words[i] >> 16) | (words[i + 1] << 16);
    loaded.values.push_back(b_.select(is_odd, across, words[i]));
  }
}

// Along the free dimension all chunks of this invocation have the same places.
void UnitSlab::locate_gathered(Slot& slot, Value batch, Value free) {
  if (!access_.along_k && !slots_.empty()) {
    slot.places = slots_[0].places;
    return;
  }
  const Place base = operand_.of_batch(batch);
  const uint32_t several = access_.along_k || access_.adjacent ? 1 : kChunk;
  for (uint32_t i = 0; i < several; ++i) {
    slot.places.push_back(base + operand_.of_free(i == 0 ? free : free + beside(i)));
  }
}

void UnitSlab::load_gathered(const Slot& slot, Value step, Value end, Loaded& loaded) {
  // Where chunks lie along k, all of this invocation have the same steps.
  const uint32_t steps = access_.along_k && !access_.adjacent ? kChunk : 1;
  const bool keeps = access_.along_k && &slot != slots_.data();
  if (!keeps) {
    depths_.clear();
    in_depth_.clear();
    for (uint32_t i = 0; i < steps; ++i) {
      const Value at_k = i == 0 ? step : step + i;
      const uint32_t several = access_.adjacent && access_.along_k ? kChunk : 1;
      depths_.push_back(operand_.of_depth(is_full_ ? at_k : at_most(at_k, end - several)));
      if (!is_full_) in_depth_.push_back(at_k < end);
    }
  }
  const auto checked = [&](const Place& place, uint32_t depth) {
    const Value index = operand_.index(place);
    Value inside = is_full_ ? Value() : in_depth_[depth];
    if (!operand_.is_checked()) {
      if (inside) loaded.inside.push_back(inside);
      return index;
    }
    const Value in_memory = operand_.is_inside(place);
    loaded.inside.push_back(inside ? inside & in_memory : in_memory);
    return b_.select(in_memory, index, b_.u32(0));
  };
  if (access_.contiguous) {
    return load_contiguous(checked(slot.places[0] + depths_[0], 0), loaded);
  }
  if (access_.adjacent) {
    return load_run(slot.places[0] + depths_[0], is_full_ ? Value() : in_depth_[0], loaded);
  }
  for (uint32_t i = 0; i < kChunk; ++i) {
    const uint32_t depth = access_.along_k ? i : 0;
    const Place place = slot.places[access_.along_k ? 0 : i] + depths_[depth];
    loaded.values.push_back(load_one(checked(place, depth)));
  }
}

void UnitSlab::load_run(const Place& place, Value inside, Loaded& loaded) {
  const auto number = [this](Value v) { return b_.bitcast(v, ir::kS32); };
  const auto clamped = [this](Value v, Value least, Value most) {
    return b_.binary(ir::Opcode::max, b_.binary(ir::Opcode::min, v, most), least);
  };
  const int axis = static_cast<int>(access_.moves) - 1;
  Value valid = operand_.is_checked() ? operand_.is_inside_but(place, axis) : Value();
  if (inside) valid = valid ? valid & inside : inside;
  const Value none = number(b_.u32(0)), all = number(b_.u32(kChunk));
  Value first = none, end = all;  // of the elements that are in memory
  if (axis >= 0) {
    const Value at = number(place.coordinates[static_cast<size_t>(axis)]);
    first = clamped(none - at, none, all);
    end = clamped(number(operand_.end(static_cast<uint32_t>(axis))) - at, none, all);
    valid = valid ? valid & (first < end) : first < end;
  }
  // One that exists stands for those that do not.
  Value index = number(operand_.index(place)), least = index + first, most = index + end - 1;
  if (valid) {
    least = b_.select(valid, least, none);
    most = b_.select(valid, most, none);
    const Value count = b_.select(valid, b_.bitcast(end - first, ir::kU32), b_.u32(0));
    for (uint32_t i = 0; i < kChunk; ++i) {
      loaded.inside.push_back(b_.u32(i) - b_.bitcast(first, ir::kU32) < count);
    }
  }
  const auto load = [&](Value at, ir::Type type) {
    return b_.load(operand_.buffer, b_.bitcast(at, ir::kU32), type);
  };
  if (!are_halves()) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      loaded.values.push_back(load(clamped(index + static_cast<int>(i), least, most), ir::kF32));
    }
    return;
  }
  const Value word = index >> 1;
  AdjacentWords words;
  for (uint32_t i = 0; i <= kUnitWords; ++i) {
    words[i] = load(clamped(word + static_cast<int>(i), least >> 1, most >> 1), ir::kU32);
  }
  push_halves(words, b_.bitcast(index, ir::kU32), loaded);
}

Value UnitSlab::load_one(Value index) const {
  if (!are_halves()) return b_.load(operand_.buffer, index, ir::kF32);
  const Value word = b_.load(operand_.buffer, index >> 1, ir::kU32);
  return (word >> ((index & 1u) << 4)) & 0xffffu;
}

Value UnitSlab::masked(const Loaded& loaded, size_t i, Value v, Value zero) const {
  if (loaded.inside.empty()) return v;
  return b_.select(loaded.inside[std::min(i, loaded.inside.size() - 1)], v, zero);
}

Value UnitSlab::halves(const Loaded& loaded) const {
  const Value zero = b_.u32(0);
  if (loaded.values.size() == 1) {
    return masked(loaded, 0, loaded.values[0], b_.pack({zero, zero, zero, zero}));
  }
  std::array<Value, kUnitWords> words;
  for (size_t i = 0; i < kUnitWords; ++i) {
    if (loaded.values.size() == kUnitWords) {
      words[i] = (loaded.values[i] & masked(loaded, 2 * i, b_.u32(0xffff), zero)) |
                 (loaded.values[i] & masked(loaded, 2 * i + 1, b_.u32(0xffff0000), zero));
      continue;
    }
    words[i] = masked(loaded, 2 * i, loaded.values[2 * i], zero) |
               (masked(loaded, 2 * i + 1, loaded.values[2 * i + 1], zero) << 16);
  }
  return b_.pack(words);
}

UnitSlab::Chunk UnitSlab::elements(const Loaded& loaded) const {
  Chunk all;
  if (are_halves()) {
    const Value packed = halves(loaded);
    std::array<Value, kUnitWords> words;
    for (uint32_t i = 0; i < kUnitWords; ++i) words[i] = b_.extract(packed, static_cast<int>(i));
    const std::vector<ir::Number> numbers = elements_in(words, operand_.dtype);
    for (size_t i = 0; i < kChunk; ++i) all[i] = kernel_.number(numbers[i]);
    return all;
  }
  for (size_t i = 0; i < kChunk; ++i) {
    const Value x = loaded.values.size() == 2
                        ? b_.extract(loaded.values[i / 4], static_cast<int>(i % 4))
                        : loaded.values[i];
    all[i] = masked(loaded, i, x, kernel_.zero());
  }
  return all;
}

UnitSlab::Chunk UnitSlab::scaled(const Chunk& elements, const std::vector<Value>& scales) const {
  Chunk all;
  for (size_t i = 0; i < kChunk; ++i) {
    all[i] = elements[i] * scales[std::min(i, scales.size() - 1)];
  }
  return all;
}

Value UnitSlab::upper(Value scaled) const {
  return b_.bitcast((b_.bitcast(scaled, ir::kU32) + 0x1000u) & 0xffffe000u, ir::kF32);
}

Value UnitSlab::upper_carefully(Value x, Value scaled) const {
  constexpr uint32_t kInfinity = 0x7f800000, kLeast = (127 - 24) << 23;  // 2^-24
  const Value bits = b_.bitcast(x, ir::kU32), sign = bits & 0x80000000u;
  const Value magnitude = b_.bitcast(scaled, ir::kU32) & 0x7fffffffu;
  const Value rounded = (magnitude + 0x1000u) & 0xffffe000u;
  const Value present = b_.binary(ir::Opcode::max, rounded, b_.u32(kLeast));
  const Value finite = b_.select(bits == sign, b_.u32(0), present);
  return b_.bitcast(sign | b_.select(magnitude < kInfinity, finite, magnitude), ir::kF32);
}

Value UnitSlab::packed(const Chunk& v) const {
  return b_.pack({b_.pack_half(v[0], v[1]), b_.pack_half(v[2], v[3]), b_.pack_half(v[4], v[5]),
                  b_.pack_half(v[6], v[7])});
}

}  // namespace nxv::kernels

#include "kernels/matmul/packed_factor.h"

#include <array>

namespace nxv::kernels {

using ir::Value;

namespace {

constexpr uint32_t kWords = 4;  // of 16 steps

// Four words of four bytes each, rows and columns exchanged.
std::vector<Value> transposed(const std::array<Value, 4>& w) {
  constexpr uint32_t kEven = 0x00ff00ff, kOdd = 0xff00ff00;
  const auto even = [](Value x, Value y) { return (x & kEven) | ((y << 8) & kOdd); };
  const auto odd = [](Value x, Value y) { return ((x >> 8) & kEven) | (y & kOdd); };
  const auto low = [](Value x, Value y) { return (x & 0xffffu) | (y << 16); };
  const auto high = [](Value x, Value y) { return (x >> 16) | (y & 0xffff0000u); };
  const Value a = even(w[0], w[1]), b = even(w[2], w[3]);
  const Value c = odd(w[0], w[1]), d = odd(w[2], w[3]);
  return {low(a, b), low(c, d), high(a, b), high(c, d)};
}

}  // namespace

Value PackedFactor::at_most(Value v, Value limit) const {
  return b_.binary(ir::Opcode::min, v, limit);
}

void PackedFactor::locate(Value batch, Value free_end) {
  base_ = operand_.of_batch(batch);
  free_end_ = free_end;
}

PackedFactor::Lines PackedFactor::lines(Value first, uint32_t count) const {
  if (by_fours()) {
    // A group is whole in memory, if not in the matrix.
    const Value group = is_full_ ? first : at_most(first, (free_end_ - 1u) & ~3u);
    return {base_ + operand_.of_free(group)};
  }
  Lines all;
  for (uint32_t i = 0; i < count; ++i) {
    const Value line = i == 0 ? first : first + i;
    all.push_back(base_ + operand_.of_free(is_full_ ? line : at_most(line, free_end_ - 1u)));
  }
  return all;
}

Value PackedFactor::load(const Place& place, Value inside, ir::Type type) const {
  Value index = operand_.index(place);
  if (operand_.is_checked()) {
    const Value in_memory = operand_.is_inside(place);
    index = b_.select(in_memory, index, b_.u32(0));
    inside = inside ? inside & in_memory : in_memory;
  }
  const Value v = b_.load(operand_.buffer, index >> (type.lanes == 1 ? 2 : 4), type);
  if (!inside.exists()) return v;
  const Value zero = b_.u32(0);
  return b_.select(inside, v, type.lanes == 1 ? zero : b_.pack({zero, zero, zero, zero}));
}

Value PackedFactor::byte(const Place& place, Value inside) const {
  const Value shift = (operand_.index(place) & 3u) << 3;
  return (load(place, inside, ir::kU32) >> shift) & 0xffu;
}

std::vector<Value> PackedFactor::words(const Lines& lines, Value step) const {
  using Unit = PackedAccess::Unit;
  const Value end = kernel_.k();
  if (access_.unit == Unit::steps) {
    const Place depth = operand_.of_depth(is_full_ ? step : at_most(step, end - kPacked));
    const Value inside = is_before_end(step);
    std::vector<Value> words;
    for (const Place& line : lines) words.push_back(load(line + depth, inside, ir::kU32));
    return words;
  }
  std::array<Place, kPacked> depths;
  std::array<Value, kPacked> inside;
  for (uint32_t i = 0; i < kPacked; ++i) {
    const Value at = i == 0 ? step : step + i;
    depths[i] = operand_.of_depth(is_full_ ? at : at_most(at, end - 1u));
    inside[i] = is_before_end(at);
  }
  if (access_.unit == Unit::lines) {
    std::array<Value, kPacked> words;
    for (uint32_t i = 0; i < kPacked; ++i) {
      words[i] = load(lines[0] + depths[i], inside[i], ir::kU32);
    }
    return transposed(words);
  }
  std::vector<Value> words;
  for (const Place& line : lines) {
    Value word = byte(line + depths[0], inside[0]);
    for (uint32_t i = 1; i < kPacked; ++i) {
      word = word | (byte(line + depths[i], inside[i]) << (8 * i));
    }
    words.push_back(word);
  }
  return words;
}

std::vector<Value> PackedFactor::chunks(const Lines& lines, Value step) const {
  if (access_.is_wide) {
    const uint32_t steps = kWords * kPacked;
    const Place depth = operand_.of_depth(is_full_ ? step : at_most(step, kernel_.k() - steps));
    const Value inside = is_before_end(step);
    std::vector<Value> chunks;
    for (const Place& line : lines) {
      chunks.push_back(load(line + depth, inside, ir::vec(ir::kU32, kWords)));
    }
    return chunks;
  }
  std::array<std::vector<Value>, kWords> all;
  for (uint32_t i = 0; i < kWords; ++i) {
    all[i] = words(lines, i == 0 ? step : step + i * kPacked);
  }
  std::vector<Value> chunks;
  for (size_t line = 0; line < all[0].size(); ++line) {
    chunks.push_back(b_.pack({all[0][line], all[1][line], all[2][line], all[3][line]}));
  }
  return chunks;
}

}  // namespace nxv::kernels

#include "kernels/attention/attention_scores.h"

#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Value;

namespace {

AttentionOperands operands_of(const AttentionOptions& options) {
  AttentionAttr a;
  a.has_mask = options.has_mask;
  a.has_bias = options.has_bias;
  a.has_lengths = options.has_lengths;
  a.has_offsets = options.has_offsets;
  a.has_sinks = options.has_sinks;
  return AttentionOperands(a);
}

}  // namespace

// x = n log(2) + r, |r| <= log(2) / 2; e^r by its Taylor series. The first part of log(2) has few
// enough bits that n times it is exact.
Value exponential(Value x) {
  Builder& b = x.builder();
  const Value low = x < -87.0f;
  const Value bounded = b.select(low, b.f32(-87.0f), x);
  const Value n = b.unary(Opcode::round_even, bounded * 1.44269504f);
  const Value r = b.fma(n, b.f32(-1.42860677e-6f), b.fma(n, b.f32(-0.693145752f), bounded));
  Value p = b.f32(1.0f / 5040);
  for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = b.fma(p, r, b.f32(c));
  }
  const Value power = b.bitcast((b.convert(n, ir::kS32) + 127) << 23, ir::kF32);
  return b.select(low, b.bitcast(b.u32(0), ir::kF32), p * power);
}

// x = n + f, |f| <= 1/2; 2^f by a polynomial through its Chebyshev points. Adding a large number
// rounds, and leaves n in the low bits.
Value binary_exponential(Value x) {
  Builder& b = x.builder();
  constexpr float kLarge = 12582912;  // 1.5 * 2^23
  const Value rounded = x + kLarge;
  const Value f = x - (rounded - kLarge);
  Value p = b.f32(0.00966636852f);
  for (float c : {0.0559219758f, 0.240223490f, 0.693121045f, 1.0f}) p = b.fma(p, f, b.f32(c));
  const Value power = b.bitcast((b.bitcast(rounded, ir::kU32) << 23) + 0x3f800000u, ir::kF32);
  return b.select(x < -126.0f, b.bitcast(b.u32(0), ir::kF32), p * power);
}

AttentionScores::AttentionScores(Builder& b, const KernelArguments& arguments, const Region& region,
                                 const AttentionOptions& options, const ir::math::MathOptions& math)
    : b_(b),
      arguments_(arguments),
      region_(region),
      options_(options),
      math_(math),
      operands_(operands_of(options)),
      words_(arguments.words_as<Words>()),
      zero_(b.bitcast(arguments.zero(), ir::kF32)),
      lowest_(words_[&Words::lowest]) {}

std::span<const Value> AttentionScores::strides(int operand) const {
  const size_t at = region_.operands[static_cast<size_t>(operand)].words + kWordsOf<OffsetWords>;
  return arguments_.region_words().subspan(at);
}

Value AttentionScores::offset(int operand) const {
  return arguments_.region_words_as<OffsetWords>(
      region_.operands[static_cast<size_t>(operand)].words)[&OffsetWords::offset];
}

Value AttentionScores::start(int operand, Value head, Value row) const {
  const auto s = strides(operand);
  return offset(operand) + batch_ * s[0] + head * s[1] + row * s[2];
}

Value AttentionScores::element(int operand, Value index, DType type) const {
  const Value at = offset(operand) + index * strides(operand)[0];
  return load_element(arguments_.operand(operand), at, type).re;
}

// Heads of so many are taken together, the first blocks of all of them first.
AttentionScores::Place AttentionScores::place_of(Value group) const {
  const Value blocks = words_[&Words::query_blocks], together = words_[&Words::head_block];
  const Value number = group / (together * blocks), in_group = group - number * together * blocks;
  const Value first = number * together,
              all = words_.divide(words_[&Words::groups], &Words::query_blocks);
  const Value heads = b_.binary(Opcode::min, together, all - first);
  const Value block = in_group / heads;
  return {first + (in_group - block * heads), block};
}

AttentionScores::Block AttentionScores::select(Value group, uint32_t rows) {
  Block block;
  const auto [head_of_all, number] = place_of(group);
  const Value blocks = words_[&Words::query_blocks];
  // Those that see the most keys come first, where later queries see more.
  block.first_row = (blocks - 1u - number) * rows;
  block.batch = words_.divide(head_of_all, &Words::heads);
  block.head = head_of_all - block.batch * words_[&Words::heads];
  block.kv_head = words_.divide(block.head, &Words::head_group);
  head_ = block.head;
  select_batch(block.batch);
  return block;
}

AttentionScores::Block AttentionScores::select_keys(Value group, uint32_t rows) {
  Block block;
  const auto [head_of_all, number] = place_of(group);
  block.first_row = number * rows;
  block.batch = words_.divide(head_of_all, &Words::heads);
  block.kv_head = head_of_all - block.batch * words_[&Words::heads];
  select_batch(block.batch);
  return block;
}

void AttentionScores::select_batch(Value batch) {
  batch_ = batch;
  keys_end_ = words_[&Words::keys];
  if (operands_.lengths >= 0) {
    const Value length =
        b_.binary(Opcode::max, element(operands_.lengths, batch_, DType::s32), b_.s32(0));
    keys_end_ = b_.binary(Opcode::min, keys_end_, b_.bitcast(length, ir::kU32));
  }
  position_ = signed_word(&Words::offset);
  if (operands_.offsets >= 0) {
    position_ = position_ + element(operands_.offsets, batch_, DType::s32);
  }
}

AttentionScores::Range AttentionScores::keys_of(Value first_row, Value end_row,
                                                uint32_t block) const {
  const Value last_row = b_.binary(Opcode::min, end_row, words_[&Words::queries]) - 1u;
  Range range{b_.u32(0), keys_end_};
  const auto bounded = [&](Value key) {
    const Value end = b_.bitcast(keys_end_, ir::kS32);
    const Value inside = b_.binary(Opcode::min, b_.binary(Opcode::max, key, b_.s32(0)), end);
    return b_.bitcast(inside, ir::kU32);
  };
  if (options_.has_after) {
    const Value last = position_ + b_.bitcast(last_row, ir::kS32);
    range.end = bounded(last + signed_word(&Words::after) + 1);
  }
  if (options_.has_before) {
    const Value first = position_ + b_.bitcast(first_row, ir::kS32);
    range.begin = bounded(first - signed_word(&Words::before)) & ~(block - 1);
  }
  return range;
}

AttentionScores::Range AttentionScores::queries_of(Value first_key, uint32_t keys,
                                                   uint32_t block) const {
  const Value last_key = b_.binary(Opcode::min, first_key + keys, words_[&Words::keys]) - 1u;
  const Value queries = words_[&Words::queries];
  const auto bounded = [&](Value row) {
    const Value end = b_.bitcast(queries, ir::kS32);
    const Value inside = b_.binary(Opcode::min, b_.binary(Opcode::max, row, b_.s32(0)), end);
    return b_.bitcast(inside, ir::kU32);
  };
  Range range{b_.u32(0), b_.select(first_key < keys_end_, queries, b_.u32(0))};
  if (options_.has_after) {
    const Value first = b_.bitcast(first_key, ir::kS32) - position_;
    range.begin = bounded(first - signed_word(&Words::after)) & ~(block - 1);
  }
  if (options_.has_before) {
    const Value last = b_.bitcast(last_key, ir::kS32) - position_;
    range.end = b_.binary(Opcode::min, range.end, bounded(last + signed_word(&Words::before) + 1));
  }
  return range;
}

// Of the numbers from `first` to before `end`, s32 both, whole blocks within a range.
AttentionScores::Range AttentionScores::whole_blocks(const Range& all, Value first, Value end,
                                                     uint32_t block) const {
  const auto bounded = [&](Value v) {
    const Value low = b_.bitcast(all.begin, ir::kS32), high = b_.bitcast(all.end, ir::kS32);
    return b_.bitcast(b_.binary(Opcode::max, low, b_.binary(Opcode::min, v, high)), ir::kU32);
  };
  const Value from = (bounded(first) + (block - 1)) & ~(block - 1);
  const Value to = bounded(end) & ~(block - 1);
  const Value begin = b_.binary(Opcode::min, from, all.end);
  return {begin, b_.binary(Opcode::max, begin, b_.binary(Opcode::min, to, all.end))};
}

AttentionScores::Range AttentionScores::keys_all_see(const Range& keys, Value first_row,
                                                     Value last_row, uint32_t block) const {
  Value first = b_.bitcast(keys.begin, ir::kS32), end = b_.bitcast(keys.end, ir::kS32);
  if (options_.has_after) {
    end = position_ + b_.bitcast(first_row, ir::kS32) + signed_word(&Words::after) + 1;
  }
  if (options_.has_before) {
    first = position_ + b_.bitcast(last_row, ir::kS32) - signed_word(&Words::before);
  }
  return whole_blocks(keys, first, end, block);
}

AttentionScores::Range AttentionScores::queries_all_see(const Range& queries, Value first_key,
                                                        Value last_key, uint32_t block) const {
  Value first = b_.bitcast(queries.begin, ir::kS32), end = b_.bitcast(queries.end, ir::kS32);
  if (options_.has_after) {
    first = b_.bitcast(last_key, ir::kS32) - position_ - signed_word(&Words::after);
  }
  if (options_.has_before) {
    end = b_.bitcast(first_key, ir::kS32) - position_ + signed_word(&Words::before) + 1;
  }
  // Of keys beyond the end of their batch entry none is seen.
  return whole_blocks(queries, first, b_.select(last_key < keys_end_, end, b_.s32(0)), block);
}

Value AttentionScores::of_row(int operand, Value row) const {
  const Value last = words_[&Words::queries] - 1u;
  const Value at = start(operand, head_, b_.binary(Opcode::min, row, last));
  return b_.load(arguments_.operand(operand), at, ir::kF32);
}

Value AttentionScores::at(int operand, Value row, Value key) const {
  const Value last_row = words_[&Words::queries] - 1u, last_key = words_[&Words::keys] - 1u;
  return start(operand, head_, b_.binary(Opcode::min, row, last_row)) +
         b_.binary(Opcode::min, key, last_key) * column_stride(operand);
}

AttentionScores::Addends AttentionScores::addends(Value row, Value key) const {
  const auto load = [&](int operand, DType type) {
    return load_element(arguments_.operand(operand), at(operand, row, key), type).re;
  };
  Addends a;
  if (operands_.bias >= 0) a.bias = load(operands_.bias, options_.bias);
  if (operands_.mask >= 0) a.mask = load(operands_.mask, DType::u8);
  return a;
}

AttentionScores::Differentiated AttentionScores::differentiated(Value product,
                                                                const Addends& addends) const {
  const Value scale = words_[&Words::scale];
  Differentiated s{product, scale};
  if (product.type() == ir::kF32) {
    s.value = product * scale;
  } else {
    s.value = b_.convert(product * b_.convert(scale, product.type()), ir::kF32);
  }
  if (options_.has_cap) {
    const Value bent = ir::math::tanh(s.value * words_[&Words::inverse_cap], math_);
    s.value = bent * words_[&Words::cap];
    s.slope = scale * (b_.f32(1) - bent * bent);
  }
  if (addends.bias) s.value = s.value + addends.bias;
  if (addends.mask) {
    const Value is_masked = addends.mask == 0u;
    s.value = b_.select(is_masked, words_[&Words::masked], s.value);
    s.slope = b_.select(is_masked, zero_, s.slope);
  }
  return s;
}

Value AttentionScores::distance(Value row, Value key) const {
  return b_.bitcast(key, ir::kS32) - (position_ + b_.bitcast(row, ir::kS32));
}

Value AttentionScores::sees(Value row, Value key) const {
  Value sees = key < keys_end_;
  if (options_.has_after) sees = sees & (distance(row, key) <= signed_word(&Words::after));
  if (options_.has_before) sees = sees & (-distance(row, key) <= signed_word(&Words::before));
  return sees;
}

Value AttentionScores::all_see(Value first_row, Value last_row, Value first_key,
                               Value last_key) const {
  Value all = last_key < keys_end_;
  if (options_.has_after) {
    all = all & (distance(first_row, last_key) <= signed_word(&Words::after));
  }
  if (options_.has_before) {
    all = all & (-distance(last_row, first_key) <= signed_word(&Words::before));
  }
  return all;
}

Value AttentionScores::some_see(Value first_row, Value last_row, Value first_key,
                                Value last_key) const {
  Value some = first_key < keys_end_;
  if (options_.has_after) {
    some = some & (distance(last_row, first_key) <= signed_word(&Words::after));
  }
  if (options_.has_before) {
    some = some & (-distance(first_row, last_key) <= signed_word(&Words::before));
  }
  return some;
}

Value AttentionScores::sink() const { return element(operands_.sinks, head_, DType::f32); }

ir::Value larger_score(ir::Value a, ir::Value b) { return a.builder().select(b > a, b, a); }

ir::Value folded(std::vector<ir::Value> all) {
  for (; all.size() > 1; all.resize(all.size() / 2)) {
    for (size_t i = 0; i < all.size() / 2; ++i) all[i] = all[2 * i] + all[2 * i + 1];
  }
  return all[0];
}

}  // namespace nxv::kernels

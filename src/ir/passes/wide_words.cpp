#include "ir/passes/wide_words.h"

#include <array>

namespace nxv::ir {
namespace {

Value packed(std::span<const Value> lanes) {
  return lanes.size() == 1 ? lanes[0] : lanes[0].builder().pack(lanes);
}

Value lane_bits(Wide w, int lane) {
  if (w.low.type().lanes == 1) return joined(w);
  Builder& b = w.low.builder();
  return b.pack({b.extract(w.low, lane), b.extract(w.high, lane)});
}

}  // namespace

Value joined(Wide w) {
  Builder& b = w.low.builder();
  if (w.low.type().lanes == 1) return b.pack({w.low, w.high});
  return b.pack(
      {b.extract(w.low, 0), b.extract(w.high, 0), b.extract(w.low, 1), b.extract(w.high, 1)});
}

Wide split(Value words) {
  Builder& b = words.builder();
  if (words.type().lanes == 2) return {b.extract(words, 0), b.extract(words, 1)};
  return {b.pack({b.extract(words, 0), b.extract(words, 2)}),
          b.pack({b.extract(words, 1), b.extract(words, 3)})};
}

Wide concatenated(Wide first, Wide second) {
  Builder& b = first.low.builder();
  const auto both = [&b](Value x, Value y) {
    return b.pack({b.extract(x, 0), b.extract(x, 1), b.extract(y, 0), b.extract(y, 1)});
  };
  return {both(first.low, second.low), both(first.high, second.high)};
}

Wide half_of(Wide w, int half) {
  Builder& b = w.low.builder();
  const auto pair = [&b, half](Value v) {
    return b.pack({b.extract(v, 2 * half), b.extract(v, 2 * half + 1)});
  };
  return {pair(w.low), pair(w.high)};
}

Wide bitcast_to_wide(Value v, Type to) {
  Builder& b = v.builder();
  const Type from = v.type();
  if (!is_64_bit(from)) return split(b.bitcast(v, words(to)));
  std::array<Value, 4> low, high;
  for (int i = 0; i < from.lanes; ++i) {
    const Value lane = from.lanes == 1 ? v : b.extract(v, i);
    const Value bits = b.bitcast(lane, vec(kU32, 2));
    low[static_cast<size_t>(i)] = b.extract(bits, 0);
    high[static_cast<size_t>(i)] = b.extract(bits, 1);
  }
  return {packed(std::span(low.data(), from.lanes)), packed(std::span(high.data(), from.lanes))};
}

Value bitcast_from_wide(Wide w, Type to) {
  Builder& b = w.low.builder();
  if (!is_64_bit(to)) return b.bitcast(joined(w), to);
  std::array<Value, 4> lanes;
  for (int i = 0; i < to.lanes; ++i) {
    lanes[static_cast<size_t>(i)] = b.bitcast(lane_bits(w, i), element(to));
  }
  return packed(std::span(lanes.data(), to.lanes));
}

}  // namespace nxv::ir

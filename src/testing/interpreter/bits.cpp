#include <bit>

#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing::evaluations {
namespace {

template <typename F>
void binary(Execution& s, F f) {
  const uint64_t *a = s.arg(0), *b = s.arg(1);
  s.each([=](uint32_t i) { return f(a[i], b[i]); });
}

// shifted(value, amount) of amounts below the width.
template <typename F>
void shift(Execution& s, F shifted) {
  const uint64_t *values = s.arg(0), *amounts = s.arg(1);
  with_number(s.inst.type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::integral<T>) {
      s.each([&](uint32_t i) {
        const T v = from_bits<T>(values[i]);
        const uint64_t amount = amounts[s.spread(1, i)];
        return to_bits<T>(amount >= 8 * sizeof(T) ? poison<T>() : shifted(v, amount));
      });
    }
  });
}

}  // namespace

void bit_and(Execution& s) {
  binary(s, [](uint64_t a, uint64_t b) { return a & b; });
}
void bit_or(Execution& s) {
  binary(s, [](uint64_t a, uint64_t b) { return a | b; });
}
void bit_xor(Execution& s) {
  binary(s, [](uint64_t a, uint64_t b) { return a ^ b; });
}
void bit_not(Execution& s) {
  const uint64_t mask = lane_mask(s.inst.type);
  s.each([mask, v = s.arg(0)](uint32_t i) { return ~v[i] & mask; });
}

void shl(Execution& s) {
  shift(s, [](auto v, uint64_t amount) {
    using T = decltype(v);
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(v) << amount);
  });
}
void shr(Execution& s) {
  shift(s, [](auto v, uint64_t amount) { return static_cast<decltype(v)>(v >> amount); });
}

void clz(Execution& s) {
  const int beyond = is_64_bit(s.arg_type(0)) ? 0 : 32;
  s.each([beyond, v = s.arg(0)](uint32_t i) {
    return static_cast<uint64_t>(std::countl_zero(v[i]) - beyond);
  });
}
void popcount(Execution& s) {
  s.each([v = s.arg(0)](uint32_t i) { return static_cast<uint64_t>(std::popcount(v[i])); });
}

}  // namespace nxv::testing::evaluations

// Dot products of 8-bit integers that are packed into words.
#include "testing/interpreter/evaluations.h"

namespace nxv::testing::evaluations {
namespace {

// Byte i of a word as a number.
template <typename T>
uint32_t byte(uint64_t word, int i) {
  return static_cast<uint32_t>(static_cast<T>(word >> (8 * i)));
}

template <typename X, typename Y>
void packed_dot(Execution& s) {
  const uint64_t *x = s.arg(0), *y = s.arg(1);
  s.each([=](uint32_t i) {
    uint32_t sum = 0;
    for (int k = 0; k < 4; ++k) sum += byte<X>(x[i], k) * byte<Y>(y[i], k);
    return uint64_t{sum};
  });
}

}  // namespace

void dot_signed(Execution& s) { packed_dot<int8_t, int8_t>(s); }
void dot_unsigned(Execution& s) { packed_dot<uint8_t, uint8_t>(s); }
void dot_mixed(Execution& s) { packed_dot<int8_t, uint8_t>(s); }

}  // namespace nxv::testing::evaluations

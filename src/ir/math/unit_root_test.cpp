#include "ir/math/unit_root.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "testing/interpreter/interpreter.h"

namespace nxv::ir::math {
namespace {

template <typename T>
struct Roots {
  std::vector<T> re, im;
};

template <typename T>
Roots<T> roots(const std::vector<uint32_t>& k, uint32_t n, const MathOptions& options) {
  constexpr Type kType = sizeof(T) == 4 ? kF32 : kF64;
  Builder b("roots", static_cast<uint32_t>(k.size()));
  const Value in = b.buffer("k", Access::read), size = b.param("n", kU32);
  const Value re = b.buffer("re", Access::write), im = b.buffer("im", Access::write);
  const Value i = b.builtin(Builtin::local_index);
  const UnitRoot root = unit_root(b.load(in, i, kU32), size, kType, options);
  b.store(re, i, root.re);
  b.store(im, i, root.im);
  Roots<T> result{std::vector<T>(k.size()), std::vector<T>(k.size())};
  using testing::Argument;
  const std::vector<Argument> arguments = {Argument::buffer(k), Argument::number(n),
                                           Argument::buffer(result.re),
                                           Argument::buffer(result.im)};
  testing::run(b.finish(), {}, arguments, {.fused_fma = options.fma_fused_f32});
  return result;
}

// Multiples of an eighth turn and their neighbours, and others.
std::vector<uint32_t> numerators(uint32_t n) {
  std::vector<uint32_t> list;
  for (uint64_t eighth = 0; eighth < 8; ++eighth) {
    for (uint64_t beside : {0, 1, 2}) list.push_back((eighth * n / 8 + beside) % n);
  }
  for (uint64_t i = 0; i < 40; ++i)
    list.push_back(static_cast<uint32_t>(i * 0x9e3779b97f4a7c15 % n));
  return list;
}

template <typename T>
void check(const MathOptions& options, double ulps) {
  for (uint32_t n : {1U, 2U, 3U, 8U, 12U, 360U, 1000003U, 1U << 21, 2147483646U, 4294967291U}) {
    const std::vector<uint32_t> k = numerators(n);
    const Roots<T> got = roots<T>(k, n, options);
    for (size_t i = 0; i < k.size(); ++i) {
      const long double angle = 2 * acosl(-1) * k[i] / n;
      const auto near = [&](T value, long double want) {
        const T rounded = static_cast<T>(std::fabs(want));
        const long double ulp = std::nextafter(rounded, T{2}) - rounded;
        // The host's own angle is wrong by as much as 2^-61.
        EXPECT_LE(std::fabs(value - want), ulps * ulp + 0x1p-61L) << k[i] << " of " << n;
      };
      near(got.re[i], cosl(angle));
      near(got.im[i], sinl(angle));
    }
  }
}

TEST(UnitRoot, IsExactToAnUlp) {
  check<float>({}, 0.51);
  check<float>({.f64 = false}, 1);
  check<float>({.f64 = false, .fma_fused_f32 = true}, 1);
  check<double>({}, 1);
}

TEST(UnitRoot, QuarterTurnsAreExact) {
  const Roots<double> quarters = roots<double>({0, 250, 500, 750}, 1000, {});
  EXPECT_EQ(quarters.re, (std::vector<double>{1, 0, -1, 0}));
  EXPECT_EQ(quarters.im, (std::vector<double>{0, 1, 0, -1}));
}

}  // namespace
}  // namespace nxv::ir::math

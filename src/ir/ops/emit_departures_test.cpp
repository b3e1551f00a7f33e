// What operations answer where other backends of Nx answer otherwise.
#include "ir/ops/emit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "testing/numbers/emitted.h"

namespace nxv {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr DType kFloats[] = {DType::f8_e4m3fn, DType::f8_e5m2, DType::bf16, DType::f16, DType::f32};

testing::Elements elements(DType t, std::initializer_list<double> numbers) {
  testing::Elements result;
  for (double v : numbers) result.push_back(make_scalar(t, v));
  return result;
}

std::vector<double> real(const std::vector<std::complex<double>>& numbers) {
  std::vector<double> result;
  for (const auto& z : numbers) result.push_back(z.real());
  return result;
}

TEST(Departures, ErfInvOfOneInTypesThatRoundTheBoundOfNormalNumbersToOne) {
  for (DType t : kFloats) {
    const auto run = [t](std::initializer_list<double> x) {
      return real(testing::emitted({}, Op::erf_inv, t, {elements(t, x)}));
    };
    const double bound = to_double(make_scalar(t, -1 + 0x1p-11));  // as Nx has it of 16 bits
    const std::vector<double> got = run({1, -1, bound, 1.5, -2});
    EXPECT_TRUE(std::isfinite(got[2])) << name(t);
    EXPECT_TRUE(std::isnan(got[3]) && std::isnan(got[4])) << name(t);
    if (bound != -1) {
      EXPECT_EQ(got[0], kInf) << name(t);
      EXPECT_EQ(got[1], -kInf) << name(t);
    } else {
      const Scalar inside{t, make_scalar(t, 1.0).lo - 1, 0};
      const double expected = run({to_double(inside)})[0];
      EXPECT_GE(expected, 1) << name(t);
      EXPECT_EQ(got[0], expected) << name(t);
      EXPECT_EQ(got[1], -expected) << name(t);
    }
  }
}

TEST(Departures, ClipPropagatesNaN) {
  for (DType t : kFloats) {
    const auto run = [t](double x, double low, double high) {
      return testing::emitted({}, Op::clip, t,
                              {elements(t, {x}), elements(t, {low}), elements(t, {high})})[0]
          .real();
    };
    EXPECT_TRUE(std::isnan(run(kNan, 1, 2))) << name(t);
    EXPECT_TRUE(std::isnan(run(kNan, 2, 1))) << name(t);
    EXPECT_TRUE(std::isnan(run(1.5, kNan, 2))) << name(t);
    EXPECT_TRUE(std::isnan(run(1.5, 1, kNan))) << name(t);
    EXPECT_EQ(run(0.5, 1, 2), 1) << name(t);
    EXPECT_EQ(run(3, 1, 2), 2) << name(t);
    EXPECT_EQ(run(1.5, 2, 1), 1) << name(t);
    EXPECT_EQ(run(kInf, 1, 2), 2) << name(t);
    EXPECT_TRUE(std::signbit(run(0.0, -0.0, 2))) << name(t);  // of equals, the bound
  }
}

}  // namespace
}  // namespace nxv

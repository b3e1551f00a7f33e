// Folds of complex numbers, one after the other in a single invocation of the interpreter.
#include "kernels/common/fold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <random>

#include "testing/interpreter/interpreter.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;
using Point = std::complex<float>;

constexpr float kInf = std::numeric_limits<float>::infinity();

class ComplexFold : public ::testing::TestWithParam<bool> {
 protected:
  ir::math::MathOptions options() const { return {.f64 = GetParam()}; }

  std::vector<float> run(const ir::Kernel& kernel, const std::vector<Point>& in, size_t results) {
    std::vector<float> out(results);
    std::vector<testing::Argument> arguments;
    for (const ir::Param& p : kernel.params) {
      if (p.name == "in") {
        arguments.push_back(testing::Argument::buffer(in));
      } else if (p.name == "out") {
        arguments.push_back(testing::Argument::buffer(out));
      } else {
        const auto n = static_cast<uint32_t>(p.name == "count" ? in.size() : 0);
        arguments.push_back(testing::Argument::number<uint32_t>(n));
      }
    }
    testing::run(kernel, {}, arguments);
    return out;
  }

  // The fold of all points, and that of the identity with it on both sides.
  Point fold(Op op, const std::vector<Point>& points) {
    Builder b("fold");
    const Value in = b.buffer("in", ir::Access::read), out = b.buffer("out", ir::Access::write);
    const Value count = b.param("count", ir::kU32);
    const Fold fold(b, op, DType::c64, DType::c64, options());
    EXPECT_EQ(static_cast<size_t>(Fold::part_count(op, DType::c64, DType::c64, options())),
              fold.parts().size());
    const auto sum = fold.variables(fold.identity());
    b.for_range(b.u32(0), count, b.u32(1), [&](Value i) {
      const ir::Number x{DType::c64, b.load(in, i << 1, ir::kF32),
                         b.load(in, (i << 1) + 1u, ir::kF32)};
      Fold::write(sum, fold.insert(Fold::read(sum), x, i));
    });
    const Accumulator total = Fold::read(sum);
    const auto store = [&](uint32_t at, const Accumulator& a) {
      const ir::Number r = fold.result(a);
      b.store(out, b.u32(at), r.re);
      b.store(out, b.u32(at + 1), r.im);
    };
    store(0, total);
    store(2, fold.combine(fold.identity(), fold.combine(total, fold.identity())));
    const std::vector<float> results = run(b.finish(), points, 4);
    for (size_t i : {0, 1}) {
      EXPECT_TRUE(results[i] == results[i + 2] ||
                  (std::isnan(results[i]) && std::isnan(results[i + 2])))
          << results[i] << " became " << results[i + 2];
    }
    return {results[0], results[1]};
  }
};
INSTANTIATE_TEST_SUITE_P(Fold, ComplexFold, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "in_f64" : "in_pairs"; });

std::vector<Point> sample(size_t count, float low, float high) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> part(low, high);
  std::vector<Point> points;
  for (size_t i = 0; i < count; ++i) points.emplace_back(part(random), part(random));
  return points;
}

TEST_P(ComplexFold, SumsBothPartsToTheLastPlace) {
  std::vector<Point> points = sample(1000, -1, 1);
  points.insert(points.begin(), Point(0x1p30F, -0x1p30F));
  points.emplace_back(-0x1p30F, 0x1p30F);
  std::complex<double> exact = 0;
  for (Point p : points) exact += std::complex<double>(p);
  const Point sum = fold(Op::sum, points);
  EXPECT_NEAR(sum.real(), exact.real(), std::fabs(exact.real()) * 0x1p-24 + 1e-5);
  EXPECT_NEAR(sum.imag(), exact.imag(), std::fabs(exact.imag()) * 0x1p-24 + 1e-5);
}

TEST_P(ComplexFold, MultipliesToTheLastPlaceOfTheLength) {
  const std::vector<Point> points = sample(200, -1.2F, 1.2F);
  std::complex<long double> exact = 1;
  for (Point p : points) exact *= std::complex<long double>(p);
  const Point product = fold(Op::product, points);
  EXPECT_LE(std::abs(std::complex<long double>(product) - exact), std::abs(exact) * 0x1p-23L);
}

TEST_P(ComplexFold, OneAndZeroLeaveNoTraceInInfinities) {
  const Point product = fold(Op::product, {{kInf, 2}});
  EXPECT_EQ(product, Point(kInf, 2));
  const Point sum = fold(Op::sum, {{1, 2}, {-kInf, 3}});
  EXPECT_EQ(sum, Point(-kInf, 5));
  const Point none = fold(Op::sum, {{kInf, 2}, {-kInf, 3}});
  EXPECT_TRUE(std::isnan(none.real()));
  EXPECT_EQ(none.imag(), 5);
}

TEST_P(ComplexFold, MultipliesInfinitiesByTheTextbook) {
  const Point product = fold(Op::product, {{kInf, 1}, {2, 3}});
  EXPECT_EQ(product, Point(kInf, kInf));
  const Point none = fold(Op::product, {{kInf, 0}, {0, 1}});
  EXPECT_TRUE(std::isnan(none.real()));
}

}  // namespace
}  // namespace nxv::kernels

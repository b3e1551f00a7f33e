#include "testing/reference/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numbers>

#include "graph/build.h"
#include "testing/reference/functions.h"
#include "testing/reference/number.h"
#include "testing/reference/pointwise.h"
#include "testing/reference/random.h"

namespace nxv {
namespace {

using reference::compare;
using reference::philox;
using reference::PhiloxBlock;
using reference::pointwise;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Scalar f32(double x) { return make_scalar(DType::f32, x); }
Scalar integer(DType t, int64_t x) { return make_scalar(t, x); }

Scalar apply(Op op, DType out, std::initializer_list<Scalar> operands) {
  return pointwise(op, out, std::vector<Scalar>(operands));
}

class Graph {
 public:
  NodeRef data(DType dtype, const Shape& shape, std::initializer_list<double> values) {
    std::vector<Scalar> elements;
    for (double v : values) elements.push_back(make_scalar(dtype, v));
    return host_value(graveyard_, dtype, shape, HostTensor(dtype, shape, elements).bytes);
  }
  NodeRef node(Op op, DType dtype, Shape shape, std::vector<NodeRef> inputs,
               Attributes attributes = {}) {
    return NodeRef::adopt(new Node(graveyard_, op, dtype, std::move(shape), std::move(inputs),
                                   std::move(attributes)));
  }

 private:
  std::shared_ptr<Graveyard> graveyard_ = host_graveyard();
};

std::vector<double> values(const HostTensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.count(); ++i) v.push_back(to_double(t.at(i)));
  return v;
}

// Known answers of the Random123 distribution.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, CounterCarriesIntoItsHighHalf) {
  const RandomAttr last{0, ~uint64_t{0}, 0, 1};
  const uint32_t word = philox({0, 0, 1, 0}, {0, 0})[0];
  EXPECT_EQ(reference::uniform_f32(last, 4), static_cast<float>(word >> 8) * 0x1p-24F);
}

TEST(Random, UniformTakesTheTopBits) {
  const RandomAttr stream{0, 0, 0, 1};
  EXPECT_EQ(reference::uniform_f32(stream, 1), static_cast<float>(0xe169c58d >> 8) * 0x1p-24F);
  EXPECT_EQ(reference::uniform_f64(stream, 1),
            static_cast<double>(0x9b00dbd8bc57ac4c >> 11) * 0x1p-53);
}

TEST(Random, MomentsAreRight) {
  Graph g;
  constexpr int64_t kCount = 20000;
  for (DType dtype : {DType::f16, DType::f32, DType::f64}) {
    const auto moments = [&](Op op) {
      const HostTensor t =
          reference_evaluate(*g.node(op, dtype, {kCount}, {}, RandomAttr{1234, 77, 2, 3}));
      double mean = 0, square = 0;
      for (double x : values(t)) {
        mean += x / kCount;
        square += x * x / kCount;
      }
      return std::pair(mean, std::sqrt(square - mean * mean));
    };
    const auto [mean, deviation] = moments(Op::random_normal);
    EXPECT_NEAR(mean, 2, 0.08);
    EXPECT_NEAR(deviation, 3, 0.08);
    const auto [middle, spread] = moments(Op::random_uniform);
    EXPECT_NEAR(middle, 2.5, 0.01);
    EXPECT_NEAR(spread, std::sqrt(1.0 / 12), 0.01);
  }
}

TEST(Compare, IsExactAcrossTypes) {
  const Scalar big = make_scalar(DType::u64, ~uint64_t{0});
  EXPECT_TRUE(compare(big, integer(DType::s64, -1)) > 0);
  EXPECT_TRUE(compare(big, make_scalar(DType::f64, 0x1p64)) < 0);
  const Scalar odd = integer(DType::s64, (int64_t{1} << 53) + 1);
  EXPECT_TRUE(compare(odd, make_scalar(DType::f64, 0x1p53)) > 0);
  EXPECT_TRUE(compare(integer(DType::s64, -3), f32(-3.5)) > 0);
  EXPECT_TRUE(compare(f32(0.5), integer(DType::u8, 0)) > 0);
  EXPECT_TRUE(compare(f32(kNaN), integer(DType::u8, 0)) == std::partial_ordering::unordered);
  EXPECT_EQ(compare(f32(-0.0), f32(0.0)), std::partial_ordering::equivalent);
}

TEST(Convert, RoundsOnceFromIntegers) {
  // Just above the middle of two bf16 numbers: through a double it would look like the middle.
  const Scalar n = make_scalar(DType::u64, (uint64_t{0x101} << 55) + 1);
  EXPECT_EQ(to_double(reference::convert(n, DType::bf16)), std::ldexp(0x102, 55));
  const Scalar tie = make_scalar(DType::u64, uint64_t{0x101} << 55);
  EXPECT_EQ(to_double(reference::convert(tie, DType::bf16)), std::ldexp(0x100, 55));
}

TEST(Convert, TruncatesThenWraps) {
  EXPECT_EQ(reference::convert(f32(300.7), DType::u8).lo, 44U);
  EXPECT_EQ(to_int64(reference::convert(make_scalar(DType::f64, 1e20), DType::s64)),
            7766279631452241920);
  EXPECT_EQ(to_int64(reference::convert(f32(kNaN), DType::s32)), 0);
  EXPECT_EQ(to_int64(reference::convert(f32(-kInfinity), DType::s8)), -128);
}

TEST(Pointwise, IntegerTraps) {
  const Scalar one = integer(DType::s32, 1);
  const Scalar zero = integer(DType::s32, 0);
  const Scalar minus = integer(DType::s32, -1);
  const auto status = [&](Op op, const Scalar& b) {
    try {
      apply(op, DType::s32, {one, b});
    } catch (const Error& e) {
      return e.status();
    }
    return Status::ok;
  };
  EXPECT_EQ(status(Op::quotient, zero), Status::arithmetic);
  EXPECT_EQ(status(Op::remainder, zero), Status::arithmetic);
  EXPECT_EQ(status(Op::left_shift, minus), Status::negative_shift);
  EXPECT_EQ(status(Op::right_shift, minus), Status::negative_shift);
  EXPECT_EQ(status(Op::pow, minus), Status::arithmetic);
  EXPECT_EQ(status(Op::quotient, one), Status::ok);
}

TEST(Pointwise, IntegerEdges) {
  const auto s8 = [](int64_t x) { return integer(DType::s8, x); };
  const auto result = [](Op op, Scalar a, Scalar b) {
    return to_int64(apply(op, merge(a.dtype, b.dtype), {a, b}));
  };
  EXPECT_EQ(result(Op::quotient, s8(-128), s8(-1)), -128);
  EXPECT_EQ(result(Op::quotient, s8(-7), s8(2)), -3);
  EXPECT_EQ(result(Op::remainder, s8(-7), s8(2)), -1);
  EXPECT_EQ(result(Op::right_shift, s8(-7), s8(1)), -4);
  EXPECT_EQ(result(Op::right_shift, s8(-7), s8(100)), -1);
  EXPECT_EQ(result(Op::left_shift, s8(1), s8(8)), 0);
  EXPECT_EQ(result(Op::pow, s8(3), s8(5)), static_cast<int8_t>(243));
  EXPECT_EQ(result(Op::pow, s8(0), s8(0)), 1);
  EXPECT_EQ(to_int64(apply(Op::count_leading_zeros, DType::s4, {integer(DType::s4, 1)})), 3);
  EXPECT_EQ(to_int64(apply(Op::population_count, DType::s4, {integer(DType::s4, -1)})), 4);
}

TEST(Pointwise, NaNAndZeroRules) {
  const auto value = [](const Scalar& s) { return to_double(s); };
  EXPECT_TRUE(std::isnan(value(apply(Op::max, DType::f32, {f32(1), f32(kNaN)}))));
  EXPECT_TRUE(std::signbit(value(apply(Op::max, DType::f32, {f32(-0.0), f32(0.0)}))));
  EXPECT_FALSE(std::signbit(value(apply(Op::min, DType::f32, {f32(0.0), f32(-0.0)}))));
  EXPECT_EQ(value(apply(Op::select, DType::f32, {f32(kNaN), f32(1), f32(2)})), 1);
  EXPECT_EQ(value(apply(Op::select, DType::f32, {f32(-0.0), f32(1), f32(2)})), 2);
  EXPECT_TRUE(std::isnan(value(apply(Op::clip, DType::f32, {f32(kNaN), f32(2), f32(3)}))));
  EXPECT_TRUE(std::isnan(value(apply(Op::clip, DType::f32, {f32(1), f32(kNaN), f32(3)}))));
  EXPECT_TRUE(std::isnan(value(apply(Op::clip, DType::f32, {f32(1), f32(2), f32(kNaN)}))));
  EXPECT_EQ(value(apply(Op::clip, DType::f32, {f32(1), f32(5), f32(3)})), 3);
  EXPECT_EQ(value(apply(Op::not_equal, DType::u8, {f32(kNaN), f32(kNaN)})), 1);
  EXPECT_EQ(value(apply(Op::round, DType::f32, {f32(-2.5)})), -3);
  EXPECT_EQ(value(apply(Op::divide, DType::f32, {f32(1), f32(-0.0)})), -kInfinity);
}

// Where the recorded vectors keep no signs, truncate, or equate NaN parts.
TEST(Pointwise, FollowsIeeeWhereTheRecordDoesNot) {
  const auto value = [](Op op, double a, double b) {
    return to_double(apply(op, DType::f32, {f32(a), f32(b)}));
  };
  EXPECT_TRUE(std::signbit(value(Op::divide, 1, -kInfinity)));
  EXPECT_EQ(value(Op::divide, kInfinity, -0.0), -kInfinity);
  EXPECT_EQ(value(Op::atan2, -0.0, -kInfinity), -static_cast<float>(std::numbers::pi));
  EXPECT_EQ(value(Op::pow, -0.0, -1), -kInfinity);
  const Scalar z = make_scalar(DType::c64, std::complex<double>(kInfinity, kNaN));
  EXPECT_EQ(to_int64(apply(Op::equal, DType::u8, {z, z})), 0);
  EXPECT_EQ(to_int64(apply(Op::not_equal, DType::u8, {z, z})), 1);
  EXPECT_EQ(to_double(apply(Op::cast, DType::bf16, {f32(0x1.fffffep127)})), kInfinity);
  EXPECT_EQ(to_double(apply(Op::cast, DType::f8_e5m2, {f32(65504)})), kInfinity);
}

// Where Nx is followed against expectation.
TEST(Pointwise, FollowsNx) {
  EXPECT_EQ(to_double(apply(Op::sign, DType::f32, {f32(kNaN)})), 1);
  EXPECT_FALSE(std::signbit(to_double(apply(Op::round, DType::f32, {f32(-0.25)}))));
  const auto conjugate = [](double x) {
    return to_complex_double(apply(Op::conjugate, DType::c64, {f32(x)}));
  };
  EXPECT_TRUE(std::signbit(conjugate(1).imag()));
  EXPECT_FALSE(std::signbit(conjugate(kInfinity).imag()));
}

TEST(Pointwise, ErfInvOfOneIsFiniteInFewBits) {
  const auto erf_inv = [](DType t, double x) {
    return to_double(apply(Op::erf_inv, t, {make_scalar(t, x)}));
  };
  EXPECT_EQ(erf_inv(DType::bf16, 1), erf_inv(DType::bf16, 1 - 0x1p-8));
  EXPECT_EQ(erf_inv(DType::f8_e4m3fn, -1), erf_inv(DType::f8_e4m3fn, -0.9375));
  EXPECT_EQ(erf_inv(DType::f8_e5m2, 1), 1);
  EXPECT_EQ(erf_inv(DType::f16, -1), -kInfinity);
}

TEST(Pointwise, BitcastKeepsAllBits) {
  for (DType t : {DType::c64, DType::c128}) {
    const Scalar z = make_scalar(t, std::complex<double>(1.5, -2.5));
    EXPECT_EQ(to_complex_double(apply(Op::bitcast, t, {z})), (std::complex<double>{1.5, -2.5}));
  }
}

// Every pointwise row of the table has a value for every type it accepts.
TEST(Pointwise, CoversTheTable) {
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (info(op).fusion != Fusion::pointwise) continue;
    for (int t = 0; t < kDTypeCount; ++t) {
      const DType dtype = static_cast<DType>(t);
      const Accepts accepts = info(op).accepts;
      if (accepts == Accepts::real && is_complex(dtype)) continue;
      if (accepts == Accepts::integer && !is_integer(dtype)) continue;
      DType out = dtype;
      switch (info(op).type_rule) {
        case TypeRule::floating:
        case TypeRule::real_floating:
          out = to_floating(dtype);
          break;
        case TypeRule::real_part:
          out = to_real(dtype);
          break;
        case TypeRule::to_complex:
          out = to_complex(dtype);
          break;
        case TypeRule::predicate:
          out = DType::u8;
          break;
        default:
          break;
      }
      std::vector<Scalar> ones(info(op).arity, make_scalar(dtype, int64_t{1}));
      if (op == Op::bounded_index) ones[0] = make_scalar(dtype, int64_t{0});
      EXPECT_NO_THROW(EXPECT_EQ(pointwise(op, out, ones).dtype, out)) << name(op) << name(dtype);
    }
  }
}

TEST(Functions, ErfInvInvertsErf) {
  for (double y : {1e-300, 1e-9, 0.1, 0.476, 0.5, 1.0, 2.0, 3.0, -0.7, -2.5}) {
    EXPECT_NEAR(reference::erf_inv(std::erf(y)) / y, 1, y > 2 ? 1e-11 : 1e-13) << y;
  }
  EXPECT_EQ(reference::erf_inv(-1), -kInfinity);
  EXPECT_TRUE(std::isnan(reference::erf_inv(1.5)));
}

// log |z| of a z on the unit circle's edge is as small as |z| - 1.
TEST(Functions, LogarithmNearTheUnitCircle) {
  const std::complex<double> z{0.99999035084959376, -2.2679452424499948e-08};
  const double modulus = -9.649196959337543e-06;
  EXPECT_DOUBLE_EQ(reference::complex_function(Op::log, z).real(), modulus);
  EXPECT_DOUBLE_EQ(reference::complex_function(Op::log, {z.imag(), -z.real()}).real(), modulus);
  EXPECT_EQ(reference::complex_function(Op::log, {1, kInfinity}).real(), kInfinity);
}

TEST(Views, PadWithInteriorAndCrop) {
  Graph g;
  const NodeRef x = g.data(DType::f32, {4}, {1, 2, 3, 4});
  const NodeRef zero = g.data(DType::f32, {}, {0});
  const auto padded = [&](int64_t low, int64_t high, int64_t interior, int64_t size) {
    return values(reference_evaluate(
        *g.node(Op::pad, DType::f32, {size}, {x, zero}, PadAttr{{low}, {high}, {interior}})));
  };
  EXPECT_EQ(padded(1, 2, 0, 7), (std::vector<double>{0, 1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(padded(-1, -2, 1, 4), (std::vector<double>{0, 2, 0, 3}));
  EXPECT_EQ(padded(-3, 1, 0, 2), (std::vector<double>{4, 0}));
}

TEST(Views, ConcatenateMergesTypes) {
  Graph g;
  const NodeRef a = g.data(DType::u8, {1, 2}, {1, 200});
  const NodeRef b = g.data(DType::s8, {2, 2}, {-1, -2, -3, -4});
  const HostTensor t =
      reference_evaluate(*g.node(Op::concatenate, DType::s16, {3, 2}, {a, b}, ConcatenateAttr{0}));
  EXPECT_EQ(values(t), (std::vector<double>{1, 200, -1, -2, -3, -4}));
}

TEST(Reductions, AccumulateWideAndWrapOnce) {
  Graph g;
  const NodeRef x = g.data(DType::f32, {2, 3}, {1e8, 1, -1e8, 1, 2, 3});
  const auto reduced = [&](Op op, Axes axes, Shape shape) {
    return values(reference_evaluate(
        *g.node(op, DType::f32, std::move(shape), {x}, ReduceAttr{std::move(axes), false})));
  };
  EXPECT_EQ(reduced(Op::sum, {1}, {2}), (std::vector<double>{1, 6}));
  EXPECT_EQ(reduced(Op::sum, {0, 1}, {}), (std::vector<double>{7}));
  EXPECT_EQ(reduced(Op::reduce_max, {0}, {3}), (std::vector<double>{1e8, 2, 3}));
  const NodeRef bytes = g.data(DType::u8, {2}, {200, 100});
  EXPECT_EQ(
      values(reference_evaluate(*g.node(Op::sum, DType::u32, {}, {bytes}, ReduceAttr{{0}, false}))),
      (std::vector<double>{300}));
}

TEST(Dot, BatchesAndOrdersAxes) {
  Graph g;
  const NodeRef a = g.data(DType::s32, {2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const NodeRef b = g.data(DType::s32, {2, 3}, {1, 0, 2, 0, 1, 1});
  const HostTensor t =
      reference_evaluate(*g.node(Op::dot, DType::s32, {2, 2}, {a, b}, DotAttr{{2}, {1}, {0}, {0}}));
  EXPECT_EQ(values(t), (std::vector<double>{7, 16, 17, 23}));
}

TEST(Evaluate, DeepChainsDoNotRecurse) {
  Graph g;
  NodeRef x = g.data(DType::s32, {}, {0});
  const NodeRef one = g.data(DType::s32, {}, {1});
  for (int i = 0; i < 100000; ++i) x = g.node(Op::add, DType::s32, {}, {x, one});
  EXPECT_EQ(values(reference_evaluate(*x)), (std::vector<double>{100000}));
}

}  // namespace
}  // namespace nxv

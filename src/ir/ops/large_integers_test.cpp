// Operations of integers that f32 does not hold, where f64 is slow or absent: against the reference
// evaluator's f64 of the same operands.
#include "ir/ops/large_integers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <string>

#include "testing/numbers/emitted.h"
#include "testing/numbers/vectors.h"
#include "testing/reference/pointwise.h"

namespace nxv {
namespace {

struct Device {
  const char* name;
  testing::EmittingDevice computing;
};

const Device kDevices[] = {
    {"pairs", {{.f64 = false, .exact_f32_div_sqrt = false}, {}}},
    {"pairs_without_int64", {{.f64 = false}, {}, false}},
    {"pairs_with_fma", {{.f64 = false, .fma_fused_f32 = true}, {.fused_fma = true}}},
    {"pairs_flushing", {{.f64 = false, .subnormals_preserved = false}, {.flush_subnormals = true}}},
};

class IntegersInPairs : public ::testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Emit, IntegersInPairs, ::testing::ValuesIn(kDevices),
                         [](const auto& info) { return std::string(info.param.name); });

using Operands = testing::Elements;

std::vector<double> run(const Device& device, Op op, DType out, const std::vector<Operands>& in) {
  std::vector<double> results;
  for (const auto& z : testing::emitted(device.computing, op, out, in)) results.push_back(z.real());
  return results;
}

// Extremes, small numbers, numbers around powers of two, half way between two bf16 and beside that,
// numbers of any size; `seed` also decides where the extremes stand.
Operands integers(DType t, size_t count, uint32_t seed) {
  std::mt19937_64 random(seed);
  const int width = bits(t);
  std::vector<uint64_t> v = {0,
                             1,
                             2,
                             3,
                             ~uint64_t{0},
                             (uint64_t{1} << 24) + 1,
                             uint64_t{1} << (width - 1),
                             (uint64_t{1} << (width - 1)) - 1};
  while (v.size() < count) {
    const int shift = static_cast<int>(random() % static_cast<uint64_t>(width));
    const uint64_t beside = random() % 3 - 1, any = random() >> (shift + 64 - width);
    const uint64_t half = (random() % 0x100 + 0x100) | 1;
    const uint64_t kind = random() % 5;
    v.push_back(kind == 0   ? (uint64_t{1} << shift) + 2 * beside
                : kind == 1 ? (half << std::min(shift, width - 9)) + beside
                : kind == 2 ? ~any
                            : any);
  }
  std::shuffle(v.begin(), v.end(), random);
  Operands result;
  for (uint64_t n : v) result.push_back(make_scalar(t, n));
  return result;
}

// Floats of all sizes, and near integers where sums cancel.
Operands floats(DType t, const Operands& near, uint32_t seed) {
  std::mt19937_64 random(seed);
  const double infinity = std::numeric_limits<double>::infinity();
  const double special[] = {0.0,          -0.0, 1, -1,   infinity, -infinity,
                            std::nan(""), 0.5,  3, 1e38, 1e-38};
  Operands result;
  for (const Scalar& n : near) {
    const double at = to_double(n);
    const double scale = std::exp2(std::uniform_real_distribution(-120.0, 120.0)(random));
    const double any = std::uniform_real_distribution(-2.0, 2.0)(random);
    const uint64_t kind = random() % 8;
    result.push_back(make_scalar(t, kind == 0   ? special[random() % std::size(special)]
                                    : kind == 1 ? at
                                    : kind == 2 ? -at
                                    : kind == 3 ? at * any
                                    : kind == 4 ? any
                                    : kind == 5 ? at * (1 + std::round(any * 2) * 0x1p-23)
                                    : kind == 6 ? any * 100
                                                : any * scale));
  }
  return result;
}

// A unit in the last place of f32, or of a narrower type, at x.
double unit(DType t, double x) {
  const Scalar at = make_scalar(t, std::fabs(x));
  const double gap = to_double(Scalar{t, at.lo + 1, 0}) - to_double(at);
  return std::isfinite(gap) ? gap : std::fabs(to_double(at)) * 0x1p-7;
}

// The error of every element within `bound` units of the result's last place, values without one
// alike.
void check(const Device& device, Op op, DType out, const std::vector<Operands>& in, double bound) {
  const std::vector<double> got = run(device, op, out, in);
  int failures = 0;
  for (size_t i = 0; i < got.size() && failures < 3; ++i) {
    std::vector<Scalar> operands;
    for (const Operands& o : in) operands.push_back(o[i]);
    const double exact = to_double(reference::pointwise(op, DType::f64, operands));
    const double want = to_double(make_scalar(out, exact));
    if (std::isnan(want) ? std::isnan(got[i]) : want == got[i]) continue;
    if (!device.computing.math.subnormals_preserved) {
      bool flushed = std::fabs(exact) < 0x1p-125;
      for (const Scalar& s : operands) flushed |= is_subnormal(s);
      if (flushed) continue;
    }
    if (std::fabs(got[i] - exact) <= bound * unit(out, want)) continue;
    ++failures;
    std::string text;
    for (const Scalar& s : operands) text += " " + to_string(s);
    ADD_FAILURE() << name(op) << " -> " << name(out) << " of" << text << " = " << got[i]
                  << ", exactly " << exact << ": " << std::fabs(got[i] - exact) / unit(out, want)
                  << " ULP";
  }
}

constexpr DType kLarge[] = {DType::u32, DType::s32, DType::u64, DType::s64};
constexpr size_t kCount = 1500;

TEST_P(IntegersInPairs, FunctionsKeepTheBoundsOfF32) {
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    const TypeRule rule = info(op).type_rule;
    const bool floating = rule == TypeRule::floating || rule == TypeRule::real_floating;
    if (info(op).fusion != Fusion::pointwise || info(op).arity != 1 || !floating) continue;
    const bool is_root = op == Op::sqrt || op == Op::rsqrt || op == Op::cbrt;
    for (DType t : kLarge) {
      const double bound = is_root ? 0.51 : op == Op::tan ? 2 : 1;
      check(GetParam(), op, DType::f32, {integers(t, kCount, 1)}, bound);
    }
  }
}

TEST_P(IntegersInPairs, ReductionByHalfPiIsExact) {
  const auto at = [](DType t, std::initializer_list<uint64_t> numbers) {
    Operands result;
    for (uint64_t n : numbers) result.push_back(make_scalar(t, n));
    return result;
  };
  // As close to multiples of pi/2 as 32 and 53 bits come: numerators of its convergents.
  const Operands narrow = at(DType::u32, {52174, 5419351, 122925461, 411557987, 534483448,
                                          2147483647, 2549491779, 3083975227, 4294967295});
  const Operands wide =
      at(DType::u64,
         {21053343141, 214112296674652, 5920787228742393, 6134899525417045, 12055686754159438,
          508694078938117568, 751092487801354240, 9223372036854775807, 18446744073709551615u});
  for (Op op : {Op::sin, Op::cos, Op::tan}) {
    check(GetParam(), op, DType::f32, {narrow}, 0.75);
    check(GetParam(), op, DType::f32, {wide}, 0.75);
  }
  const double sine = run(GetParam(), Op::sin, DType::f32, {at(DType::s32, {2147483647})})[0];
  EXPECT_FLOAT_EQ(static_cast<float>(sine), -0.72491655514455639f);
}

TEST_P(IntegersInPairs, QuotientsAndAnglesOfTwoIntegers) {
  for (DType t : kLarge) {
    for (DType other : {DType::u8, DType::s32, DType::u64, DType::s64}) {
      const Operands a = integers(t, kCount, 2), b = integers(other, kCount, 3);
      check(GetParam(), Op::divide, DType::f32, {a, b}, 0.51);
      check(GetParam(), Op::divide, DType::f32, {b, a}, 0.51);
      check(GetParam(), Op::atan2, DType::f32, {a, b}, 1);
      check(GetParam(), Op::atan2, DType::f32, {b, a}, 1);
    }
  }
}

TEST_P(IntegersInPairs, ArithmeticWithFloatsIsRoundedOnce) {
  for (DType t : kLarge) {
    for (DType other : {DType::f32, DType::bf16, DType::f16, DType::f8_e5m2, DType::f8_e4m3fn}) {
      const Operands a = integers(t, kCount, 4), b = floats(other, a, 5);
      const DType out = merge(t, other);
      const double once = bits(out) < 32 ? 0.5 : 0.51;
      for (Op op :
           {Op::add, Op::subtract, Op::multiply, Op::divide, Op::remainder, Op::min, Op::max}) {
        check(GetParam(), op, out, {a, b}, once);
        check(GetParam(), op, out, {b, a}, once);
      }
      if (bits(out) < 32) continue;  // of f32, rounded once more
      for (Op op : {Op::pow, Op::atan2}) {
        check(GetParam(), op, out, {a, b}, op == Op::pow ? 2 : 1);
        check(GetParam(), op, out, {b, a}, op == Op::pow ? 2 : 1);
      }
    }
  }
}

TEST_P(IntegersInPairs, PowersOfNumbersNearOne) {
  std::mt19937_64 random(6);
  for (DType t : {DType::s32, DType::s64}) {
    Operands base, exponent;
    for (size_t i = 0; i < kCount; ++i) {
      const auto n = static_cast<int64_t>(random() >> (t == DType::s32 ? 34 : 24));
      const double growth = std::uniform_real_distribution(-80.0, 80.0)(random);
      const double sign = random() % 2 ? -1 : 1;
      exponent.push_back(make_scalar(t, random() % 2 ? n : -n));
      base.push_back(make_scalar(DType::f32, sign * std::exp(growth / static_cast<double>(n))));
    }
    check(GetParam(), Op::pow, DType::f32, {base, exponent}, 2);
  }
}

// Within `bound` units of the last place of |result|.
void check_complex(const Device& device, Op op, const std::vector<Operands>& in, double bound) {
  const std::vector<std::complex<double>> got =
      testing::emitted(device.computing, op, DType::c64, in);
  int failures = 0;
  for (size_t i = 0; i < got.size() && failures < 3; ++i) {
    const Scalar operands[] = {in[0][i], in[1][i]};
    const auto exact = to_complex_double(reference::pointwise(op, DType::c128, operands));
    if (std::abs(got[i] - exact) <= bound * 0x1p-23 * std::abs(exact)) continue;
    ++failures;
    ADD_FAILURE() << name(op) << " of " << to_string(operands[0]) << " and "
                  << to_string(operands[1]) << " = " << got[i] << ", exactly " << exact;
  }
}

TEST_P(IntegersInPairs, ComplexArithmetic) {
  std::mt19937_64 random(10);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution(low, high)(random);
  };
  for (DType t : {DType::s32, DType::s64}) {
    Operands numbers, any, near_one, small;
    for (size_t i = 0; i < kCount; ++i) {
      const auto n = static_cast<int64_t>(random() >> (t == DType::s32 ? 34 : 12)) + 1;
      const double size = static_cast<double>(n);
      numbers.push_back(make_scalar(t, n));
      any.push_back(make_scalar(DType::c64, std::polar(size * uniform(0.1, 2), uniform(-3, 3))));
      const double angle = std::min(1.0, 16 / size) * uniform(-1, 1);
      near_one.push_back(
          make_scalar(DType::c64, std::polar(std::exp(uniform(-9, 9) / size), angle)));
      small.push_back(make_scalar(DType::c64, std::complex(uniform(-1, 1), uniform(-1000, 1000))));
    }
    for (Op op : {Op::add, Op::subtract, Op::multiply, Op::divide}) {
      check_complex(GetParam(), op, {numbers, any}, 4);
      check_complex(GetParam(), op, {any, numbers}, 4);
    }
    check_complex(GetParam(), Op::pow, {near_one, numbers}, 4);
    check_complex(GetParam(), Op::pow, {numbers, small}, 4);
  }
}

TEST_P(IntegersInPairs, CastsToNarrowFloatsAreRoundedOnce) {
  for (DType t : kLarge) {
    for (DType to : {DType::f32, DType::bf16, DType::f16, DType::f8_e5m2, DType::f8_e4m3fn}) {
      Operands in = integers(t, kCount, 7);
      // Half way between two neighbours of the narrow type, and a little beside that.
      for (int shift = 0; shift < 40; ++shift) {
        for (uint64_t half : {uint64_t{0x101}, uint64_t{0x103}, uint64_t{0x801}, uint64_t{0x19}}) {
          for (int beside : {-1, 0, 1}) {
            const uint64_t n = (half << shift) + static_cast<uint64_t>(beside);
            if (n < uint64_t{1} << std::min(bits(t) - 1, 53)) in.push_back(make_scalar(t, n));
          }
        }
      }
      check(GetParam(), Op::cast, to, {in}, 0.5);
    }
  }
}

TEST_P(IntegersInPairs, ComparisonsAreExact) {
  for (DType t : kLarge) {
    const Operands a = integers(t, kCount, 8), b = floats(DType::f32, a, 9);
    for (Op op : {Op::equal, Op::less, Op::greater_equal}) {
      check(GetParam(), op, DType::u8, {a, b}, 0);
      check(GetParam(), op, DType::u8, {b, a}, 0);
    }
  }
}

// Integers that f32 holds, as graph/exact_constants.h replaces them.
TEST_P(IntegersInPairs, ThatAreExactHaveTheBitsOfFloats) {
  Operands integers, floats_of_them;
  for (int64_t n = -400; n < 400; ++n) {
    const int64_t v = n % 3 == 0 ? n : n * 41943;  // below 2^24
    integers.push_back(make_scalar(DType::s32, v));
    floats_of_them.push_back(make_scalar(DType::f32, v));
  }
  const Operands x = floats(DType::f32, integers, 7);
  for (const Op op : {Op::add, Op::subtract, Op::multiply, Op::divide, Op::min, Op::max, Op::equal,
                      Op::not_equal, Op::less, Op::less_equal, Op::greater, Op::greater_equal}) {
    const DType out = info(op).type_rule == TypeRule::predicate ? DType::u8 : DType::f32;
    for (const bool first : {false, true}) {
      const auto operands = [&](const Operands& constants) {
        return first ? std::vector{constants, x} : std::vector{x, constants};
      };
      const std::vector<double> got = run(GetParam(), op, out, operands(integers)),
                                want = run(GetParam(), op, out, operands(floats_of_them));
      for (size_t i = 0; i < got.size(); ++i) {
        if (std::isnan(got[i]) && std::isnan(want[i])) continue;
        EXPECT_TRUE(got[i] == want[i] && std::signbit(got[i]) == std::signbit(want[i]))
            << name(op) << " of " << to_string(x[i]) << " and " << to_string(integers[i]) << ": "
            << got[i] << ", not " << want[i];
      }
    }
  }
}

}  // namespace
}  // namespace nxv

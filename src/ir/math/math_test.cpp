#include "ir/math/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <string>

#include "testing/numbers/accuracy.h"

namespace nxv::ir::math {
namespace {

using testing::Accuracy;
using testing::InterpreterOptions;
using testing::MathFunction;
using testing::Points;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The ways of computing a function.
struct Device {
  const char* name;
  Type type;
  MathOptions options;
  InterpreterOptions interpreter;
};

const Device kDevices[] = {
    {"f32_through_f64", kF32, {}, {}},
    {"f32_through_f64_with_branches", kF32, {.branches = true}, {}},
    {"f32_in_pairs", kF32, {.f64 = false, .exact_f32_div_sqrt = false}, {}},
    {"f32_in_pairs_with_fma", kF32, {.f64 = false, .fma_fused_f32 = true}, {.fused_fma = true}},
    {"f32_through_f64_flushing",
     kF32,
     {.exact_f32_div_sqrt = false, .subnormals_preserved = false},
     {.flush_subnormals = true}},
    {"f32_through_f64_flushing_with_fma",
     kF32,
     {.exact_f32_div_sqrt = false, .subnormals_preserved = false, .fma_fused_f32 = true},
     {.flush_subnormals = true, .fused_fma = true, .f32_quotient_error = 2}},
    {"f32_in_pairs_flushing_with_fma",
     kF32,
     {.f64 = false,
      .exact_f32_div_sqrt = false,
      .subnormals_preserved = false,
      .fma_fused_f32 = true},
     {.flush_subnormals = true, .fused_fma = true, .f32_quotient_error = 2}},
    {"f32_through_f64_with_fma",
     kF32,
     {.exact_f32_div_sqrt = false, .fma_fused_f32 = true},
     {.fused_fma = true}},
    {"f32_in_pairs_flushing",
     kF32,
     {.f64 = false, .subnormals_preserved = false},
     {.flush_subnormals = true}},
    {"f64", kF64, {}, {}},
};

class EveryDevice : public ::testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Math, EveryDevice, ::testing::ValuesIn(kDevices),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(EveryDevice, KeepsTheBoundOfEachFunction) {
  const Device& device = GetParam();
  for (const MathFunction& f : testing::math_functions()) {
    const Points points = testing::sample(f, device.type, 6000, 1);
    const bool flushes = !device.options.subnormals_preserved;
    const Accuracy found =
        testing::measure(f, device.type, device.options, points,
                         testing::interpreter_evaluator(device.interpreter), flushes);
    EXPECT_LE(found.max_ulp, f.bound(device.type, device.options))
        << f.name << std::hexfloat << " (" << found.worst_a << ", " << found.worst_b
        << ") = " << found.worst_result;
    EXPECT_EQ(found.wrong_specials, 0u)
        << f.name << std::hexfloat << " (" << found.special_a << ", " << found.special_b
        << ") = " << found.special_result;
    EXPECT_GT(found.points, points.a.size() / 2) << f.name;
    if (f.bound(device.type, device.options) < 1) {
      EXPECT_GT(found.share(), 0.99) << f.name;
    }
  }
}

struct Case {
  double a, b, expected;
};

void check(const Device& device, const MathFunction& f, const std::vector<Case>& cases) {
  Points points;
  for (const Case& c : cases) {
    points.a.push_back(c.a);
    points.b.push_back(c.b);
  }
  const std::vector<double> got = testing::evaluate(
      f, device.type, device.options, points, testing::interpreter_evaluator(device.interpreter));
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    if (std::isnan(c.expected)) {
      EXPECT_TRUE(std::isnan(got[i])) << f.name << "(" << c.a << ", " << c.b << ") = " << got[i];
      continue;
    }
    const double expected = device.type == kF64 ? c.expected : static_cast<float>(c.expected);
    EXPECT_TRUE(got[i] == expected && std::signbit(got[i]) == std::signbit(expected))
        << f.name << "(" << c.a << ", " << c.b << ") = " << got[i] << ", not " << expected;
  }
}

// C99, F.9.4.4
TEST_P(EveryDevice, PowHasTheSpecialCasesOfC) {
  const std::vector<Case> cases = {
      {0.0, -3, kInf},     {-0.0, -3, -kInf},  {0.0, -2.5, kInf},   {-0.0, -2.5, kInf},
      {-0.0, -4, kInf},    {0.0, -kInf, kInf}, {-0.0, -kInf, kInf}, {0.0, 3, 0.0},
      {-0.0, 3, -0.0},     {0.0, 2.5, 0.0},    {-0.0, 2.5, 0.0},    {-0.0, 4, 0.0},
      {-1, kInf, 1},       {-1, -kInf, 1},     {1, kNan, 1},        {1, kInf, 1},
      {kNan, 0.0, 1},      {kNan, -0.0, 1},    {kInf, 0.0, 1},      {0.0, 0.0, 1},
      {-0.0, -0.0, 1},     {-2, 0.5, kNan},    {-2, kInf, kInf},    {0.5, -kInf, kInf},
      {-0.5, -kInf, kInf}, {2, -kInf, 0.0},    {0.5, kInf, 0.0},    {-0.5, kInf, 0.0},
      {-kInf, -3, -0.0},   {-kInf, -4, 0.0},   {-kInf, -0.5, 0.0},  {-kInf, 3, -kInf},
      {-kInf, 4, kInf},    {-kInf, 0.5, kInf}, {kInf, -0.5, 0.0},   {kInf, 0.5, kInf},
      {kNan, 1, kNan},     {2, kNan, kNan},    {-2, 3, -8},         {-2, 4, 16},
      {-2, -3, -0.125},    {2, 10, 1024},      {9, 0.5, 3},         {-kInf, kInf, kInf},
      {kInf, -kInf, 0.0},  {10, 2, 100},       {-3, 1, -3},         {-1, 16777215, -1}};
  check(GetParam(), testing::math_function("pow"), cases);
}

// C99, F.9.1.4
TEST_P(EveryDevice, Atan2HasTheSpecialCasesOfC) {
  const double pi = std::numbers::pi;
  const std::vector<Case> cases = {{0.0, -0.0, pi},
                                   {-0.0, -0.0, -pi},
                                   {0.0, 0.0, 0.0},
                                   {-0.0, 0.0, -0.0},
                                   {0.0, -2, pi},
                                   {-0.0, -2, -pi},
                                   {0.0, 2, 0.0},
                                   {-0.0, 2, -0.0},
                                   {-2, 0.0, -pi / 2},
                                   {-2, -0.0, -pi / 2},
                                   {2, 0.0, pi / 2},
                                   {2, -0.0, pi / 2},
                                   {2, -kInf, pi},
                                   {-2, -kInf, -pi},
                                   {2, kInf, 0.0},
                                   {-2, kInf, -0.0},
                                   {kInf, 2, pi / 2},
                                   {-kInf, 2, -pi / 2},
                                   {kInf, -kInf, 3 * pi / 4},
                                   {-kInf, -kInf, -3 * pi / 4},
                                   {kInf, kInf, pi / 4},
                                   {-kInf, kInf, -pi / 4},
                                   {kNan, 1, kNan},
                                   {1, kNan, kNan},
                                   {kNan, kInf, kNan}};
  check(GetParam(), testing::math_function("atan2"), cases);
}

TEST_P(EveryDevice, FmodHasTheSpecialCasesOfC) {
  const std::vector<Case> cases = {
      {0.0, 3, 0.0},   {-0.0, 3, -0.0},  {5, 0.0, kNan},  {kInf, 3, kNan},  {5, kInf, 5},
      {-5, -kInf, -5}, {5, kNan, kNan},  {kNan, 5, kNan}, {5, 3, 2},        {-5, 3, -2},
      {5, -3, 2},      {-6, 3, -0.0},    {6, -3, 0.0},    {0.0, 0.0, kNan}, {0x1p100, 3, 1},
      {0x1p101, 3, 2}, {5.5, 0.25, 0.0}, {0.0, kInf, 0.0}};
  check(GetParam(), testing::math_function("fmod"), cases);
}

TEST_P(EveryDevice, MinimumAndMaximumPropagateNanAndKeepTheFirstOfEquals) {
  const MathFunction least{
      "min", nullptr, [](Value a, Value b, const MathOptions&) { return min(a, b); }, 0, 0, 0,
      0,     0};
  const MathFunction greatest{
      "max", nullptr, [](Value a, Value b, const MathOptions&) { return max(a, b); }, 0, 0, 0,
      0,     0};
  check(GetParam(), least,
        {{1, 2, 1},
         {2, 1, 1},
         {kNan, 1, kNan},
         {1, kNan, kNan},
         {-0.0, 0.0, -0.0},
         {0.0, -0.0, 0.0},
         {-kInf, kNan, kNan},
         {-kInf, 3, -kInf}});
  check(GetParam(), greatest,
        {{1, 2, 2},
         {2, 1, 2},
         {kNan, 1, kNan},
         {1, kNan, kNan},
         {-0.0, 0.0, -0.0},
         {0.0, -0.0, 0.0},
         {kInf, kNan, kNan},
         {-kInf, 3, 3}});
}

TEST_P(EveryDevice, SignsAndPredicates) {
  const auto function = [](const char* name, Value (*f)(Value, const MathOptions&)) {
    return MathFunction{name, f, nullptr, 0, 0, 0, 0, 0};
  };
  check(GetParam(), function("sign", [](Value x, const MathOptions&) { return sign(x); }),
        {{3, 0, 1},
         {-0.5, 0, -1},
         {0.0, 0, 0.0},
         {-0.0, 0, -0.0},
         {kNan, 0, 1},
         {-kNan, 0, 1},
         {kInf, 0, 1},
         {-kInf, 0, -1},
         {0x1p-140, 0, 1},
         {-0x1p-140, 0, -1}});
  check(GetParam(), function("abs", [](Value x, const MathOptions&) { return abs(x); }),
        {{-3, 0, 3},
         {3, 0, 3},
         {-0.0, 0, 0.0},
         {-kInf, 0, kInf},
         {kNan, 0, kNan},
         {-0x1p-140, 0, 0x1p-140}});
  check(GetParam(), function("negate", [](Value x, const MathOptions&) { return negate(x); }),
        {{-3, 0, 3},
         {3, 0, -3},
         {0.0, 0, -0.0},
         {-0.0, 0, 0.0},
         {kInf, 0, -kInf},
         {kNan, 0, kNan},
         {-0x1p-140, 0, 0x1p-140}});
  check(GetParam(),
        function("is_nan",
                 [](Value x, const MathOptions&) {
                   return x.builder().select(is_nan(x), like(x, 1), like(x, 2));
                 }),
        {{1, 0, 2}, {kNan, 0, 1}, {-kNan, 0, 1}, {kInf, 0, 2}, {0.0, 0, 2}});
  check(GetParam(),
        function("is_infinity",
                 [](Value x, const MathOptions&) {
                   return x.builder().select(is_infinity(x), like(x, 1), like(x, 2));
                 }),
        {{1, 0, 2},
         {kNan, 0, 2},
         {kInf, 0, 1},
         {-kInf, 0, 1},
         {0.0, 0, 2},
         {std::numeric_limits<float>::max(), 0, 2}});
  check(GetParam(), testing::math_function("round_half_away"),
        {{0.5, 0, 1},
         {-0.5, 0, -1},
         {2.5, 0, 3},
         {-0.25, 0, -0.0},
         {kInf, 0, kInf},
         {kNan, 0, kNan},
         {0.49999997, 0, 0},
         {-2.5, 0, -3}});
}

// As the host's do, whole and huge numbers included.
TEST_P(EveryDevice, RoundsToWholeNumbers) {
  struct Rounding {
    const char* name;
    Value (*emit)(Value, const MathOptions&);
    double (*host)(double);
  };
  const Rounding all[] = {
      {"floor", [](Value x, const MathOptions&) { return floor(x); }, std::floor},
      {"ceil", [](Value x, const MathOptions&) { return ceil(x); }, std::ceil},
      {"trunc", [](Value x, const MathOptions&) { return trunc(x); }, std::trunc},
      {"round_even", [](Value x, const MathOptions&) { return round_even(x); }, std::nearbyint}};
  const bool wide = GetParam().type == kF64;
  std::vector<double> values = {0.0, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 3, 0x1p22 + 0.5, kInf, kNan};
  for (int exponent : {30, 51, 52, 53, 63, 100}) {
    for (double v : {-1.0, -0.5, 0.0, 0.5, 1.0, 1.5}) {
      if (wide) values.push_back(std::ldexp(1, exponent) + v);
    }
  }
  for (const Rounding& rounding : all) {
    std::vector<Case> cases;
    for (double v : values) {
      for (double x : {v, -v}) cases.push_back({x, 0, rounding.host(x)});
    }
    check(GetParam(), {rounding.name, rounding.emit, nullptr, 0, 0, 0, 0, 0}, cases);
  }
}

TEST_P(EveryDevice, DivHasTheSpecialCasesOfIeee) {
  check(
      GetParam(), testing::math_function("div"),
      {{0.0, 3, 0.0},         {-0.0, 3, -0.0},         {0.0, -3, -0.0},         {-0.0, -3, 0.0},
       {0.0, 0x1p127, 0.0},   {1, 0.0, kInf},          {1, -0.0, -kInf},        {-1, 0.0, -kInf},
       {0.0, 0.0, kNan},      {0.0, -kInf, -0.0},      {1, kInf, 0.0},          {-1, kInf, -0.0},
       {kInf, 3, kInf},       {kInf, -3, -kInf},       {kInf, 0.0, kInf},       {kInf, -kInf, kNan},
       {kNan, 1, kNan},       {1, kNan, kNan},         {0.0, kNan, kNan},       {kInf, kNan, kNan},
       {0x1p-126, 0.0, kInf}, {0x1p-100, -kInf, -0.0}, {0x1p-100, 0x1p-100, 1}, {7, 7, 1}});
}

// Dividends by divisors whose digits are all 1, and by those that differ in the last few.
TEST(Division, IsCorrectlyRoundedByDivisorsOfOnes) {
  const MathFunction& f = testing::math_function("div");
  Points points;
  for (uint32_t m = 0; m < 0x800000; m += 37) {
    for (uint32_t last : {0u, 1u, 7u}) {
      points.a.push_back(std::bit_cast<float>(0x3f800000u | m));
      points.b.push_back(-std::bit_cast<float>(0x3fffffffu - last));
    }
  }
  for (const Device& device : kDevices) {
    if (!device.options.fma_fused_f32 || device.options.subnormals_preserved) continue;
    const Accuracy found = testing::measure(f, kF32, device.options, points,
                                            testing::interpreter_evaluator(device.interpreter));
    EXPECT_EQ(found.points, found.correctly_rounded) << device.name;
  }
}

// Divisors by and dividends just where a scaled quotient comes closest to the middle of two
// numbers, over every pair of magnitudes.
TEST(Division, IsCorrectlyRoundedEverywhere) {
  const MathFunction& f = testing::math_function("div");
  std::mt19937_64 random(11);
  const auto number = [](uint64_t mantissa, int exponent) {
    return std::ldexp(static_cast<double>(mantissa | 0x800000), exponent - 23);
  };
  Points points;
  const auto add = [&](double a, double b) {
    points.a.push_back(a);
    points.b.push_back(b);
  };
  for (int i = 0; i < 400000; ++i) {
    const uint64_t bits = random();
    const auto m = static_cast<uint32_t>(bits) & 0x7fffff;
    const auto n = static_cast<uint32_t>(bits >> 32) & 0x7fffff;
    const int to = static_cast<int>(random() % 254) - 126;
    const int from = static_cast<int>(random() % 254) - 126;
    add(number(m, from), number(n, to));
    add(number(0x7fffff - m % 16, from), -number(0x7fffff - n % 16, to));
    // a is the rounded product of b and the middle of two numbers.
    const double b = number(n, 0), middle = number(m, 0) + 0x1p-24;
    add(std::ldexp(static_cast<float>(b * middle), to / 2), std::ldexp(b, to - to / 2));
    // Quotients close to the ends of the range.
    const int end = i % 2 == 0 ? -126 : 127;
    const int sum = to + end + static_cast<int>(bits % 3) - 1;
    if (sum >= -126 && sum <= 127) add(number(m, sum), number(n, to));
  }
  for (const Device& device : kDevices) {
    const MathOptions& o = device.options;
    if (!o.fma_fused_f32 || (!o.f64 && o.subnormals_preserved)) continue;
    const Accuracy found = testing::measure(f, kF32, device.options, points,
                                            testing::interpreter_evaluator(device.interpreter),
                                            !device.options.subnormals_preserved);
    EXPECT_EQ(found.points, found.correctly_rounded)
        << device.name << std::hexfloat << " " << found.worst_a << " / " << found.worst_b;
    EXPECT_EQ(found.wrong_specials, 0u)
        << device.name << std::hexfloat << " " << found.special_a << " / " << found.special_b;
    EXPECT_GT(found.points, 1000000u);
  }
}

// Where nothing cancels, f64 functions are composed of rounded ones, to the last digit.
TEST(Composition, OfF64IsThatOfRoundedFunctions) {
  std::vector<double> x, negative;
  for (int i = 0; i <= 29 * 64; ++i) {
    x.push_back(1 + i / 64.0);
    negative.push_back(-x.back());
  }
  const auto values = [](const char* name, const std::vector<double>& arguments) {
    return testing::evaluate(testing::math_function(name), kF64, {},
                             {arguments, std::vector<double>(arguments.size())},
                             testing::interpreter_evaluator({}));
  };
  const auto rising = values("exp", x), falling = values("exp", negative);
  const auto above = values("expm1", x), below = values("expm1", negative);
  const auto sinh = values("sinh", x), sigmoid = values("sigmoid", x);
  const auto rsqrt = values("rsqrt", x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(above[i], rising[i] - 1) << x[i];
    EXPECT_EQ(below[i], falling[i] - 1) << x[i];
    EXPECT_EQ(sinh[i], (rising[i] - falling[i]) / 2) << x[i];
    EXPECT_EQ(sigmoid[i], 1 / (1 + falling[i])) << x[i];
    EXPECT_EQ(rsqrt[i], 1 / std::sqrt(x[i])) << x[i];
  }
  EXPECT_EQ(values("acosh", {2.0})[0], 1.3169578969248166);
}

// The polynomials of M. Giles in f64, rounded once: what Nx.BinaryBackend answers.
float erf_inv_of_giles(double x) {
  constexpr double middle[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                               -4.39150654e-06, 0.00021858087,  -0.00125372503,
                               -0.00417768164,  0.246640727,    1.50140941};
  constexpr double tail[] = {-0.000200214257, 0.000100950558, 0.00134934322,
                             -0.00367342844,  0.00573950773,  -0.0076224613,
                             0.00943887047,   1.00167406,     2.83297682};
  const double w = -std::log((1 - x) * (1 + x));
  const double t = w < 5 ? w - 2.5 : std::sqrt(w) - 3;
  double sum = 0;
  for (double c : w < 5 ? middle : tail) sum = sum * t + c;
  return static_cast<float>(sum * x);
}

TEST(ErfInv, OfF32HasTheDigitsOfOtherBackends) {
  // Values of Nx.BinaryBackend.
  Points points{{0.1f, 0.5f, 0.9f, 0.99f, 0.999999f, 1e-10f}, {}};
  std::vector<double> expected = {0.088855989f, 0.476936281f, 1.1630870f,
                                  1.82138646f,  3.45707464f,  8.86226856e-11f};
  const auto add = [&](float x) {
    points.a.push_back(x);
    expected.push_back(erf_inv_of_giles(x));
  };
  for (int i = 1; i < 6000; ++i) add(static_cast<float>(i % 2 ? i : -i) / 6000);
  for (int i = 1; i <= 2000; ++i) {
    add(1 - static_cast<float>(i) * 0x1p-24f);
    add(std::exp2(-0.01f * static_cast<float>(i)));
  }
  for (const Device& device : kDevices) {
    if (device.type != kF32) continue;
    const std::vector<double> got =
        testing::evaluate(testing::math_function("erf_inv"), kF32, device.options, points,
                          testing::interpreter_evaluator(device.interpreter));
    size_t different = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      if (got[i] == expected[i]) continue;
      ++different;
      EXPECT_NEAR(got[i], expected[i], std::fabs(expected[i]) * 0x1p-23)
          << device.name << " " << points.a[i];
    }
    // Pairs of f32 round more than once.
    EXPECT_LE(different, device.options.f64 ? 0 : got.size() / 50) << device.name;
  }
}

// Arguments whose multiple of pi/2 lies closest, and large ones.
TEST(Trigonometry, ReducesArgumentsOfAnyMagnitude) {
  for (const char* name : {"sin", "cos", "tan"}) {
    const MathFunction& f = testing::math_function(name);
    for (const Device& device : kDevices) {
      if (!device.options.subnormals_preserved) continue;
      Points points;
      const bool wide = device.type == kF64;
      for (int exponent = -3; exponent < (wide ? 1024 : 128); ++exponent) {
        for (double m : {1.0, 1.0000001192092896, 1.4142135, 1.5707964, 1.9999999}) {
          const double v = std::ldexp(m, exponent);
          points.a.push_back(wide ? v : static_cast<float>(v));
        }
      }
      for (int k = 1; k < 400; ++k) {
        const double v = k * std::numbers::pi / 2;
        points.a.push_back(wide ? v : static_cast<float>(v));
      }
      if (wide) points.a.push_back(6381956970095103.0 * 0x1p797);
      points.a.push_back(16367173.0 * 0x1p72);
      const Accuracy found = testing::measure(f, device.type, device.options, points,
                                              testing::interpreter_evaluator(device.interpreter));
      EXPECT_LE(found.max_ulp, f.bound(device.type, device.options))
          << name << " " << device.name << std::hexfloat << " " << found.worst_a;
      EXPECT_EQ(found.wrong_specials, 0u);
    }
  }
}

// Near multiples of pi/2, too, a turn needs less of a reduction than any argument does.
TEST(Trigonometry, ATurnIsAsAccurate) {
  MathFunction sine = testing::math_function("sin"), cosine = testing::math_function("cos");
  sine.unary = [](Value x, const MathOptions& options) { return sin_cos_of_turn(x, options).sin; };
  cosine.unary = [](Value x, const MathOptions& options) {
    return sin_cos_of_turn(x, options).cos;
  };
  for (const MathFunction& f : {sine, cosine}) {
    for (const Device& device : kDevices) {
      if (!device.options.subnormals_preserved) continue;
      const bool wide = device.type == kF64;
      Points points;
      for (int i = 0; i <= 3000; ++i) {
        const double u = (i % 3 == 0 ? i : i * 0.37) / 3000.0;
        points.a.push_back(wide ? u * 2 * std::numbers::pi
                                : static_cast<float>(u) * static_cast<float>(2 * std::numbers::pi));
      }
      for (int k = 0; k <= 4; ++k) {
        double v = wide ? k * std::numbers::pi / 2 : static_cast<float>(k * std::numbers::pi / 2);
        points.a.push_back(v);
        if (k == 0 || k == 4) continue;
        for (double towards : {0.0, 7.0}) {
          points.a.push_back(
              wide ? std::nextafter(v, towards)
                   : std::nextafter(static_cast<float>(v), static_cast<float>(towards)));
        }
      }
      const Accuracy found = testing::measure(f, device.type, device.options, points,
                                              testing::interpreter_evaluator(device.interpreter));
      EXPECT_LE(found.max_ulp, f.bound(device.type, device.options))
          << f.name << " " << device.name << std::hexfloat << " " << found.worst_a;
    }
  }
}

}  // namespace
}  // namespace nxv::ir::math

#include "ir/math/narrow_quotients.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/scalar.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir::math {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Case {
  DType type;
  int digits;
  int low, high;  // exponents of its numbers
};
constexpr Case kCases[] = {{DType::bf16, 8, -126, 127}, {DType::f16, 11, -24, 15}};

// f(a, b) on a device that is as far off as Vulkan lets it be, and flushes.
template <typename F>
std::vector<float> run(const std::vector<float>& a, const std::vector<float>& b_in, F f) {
  Builder b("quotients", 64);
  const Value x = b.buffer("x", Access::read), y = b.buffer("y", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value count = b.param("count", kU32);
  const Value i = b.builtin(Builtin::group_x) * 64 + b.builtin(Builtin::local_index);
  b.if_(i < count, [&] { b.store(out, i, f(b.load(x, i, kF32), b.load(y, i, kF32))); });
  const Kernel kernel = b.finish();
  std::vector<float> result(a.size());
  const auto size = static_cast<uint32_t>(a.size());
  const testing::Argument arguments[] = {
      testing::Argument::buffer(a), testing::Argument::buffer(b_in),
      testing::Argument::buffer(result), testing::Argument::number<uint32_t>(size)};
  testing::run(kernel, {(size + 63) / 64, 1, 1}, arguments,
               {.flush_subnormals = true, .fused_fma = true, .f32_quotient_error = 2});
  return result;
}

double rounded(double v, DType type) {
  if (std::isnan(v) || std::isinf(v)) return v;
  if (std::fabs(v) < 0x1p-126) return std::copysign(0.0, v);  // flushed
  return to_double(make_scalar(type, v));
}

void expect_same(double got, double want, DType type, double a, double b) {
  const double r = rounded(got, type);
  if (std::isnan(want) ? std::isnan(r) : r == want && std::signbit(r) == std::signbit(want)) return;
  ADD_FAILURE() << name(type) << std::hexfloat << " " << a << ", " << b << ": " << r << ", not "
                << want;
}

// Every pair of significands; exponents do not matter but at the ends of the range.
TEST(NarrowQuotients, RoundAsExactOnesDo) {
  for (const Case& c : kCases) {
    std::vector<float> a, b;
    const auto add = [&](double x, double y) {
      a.push_back(static_cast<float>(x));
      b.push_back(static_cast<float>(y));
    };
    const int first = 1 << (c.digits - 1), end = 1 << c.digits;
    for (int m = first; m < end; ++m) {
      for (int n = first; n < end; ++n) add(m, n);
    }
    for (int m = first; m < end; m += 3) {
      for (int from : {c.low, c.low + 1, 0, c.high - 1, c.high}) {
        for (int to : {c.low, c.low + 1, 0, c.high - 1, c.high}) {
          const double scale = 1 - c.digits;
          add(std::ldexp(m, static_cast<int>(from + scale)),
              -std::ldexp(end - 1 - m / 3, static_cast<int>(to + scale)));
        }
      }
    }
    // The smallest normal number of f32: what lies below is flushed.
    for (int m = first; m < end && c.type == DType::bf16; ++m) {
      for (int from : {-133, -100, -50, -10, -7}) {
        add(std::ldexp(m, from), std::ldexp(m, from + 126));
        add(std::ldexp(m - 1, from), std::ldexp(m, from + 126));
      }
    }
    for (double x : {0.0, -0.0, 1.0, -3.0, kInf, -kInf, kNan}) {
      for (double y : {0.0, -0.0, 1.0, -3.0, kInf, -kInf, kNan}) add(x, y);
    }
    const std::vector<float> got =
        run(a, b, [&](Value x, Value y) { return narrow_div(x, y, c.digits); });
    for (size_t i = 0; i < got.size() && !HasFailure(); ++i) {
      // Of 53 digits, which lose nothing that matters.
      expect_same(got[i], rounded(double{a[i]} / b[i], c.type), c.type, a[i], b[i]);
    }
  }
}

TEST(NarrowQuotients, RootsRoundAsExactOnesDo) {
  for (const Case& c : kCases) {
    std::vector<float> x = {0.0f,
                            -0.0f,
                            -1.0f,
                            static_cast<float>(kInf),
                            static_cast<float>(-kInf),
                            static_cast<float>(kNan)};
    for (int m = 1 << (c.digits - 1); m < 1 << c.digits; ++m) {
      for (int exponent : {c.low, c.low + 1, -1, 0, 1, c.high - 1, c.high}) {
        x.push_back(static_cast<float>(std::ldexp(m, exponent + 1 - c.digits)));
      }
    }
    const auto roots = run(x, x, [&](Value v, Value) { return narrow_sqrt(v, c.digits); });
    const auto inverses = run(x, x, [&](Value v, Value) { return narrow_rsqrt(v, c.digits); });
    for (size_t i = 0; i < x.size() && !HasFailure(); ++i) {
      const double root = std::sqrt(double{x[i]});
      expect_same(roots[i], rounded(root, c.type), c.type, x[i], 0);
      expect_same(inverses[i], rounded(1 / root, c.type), c.type, x[i], 0);
    }
  }
}

}  // namespace
}  // namespace nxv::ir::math

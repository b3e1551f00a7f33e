// Functions of complex numbers on the interpreter: their accuracy against long double, their
// branch cuts and special values against the reference evaluator.
#include "ir/complex/complex.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <functional>
#include <random>

#include "ir/ops/emit_complex.h"
#include "testing/interpreter/interpreter.h"
#include "testing/reference/functions.h"

namespace nxv::ir {
namespace {

using Exact = std::complex<long double>;
using Point = std::complex<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A way of computing, and what it promises in units of the last place of |result|.
struct Device {
  const char* name;
  DType dtype;
  math::MathOptions options;
  double bound;

  bool is_c128() const { return dtype == DType::c128; }
  double unit() const { return is_c128() ? 0x1p-52 : 0x1p-23; }
  Point rounded(Point z) const {
    if (is_c128()) return z;
    return {static_cast<float>(z.real()), static_cast<float>(z.imag())};
  }
};

const Device kDevices[] = {
    {"c64_through_f64", DType::c64, {}, 0.51},
    {"c64_in_pairs", DType::c64, {.f64 = false, .exact_f32_div_sqrt = false}, 4},
    {"c128", DType::c128, {}, 4},
};

class EveryComplexDevice : public ::testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Complex, EveryComplexDevice, ::testing::ValuesIn(kDevices),
                         [](const auto& info) { return std::string(info.param.name); });

// The operation at each point (of the second operand too, for two).
template <typename T>
std::vector<Point> run(const Device& device, Op op, const std::vector<Point>& x,
                       const std::vector<Point>& y) {
  const Type type = compute_type(device.dtype);
  Builder b("complex", 64);
  const Value in = b.buffer("in", Access::read), second = b.buffer("second", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value count = b.param("count", kU32);
  const Value i = b.builtin(Builtin::group_x) * b.u32(64) + b.builtin(Builtin::local_index);
  b.if_(i < count, [&] {
    const auto load = [&](Value from) -> Number {
      return {device.dtype, b.load(from, i << 1, type), b.load(from, (i << 1) + 1u, type)};
    };
    std::vector<Number> args{load(in)};
    if (info(op).arity == 2) args.push_back(load(second));
    const DType result_type = op == Op::abs ? to_real(device.dtype) : device.dtype;
    const Number result = emit_complex(op, result_type, args, device.options);
    b.store(out, i << 1, result.re);
    b.store(out, (i << 1) + 1u, op == Op::abs ? b.number(type, 0) : result.im);
  });
  const Kernel kernel = b.finish();

  std::vector<T> a, c, results(2 * x.size());
  for (size_t k = 0; k < x.size(); ++k) {
    a.insert(a.end(), {static_cast<T>(x[k].real()), static_cast<T>(x[k].imag())});
    const Point w = y.empty() ? Point() : y[k];
    c.insert(c.end(), {static_cast<T>(w.real()), static_cast<T>(w.imag())});
  }
  std::vector<testing::Argument> arguments;
  for (const Param& p : kernel.params) {
    if (p.name == "in") {
      arguments.push_back(testing::Argument::buffer(a));
    } else if (p.name == "second") {
      arguments.push_back(testing::Argument::buffer(c));
    } else if (p.name == "out") {
      arguments.push_back(testing::Argument::buffer(results));
    } else {
      const auto number = static_cast<uint32_t>(p.name == "count" ? x.size() : 0);
      arguments.push_back(testing::Argument::number<uint32_t>(number));
    }
  }
  testing::run(kernel, {static_cast<uint32_t>((x.size() + 63) / 64), 1, 1}, arguments);
  std::vector<Point> points;
  for (size_t k = 0; k < x.size(); ++k) points.emplace_back(results[2 * k], results[2 * k + 1]);
  return points;
}

std::vector<Point> evaluate(const Device& device, Op op, const std::vector<Point>& x,
                            const std::vector<Point>& y = {}) {
  return device.is_c128() ? run<double>(device, op, x, y) : run<float>(device, op, x, y);
}

// ---- Accuracy ----

Exact expm1(Exact z) {
  const long double m = std::expm1(z.real()), s = std::sin(z.imag() / 2);
  return {m * std::cos(z.imag()) - 2 * s * s, (m + 1) * std::sin(z.imag())};
}

// 1 / (1 + e^-z), right also near its poles.
Exact sigmoid(Exact z) {
  const long double q = std::exp(-std::fabs(z.real()));
  const long double c = std::cos(z.imag() / 2);
  const Exact u = std::polar(q, z.real() < 0 ? z.imag() : -z.imag());
  const Exact d{std::expm1(-std::fabs(z.real())) * std::cos(z.imag()) + 2 * c * c, u.imag()};
  return (z.real() < 0 ? u : Exact(1)) / d;
}

// log sqrt(x^2 + y^2)
long double log_of_modulus(Exact z) {
  const long double x = std::max(std::fabs(z.real()), std::fabs(z.imag()));
  const long double y = std::min(std::fabs(z.real()), std::fabs(z.imag()));
  if (x > 0.5L && x < 2) return std::log1p((x - 1) * (x + 1) + y * y) / 2;
  return std::log(std::hypot(x, y));
}

Exact log(Exact z) { return {log_of_modulus(z), std::arg(z)}; }

Exact log1p(Exact z) {
  const long double x = z.real(), y = z.imag();
  if (std::abs(z) < 0.5L) return {std::log1p(x * (x + 2) + y * y) / 2, std::atan2(y, 1 + x)};
  return log(1.0L + z);
}

Exact cbrt(Exact z) { return std::polar(std::cbrt(std::abs(z)), std::arg(z) / 3); }

// By the textbook formulas, whose root changes its sign on the left.
Exact acosh(Exact z) { return z.real() < 0 ? -std::acosh(z) : std::acosh(z); }
Exact acos(Exact z) { return (z.real() < 0) != (z.imag() < 0) ? -std::acos(z) : std::acos(z); }

struct Function {
  Op op;
  std::function<Exact(Exact)> exact;
};

template <typename F>
Function function(Op op, F f) {
  return {op, [f](Exact z) { return Exact(f(z)); }};
}

const Function kFunctions[] = {
    function(Op::abs, [](Exact z) { return std::abs(z); }),
    function(Op::sqrt, [](Exact z) { return std::sqrt(z); }),
    function(Op::rsqrt, [](Exact z) { return 1.0L / std::sqrt(z); }),
    function(Op::cbrt, cbrt),
    function(Op::exp, [](Exact z) { return std::exp(z); }),
    function(Op::expm1, expm1),
    function(Op::sigmoid, sigmoid),
    function(Op::log, log),
    function(Op::log1p, log1p),
    function(Op::sin, [](Exact z) { return std::sin(z); }),
    function(Op::cos, [](Exact z) { return std::cos(z); }),
    function(Op::tan, [](Exact z) { return std::tan(z); }),
    function(Op::sinh, [](Exact z) { return std::sinh(z); }),
    function(Op::cosh, [](Exact z) { return std::cosh(z); }),
    function(Op::tanh, [](Exact z) { return std::tanh(z); }),
    function(Op::asin, [](Exact z) { return std::asin(z); }),
    function(Op::acos, acos),
    function(Op::atan, [](Exact z) { return std::atan(z); }),
    function(Op::asinh, [](Exact z) { return std::asinh(z); }),
    function(Op::acosh, acosh),
    function(Op::atanh, [](Exact z) { return std::atanh(z); }),
};

// |got - exact| in units of the last place of |exact|; no less than the smallest normal number
// counts. Results out of range are right when they are infinite.
double error(const Device& device, Point got, Exact exact) {
  const long double largest =
      device.is_c128() ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  const long double smallest =
      device.is_c128() ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  const long double length = std::abs(exact);
  if (std::fabs(exact.real()) >= largest || std::fabs(exact.imag()) >= largest) {
    return std::isinf(got.real()) || std::isinf(got.imag()) ? 0 : kInf;
  }
  const long double unit = std::max(length, smallest) * device.unit();
  const long double distance = std::abs(Exact(got.real(), got.imag()) - exact);
  return distance <= length * 1e30L ? static_cast<double>(distance / unit) : kInf;
}

double spread(std::mt19937_64& random, double low, double high) {
  const double size = std::exp2(std::uniform_real_distribution(low, high)(random));
  return random() % 2 ? size : -size;
}

// All over the plane: about 1, of any size, near the points where a function or its formula is
// delicate.
std::vector<Point> sample(const Device& device, size_t count) {
  std::mt19937_64 random(7);
  const double range = device.is_c128() ? 1000 : 120;
  const Point delicate[] = {{1, 0},  {-1, 0},          {0, 1},     {0, -1},
                            {-2, 0}, {0, 0x1.921fbp1}, {0.6, 0.8}, {0x1.921fbp0, 0}};
  std::vector<Point> points;
  while (points.size() < count) {
    Point z;
    switch (random() % 4) {
      case 0:
        z = {std::uniform_real_distribution(-4.0, 4.0)(random),
             std::uniform_real_distribution(-4.0, 4.0)(random)};
        break;
      case 1:
        z = {spread(random, -range, range), spread(random, -range, range)};
        break;
      case 2:
        z = {spread(random, -30, 8), spread(random, -30, 8)};
        break;
      default:
        z = delicate[random() % std::size(delicate)] +
            Point(spread(random, -40, -1), spread(random, -40, -1));
    }
    points.push_back(device.rounded(z));
  }
  return points;
}

TEST_P(EveryComplexDevice, KeepsTheBoundOfEachFunction) {
  const Device& device = GetParam();
  const std::vector<Point> points = sample(device, 4000);
  for (const Function& f : kFunctions) {
    const std::vector<Point> got = evaluate(device, f.op, points);
    double worst = 0;
    Point at, value;
    for (size_t i = 0; i < points.size(); ++i) {
      const double e = error(device, got[i], f.exact({points[i].real(), points[i].imag()}));
      if (e > worst) worst = e, at = points[i], value = got[i];
    }
    EXPECT_LE(worst, device.bound) << name(f.op) << std::hexfloat << at << " = " << value;
    RecordProperty(std::string(name(f.op)), std::to_string(worst));
  }
}

TEST_P(EveryComplexDevice, KeepsTheBoundOfQuotientsAndPowers) {
  const Device& device = GetParam();
  std::mt19937_64 random(11);
  std::vector<Point> x, y;
  for (int i = 0; i < 4000; ++i) {
    x.push_back(device.rounded({spread(random, -8, 8), spread(random, -8, 8)}));
    y.push_back(device.rounded({spread(random, -20, 3), spread(random, -20, 3)}));
  }
  const std::vector<Point> quotients = evaluate(device, Op::divide, x, y);
  const std::vector<Point> powers = evaluate(device, Op::pow, x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    const Exact a(x[i].real(), x[i].imag()), b(y[i].real(), y[i].imag());
    EXPECT_LE(error(device, quotients[i], a / b), device.bound) << x[i] << " / " << y[i];
    EXPECT_LE(error(device, powers[i], std::exp(b * log(a))), device.bound)
        << x[i] << " ** " << y[i] << " = " << powers[i];
  }
}

// ---- Branch cuts and special values ----

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-5 * std::max(1.0, std::fabs(b));
}

TEST_P(EveryComplexDevice, HasTheBranchCutsAndSpecialValuesOfTheReference) {
  const Device& device = GetParam();
  const double parts[] = {0.0, -0.0, 0.5, -0.5, 1, -1, 2.25, -2.25};
  std::vector<Point> points;
  for (double re : parts) {
    for (double im : parts) points.emplace_back(re, im);
  }
  const double special[] = {0.0, -0.0, 0.5, -2.25, kInf, -kInf, kNan};
  for (double re : special) {
    for (double im : special) points.emplace_back(re, im);
  }
  for (const Function& f : kFunctions) {
    if (f.op == Op::abs) continue;
    const std::vector<Point> got = evaluate(device, f.op, points);
    for (size_t i = 0; i < points.size(); ++i) {
      const Point want = reference::complex_function(f.op, points[i]);
      EXPECT_TRUE(same(got[i].real(), want.real()) && same(got[i].imag(), want.imag()))
          << name(f.op) << points[i] << " = " << got[i] << ", not " << want;
    }
  }
  const std::vector<Point> lengths = evaluate(device, Op::abs, points);
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_TRUE(same(lengths[i].real(), reference::magnitude(points[i]))) << points[i];
  }
}

TEST_P(EveryComplexDevice, DividesAndRaisesSpecialValuesLikeTheReference) {
  const Device& device = GetParam();
  const double parts[] = {0.0, -0.0, 1, -2.5, kInf, -kInf, kNan};
  std::vector<Point> all, x, y;
  for (double re : parts) {
    for (double im : parts) all.emplace_back(re, im);
  }
  for (Point a : all) {
    for (Point b : all) x.push_back(a), y.push_back(b);
  }
  const std::vector<Point> quotients = evaluate(device, Op::divide, x, y);
  const std::vector<Point> products = evaluate(device, Op::multiply, x, y);
  const std::vector<Point> powers = evaluate(device, Op::pow, x, y);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto check = [&](const char* op, Point got, Point want) {
      EXPECT_TRUE(same(got.real(), want.real()) && same(got.imag(), want.imag()))
          << x[i] << op << y[i] << " = " << got << ", not " << want;
    };
    check(" / ", quotients[i], reference::divide(x[i], y[i]));
    check(" * ", products[i], reference::multiply(x[i], y[i]));
    check(" ** ", powers[i], reference::power(x[i], y[i]));
  }
}

// Angles of which nothing is left after the reduction, where the power is 0.
TEST_P(EveryComplexDevice, HugePowersVanish) {
  const Device& device = GetParam();
  std::vector<Point> x, y;
  for (int exponent : {20, 30, 60, 110}) {
    x.emplace_back(-std::ldexp(1.25, exponent), 0), y.emplace_back(-std::ldexp(1.5, exponent), 0);
    x.emplace_back(std::ldexp(1.25, exponent), 7), y.emplace_back(-std::ldexp(1.5, exponent), 3);
  }
  for (const Point& power : evaluate(device, Op::pow, x, y)) EXPECT_EQ(std::abs(power), 0);
}

}  // namespace
}  // namespace nxv::ir

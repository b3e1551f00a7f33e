#include "testing/reference/functions.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <numbers>
#include <string>

#include "base/error.h"

namespace nxv::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Complex both_nan() { return {kNaN, kNaN}; }

bool has_nan(Complex z) { return std::isnan(z.real()) || std::isnan(z.imag()); }

// -0 beside a real number counts as +0: branch cuts are approached from above.
Complex above_cut(Complex z) { return {z.real(), z.imag() + 0.0}; }

Complex exponential(Complex z) {
  if (z.real() == -kInfinity) return {0, 0};
  if (z.real() == kInfinity && std::isnan(z.imag())) return {kInfinity, kNaN};
  const double scale = std::exp(z.real());
  // An overflow of the scale alone must not make an infinity of a part that is finite.
  if (z.imag() == 0 && std::isfinite(z.real())) return {scale, z.imag()};
  if (scale == kInfinity && std::isfinite(z.real())) {
    const double half = std::exp(z.real() / 2);
    return {half * std::cos(z.imag()) * half, half * std::sin(z.imag()) * half};
  }
  return {scale * std::cos(z.imag()), scale * std::sin(z.imag())};
}

// e^z - 1 without cancellation near zero.
Complex exponential_minus_one(Complex z) {
  if (!std::isfinite(z.real()) || !std::isfinite(z.imag())) return exponential(z) - 1.0;
  const double m = std::expm1(z.real());
  const double s = std::sin(z.imag() / 2);
  return {m * std::cos(z.imag()) - 2 * s * s, (m + 1) * std::sin(z.imag())};
}

// log |z|; near |z| = 1 of the difference |z|^2 - 1, without cancellation where the angle is small.
double logarithm_of_magnitude(Complex z) {
  const double x = std::fabs(z.real()), y = std::fabs(z.imag());
  if (!(x < 2 && y < 2 && (x > 0.5 || y > 0.5))) return std::log(magnitude(z));
  const double large = std::fmax(x, y), small = std::fmin(x, y);
  return 0.5 * std::log1p((large - 1) * (large + 1) + small * small);
}

Complex logarithm(Complex z) { return {logarithm_of_magnitude(z), std::atan2(z.imag(), z.real())}; }

// log(1 + z) without cancellation near zero.
Complex logarithm_of_one_plus(Complex z) {
  const double x = z.real();
  const double y = z.imag();
  if (!(std::fabs(x) < 0.5 && std::fabs(y) < 0.5)) return logarithm(1.0 + above_cut(z));
  return {0.5 * std::log1p(x * (2 + x) + y * y), std::atan2(y, 1 + x)};
}

Complex square_root(Complex z) { return has_nan(z) ? both_nan() : std::sqrt(above_cut(z)); }

// z + root, where (z + root) (z - root) = product: without cancellation.
Complex plus_root(Complex z, Complex root, double product) {
  if (std::abs(z + root) >= std::abs(z - root)) return z + root;
  return above_cut(divide(product, z - root));
}

// Of the values an inverse function may take, the one that its textbook formula gives; where that
// breaks down, the first is taken.
Complex branch(std::initializer_list<Complex> values, Complex formula) {
  Complex nearest = *values.begin();
  for (Complex w : values) {
    if (std::abs(w - formula) < std::abs(nearest - formula)) nearest = w;
  }
  return nearest;
}

constexpr Complex kI{0, 1};

Complex arc_cosine(Complex z) {
  const Complex w = std::acos(above_cut(z));
  return branch({w, -w, std::conj(w)}, -kI * logarithm(plus_root(z, square_root(z * z - 1.0), 1)));
}

Complex area_cosine(Complex z) {
  const Complex w = std::acosh(above_cut(z));
  return branch({w, -w, -std::conj(w)}, logarithm(plus_root(z, square_root(z * z - 1.0), 1)));
}

Complex area_sine(Complex z) {
  const Complex w = std::asinh(z);
  return branch({w, -std::conj(w)}, logarithm(plus_root(z, square_root(z * z + 1.0), -1)));
}

// asinh and acosh where a part is not finite.
Complex area_of_infinity(Complex z) {
  if (z.real() != kInfinity || !std::isfinite(z.imag()) || z.imag() == 0) return both_nan();
  return {kInfinity, std::copysign(std::atan(1.0), z.imag())};
}

Complex arc_tangent(Complex z) {
  const double y = z.imag();
  if (z.real() == 0 && std::fabs(y) == 1) return {kNaN, y * kInfinity};
  if (z.real() == 0 && std::fabs(y) > 1) return std::atan(Complex(std::copysign(0.0, y), y));
  return std::atan(z);
}

Complex area_tangent(Complex z) {
  if (z == 1.0) return both_nan();
  if (z == -1.0) return {-kInfinity, kNaN};
  return std::atanh(above_cut(z));
}

Complex reciprocal_square_root(Complex z) {
  if (std::isfinite(z.real()) && std::isfinite(z.imag())) return divide(1.0, square_root(z));
  return z.real() == kInfinity && std::isfinite(z.imag()) ? Complex(0, 0) : both_nan();
}

Complex cube_root(Complex z) {
  if (z == 0.0) return {0, 0};
  if (!std::isfinite(z.real()) || !std::isfinite(z.imag())) {
    if (has_nan(z) && !std::isinf(z.real()) && !std::isinf(z.imag())) return both_nan();
    if (z.real() == kInfinity && std::isfinite(z.imag()))
      return {kInfinity, std::copysign(0.0, z.imag())};
    return {kInfinity, z.imag() < 0 && z.real() != -kInfinity ? -kInfinity : kInfinity};
  }
  return std::polar(std::cbrt(magnitude(z)), std::atan2(z.imag(), z.real()) / 3);
}

// (e^z + sign e^-z) / 2 where a part is not finite, with exponential's rules.
Complex hyperbolic_of_infinity(Complex z, double sign) {
  const Complex sum = exponential(z) + sign * exponential(-z);
  return {sum.real() / 2, sum.imag() / 2};
}

Complex sigmoid(Complex z) {
  if (std::isfinite(z.real()) && z.real() < 0) {  // e^-z may be too large
    const Complex e = exponential(z);
    return divide(e, 1.0 + e);
  }
  return divide(1.0, 1.0 + exponential(-z));
}

double sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

// A zero keeps its sign; NaN counts as positive, as Nx has it.
double sign(double x) { return x == 0 ? x : x < 0 ? -1.0 : 1.0; }

[[noreturn]] void no_such(Op op, const char* numbers) {
  throw Error(Status::invalid_argument,
              std::string(name(op)) + " is not defined for " + numbers + " numbers");
}

}  // namespace

double erf_inv(double x) {
  if (!(std::fabs(x) < 1)) return std::fabs(x) == 1 ? x * kInfinity : kNaN;
  if (x == 0) return x;
  const double p = std::fabs(x);
  // Winitzki's approximation, good to 2e-3, then Halley's steps on erf or, in the tail, on erfc.
  const double l = std::log1p(-p * p);
  const double b = 2 / (std::numbers::pi * 0.147) + l / 2;
  double y = std::sqrt(std::sqrt(b * b - l / 0.147) - b);
  for (int step = 0; step < 4; ++step) {
    const double error = p < 0.5 ? std::erf(y) - p : (1 - p) - std::erfc(y);
    const double slope = 2 * std::numbers::inv_sqrtpi * std::exp(-y * y);
    const double newton = error / slope;
    y -= newton / (1 + y * newton);
  }
  return std::copysign(y, x);
}

double magnitude(Complex z) {
  const bool finite = std::isfinite(z.real()) && std::isfinite(z.imag());
  if (finite) return std::hypot(z.real(), z.imag());
  if (std::isnan(z.real()) && std::isnan(z.imag())) return kNaN;
  return kInfinity;
}

Complex multiply(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

Complex divide(Complex a, Complex b) {
  const double c = b.real();
  const double d = b.imag();
  if (std::fabs(c) >= std::fabs(d)) {
    const double ratio = d / c;
    const double denominator = c + d * ratio;
    return {(a.real() + a.imag() * ratio) / denominator,
            (a.imag() - a.real() * ratio) / denominator};
  }
  const double ratio = c / d;
  const double denominator = c * ratio + d;
  return {(a.real() * ratio + a.imag()) / denominator, (a.imag() * ratio - a.real()) / denominator};
}

Complex power(Complex base, Complex exponent) {
  if (exponent == 0.0) return {1, 0};
  if (base == 0.0) return exponent.real() < 0 ? both_nan() : Complex(0, 0);
  if (!std::isfinite(base.real()) || !std::isfinite(base.imag())) return both_nan();
  return exponential(multiply(exponent, logarithm(base)));
}

double real_function(Op op, double x) {
  switch (op) {
    case Op::abs:
      return std::fabs(x);
    case Op::negate:
      return -x;
    case Op::sign:
      return sign(x);
    case Op::ceil:
      return std::ceil(x);
    case Op::floor:
      return std::floor(x);
    case Op::round:
      return std::round(x) + 0.0;  // half away from zero; no -0
    case Op::sqrt:
      return std::sqrt(x);
    case Op::rsqrt:
      return 1 / std::sqrt(x);
    case Op::cbrt:
      return std::cbrt(x);
    case Op::exp:
      return std::exp(x);
    case Op::expm1:
      return std::expm1(x);
    case Op::log:
      return std::log(x);
    case Op::log1p:
      return std::log1p(x);
    case Op::sigmoid:
      return sigmoid(x);
    case Op::sin:
      return std::sin(x);
    case Op::cos:
      return std::cos(x);
    case Op::tan:
      return std::tan(x);
    case Op::asin:
      return std::asin(x);
    case Op::acos:
      return std::acos(x);
    case Op::atan:
      return std::atan(x);
    case Op::sinh:
      return std::sinh(x);
    case Op::cosh:
      return std::cosh(x);
    case Op::tanh:
      return std::tanh(x);
    case Op::asinh:
      return std::asinh(x);
    case Op::acosh:
      return std::acosh(x);
    case Op::atanh:
      return std::atanh(x);
    case Op::erf:
      return std::erf(x);
    case Op::erfc:
      return std::erfc(x);
    case Op::erf_inv:
      return erf_inv(x);
    default:
      no_such(op, "real");
  }
}

Complex complex_function(Op op, Complex z) {
  const bool real_is_finite = std::isfinite(z.real());
  const bool is_finite = real_is_finite && std::isfinite(z.imag());
  const bool slanted = std::isfinite(z.imag()) && z.imag() != 0;
  switch (op) {
    case Op::negate:
      return -z;
    case Op::sign:
      return {1, 0};  // as Nx has it: no order on complex numbers
    case Op::sqrt:
      return square_root(z);
    case Op::rsqrt:
      return reciprocal_square_root(z);
    case Op::cbrt:
      return cube_root(z);
    case Op::exp:
      return exponential(z);
    case Op::expm1:
      return exponential_minus_one(z);
    case Op::log:
      return logarithm(z);
    case Op::log1p:
      return logarithm_of_one_plus(z);
    case Op::sigmoid:
      return sigmoid(z);
    case Op::sin:
      return real_is_finite ? std::sin(z) : both_nan();
    case Op::cos:
      return real_is_finite ? std::cos(z) : both_nan();
    case Op::tan:
      return real_is_finite ? std::tan(z) : both_nan();
    case Op::asin:
      return is_finite ? std::asin(above_cut(z)) : both_nan();
    case Op::acos:
      return is_finite ? arc_cosine(z) : both_nan();
    case Op::atan:
      return is_finite ? arc_tangent(z) : both_nan();
    case Op::sinh:
      return is_finite ? std::sinh(z) : hyperbolic_of_infinity(z, -1);
    case Op::cosh:
      return is_finite ? std::cosh(z) : hyperbolic_of_infinity(z, 1);
    case Op::tanh:
      return std::isinf(z.real()) && slanted ? both_nan() : std::tanh(z);
    case Op::asinh:
      return is_finite ? area_sine(z) : area_of_infinity(z);
    case Op::acosh:
      return is_finite ? area_cosine(z) : area_of_infinity(z);
    case Op::atanh:
      return is_finite ? area_tangent(z) : both_nan();
    default:
      no_such(op, "complex");
  }
}

}  // namespace nxv::reference

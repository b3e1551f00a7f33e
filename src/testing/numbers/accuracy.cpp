#include "testing/numbers/accuracy.h"

#include <mpfr.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <string>

#include "base/error.h"

namespace nxv::testing {
namespace {

namespace math = ir::math;
using ir::Type;
using ir::Value;
using math::MathOptions;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr mpfr_prec_t kPrecision = 180;

class Real {
 public:
  explicit Real(mpfr_prec_t precision = kPrecision) { mpfr_init2(v_, precision); }
  explicit Real(double v) : Real() { mpfr_set_d(v_, v, MPFR_RNDN); }
  Real(const Real&) = delete;
  Real& operator=(const Real&) = delete;
  ~Real() { mpfr_clear(v_); }
  operator mpfr_ptr() { return v_; }
  operator mpfr_srcptr() const { return v_; }

 private:
  mpfr_t v_ = {};
};

Value round_half_away(Value x, const MathOptions&) { return math::round_half_away(x); }

void sigmoid(mpfr_ptr y, mpfr_srcptr x) {
  Real e;
  mpfr_neg(e, x, MPFR_RNDN);
  mpfr_exp(e, e, MPFR_RNDN);
  mpfr_add_ui(e, e, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, e, MPFR_RNDN);
}

// MPFR has +infinity for -0.
void reciprocal_sqrt(mpfr_ptr y, mpfr_srcptr x) {
  mpfr_rec_sqrt(y, x, MPFR_RNDN);
  if (mpfr_zero_p(x) && mpfr_signbit(x)) mpfr_set_inf(y, -1);
}

// Newton's iteration on erfc(y) = 1 - |x|, which keeps the digits of x near 1, and on erf(y) = x
// near 0.
void erf_inv(mpfr_ptr y, mpfr_srcptr x) {
  const double start = mpfr_get_d(x, MPFR_RNDN);
  const double magnitude = std::fabs(start);
  if (!(magnitude < 1) || magnitude == 0) {
    if (magnitude == 1) {
      mpfr_set_inf(y, start < 0 ? -1 : 1);
    } else if (magnitude == 0) {
      mpfr_set(y, x, MPFR_RNDN);
    } else {
      mpfr_set_nan(y);
    }
    return;
  }
  Real target(kPrecision + 1100), f, slope, square;
  mpfr_abs(target, x, MPFR_RNDN);
  const bool tail = magnitude > 0.5;
  if (tail) mpfr_ui_sub(target, 1, target, MPFR_RNDN);
  const double w = -std::log1p(-magnitude * magnitude);
  const double ln = w / 2 + 2 / (std::numbers::pi * 0.147);
  const double guess = std::sqrt(std::sqrt(ln * ln + w / 0.147) - ln);  // Winitzki
  mpfr_set_d(y, tail ? guess : magnitude * 0.886226925, MPFR_RNDN);
  for (int i = 0; i < 60; ++i) {
    tail ? mpfr_erfc(f, y, MPFR_RNDN) : mpfr_erf(f, y, MPFR_RNDN);
    mpfr_sub(f, f, target, MPFR_RNDN);
    mpfr_sqr(square, y, MPFR_RNDN);
    mpfr_neg(slope, square, MPFR_RNDN);
    mpfr_exp(slope, slope, MPFR_RNDN);
    mpfr_mul_d(slope, slope, tail ? -2 : 2, MPFR_RNDN);
    mpfr_const_pi(square, MPFR_RNDN);
    mpfr_sqrt(square, square, MPFR_RNDN);
    mpfr_div(slope, slope, square, MPFR_RNDN);
    mpfr_div(f, f, slope, MPFR_RNDN);
    mpfr_sub(y, y, f, MPFR_RNDN);
    if (mpfr_zero_p(f) || mpfr_get_exp(f) < mpfr_get_exp(y) - 140) break;
  }
  if (start < 0) mpfr_neg(y, y, MPFR_RNDN);
}

using Unary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
using Binary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);

template <Unary f>
void unary(mpfr_ptr y, mpfr_srcptr a, mpfr_srcptr) {
  f(y, a, MPFR_RNDN);
}
template <Binary f>
void binary(mpfr_ptr y, mpfr_srcptr a, mpfr_srcptr b) {
  f(y, a, b, MPFR_RNDN);
}
template <void (*f)(mpfr_ptr, mpfr_srcptr)>
void own(mpfr_ptr y, mpfr_srcptr a, mpfr_srcptr) {
  f(y, a);
}
void round_away(mpfr_ptr y, mpfr_srcptr a, mpfr_srcptr) { mpfr_round(y, a); }

struct Row {
  MathFunction function;
  void (*reference)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr) = nullptr;
};

constexpr double kOnce = 0.51, kExact = 0.5;

const std::array kRows = {
    Row{{"exp", math::exp, nullptr, kOnce, 1, 2, -90, 90}, unary<mpfr_exp>},
    Row{{"exp2", math::exp2, nullptr, kOnce, 1, 2, -130, 130}, unary<mpfr_exp2>},
    Row{{"expm1", math::expm1, nullptr, kOnce, 1, 2, -5, 5}, unary<mpfr_expm1>},
    Row{{"log", math::log, nullptr, kOnce, 1, 2, 0, 3}, unary<mpfr_log>},
    Row{{"log1p", math::log1p, nullptr, kOnce, 1, 2, -1, 3}, unary<mpfr_log1p>},
    Row{{"sigmoid", math::sigmoid, nullptr, kOnce, 1, 2, -20, 20}, own<sigmoid>},
    Row{{"sin", math::sin, nullptr, kOnce, 1, 2, -10, 10}, unary<mpfr_sin>},
    Row{{"cos", math::cos, nullptr, kOnce, 1, 2, -10, 10}, unary<mpfr_cos>},
    Row{{"tan", math::tan, nullptr, kOnce, 2, 2, -10, 10}, unary<mpfr_tan>},
    Row{{"sinh", math::sinh, nullptr, kOnce, 1, 2, -5, 5}, unary<mpfr_sinh>},
    Row{{"cosh", math::cosh, nullptr, kOnce, 1, 2, -5, 5}, unary<mpfr_cosh>},
    Row{{"tanh", math::tanh, nullptr, kOnce, 1, 2, -3, 3}, unary<mpfr_tanh>},
    Row{{"asin", math::asin, nullptr, kOnce, 1, 2, -1, 1}, unary<mpfr_asin>},
    Row{{"acos", math::acos, nullptr, kOnce, 1, 2, -1, 1}, unary<mpfr_acos>},
    Row{{"atan", math::atan, nullptr, kOnce, 1, 2, -5, 5}, unary<mpfr_atan>},
    Row{{"asinh", math::asinh, nullptr, kOnce, 1, 2, -5, 5}, unary<mpfr_asinh>},
    Row{{"acosh", math::acosh, nullptr, kOnce, 1, 2, 1, 5}, unary<mpfr_acosh>},
    Row{{"atanh", math::atanh, nullptr, kOnce, 1, 2, -1, 1}, unary<mpfr_atanh>},
    Row{{"sqrt", math::sqrt, nullptr, kExact, kExact, kExact, 0, 10}, unary<mpfr_sqrt>},
    Row{{"rsqrt", math::rsqrt, nullptr, kOnce, 1, 2, 0, 10}, own<reciprocal_sqrt>},
    Row{{"cbrt", math::cbrt, nullptr, kOnce, 1, 2, -10, 10}, unary<mpfr_cbrt>},
    Row{{"erf", math::erf, nullptr, kOnce, 1, 2, -3, 3}, unary<mpfr_erf>},
    Row{{"erfc", math::erfc, nullptr, kOnce, 2, 4, -3, 12}, unary<mpfr_erfc>},
    Row{{"erf_inv", math::erf_inv, nullptr, 3, 3, 4, -1, 1}, own<erf_inv>},
    Row{{"round_half_away", round_half_away, nullptr, kExact, kExact, kExact, -10, 10}, round_away},
    Row{{"pow", nullptr, math::pow, kOnce, 2, 4, 0, 20}, binary<mpfr_pow>},
    Row{{"atan2", nullptr, math::atan2, kOnce, 1, 2, -5, 5}, binary<mpfr_atan2>},
    Row{{"div", nullptr, math::div, kExact, kExact, kExact, -10, 10}, binary<mpfr_div>},
    Row{{"fmod", nullptr, math::fmod, kExact, kExact, kExact, -10, 10}, binary<mpfr_fmod>},
};

const Row& row(std::string_view name) {
  for (const Row& r : kRows) {
    if (r.function.name == name) return r;
  }
  throw Error(Status::internal, "no mathematical function named " + std::string(name));
}

// What a type can hold.
struct Format {
  int digits, min_exponent;  // of the smallest normal number 2^min_exponent
  double largest, smallest_normal;
};

Format format(Type t) {
  if (t == ir::kF64) {
    return {53, -1022, std::numeric_limits<double>::max(), std::numeric_limits<double>::min()};
  }
  return {24, -126, std::numeric_limits<float>::max(), std::numeric_limits<float>::min()};
}

double rounded(double v, Type t) { return t == ir::kF64 ? v : static_cast<float>(v); }

std::vector<double> special_values(Type t) {
  const Format f = format(t);
  const double unit = std::ldexp(1.0, 1 - f.digits);
  std::vector<double> positive = {0,
                                  kInfinity,
                                  std::ldexp(f.smallest_normal, 1 - f.digits),
                                  f.smallest_normal * (1 - unit),
                                  f.smallest_normal,
                                  f.largest,
                                  1,
                                  1 - unit / 2,
                                  1 + unit,
                                  0.5,
                                  0.5 - unit / 4,
                                  0.75,
                                  1.5,
                                  2,
                                  2.5,
                                  3,
                                  4,
                                  10,
                                  33,
                                  100,
                                  std::numbers::pi,
                                  std::numbers::pi / 2,
                                  std::numbers::pi / 4,
                                  std::ldexp(1.0, f.digits - 1) - 0.5,
                                  std::ldexp(1.0, f.digits),
                                  std::ldexp(1.0, f.digits) - 1,
                                  88.7228394,
                                  103.972084,
                                  709.782712893384,
                                  745.1332191019411,
                                  10.05,
                                  26.54,
                                  6381956970095103.0 * 0x1p797,
                                  16367173.0 * 0x1p72,
                                  0x1p-13,
                                  0x1p-15,
                                  0x1p-28};
  std::vector<double> all = {std::numeric_limits<double>::quiet_NaN()};
  for (double v : positive) {
    v = rounded(v, t);
    all.push_back(v);
    all.push_back(-v);
  }
  return all;
}

double random_bits(std::mt19937_64& random, Type t) {
  const uint64_t bits = random();
  return t == ir::kF64 ? std::bit_cast<double>(bits)
                       : std::bit_cast<float>(static_cast<uint32_t>(bits));
}

double random_point(const MathFunction& f, Type t, std::mt19937_64& random) {
  const uint64_t kind = random() % 8;
  if (kind < 4) return rounded(std::uniform_real_distribution(f.low, f.high)(random), t);
  if (kind < 6) {
    const double exponent = std::uniform_real_distribution(-30.0, 8.0)(random);
    return rounded(std::exp2(exponent) * (random() % 2 ? 1 : -1), t);
  }
  if (kind == 6) {  // near 1
    const double distance = std::exp2(std::uniform_real_distribution(-52.0, -1.0)(random));
    return rounded((1 + (random() % 2 ? distance : -distance)) * (random() % 4 ? 1 : -1), t);
  }
  return random_bits(random, t);
}

void store(std::vector<std::byte>& to, size_t i, double v, Type t) {
  if (t == ir::kF64) {
    std::memcpy(&to[i * 8], &v, 8);
  } else {
    const auto f = static_cast<float>(v);
    std::memcpy(&to[i * 4], &f, 4);
  }
}

double fetch(const std::vector<std::byte>& from, size_t i, Type t) {
  if (t == ir::kF64) {
    double v;
    std::memcpy(&v, &from[i * 8], 8);
    return v;
  }
  float v;
  std::memcpy(&v, &from[i * 4], 4);
  return v;
}

// The error of `got` in units in the last place at the exact result, which is finite and not 0.
double ulp_error(double got, mpfr_srcptr exact, const Format& f) {
  const mpfr_exp_t exponent = std::max<mpfr_exp_t>(mpfr_get_exp(exact) - 1, f.min_exponent);
  Real difference;
  if (std::isinf(got)) {  // stands for the number after the largest
    mpfr_set_d(difference, f.largest, MPFR_RNDN);
    mpfr_nextabove(difference);
    mpfr_set_ui_2exp(difference, 1, mpfr_get_exp(difference), MPFR_RNDN);
    if (mpfr_cmpabs(exact, difference) >= 0)
      return std::signbit(got) == (mpfr_sgn(exact) < 0) ? 0 : kInfinity;
    mpfr_mul_si(difference, difference, got < 0 ? -1 : 1, MPFR_RNDN);
    mpfr_sub(difference, difference, exact, MPFR_RNDN);
  } else {
    mpfr_d_sub(difference, got, exact, MPFR_RNDN);
  }
  mpfr_mul_2si(difference, difference, f.digits - 1 - exponent, MPFR_RNDN);
  return std::fabs(mpfr_get_d(difference, MPFR_RNDN));
}

Value first_operand(Value x, const MathOptions&) { return x; }
Value first_operand(Value x, Value, const MathOptions&) { return x; }

size_t instruction_count(const ir::Kernel& kernel) {
  return static_cast<size_t>(
      std::count_if(kernel.body.begin(), kernel.body.end(), [](const ir::Inst& inst) {
        return inst.op != ir::Opcode::constant && inst.op != ir::Opcode::param;
      }));
}

}  // namespace

std::span<const MathFunction> math_functions() {
  static const std::vector<MathFunction> functions = [] {
    std::vector<MathFunction> all;
    for (const Row& r : kRows) all.push_back(r.function);
    return all;
  }();
  return functions;
}

const MathFunction& math_function(std::string_view name) { return row(name).function; }

Points sample(const MathFunction& f, Type type, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  Points points;
  const std::vector<double> specials = special_values(type);
  if (f.unary) {
    points.a = specials;
    while (points.a.size() < count) points.a.push_back(random_point(f, type, random));
    return points;
  }
  for (double a : specials) {
    for (double b : specials) {
      points.a.push_back(a);
      points.b.push_back(b);
    }
  }
  const bool is_pow = f.name == "pow";
  const double octaves = type == ir::kF64 ? 1080 : 150;
  while (points.a.size() < count) {
    double a = random_point(f, type, random), b = random_point(f, type, random);
    if (is_pow && random() % 4) {  // results all over the range
      a = std::fabs(a);
      b = rounded(std::uniform_real_distribution(-octaves, octaves)(random) / std::log2(a), type);
    } else if (!is_pow && random() % 2) {  // operands of similar size
      b = rounded(a * std::exp2(std::uniform_real_distribution(-20.0, 20.0)(random)), type);
    }
    points.a.push_back(a);
    points.b.push_back(b);
  }
  return points;
}

ir::Kernel elementwise_kernel(const MathFunction& f, Type type, const MathOptions& options) {
  ir::Builder b(std::string(f.name), 256);
  const Value a = b.buffer("a", ir::Access::read);
  const Value second = f.binary ? b.buffer("b", ir::Access::read) : Value();
  const Value out = b.buffer("out", ir::Access::write);
  const Value count = b.param("count", ir::kU32);
  const Value i =
      b.builtin(ir::Builtin::group_x) * b.u32(256) + b.builtin(ir::Builtin::local_index);
  b.if_(i < count, [&] {
    const Value x = b.load(a, i, type);
    b.store(out, i, f.unary ? f.unary(x, options) : f.binary(x, b.load(second, i, type), options));
  });
  return b.finish();
}

Evaluator interpreter_evaluator(const InterpreterOptions& options) {
  return [options](const ir::Kernel& kernel, uint32_t count,
                   std::span<std::vector<std::byte>> buffers) {
    std::vector<Argument> arguments;
    size_t buffer = 0;
    for (const ir::Param& p : kernel.params) {
      if (p.is_buffer) {
        arguments.push_back(Argument::buffer(buffers[buffer++]));
      } else {
        arguments.push_back(Argument::number<uint32_t>(p.name == "count" ? count : 0));
      }
    }
    run(kernel, {(count + 255) / 256, 1, 1}, arguments, options);
  };
}

std::vector<double> evaluate(const MathFunction& f, Type type, const MathOptions& options,
                             const Points& points, const Evaluator& evaluator) {
  const size_t count = points.a.size(), width = static_cast<size_t>(ir::bytes(type));
  std::vector<std::vector<std::byte>> buffers(f.binary ? 3 : 2,
                                              std::vector<std::byte>(count * width));
  for (size_t i = 0; i < count; ++i) {
    store(buffers[0], i, points.a[i], type);
    if (f.binary) store(buffers[1], i, points.b[i], type);
  }
  evaluator(elementwise_kernel(f, type, options), static_cast<uint32_t>(count), buffers);
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = fetch(buffers.back(), i, type);
  return values;
}

Accuracy measure(const MathFunction& f, Type type, const MathOptions& options, const Points& points,
                 const Evaluator& evaluator, bool flushes) {
  const Format form = format(type);
  const size_t count = points.a.size();
  const std::vector<double> values = evaluate(f, type, options, points, evaluator);

  Accuracy result;
  MathFunction nothing{"nothing", nullptr, nullptr, 0, 0, 0, 0, 0};
  if (f.unary) nothing.unary = first_operand;
  if (f.binary) nothing.binary = first_operand;
  result.instructions = instruction_count(elementwise_kernel(f, type, options)) -
                        instruction_count(elementwise_kernel(nothing, type, options));
  const auto reference = row(f.name).reference;
  Real a, b, exact;
  const auto is_subnormal = [&](double v) { return v != 0 && std::fabs(v) < form.smallest_normal; };
  for (size_t i = 0; i < count; ++i) {
    const double x = points.a[i], y = f.binary ? points.b[i] : 1.0, got = values[i];
    mpfr_set_d(a, x, MPFR_RNDN);
    mpfr_set_d(b, y, MPFR_RNDN);
    reference(exact, a, b);
    const bool small_result =
        mpfr_number_p(exact) && !mpfr_zero_p(exact) && mpfr_get_exp(exact) - 1 <= form.min_exponent;
    if (flushes && type == ir::kF32 && (is_subnormal(x) || is_subnormal(y) || small_result)) {
      ++result.flushed;
      continue;
    }
    ++result.points;
    const auto wrong_special = [&](bool right) {
      result.correctly_rounded += right;
      if (right || result.wrong_specials++) return;
      result.special_a = x, result.special_b = y, result.special_result = got;
    };
    if (mpfr_nan_p(exact)) {
      wrong_special(std::isnan(got));
    } else if (mpfr_inf_p(exact) || mpfr_zero_p(exact)) {
      wrong_special(got == mpfr_get_d(exact, MPFR_RNDN) &&
                    std::signbit(got) == (mpfr_signbit(exact) != 0));
    } else if (std::isnan(got)) {
      wrong_special(false);
    } else {
      const double error = ulp_error(got, exact, form);
      result.correctly_rounded += error <= 0.5;
      if (error > result.max_ulp) {
        result.max_ulp = error;
        result.worst_a = x, result.worst_b = y, result.worst_result = got;
      }
    }
  }
  return result;
}

}  // namespace nxv::testing

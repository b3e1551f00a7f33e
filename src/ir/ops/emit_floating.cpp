#include "ir/ops/emit_floating.h"

#include <algorithm>

#include "base/scalar.h"
#include "ir/math/cast.h"
#include "ir/math/narrow_quotients.h"
#include "ir/ops/large_integers.h"

namespace nxv::ir {
namespace {

int significant_digits(DType t) {
  switch (t) {
    case DType::f8_e5m2:
      return 3;
    case DType::f8_e4m3fn:
      return 4;
    case DType::bf16:
      return 8;
    case DType::f16:
      return 11;
    default:
      return 64;  // or less
  }
}

class FloatOperation : Operation {
 public:
  explicit FloatOperation(const Operation& operation) : Operation(operation) {}

  Value emit() {
    const Type type = operation_type();
    const bool beyond_f32 = std::any_of(args.begin(), args.end(),
                                        [](const Number& a) { return is_large_integer(a.dtype); });
    if (type == kF32 && beyond_f32) {
      if (const Value v = emit_of_integers(op, out, args, math())) return v;
    }
    const Value x = operand(0, type);
    if (args.size() == 1) return unary_float(x);
    const Value y = operand(1, type);
    if (args.size() == 3) return clip(x, y, operand(2, type));
    return binary_float(x, y);
  }

 private:
  // What an operation is computed in: f64 where an operand needs it.
  Type operation_type() const {
    bool wide = out == DType::f64;
    for (const Number& a : args) {
      wide |= a.dtype == DType::f64 || (math().f64 && is_large_integer(a.dtype));
    }
    return wide ? kF64 : kF32;
  }

  Value operand(size_t i, Type type) const {
    const Number& a = args[i];
    if (type == kF32) return nearest_f32(a, out);
    return is_integer(a.dtype) ? math::int_to_float(a.re, type) : widen(a.re, type);
  }

  // Normal numbers are made of erf_inv of uniform ones above a bound that Nx means to be above -1.
  // A type that rounds this bound to -1 has its neighbour's value there, instead of an infinity.
  Value inside_of_one(Value x) const {
    const DType t = args[0].dtype;
    if (!is_real_float(t) || to_double(make_scalar(t, 1 - 0x1p-11)) < 1) return x;
    const double neighbour = to_double({t, make_scalar(t, 1.0).lo - 1, 0});
    const Value inside = math::copy_sign(like(x, neighbour), x);
    return b.select(b.unary(Opcode::abs, x) == 1, inside, x);
  }

  // Where the result is rounded to fewer bits than an f32 has, a few units of that do not matter.
  math::MathOptions steps() const {
    math::MathOptions options = math();
    options.leads_to_narrow = is_real_float(out) && bits(out) < 32;
    return options;
  }

  // Significant digits of the result where these are few, no operand has more, and the device's
  // arithmetic asks for the quotients and roots of such numbers; else 0.
  int narrow_digits() const {
    const int result = significant_digits(out);
    const bool fits = std::all_of(args.begin(), args.end(), [&](const Number& a) {
      return significant_digits(a.dtype) <= result;
    });
    return fits && result <= math::kNarrowDigits && math::uses_narrow_quotients(math()) ? result
                                                                                        : 0;
  }

  Value unary_float(Value x) {
    const math::MathOptions& m = math();
    switch (op) {
      case Op::abs:
        return math::abs(x);
      case Op::negate:
        return math::negate(x);
      case Op::sign:
        return math::sign(x);
      case Op::ceil:
        return math::ceil(x);
      case Op::floor:
        return math::floor(x);
      case Op::round: {
        // As in Nx, which goes through an integer, no result is -0.
        const Value rounded = math::round_half_away(x);
        return b.select(rounded == 0, b.unary(Opcode::abs, rounded), rounded);
      }
      case Op::real:
        return x;
      case Op::sqrt:
        return narrow_digits() > 0 ? math::narrow_sqrt(x, narrow_digits()) : math::sqrt(x, m);
      case Op::rsqrt:
        return narrow_digits() > 0 ? math::narrow_rsqrt(x, narrow_digits()) : math::rsqrt(x, m);
      case Op::cbrt:
        return math::cbrt(x, m);
      case Op::exp:
        return math::exp(x, steps());
      case Op::expm1:
        return math::expm1(x, m);
      case Op::log:
        // Where arithmetic flushes subnormal arguments, wider steps do not.
        return math::log(x, m.subnormals_preserved ? steps() : m);
      case Op::log1p:
        return math::log1p(x, m);
      case Op::sigmoid:
        return math::sigmoid(x, steps());
      case Op::sin:
        return math::sin(x, m);
      case Op::cos:
        return math::cos(x, m);
      case Op::tan:
        return math::tan(x, m);
      case Op::asin:
        return math::asin(x, m);
      case Op::acos:
        return math::acos(x, m);
      case Op::atan:
        return math::atan(x, m);
      case Op::sinh:
        return math::sinh(x, m);
      case Op::cosh:
        return math::cosh(x, m);
      case Op::tanh:
        return math::tanh(x, steps());
      case Op::asinh:
        return math::asinh(x, m);
      case Op::acosh:
        return math::acosh(x, m);
      case Op::atanh:
        return math::atanh(x, m);
      case Op::erf:
        return math::erf(x, steps());
      case Op::erfc:
        return math::erfc(x, m);
      case Op::erf_inv:
        return math::erf_inv(inside_of_one(x), m);
      default:
        refuse();
    }
  }

  Value binary_float(Value x, Value y) {
    const math::MathOptions& m = math();
    switch (op) {
      case Op::add:
        return x + y;
      case Op::subtract:
        return x - y;
      case Op::multiply:
        return x * y;
      case Op::divide:
        return narrow_digits() > 0 ? math::narrow_div(x, y, narrow_digits()) : math::div(x, y, m);
      case Op::remainder:
        return math::fmod(x, y, m);
      case Op::pow:
        return math::pow(x, y, m);
      case Op::atan2:
        return math::atan2(x, y, m);
      case Op::min:
        return math::min(x, y);
      case Op::max:
        return math::max(x, y);
      default:
        refuse();
    }
  }
};

}  // namespace

Value emit_floating(const Operation& operation) { return FloatOperation(operation).emit(); }

}  // namespace nxv::ir

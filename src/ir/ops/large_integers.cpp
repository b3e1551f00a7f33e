#include "ir/ops/large_integers.h"

#include "ir/math/cast.h"
#include "ir/math/whole.h"

namespace nxv::ir {
namespace {

using math::Argument;
using math::Rounding;
using math::Whole;

Rounding rounding_for(DType out) { return bits(out) < 32 ? Rounding::odd : Rounding::nearest; }

// Elsewhere a result is near its limit, or the argument is small against the function's growth.
Value unary(Op op, const Number& x, const math::MathOptions& options) {
  switch (op) {
    case Op::sqrt:
      return math::sqrt(argument_of(x), options);
    case Op::rsqrt:
      return math::rsqrt(argument_of(x), options);
    case Op::cbrt:
      return math::cbrt(argument_of(x), options);
    case Op::sin:
      return math::sin(Whole(x.re), options);
    case Op::cos:
      return math::cos(Whole(x.re), options);
    case Op::tan:
      return math::tan(Whole(x.re), options);
    default:
      return {};
  }
}

// One operand is a float: of integers the result is one.
Value sum(Op op, const Number& x, const Number& y, const math::MathOptions& options,
          Rounding rounding) {
  const bool subtracts = op == Op::subtract;
  if (is_large_integer(x.dtype)) {
    const Value v = nearest_f32(y, DType::f32);
    return math::add(subtracts ? -v : v, math::parts_of(Whole(x.re)), options, rounding);
  }
  const math::Parts n = math::parts_of(Whole(y.re));
  return math::add(nearest_f32(x, DType::f32), subtracts ? math::negated(n) : n, options, rounding);
}

Value remainder(const Number& x, const Number& y, const math::MathOptions& options,
                Rounding rounding) {
  if (is_large_integer(x.dtype)) {
    return math::fmod(Whole(x.re), nearest_f32(y, DType::f32), options, rounding);
  }
  return math::fmod(nearest_f32(x, DType::f32), Whole(y.re), options, rounding);
}

Value power(const Number& x, const Number& y, const math::MathOptions& options) {
  Value odd;
  if (is_large_integer(y.dtype)) {
    const Whole n(y.re);
    odd = (n.low & 1) != 0;
    if (n.exponent) odd = odd & (n.exponent == 0);
  }
  return math::pow(argument_of(x), argument_of(y), odd, options);
}

}  // namespace

Argument argument_of(const Number& x) {
  if (is_large_integer(x.dtype)) return math::argument_of(Whole(x.re));
  return {nearest_f32(x, DType::f32)};
}

Value nearest_f32(const Number& x, DType out) {
  if (!is_integer(x.dtype)) return widen(x.re, kF32);
  const bool odd = is_large_integer(x.dtype) && rounding_for(out) == Rounding::odd;
  return odd ? math::int_to_odd_f32(x.re) : math::int_to_float(x.re, kF32);
}

Value emit_of_integers(Op op, DType out, std::span<const Number> args,
                       const math::MathOptions& options) {
  if (args.size() == 1) return unary(op, args[0], options);
  if (args.size() != 2) return {};
  const Rounding rounding = rounding_for(out);
  switch (op) {
    case Op::add:
    case Op::subtract:
      return sum(op, args[0], args[1], options, rounding);
    case Op::multiply:
      return math::multiply(argument_of(args[0]), argument_of(args[1]), options, rounding);
    case Op::divide:
      return math::divide(argument_of(args[0]), argument_of(args[1]), options, rounding);
    case Op::remainder:
      return remainder(args[0], args[1], options, rounding);
    case Op::pow:
      return power(args[0], args[1], options);
    case Op::atan2:
      return math::atan2(argument_of(args[0]), argument_of(args[1]), options);
    default:
      return {};
  }
}

}  // namespace nxv::ir

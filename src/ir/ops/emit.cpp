#include "ir/ops/emit.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/scalar.h"
#include "ir/math/cast.h"
#include "ir/ops/compare.h"
#include "ir/ops/emit_complex.h"
#include "ir/ops/emit_integers.h"
#include "ir/ops/narrow.h"

namespace nxv::ir {
namespace {

class Emitter {
 public:
  Emitter(Op op, DType out, std::span<const Number> args, const EmitContext& context)
      : op_(op), out_(out), args_(args), context_(context), b_(args[0].re.builder()) {}

  Number run() {
    if (info(op_).type_rule == TypeRule::predicate) return predicate();
    if (op_ == Op::cast) return cast(args_[0], out_, math());
    if (op_ == Op::select) return select();
    if (op_ == Op::bitcast) return reinterpret();
    if (op_ == Op::bounded_index) return bounded_index();
    for (const Number& a : args_) {
      if (is_complex(a.dtype)) return emit_complex(op_, out_, args_, math());
    }
    if (is_complex(out_)) return emit_complex(op_, out_, args_, math());
    if (op_ == Op::imag) return {out_, b_.zero(compute_type(out_)), {}};
    return {out_, is_integer(out_) ? integer() : wrap(floating(), out_), {}};
  }

 private:
  const math::MathOptions& math() const { return context_.math; }

  [[noreturn]] void refuse() const {
    throw Error(Status::unsupported, std::string(name(op_)) + " is not defined for " +
                                         std::string(name(args_[0].dtype)));
  }

  // ---- Faults ----

  bool can_fault() const {
    std::array<DType, 3> operands = {};
    for (size_t i = 0; i < args_.size(); ++i) operands[i] = args_[i].dtype;
    return fault_of(op_, out_, operands) != Fault::none;
  }

  void fault_if(Value condition) const {
    if (!can_fault()) {
      throw Error(Status::internal, std::string(name(op_)) + " has no fault in the op table");
    }
    context_.fault(condition);
  }

  // ---- Predicates ----

  Number boolean(Value v) const { return {DType::u8, b_.convert(v, kU32), {}}; }

  Number predicate() {
    const Number& a = args_[0];
    switch (op_) {
      case Op::is_nan:
        return boolean(any_part(a, &math::is_nan));
      case Op::is_infinity:
        return boolean(any_part(a, &math::is_infinity));
      case Op::logical_not:
        return boolean(!is_truthy(a));
      case Op::logical_and:
        return boolean(is_truthy(a) & is_truthy(args_[1]));
      case Op::logical_or:
        return boolean(is_truthy(a) | is_truthy(args_[1]));
      case Op::logical_xor:
        return boolean(is_truthy(a) != is_truthy(args_[1]));
      default:
        return boolean(compare(op_, a, args_[1], math()));
    }
  }

  Value any_part(const Number& x, Value (*test)(Value)) const {
    if (is_integer(x.dtype)) return b_.boolean(false);
    return x.im ? test(x.re) | test(x.im) : test(x.re);
  }

  Number select() {
    const Value condition = is_truthy(args_[0]);
    const Number yes = cast(args_[1], out_, math()), no = cast(args_[2], out_, math());
    Number result{out_, b_.select(condition, yes.re, no.re), {}};
    if (is_complex(out_)) result.im = b_.select(condition, yes.im, no.im);
    return result;
  }

  // ---- Bits ----

  Number reinterpret() {
    const Number& x = args_[0];
    const bool wide = bits(out_) == 64;
    const bool narrow_float = is_real_float(x.dtype) && bits(x.dtype) < 32;
    const Value bits_of_x =
        narrow_float ? exact_bits(x.re, x.dtype) : b_.bitcast(x.re, wide ? kU64 : kU32);
    if (bits(out_) < 32) return {out_, decode(bits_of_x, out_), {}};
    return {out_, b_.bitcast(bits_of_x, compute_type(out_)), {}};
  }

  // Negative indices are huge as unsigned ones.
  Number bounded_index() {
    const Value index = args_[0].re;
    const Type type = bytes(index.type()) == 8 ? kU64 : kU32;
    const Value size = b_.bitcast(args_[1].re, kU32);
    const Value position = b_.bitcast(index, type);
    const Value outside = position >= b_.convert(size, type);
    fault_if(outside);
    const Value last = size - 1u;
    return {out_, b_.bitcast(b_.select(outside, last, b_.convert(position, kU32)), kS32), {}};
  }

  // ---- Integers ----

  Value integer() {
    const Value x = cast(args_[0], out_, math()).re;
    if (args_.size() == 1) return wrap(unary_integer(x), out_);
    if (op_ == Op::left_shift || op_ == Op::right_shift) return wrap(shift(x), out_);
    if (op_ == Op::pow) return wrap(power(x, args_[1].re), out_);
    if (op_ == Op::clip) {
      const Value low = cast(args_[1], out_, math()).re, high = cast(args_[2], out_, math()).re;
      return loses_values() ? clip_by_value(x, low, high) : clip(x, low, high);
    }
    const Value y = cast(args_[1], out_, math()).re;
    return loses_values() ? by_value(x, y) : wrap(binary_integer(x, y), out_);
  }

  // u64 beside a signed type: the result is s64, in which its large numbers are negative.
  bool loses_values() const {
    return out_ == DType::s64 && std::any_of(args_.begin(), args_.end(),
                                             [](const Number& a) { return a.dtype == DType::u64; });
  }

  // What depends on the operands' own values; all else is the same modulo 2^64.
  Value by_value(Value x, Value y) {
    switch (op_) {
      case Op::min:
        return b_.select(compare(Op::less, args_[1], args_[0], math()), y, x);
      case Op::max:
        return b_.select(compare(Op::greater, args_[1], args_[0], math()), y, x);
      case Op::quotient:
      case Op::remainder:
        return divide_by_value(x, y);
      default:
        return binary_integer(x, y);
    }
  }

  Value clip_by_value(Value x, Value low, Value high) {
    const Value above = compare(Op::greater, args_[0], args_[1], math());
    const Value below = b_.select(above, compare(Op::less, args_[0], args_[2], math()),
                                  compare(Op::less, args_[1], args_[2], math()));
    return b_.select(below, b_.select(above, x, low), high);
  }

  // Of magnitudes, which u64 holds.
  Value divide_by_value(Value x, Value y) {
    const auto is_negative = [&](size_t i, Value v) {
      return is_unsigned(args_[i].dtype) ? b_.boolean(false) : v < 0;
    };
    const Value zero = y == 0;
    fault_if(zero);
    const Value x_negative = is_negative(0, x), y_negative = is_negative(1, y);
    const Value a = b_.bitcast(b_.select(x_negative, -x, x), kU64);
    const Value b = b_.bitcast(b_.select(y_negative, -y, y), kU64);
    const Value q = a / b_.select(zero, like(b, 1), b);
    const bool divides = op_ == Op::quotient;
    const Value magnitude = b_.bitcast(divides ? q : a - q * b, kS64);
    const Value negative = divides ? x_negative != y_negative : x_negative;
    return b_.select(negative, -magnitude, magnitude);
  }

  Value unary_integer(Value x) {
    const bool is_signed_type = is_signed(x.type());
    const int width = bits(out_);
    switch (op_) {
      case Op::abs:
        return is_signed_type ? b_.select(x < 0, -x, x) : x;
      case Op::negate:
        return -x;
      case Op::sign: {
        const Value positive = b_.convert(x > 0, x.type());
        return is_signed_type ? positive - b_.convert(x < 0, x.type()) : positive;
      }
      case Op::ceil:
      case Op::floor:
      case Op::round:
      case Op::real:
        return x;
      case Op::bitwise_not:
        return ~x;
      case Op::population_count:
        return b_.convert(b_.unary(Opcode::popcount, own_bits(x)), x.type());
      case Op::count_leading_zeros: {
        const Value zeros = b_.unary(Opcode::clz, own_bits(x));
        return b_.convert(width < 32 ? zeros - (32 - width) : zeros, x.type());
      }
      default:
        refuse();
    }
  }

  // The type's own bits, without the extension to 32.
  Value own_bits(Value x) {
    const Value u = b_.bitcast(x, bytes(x.type()) == 8 ? kU64 : kU32);
    return bits(out_) < 32 ? u & ((1u << bits(out_)) - 1) : u;
  }

  Value binary_integer(Value x, Value y) {
    switch (op_) {
      case Op::add:
        return x + y;
      case Op::subtract:
        return x - y;
      case Op::multiply:
        return x * y;
      case Op::quotient:
        return quotient(x, y);
      case Op::remainder:
        return x - quotient(x, y) * y;
      case Op::min:
        return b_.binary(Opcode::min, x, y);
      case Op::max:
        return b_.binary(Opcode::max, x, y);
      case Op::bitwise_and:
        return x & y;
      case Op::bitwise_or:
        return x | y;
      case Op::bitwise_xor:
        return x ^ y;
      default:
        refuse();
    }
  }

  // Truncates; the smallest number divided by -1 wraps. A zero divisor is a fault.
  Value quotient(Value x, Value y) {
    const Value zero = y == 0;
    fault_if(zero);
    const Value one = like(y, 1);
    if (!is_signed(x.type())) return x / b_.select(zero, one, y);
    const Value minus_one = y == -1;
    return b_.select(minus_one, -x, x / b_.select(zero | minus_one, one, y));
  }

  // By squaring, modulo the width, without a loop. A negative exponent is a fault.
  Value power(Value base, Value exponent) {
    if (can_fault()) fault_if(exponent < 0);
    const int steps = bits(args_[1].dtype) - (is_signed_int(args_[1].dtype) ? 1 : 0);
    const Value one = like(base, 1);
    Value result = one, square = base;
    for (int i = 0; i < steps; ++i) {
      const Value set = b_.convert((exponent >> i) & 1, kU32) != 0u;
      result = result * b_.select(set, square, one);
      if (i + 1 < steps) square = square * square;
    }
    return result;
  }

  // Amounts at or above the width shift everything out. A negative amount is a fault.
  Value shift(Value x) {
    const Value amount = args_[1].re;
    if (can_fault()) fault_if(amount < 0);
    const int width = bits(out_);
    const Value too_far = b_.bitcast(amount, bytes(amount.type()) == 8 ? kU64 : kU32) >= width;
    const Value by = b_.convert(b_.select(too_far, like(amount, width - 1), amount), kU32);
    // An unsigned operand shifts in zeros, whatever type the result has.
    const Type own = compute_type(args_[0].dtype);
    if (op_ == Op::right_shift && !is_signed(own) && is_signed(x.type())) {
      x = b_.bitcast(b_.bitcast(x, bytes(x.type()) == 8 ? kU64 : kU32) >> by, x.type());
    } else {
      x = op_ == Op::left_shift ? x << by : x >> by;
    }
    // An arithmetic shift by width - 1 already leaves the sign everywhere.
    if (op_ == Op::right_shift && is_signed(own)) return x;
    const Value shifted = x;
    return b_.select(too_far, like(x, 0), shifted);
  }

  // ---- Floats ----

  // What an operation is computed in: f64 where an operand needs it.
  Type operation_type() const {
    bool wide = out_ == DType::f64;
    for (const Number& a : args_) {
      wide |= a.dtype == DType::f64 || (math().f64 && is_large_integer(a.dtype));
    }
    return wide ? kF64 : kF32;
  }

  Value operand(size_t i, Type type) const {
    const Number& a = args_[i];
    if (type == kF32) return nearest_f32(a, out_);
    return is_integer(a.dtype) ? math::int_to_float(a.re, type) : widen(a.re, type);
  }

  Value floating() {
    const Type type = operation_type();
    const bool beyond_f32 = std::any_of(args_.begin(), args_.end(),
                                        [](const Number& a) { return is_large_integer(a.dtype); });
    if (type == kF32 && beyond_f32) {
      if (const Value v = emit_of_integers(op_, out_, args_, math())) return v;
    }
    const Value x = operand(0, type);
    if (args_.size() == 1) return unary_float(x);
    const Value y = operand(1, type);
    if (args_.size() == 3) return clip(x, y, operand(2, type));
    return binary_float(x, y);
  }

  // Normal numbers are made of erf_inv of uniform ones above a bound that Nx means to be above -1.
  // A type that rounds this bound to -1 has its neighbour's value there, instead of an infinity.
  Value inside_of_one(Value x) const {
    const DType t = args_[0].dtype;
    if (!is_real_float(t) || to_double(make_scalar(t, 1 - 0x1p-11)) < 1) return x;
    const double neighbour = to_double({t, make_scalar(t, 1.0).lo - 1, 0});
    const Value inside = math::copy_sign(like(x, neighbour), x);
    return b_.select(b_.unary(Opcode::abs, x) == 1, inside, x);
  }

  Value unary_float(Value x) {
    const math::MathOptions& m = math();
    switch (op_) {
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
        return b_.select(rounded == 0, b_.unary(Opcode::abs, rounded), rounded);
      }
      case Op::real:
        return x;
      case Op::sqrt:
        return math::sqrt(x, m);
      case Op::rsqrt:
        return math::rsqrt(x, m);
      case Op::cbrt:
        return math::cbrt(x, m);
      case Op::exp:
        return math::exp(x, m);
      case Op::expm1:
        return math::expm1(x, m);
      case Op::log:
        return math::log(x, m);
      case Op::log1p:
        return math::log1p(x, m);
      case Op::sigmoid:
        return math::sigmoid(x, m);
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
        return math::tanh(x, m);
      case Op::asinh:
        return math::asinh(x, m);
      case Op::acosh:
        return math::acosh(x, m);
      case Op::atanh:
        return math::atanh(x, m);
      case Op::erf:
        return math::erf(x, m);
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
    switch (op_) {
      case Op::add:
        return x + y;
      case Op::subtract:
        return x - y;
      case Op::multiply:
        return x * y;
      case Op::divide:
        return math::div(x, y, m);
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

  // The upper bound wins over a larger lower one. NaN wins, as it does in min and max.
  Value clip(Value x, Value low, Value high) {
    const Value raised = b_.select(x > low, x, low);
    const Value clipped = b_.select(raised < high, raised, high);
    if (!is_float(x.type())) return clipped;
    return b_.select(x != x, x, b_.select(low != low, low, clipped));
  }

  const Op op_;
  const DType out_;
  const std::span<const Number> args_;
  const EmitContext& context_;
  Builder& b_;
};

}  // namespace

Number emit(Op op, DType out, std::span<const Number> args, const EmitContext& context) {
  return Emitter(op, out, args, context).run();
}

}  // namespace nxv::ir

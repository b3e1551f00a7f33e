#include "ir/ops/emit_integer.h"

#include <algorithm>

#include "ir/math/cast.h"
#include "ir/ops/compare.h"

namespace nxv::ir {
namespace {

class IntegerOperation : Operation {
 public:
  explicit IntegerOperation(const Operation& operation) : Operation(operation) {}

  Value emit() {
    const Value x = cast(args[0], out, math()).re;
    if (args.size() == 1) return wrap(unary_integer(x), out);
    if (op == Op::left_shift || op == Op::right_shift) return wrap(shift(x), out);
    if (op == Op::pow) return wrap(power(x, args[1].re), out);
    if (op == Op::clip) {
      const Value low = cast(args[1], out, math()).re, high = cast(args[2], out, math()).re;
      return loses_values() ? clip_by_value(x, low, high) : clip(x, low, high);
    }
    const Value y = cast(args[1], out, math()).re;
    return loses_values() ? by_value(x, y) : wrap(binary_integer(x, y), out);
  }

 private:
  // u64 beside a signed type: the result is s64, in which its large numbers are negative.
  bool loses_values() const {
    return out == DType::s64 && std::any_of(args.begin(), args.end(),
                                            [](const Number& a) { return a.dtype == DType::u64; });
  }

  // What depends on the operands' own values; all else is the same modulo 2^64.
  Value by_value(Value x, Value y) {
    switch (op) {
      case Op::min:
        return b.select(compare(Op::less, args[1], args[0], math()), y, x);
      case Op::max:
        return b.select(compare(Op::greater, args[1], args[0], math()), y, x);
      case Op::quotient:
      case Op::remainder:
        return divide_by_value(x, y);
      default:
        return binary_integer(x, y);
    }
  }

  Value clip_by_value(Value x, Value low, Value high) {
    const Value above = compare(Op::greater, args[0], args[1], math());
    const Value below = b.select(above, compare(Op::less, args[0], args[2], math()),
                                 compare(Op::less, args[1], args[2], math()));
    return b.select(below, b.select(above, x, low), high);
  }

  // Of magnitudes, which u64 holds.
  Value divide_by_value(Value x, Value y) {
    const auto is_negative = [&](size_t i, Value v) {
      return is_unsigned(args[i].dtype) ? b.boolean(false) : v < 0;
    };
    const Value zero = y == 0;
    fault_if(zero);
    const Value x_negative = is_negative(0, x), y_negative = is_negative(1, y);
    const Value dividend = b.bitcast(b.select(x_negative, -x, x), kU64);
    const Value divisor = b.bitcast(b.select(y_negative, -y, y), kU64);
    const Value q = dividend / b.select(zero, like(divisor, 1), divisor);
    const bool divides = op == Op::quotient;
    const Value magnitude = b.bitcast(divides ? q : dividend - q * divisor, kS64);
    const Value negative = divides ? x_negative != y_negative : x_negative;
    return b.select(negative, -magnitude, magnitude);
  }

  Value unary_integer(Value x) {
    const bool is_signed_type = is_signed(x.type());
    const int width = bits(out);
    switch (op) {
      case Op::abs:
        return is_signed_type ? b.select(x < 0, -x, x) : x;
      case Op::negate:
        return -x;
      case Op::sign: {
        const Value positive = b.convert(x > 0, x.type());
        return is_signed_type ? positive - b.convert(x < 0, x.type()) : positive;
      }
      case Op::ceil:
      case Op::floor:
      case Op::round:
      case Op::real:
        return x;
      case Op::bitwise_not:
        return ~x;
      case Op::population_count:
        return b.convert(b.unary(Opcode::popcount, own_bits(x)), x.type());
      case Op::count_leading_zeros: {
        const Value zeros = b.unary(Opcode::clz, own_bits(x));
        return b.convert(width < 32 ? zeros - (32 - width) : zeros, x.type());
      }
      default:
        refuse();
    }
  }

  // The type's own bits, without the extension to 32.
  Value own_bits(Value x) {
    const Value u = b.bitcast(x, bytes(x.type()) == 8 ? kU64 : kU32);
    return bits(out) < 32 ? u & ((1u << bits(out)) - 1) : u;
  }

  Value binary_integer(Value x, Value y) {
    switch (op) {
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
        return b.binary(Opcode::min, x, y);
      case Op::max:
        return b.binary(Opcode::max, x, y);
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
    if (!is_signed(x.type())) return x / b.select(zero, one, y);
    const Value minus_one = y == -1;
    return b.select(minus_one, -x, x / b.select(zero | minus_one, one, y));
  }

  // By squaring, modulo the width, without a loop. A negative exponent is a fault.
  Value power(Value base, Value exponent) {
    if (can_fault()) fault_if(exponent < 0);
    const int steps = bits(args[1].dtype) - (is_signed_int(args[1].dtype) ? 1 : 0);
    const Value one = like(base, 1);
    Value result = one, square = base;
    for (int i = 0; i < steps; ++i) {
      const Value set = b.convert((exponent >> i) & 1, kU32) != 0u;
      result = result * b.select(set, square, one);
      if (i + 1 < steps) square = square * square;
    }
    return result;
  }

  // Amounts at or above the width shift everything out. A negative amount is a fault.
  Value shift(Value x) {
    const Value amount = args[1].re;
    if (can_fault()) fault_if(amount < 0);
    const int width = bits(out);
    const Value too_far = b.bitcast(amount, bytes(amount.type()) == 8 ? kU64 : kU32) >= width;
    const Value by = b.convert(b.select(too_far, like(amount, width - 1), amount), kU32);
    // An unsigned operand shifts in zeros, whatever type the result has.
    const Type own = compute_type(args[0].dtype);
    if (op == Op::right_shift && !is_signed(own) && is_signed(x.type())) {
      x = b.bitcast(b.bitcast(x, bytes(x.type()) == 8 ? kU64 : kU32) >> by, x.type());
    } else {
      x = op == Op::left_shift ? x << by : x >> by;
    }
    // An arithmetic shift by width - 1 already leaves the sign everywhere.
    if (op == Op::right_shift && is_signed(own)) return x;
    const Value shifted = x;
    return b.select(too_far, like(x, 0), shifted);
  }
};

}  // namespace

Value emit_integer(const Operation& operation) { return IntegerOperation(operation).emit(); }

}  // namespace nxv::ir

#include "ir/ops/compare.h"

#include <cmath>

#include "base/error.h"
#include "ir/math/cast.h"

namespace nxv::ir {
namespace {

// What each comparison is made of.
struct Order {
  Value less, equal, greater;
};

Value answer(Op op, const Order& o) {
  switch (op) {
    case Op::equal:
      return o.equal;
    case Op::not_equal:
      return !o.equal;
    case Op::less:
      return o.less;
    case Op::less_equal:
      return o.less | o.equal;
    case Op::greater:
      return o.greater;
    case Op::greater_equal:
      return o.greater | o.equal;
    default:
      throw Error(Status::internal, "not a comparison: " + std::string(name(op)));
  }
}

Opcode opcode(Op op) {
  switch (op) {
    case Op::equal:
      return Opcode::eq;
    case Op::not_equal:
      return Opcode::ne;
    case Op::less:
      return Opcode::lt;
    case Op::less_equal:
      return Opcode::le;
    case Op::greater:
      return Opcode::gt;
    default:
      return Opcode::ge;
  }
}

Order swapped(const Order& o) { return {o.greater, o.equal, o.less}; }

// s against u, where neither type holds the other's values.
Order signed_unsigned(Value s, Value u) {
  Builder& b = s.builder();
  const Value negative = s < 0;
  const Value as_unsigned = b.convert(s, u.type());
  const Value positive = !negative;
  return {negative | (as_unsigned < u), positive & (as_unsigned == u),
          positive & (as_unsigned > u)};
}

Order integers(Value a, Value b) {
  Builder& builder = a.builder();
  const bool wide = bytes(a.type()) == 8 || bytes(b.type()) == 8;
  if (is_signed(a.type()) == is_signed(b.type())) {
    const Type type = is_signed(a.type()) ? (wide ? kS64 : kS32) : (wide ? kU64 : kU32);
    const Value x = builder.convert(a, type), y = builder.convert(b, type);
    return {x<y, x == y, x> y};
  }
  const Type u = wide ? kU64 : kU32, s = wide ? kS64 : kS32;
  if (is_signed(a.type())) return signed_unsigned(builder.convert(a, s), builder.convert(b, u));
  return swapped(signed_unsigned(builder.convert(b, s), builder.convert(a, u)));
}

// An integer against a float: by the float's integer part, then by its fraction.
Order integer_float(Value i, Value f) {
  Builder& b = i.builder();
  const bool wide = bytes(i.type()) == 8;
  const double top = std::ldexp(1.0, (wide ? 64 : 32) - (is_signed(i.type()) ? 1 : 0));
  const Value above = f >= top;
  const Value below = is_signed(i.type()) ? f < -top : f <= -1.0;
  const Value inside = (f == f) & !(above | below);
  const Value whole = math::trunc(b.select(inside, f, like(f, 1.0)));
  const Value part = b.convert(whole, i.type());
  const Value same = i == part;
  return {above | (inside & ((i < part) | (same & (whole < f)))), inside & same & (whole == f),
          below | (inside & ((i > part) | (same & (whole > f))))};
}

}  // namespace

Value compare(Op op, const Number& a, const Number& b, const math::MathOptions& options) {
  Builder& builder = a.re.builder();
  if (is_complex(a.dtype) || is_complex(b.dtype)) {
    const auto real = [](const Number& n) { return Number{to_real(n.dtype), n.re, {}}; };
    const auto imaginary = [](const Number& n) { return Number{to_real(n.dtype), n.im, {}}; };
    Value equal = compare(Op::equal, real(a), real(b), options);
    if (a.im && b.im) {
      equal = equal & compare(Op::equal, imaginary(a), imaginary(b), options);
    } else {
      equal = equal & ((a.im ? a.im : b.im) == 0);
    }
    return answer(op, {{}, equal, {}});
  }
  const bool a_int = is_integer(a.dtype), b_int = is_integer(b.dtype);
  if (!a_int && !b_int) {
    const bool wide = a.dtype == DType::f64 || b.dtype == DType::f64;
    const Type type = wide ? kF64 : kF32;
    return builder.compare(opcode(op), widen(a.re, type), widen(b.re, type));
  }
  if (a_int && b_int) {
    if (a.re.type() == b.re.type()) return builder.compare(opcode(op), a.re, b.re);
    return answer(op, integers(a.re, b.re));
  }
  if (a_int) return answer(op, integer_float(a.re, b.re));
  return answer(op, swapped(integer_float(b.re, a.re)));
}

}  // namespace nxv::ir

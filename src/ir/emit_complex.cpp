#include "ir/emit_complex.h"

#include "base/error.h"

namespace nxv::ir {
namespace {

Number multiply(const Number& x, const Number& y) {
  return {x.dtype, x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
}

}  // namespace

Number emit_complex(Op op, DType out, std::span<const Number> args,
                    const math::MathOptions& options) {
  const Number& a = args[0];
  switch (op) {
    case Op::real:
      return {out, a.re, {}};
    case Op::imag:
      return {out, a.im, {}};
    default:
      break;
  }
  const Number x = cast(a, out, options);
  switch (op) {
    case Op::conjugate: {
      if (is_complex(a.dtype)) return {out, x.re, -x.im};
      // A finite real number gets -0.0, any other real number 0.0, as Nx has it.
      Builder& b = x.re.builder();
      const Value finite = !(math::is_nan(x.re) | math::is_infinity(x.re));
      return {out, x.re, b.select(finite, -x.im, x.im)};
    }
    case Op::negate:
      return {out, -x.re, -x.im};
    case Op::add:
    case Op::subtract:
    case Op::multiply: {
      const Number y = cast(args[1], out, options);
      if (op == Op::multiply) return multiply(x, y);
      if (op == Op::add) return {out, x.re + y.re, x.im + y.im};
      return {out, x.re - y.re, x.im - y.im};
    }
    default:
      break;
  }
  throw Error(Status::unsupported,
              std::string(name(op)) + " of " + std::string(name(a.dtype)) + " is not available");
}

}  // namespace nxv::ir

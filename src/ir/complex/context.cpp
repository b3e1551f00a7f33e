#include "ir/complex/complex.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

math::MathOptions options_for(Type part, math::MathOptions options) {
  options.f64_leads_to_f32 = part == kF32 && options.f64;
  return options;
}

}  // namespace

Context::Context(Builder& builder, Type argument_part, const math::MathOptions& math_options)
    : b(builder),
      part(argument_part),
      options(options_for(argument_part, math_options)),
      arithmetic(argument_part, options),
      base(arithmetic.base()) {}

Value Context::nan() const { return math::nan(b, base); }

Value Context::infinity() const { return math::infinity(b, base); }

Value Context::is_finite(Value x) const { return b.unary(Opcode::abs, x) < infinity(); }

Complex Context::select(Value condition, const Complex& yes, const Complex& no) const {
  return {b.select(condition, yes.re, no.re), b.select(condition, yes.im, no.im)};
}

// The part's own type has the shorter reduction.
math::SinCos Context::sin_cos(Value argument) const {
  return math::sin_cos_kernel(b.convert(argument, part), {}, arithmetic);
}

}  // namespace nxv::ir::complex

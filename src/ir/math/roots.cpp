// sqrt, rsqrt, cbrt.
#include "ir/math/bits.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

// floor(sqrt(significand * 2^(23 or 24))) in integers from a native root that is off by a unit or
// two, then rounded to nearest; ties do not occur.
Value sqrt_by_integers(Value x) {
  Builder& b = x.builder();
  const Value bits = b.bitcast(x, kU32);
  const Value zeros = b.unary(Opcode::clz, bits);
  const Value subnormal = zeros > 8;
  const Value shift = b.select(subnormal, zeros - 8, b.u32(0));
  const Value exponent = b.select(subnormal, b.u32(1) - shift, bits >> 23);  // may wrap below 0
  const Value significand = b.select(subnormal, bits << shift, (bits & 0x7fffff) | 0x800000);
  // x = s * 2^(2 h - 150 + ...) with an even exponent.
  const Value odd = exponent & 1;                   // biased by 127: odd means an even power of two
  const Value s = significand << (b.u32(1) - odd);  // < 2^25
  const Value approximate = b.unary(Opcode::sqrt, b.convert(s, kF32) * 0x1p23);
  Value root = b.convert(approximate, kU32);  // about sqrt(s 2^23), 24 bits
  const Value target = s << 23;               // modulo 2^32, as are all products below
  for (int i = 0; i < 2; ++i) {
    const Value rest = b.bitcast(target - root * root, kS32);
    const Value low = rest<0, high = rest> b.bitcast(root << 1, kS32);
    root = root + b.convert(high, kU32) - b.convert(low, kU32);
  }
  const Value rest = b.bitcast(target - root * root, kS32);
  root = root + b.convert(rest > b.bitcast(root, kS32), kU32);
  const Value half_exponent =
      b.bitcast(b.bitcast(exponent + 127 - (b.u32(1) - odd), kS32) >> 1, kU32);
  const Value result = b.bitcast((half_exponent << 23) + (root - 0x800000), kF32);
  const Value special = !((x > 0) & (x < infinity(b, kF32)));
  return b.select(special, b.select((x == 0) | (x > 0), x, nan(b, kF32)), result);
}

}  // namespace

Value sqrt(const Argument& x, const MathOptions& options) {
  Builder& b = x.value.builder();
  const Value root = sqrt(Extended{Arithmetic(x.value.type(), options), x.value, x.rest}).value();
  return b.select(x.value < 0, nan(b, x.value.type()), root);
}

Value sqrt(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  if (is_f64(x.type()) || options.exact_f32_div_sqrt) {
    // The instruction is undefined below zero.
    return b.select(x < 0, nan(b, x.type()), b.unary(Opcode::sqrt, x));
  }
  if (!options.f64) return sqrt_by_integers(x);
  const Value root = b.convert(b.unary(Opcode::sqrt, b.convert(x, kF64)), kF32);
  return b.select(x < 0, nan(b, kF32), root);
}

Value rsqrt(Value x, const MathOptions& options) { return rsqrt(Argument{x}, options); }

Value rsqrt(const Argument& argument, const MathOptions& options) {
  const Value x = argument.value;
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  Extended wide = rounded({arithmetic, widen(x, arithmetic), argument.rest});
  Value power = like(wide.hi, 1);
  if (wide.arithmetic.is_pair() && !argument.rest.exists()) {
    // Away from the ends of the range, by an even power of two.
    const Value small = x<0x1p-60, large = x> 0x1p60;
    wide.hi = b.select(small, x * 0x1p100, b.select(large, x * 0x1p-60, x));
    power = b.select(small, like(x, 0x1p50), b.select(large, like(x, 0x1p-30), power));
  }
  const Extended inverse = constant(b, wide.arithmetic, 1) / sqrt(wide);
  const Value result = narrow(inverse.value() * power, t);
  const Value inf = infinity(b, t);
  const Value positive = b.select(x < inf, result, b.number(t, 0));
  return b.select(x > 0, positive, b.select(x == 0, copy_sign(inf, x), nan(b, t)));
}

// A third of the exponent by integer division, two steps of Halley's iteration (5, 16, 48 bits or
// all of the base type), one of Newton's in extended precision.
Value cbrt(Value x, const MathOptions& options) { return cbrt(Argument{x}, options); }

Value cbrt(const Argument& argument, const MathOptions& options) {
  const Value x = argument.value;
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Type base = arithmetic.base();
  const Argument magnitude = abs(argument);
  Value a = widen(magnitude.value, arithmetic);
  Value power = like(a, 1);
  if (arithmetic.is_pair() && !magnitude.rest.exists()) {
    // Away from the ends of the range, by a power of eight.
    const Value small = a<0x1p-30, large = a> 0x1p60;
    const Value one = power;
    power = b.select(small, like(x, is_f64(t) ? 0x1p-300 : 0x1p-32),
                     b.select(large, like(x, is_f64(t) ? 0x1p200 : 0x1p20), one));
    a = a * b.select(small, like(x, is_f64(t) ? 0x1p900 : 0x1p96),
                     b.select(large, like(x, is_f64(t) ? 0x1p-600 : 0x1p-60), one));
  }
  const Value third = top_word(a) / 3 + (is_f64(base) ? 0x2a9f7893u : 0x2a5119f2u);
  Value root = is_f64(base) ? f64_from_words(b.u32(0), third) : b.bitcast(third, kF32);
  for (int i = 0; i < 2; ++i) {
    const Value cube = root * root * root;
    root = root - root * ((cube - a) / (cube + cube + a));
  }
  if (arithmetic.is_pair()) {
    const Extended single{arithmetic, root};
    const Extended cube = two_product(arithmetic, root, root) * single;
    Value rest = (a - cube.hi) - cube.lo;
    if (magnitude.rest) rest = rest + magnitude.rest;
    root = root + rest / (root * root * 3);
  }
  const Value result = copy_sign(narrow(root * power, t), x);
  const Value finite = b.unary(Opcode::abs, x) < infinity(b, t);
  return b.select(finite & (x != 0), result, x);
}

}  // namespace nxv::ir::math

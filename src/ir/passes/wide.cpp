#include "ir/passes/wide.h"

#include <bit>

#include "ir/math/math.h"

namespace nxv::ir {
namespace {

Type u32_like(Value v) { return {Scalar::u32, v.type().lanes}; }
Type s32_like(Value v) { return {Scalar::s32, v.type().lanes}; }

Value to_u32(Value boolean) { return boolean.builder().convert(boolean, u32_like(boolean)); }

// All ones where the top bit is set, else 0.
Value sign_mask(Value half) {
  Builder& b = half.builder();
  return b.bitcast(b.bitcast(half, s32_like(half)) >> 31, u32_like(half));
}
Value is_negative(Wide x) { return x.high >= 0x80000000u; }

Value shr32(Value half, Value amount, bool is_signed) {
  if (!is_signed) return half >> amount;
  Builder& b = half.builder();
  return b.bitcast(b.bitcast(half, s32_like(half)) >> amount, u32_like(half));
}

// Gives a shift amount the lanes of v.
Value spread(Value amount, Value v) {
  if (amount.type().lanes == v.type().lanes) return amount;
  const std::array<Value, 4> lanes{amount, amount, amount, amount};
  return amount.builder().pack(std::span(lanes.data(), v.type().lanes));
}

Wide negate_if(Value condition, Wide x) { return wide_select(condition, wide_neg(x), x); }

struct Division {
  Wide quotient, remainder;
};

// Scalar long division, one bit a step; operands that fit into 32 bits take one instruction. The
// rest is below 2^63 before every step, so shifting it loses nothing.
Division divide_unsigned(Wide x, Wide y) {
  Builder& b = x.low.builder();
  const Var quotient_low = b.var(x.low);
  const Var quotient_high = b.var(x.high);
  const Var rest_low = b.var(b.u32(0));
  const Var rest_high = b.var(b.u32(0));
  b.if_((x.high | y.high) == 0,
        [&] {
          quotient_low.set(x.low / y.low);
          rest_low.set(x.low % y.low);
        },
        [&] {
          b.for_range(b.u32(0), b.u32(64), b.u32(1), [&](Value) {
            const Wide rest{(rest_low.get() << 1) | (quotient_high.get() >> 31),
                            (rest_high.get() << 1) | (rest_low.get() >> 31)};
            const Value fits = !wide_lt(rest, y, false);
            const Wide next = wide_select(fits, wide_sub(rest, y), rest);
            quotient_high.set((quotient_high.get() << 1) | (quotient_low.get() >> 31));
            quotient_low.set((quotient_low.get() << 1) | to_u32(fits));
            rest_low.set(next.low);
            rest_high.set(next.high);
          });
        });
  return {{quotient_low.get(), quotient_high.get()}, {rest_low.get(), rest_high.get()}};
}

Division divide_scalar(Wide x, Wide y, bool is_signed) {
  if (!is_signed) return divide_unsigned(x, y);
  const Division d = divide_unsigned(wide_abs(x), wide_abs(y));
  return {negate_if((x.high ^ y.high) >= 0x80000000u, d.quotient),
          negate_if(is_negative(x), d.remainder)};
}

Division divide(Wide x, Wide y, bool is_signed) {
  const int lanes = x.low.type().lanes;
  if (lanes == 1) return divide_scalar(x, y, is_signed);
  Builder& b = x.low.builder();
  std::array<std::array<Value, 4>, 4> parts;
  for (int i = 0; i < lanes; ++i) {
    const Division d = divide_scalar({b.extract(x.low, i), b.extract(x.high, i)},
                                     {b.extract(y.low, i), b.extract(y.high, i)}, is_signed);
    const auto lane = static_cast<size_t>(i);
    parts[0][lane] = d.quotient.low;
    parts[1][lane] = d.quotient.high;
    parts[2][lane] = d.remainder.low;
    parts[3][lane] = d.remainder.high;
  }
  const auto packed = [&](size_t part) {
    return b.pack(std::span(parts[part].data(), static_cast<size_t>(lanes)));
  };
  return {{packed(0), packed(1)}, {packed(2), packed(3)}};
}

// The nearest f32: 24 leading bits rounded to even, then an exact scaling.
Value unsigned_to_f32(Wide x) {
  Builder& b = x.low.builder();
  const Value leading = b.binary(Opcode::min, wide_clz(x), like(x.low, 63));
  const Wide top = wide_shl(x, leading);
  const Value kept = top.high >> 8;
  const Value sticky = to_u32(top.low != 0);
  const Value dropped = ((top.high & 0xff) << 1) | sticky;
  const Value odd = kept & 1;
  const Value rounded = kept + to_u32((dropped | odd) > 0x100u);
  const Type f32{Scalar::f32, x.low.type().lanes};
  const Value scale = b.bitcast((like(x.low, 127 + 40) - leading) << 23, f32);
  return b.convert(rounded, f32) * scale;
}

// One rounding: both halves and the product are exact.
Value to_f64(Wide x, bool is_signed) {
  Builder& b = x.low.builder();
  const Type f64{Scalar::f64, x.low.type().lanes};
  const Value high = is_signed ? b.bitcast(x.high, s32_like(x.high)) : x.high;
  return b.convert(high, f64) * 0x1p32 + b.convert(x.low, f64);
}

// Every step is exact.
Wide from_positive_float(Value x) {
  Builder& b = x.builder();
  const Value whole = math::trunc(x), high = math::trunc(whole * 0x1p-32);
  return {b.convert(whole - high * 0x1p32, u32_like(x)), b.convert(high, u32_like(x))};
}

}  // namespace

Wide wide_constant(Builder& b, uint64_t value, int lanes) {
  const Type t = vec(kU32, lanes);
  return {b.constant(t, value & 0xffffffff), b.constant(t, value >> 32)};
}

Wide wide_add(Wide x, Wide y) {
  const Value low = x.low + y.low;
  return {low, x.high + y.high + to_u32(low < x.low)};
}

Wide wide_sub(Wide x, Wide y) { return {x.low - y.low, x.high - y.high - to_u32(x.low < y.low)}; }

// -x = ~x + 1, which carries into the high half only when the low half is 0.
Wide wide_neg(Wide x) { return {-x.low, ~x.high + to_u32(x.low == 0)}; }

Wide wide_abs(Wide x) {
  const Value mask = sign_mask(x.high);
  return wide_sub({x.low ^ mask, x.high ^ mask}, {mask, mask});
}

Wide wide_mul(Wide x, Wide y) {
  Builder& b = x.low.builder();
  const Value high = b.binary(Opcode::mul_hi, x.low, y.low) + x.low * y.high + x.high * y.low;
  return {x.low * y.low, high};
}

Wide wide_div(Wide x, Wide y, bool is_signed) { return divide(x, y, is_signed).quotient; }
Wide wide_rem(Wide x, Wide y, bool is_signed) { return divide(x, y, is_signed).remainder; }

// Shifts by less than 32 move n bits between the halves: a shift by 1 and one by 31 - n, both
// below the width also when n is 0. Larger shifts move a whole half.
Wide wide_shl(Wide x, Value amount) {
  Builder& b = x.low.builder();
  amount = spread(amount, x.low);
  const Value n = amount & 31;
  const Value low = x.low << n;
  const Value high = (x.high << n) | ((x.low >> 1) >> (n ^ like(n, 31)));
  const Value whole = amount >= 32;
  return {b.select(whole, like(low, 0), low), b.select(whole, low, high)};
}

Wide wide_shr(Wide x, Value amount, bool is_signed) {
  Builder& b = x.low.builder();
  amount = spread(amount, x.low);
  const Value n = amount & 31;
  const Value high = shr32(x.high, n, is_signed);
  const Value low = (x.low >> n) | ((x.high << 1) << (n ^ like(n, 31)));
  const Value whole = amount >= 32;
  const Value filling = is_signed ? sign_mask(x.high) : like(x.high, 0);
  return {b.select(whole, high, low), b.select(whole, filling, high)};
}

Value wide_clz(Wide x) {
  Builder& b = x.low.builder();
  return b.select(x.high == 0, b.unary(Opcode::clz, x.low) + 32, b.unary(Opcode::clz, x.high));
}

Value wide_eq(Wide x, Wide y) { return (x.low == y.low) & (x.high == y.high); }

Value wide_lt(Wide x, Wide y, bool is_signed) {
  Builder& b = x.low.builder();
  const Value high = is_signed
                         ? b.bitcast(x.high, s32_like(x.high)) < b.bitcast(y.high, s32_like(y.high))
                         : x.high < y.high;
  return high | ((x.high == y.high) & (x.low < y.low));
}

Wide wide_select(Value condition, Wide when_true, Wide when_false) {
  Builder& b = condition.builder();
  return {b.select(condition, when_true.low, when_false.low),
          b.select(condition, when_true.high, when_false.high)};
}

Wide wide_from_32(Value x) {
  Builder& b = x.builder();
  if (x.type().scalar == Scalar::u32) return {x, like(x, 0)};
  return {b.bitcast(x, u32_like(x)), b.bitcast(x >> 31, u32_like(x))};
}

Value wide_to_float(Wide x, bool is_signed, Type to) {
  if (to.scalar == Scalar::f64) return to_f64(x, is_signed);
  if (!is_signed) return unsigned_to_f32(x);
  const Value magnitude = unsigned_to_f32(wide_abs(x));
  return x.low.builder().select(is_negative(x), -magnitude, magnitude);
}

Wide wide_from_float(Value x, bool is_signed) {
  if (!is_signed) return from_positive_float(x);
  Builder& b = x.builder();
  const Wide magnitude = from_positive_float(b.unary(Opcode::abs, x));
  return negate_if(x < 0, magnitude);
}

}  // namespace nxv::ir

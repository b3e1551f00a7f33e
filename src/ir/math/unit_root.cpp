#include "ir/math/unit_root.h"

#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

// Exact: an f32 holds half of a u32.
Extended from_integer(Value v, const Arithmetic& arithmetic) {
  Builder& b = v.builder();
  if (arithmetic.base() == kF64) return {arithmetic, b.convert(v, kF64)};
  return fast_two_sum(arithmetic, b.convert(v >> 16, kF32) * 65536.0, b.convert(v & 0xffffu, kF32));
}

}  // namespace

UnitRoot unit_root(Value k, Value n, Type t, const MathOptions& options) {
  Builder& b = k.builder();
  const Arithmetic arithmetic(t, options);
  // Three mirrors. The angle is a whole turn times k / n, then half a turn, then a quarter; each
  // time the ratio is brought to 1/2 at most, and doubled.
  const auto mirror = [&](Value& ratio) {
    const Value other = n - ratio;
    const Value beyond = ratio > other;
    ratio = b.select(beyond, other, ratio);
    return beyond;
  };
  const Value below_axis = mirror(k);
  Value half = k << 1;
  const Value left = mirror(half);
  Value quarter = half << 1;
  const Value steep = mirror(quarter);

  const Extended quarter_turn =
      constant(b, arithmetic, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54);
  const Extended angle =
      quarter_turn * (from_integer(quarter, arithmetic) / from_integer(n, arithmetic));
  const SinCos parts = sin_cos_of_small(angle);
  const Value cosine = narrow(b.select(steep, parts.sin, parts.cos), t);
  const Value sine = narrow(b.select(steep, parts.cos, parts.sin), t);
  return {b.select(left, -cosine, cosine), b.select(below_axis, -sine, sine)};
}

}  // namespace nxv::ir::math

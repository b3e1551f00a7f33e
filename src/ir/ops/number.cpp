#include "ir/ops/number.h"

#include "base/error.h"
#include "ir/math/cast.h"
#include "ir/ops/narrow.h"

namespace nxv::ir {
namespace {

bool is_narrow_float(DType t) { return is_real_float(t) && bits(t) < 32; }

}  // namespace

Type compute_type(DType t) {
  const DType part = to_real(t);
  if (is_unsigned(part)) return bits(part) == 64 ? kU64 : kU32;
  if (is_signed_int(part)) return bits(part) == 64 ? kS64 : kS32;
  return part == DType::f64 ? kF64 : kF32;
}

Value widen(Value v, Type to) {
  if (v.type() == to) return v;
  return v.builder().convert(v, to);
}

Value wrap(Value v, DType t) {
  Builder& b = v.builder();
  if (is_integer(t)) {
    const int width = bits(t);
    if (width >= 32) return v;
    if (is_unsigned(t)) return v & ((1u << width) - 1);
    return (v << (32 - width)) >> (32 - width);
  }
  const DType part = to_real(t);
  if (is_narrow_float(part)) return round_to(v, part);
  return b.convert(v, compute_type(part));
}

Number cast(const Number& x, DType to, const math::MathOptions& options) {
  if (x.dtype == to) return x;
  Builder& b = x.re.builder();
  const DType from = to_real(x.dtype);
  const DType part = to_real(to);
  Number result{to, {}, {}};
  const auto convert = [&](Value v) {
    if (is_integer(part)) {
      if (!is_integer(from)) return math::float_to_int(v, part);
      return wrap(b.convert(v, compute_type(part)), part);
    }
    if (is_integer(from)) {
      // Narrow floats are rounded to once more: from f64, or from an f32 that knows of it.
      const bool twice = bits(from) > 16 && is_narrow_float(part);
      if (twice && !options.f64) return wrap(math::int_to_odd_f32(v), part);
      return wrap(math::int_to_float(v, twice || part == DType::f64 ? kF64 : kF32), part);
    }
    return wrap(v, part);
  };
  result.re = convert(x.re);
  if (is_complex(to)) {
    result.im = is_complex(x.dtype) ? convert(x.im) : b.zero(compute_type(part));
  }
  return result;
}

Value is_truthy(const Number& x) {
  Builder& b = x.re.builder();
  const auto nonzero = [&](Value v) {
    // By bits: a device that flushes subnormals compares them equal to zero.
    if (v.type() == kF32) return (b.bitcast(v, kU32) << 1) != 0u;
    if (v.type() == kF64) {
      const Value words = b.bitcast(v, vec(kU32, 2));
      return (b.extract(words, 0) | (b.extract(words, 1) << 1)) != 0u;
    }
    return v != 0;
  };
  return x.im ? nonzero(x.re) | nonzero(x.im) : nonzero(x.re);
}

int scalar_words(DType t) {
  if (t == DType::c128) return 4;
  return bits(t) == 64 ? 2 : 1;
}

Number from_words(Builder& b, DType t, std::span<const Value> words) {
  const Type type = compute_type(t);
  const auto part = [&](size_t first) {
    if (bytes(type) == 4) return b.bitcast(words[first], type);
    return b.bitcast(b.pack({words[first], words[first + 1]}), type);
  };
  Number n{t, part(0), {}};
  if (is_complex(t)) n.im = part(bytes(type) == 4 ? 1 : 2);
  return n;
}

}  // namespace nxv::ir

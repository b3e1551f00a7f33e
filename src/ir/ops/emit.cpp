#include "ir/ops/emit.h"

#include <algorithm>

#include "ir/math/bits.h"
#include "ir/ops/compare.h"
#include "ir/ops/emit_complex.h"
#include "ir/ops/emit_floating.h"
#include "ir/ops/emit_integer.h"
#include "ir/ops/narrow.h"
#include "ir/ops/operation.h"

namespace nxv::ir {
namespace {

class Emitter : Operation {
 public:
  using Operation::Operation;

  Number emit() {
    if (info(op).type_rule == TypeRule::predicate) return predicate();
    if (op == Op::cast) return cast(args[0], out, math());
    if (op == Op::select) return select();
    if (op == Op::bitcast) return reinterpret();
    if (op == Op::bounded_index) return bounded_index();
    const auto has_parts = [](const Number& a) { return is_complex(a.dtype); };
    if (is_complex(out) || std::any_of(args.begin(), args.end(), has_parts)) {
      return emit_complex(op, out, args, math());
    }
    if (op == Op::imag) return {out, b.zero(compute_type(out)), {}};
    if (is_integer(out)) return {out, emit_integer(*this), {}};
    const Value v = emit_floating(*this);
    return {out, stays_in_type() ? with_plain_nan(v) : wrap(v, out), {}};
  }

 private:
  // Operations whose results are numbers of a narrow float type because their operands are.
  bool stays_in_type() const {
    switch (op) {
      case Op::abs:
      case Op::negate:
      case Op::sign:
      case Op::floor:
      case Op::ceil:
      case Op::min:
      case Op::max:
      case Op::clip:
        break;
      default:
        return false;
    }
    return bits(out) < 32 &&
           std::all_of(args.begin(), args.end(), [&](const Number& a) { return a.dtype == out; });
  }

  Value with_plain_nan(Value v) const { return b.select(v != v, math::nan(b, kF32), v); }

  Number boolean(Value v) const { return {DType::u8, b.convert(v, kU32), {}}; }

  Number predicate() {
    const Number& a = args[0];
    switch (op) {
      case Op::is_nan:
        return boolean(any_part(a, &math::is_nan));
      case Op::is_infinity:
        return boolean(any_part(a, &math::is_infinity));
      case Op::logical_not:
        return boolean(!is_truthy(a));
      case Op::logical_and:
        return boolean(is_truthy(a) & is_truthy(args[1]));
      case Op::logical_or:
        return boolean(is_truthy(a) | is_truthy(args[1]));
      case Op::logical_xor:
        return boolean(is_truthy(a) != is_truthy(args[1]));
      default:
        return boolean(compare(op, a, args[1], math()));
    }
  }

  Value any_part(const Number& x, Value (*test)(Value)) const {
    if (is_integer(x.dtype)) return b.boolean(false);
    return x.im ? test(x.re) | test(x.im) : test(x.re);
  }

  Number select() {
    const Value condition = is_truthy(args[0]);
    const Number yes = cast(args[1], out, math()), no = cast(args[2], out, math());
    Number result{out, b.select(condition, yes.re, no.re), {}};
    if (is_complex(out)) result.im = b.select(condition, yes.im, no.im);
    return result;
  }

  Number reinterpret() {
    const Number& x = args[0];
    const bool wide = bits(out) == 64;
    const bool narrow_float = is_real_float(x.dtype) && bits(x.dtype) < 32;
    const Value bits_of_x =
        narrow_float ? exact_bits(x.re, x.dtype) : b.bitcast(x.re, wide ? kU64 : kU32);
    if (bits(out) < 32) return {out, decode(bits_of_x, out), {}};
    return {out, b.bitcast(bits_of_x, compute_type(out)), {}};
  }

  // Negative indices are huge as unsigned ones.
  Number bounded_index() {
    const Value index = args[0].re;
    const Type type = bytes(index.type()) == 8 ? kU64 : kU32;
    const Value size = b.bitcast(args[1].re, kU32);
    const Value position = b.bitcast(index, type);
    const Value outside = position >= b.convert(size, type);
    fault_if(outside);
    const Value last = size - 1u;
    return {out, b.bitcast(b.select(outside, last, b.convert(position, kU32)), kS32), {}};
  }
};

}  // namespace

Number emit(Op op, DType out, std::span<const Number> args, const EmitContext& context) {
  return Emitter(op, out, args, context).emit();
}

std::vector<Number> emit_together(Op op, DType out, std::span<const Number> elements,
                                  const math::MathOptions& math) {
  const bool is_float = elements[0].dtype == DType::f32 && out == DType::f32;
  if ((op != Op::sin && op != Op::cos) || !is_float || !math::shares_branches(kF32, math))
    return {};
  std::vector<Value> xs;
  for (const Number& x : elements) xs.push_back(x.re);
  std::vector<Number> results;
  for (const Value& y : op == Op::sin ? math::sin(xs, math) : math::cos(xs, math)) {
    results.push_back({out, y, {}});
  }
  return results;
}

}  // namespace nxv::ir

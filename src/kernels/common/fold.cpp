#include "kernels/common/fold.h"

#include "ir/math/bits.h"
#include "ir/math/cast.h"
#include "ir/math/extended.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Type;
using ir::Value;
using ir::Var;

Fold::Fold(Builder& builder, Op op, DType input, DType output, const ir::math::MathOptions& math)
    : b_(builder), op_(op), output_(output), math_(math) {
  switch (op) {
    case Op::all:
    case Op::any:
      kind_ = Kind::logical;
      parts_ = {ir::kU32};
      return;
    case Op::reduce_max:
    case Op::reduce_min:
      kind_ = Kind::extreme;
      parts_ = {ir::compute_type(input)};
      if (!is_integer(input)) parts_.push_back(ir::kU32);
      return;
    default:
      break;
  }
  if (is_integer(output)) {
    kind_ = Kind::integer;
    parts_ = {ir::compute_type(output)};
    return;
  }
  const bool wide = to_real(output) == DType::f64 || math.f64;
  kind_ = wide ? Kind::plain : Kind::pair;
  parts_.assign(static_cast<size_t>(part_count(op, input, output, math)),
                wide ? ir::kF64 : ir::kF32);
}

int Fold::part_count(Op op, DType input, DType output, const ir::math::MathOptions& math) {
  if (op == Op::all || op == Op::any) return 1;
  if (op == Op::reduce_max || op == Op::reduce_min) return is_integer(input) ? 1 : 2;
  if (is_integer(output)) return 1;
  const int real = to_real(output) == DType::f64 || math.f64 ? 1 : 3;
  return is_complex(output) ? 2 * real : real;
}

Accumulator Fold::identity() const {
  const bool product = op_ == Op::product;
  switch (kind_) {
    case Kind::logical:
      return {b_.u32(op_ == Op::all ? 1 : 0)};
    case Kind::integer:
      return {b_.number(parts_[0], product ? 1 : 0)};
    case Kind::plain:
    case Kind::pair: {
      Accumulator a(parts_.size(), b_.zero(parts_[0]));
      if (product) a[0] = b_.number(parts_[0], 1);
      if (kind_ == Kind::pair) a[2] = a[0];
      return a;
    }
    case Kind::extreme:
      break;
  }
  // Of no elements; insert and combine see it by its index or, for integers, it is the bound.
  if (parts_.size() == 2) return {b_.zero(parts_[0]), b_.u32(0xffffffff)};
  const bool is_max = op_ == Op::reduce_max;
  const Type t = parts_[0];
  const uint64_t top = ir::is_signed(t) ? uint64_t{1} << (8 * ir::bytes(t) - 1) : 0;
  const uint64_t mask = ir::bytes(t) == 8 ? ~uint64_t{0} : 0xffffffff;
  return {b_.constant(t, (is_max ? top : ~top) & mask)};
}

Accumulator Fold::insert(const Accumulator& to, const Number& x, Value index) const {
  switch (kind_) {
    case Kind::logical:
      // Nx counts every complex number as true.
      return combine(to,
                     {is_complex(x.dtype) ? b_.u32(1) : b_.convert(ir::is_truthy(x), ir::kU32)});
    case Kind::integer:
      return combine(to, {ir::cast(x, output_, math_).re});
    case Kind::plain: {
      Accumulator a{ir::widen(x.re, ir::kF64)};
      if (is_complex(x.dtype)) a.push_back(ir::widen(x.im, ir::kF64));
      return combine(to, a);
    }
    case Kind::pair: {
      Accumulator a{x.re, b_.zero(ir::kF32), x.re};
      if (is_complex(x.dtype)) a.insert(a.end(), {x.im, a[1], x.im});
      return combine(to, a);
    }
    case Kind::extreme:
      break;
  }
  if (parts_.size() == 1) return combine(to, {x.re});
  return combine(to, {x.re, index});
}

Accumulator Fold::combine(const Accumulator& left, const Accumulator& right) const {
  if (kind_ == Kind::logical) return {op_ == Op::all ? left[0] & right[0] : left[0] | right[0]};
  if (kind_ == Kind::extreme) {
    const bool is_max = op_ == Op::reduce_max;
    if (parts_.size() == 1)
      return {b_.binary(is_max ? Opcode::max : Opcode::min, left[0], right[0])};
    // NaN wins; then the larger; of equal ones the first. Index 2^32 - 1 means nothing yet.
    const Value empty = left[1] == 0xffffffffu, other_real = right[1] != 0xffffffffu;
    const Value left_nan = left[0] != left[0], right_nan = right[0] != right[0];
    const Value better = is_max ? right[0] > left[0] : right[0] < left[0];
    const Value tie = (right[0] == left[0]) & (right[1] < left[1]);
    const Value wins = (right_nan | better | tie) & !left_nan;
    const Value take = other_real & (empty | wins);
    return select(take, right, left);
  }
  if (op_ != Op::product) return add(left, right);
  return is_complex(output_) ? multiply_complex(left, right) : multiply(left, right);
}

// Pairs are followed by the plain value, which knows about infinities, NaN and signs of zeros.
Accumulator Fold::add(const Accumulator& a, const Accumulator& b) const {
  Accumulator sum;
  for (size_t i = 0; i < a.size(); ++i) {
    if (kind_ != Kind::pair) {
      sum.push_back(a[i] + b[i]);
      continue;
    }
    const ir::math::Arithmetic f32(ir::kF32, math_);
    const ir::math::Extended r =
        ir::math::Extended{f32, a[i], a[i + 1]} + ir::math::Extended{f32, b[i], b[i + 1]};
    i += 2;
    sum.insert(sum.end(), {r.hi, r.lo, a[i] + b[i]});
  }
  return sum;
}

Accumulator Fold::multiply(const Accumulator& a, const Accumulator& b) const {
  if (kind_ != Kind::pair) return {a[0] * b[0]};
  const ir::math::Arithmetic f32(ir::kF32, math_);
  const ir::math::Extended r =
      ir::math::Extended{f32, a[0], a[1]} * ir::math::Extended{f32, b[0], b[1]};
  return {r.hi, r.lo, a[2] * b[2]};
}

// The number 1 leaves no trace: its zero would make NaN of an infinite factor.
Accumulator Fold::multiply_complex(const Accumulator& a, const Accumulator& b) const {
  const auto half = static_cast<std::ptrdiff_t>(parts_.size() / 2);
  const auto re = [half](const Accumulator& x) { return Accumulator(x.begin(), x.begin() + half); };
  const auto im = [half](const Accumulator& x) { return Accumulator(x.begin() + half, x.end()); };
  Accumulator negative = multiply(im(a), im(b));
  for (Value& v : negative) v = -v;
  Accumulator product = add(multiply(re(a), re(b)), negative);
  const Accumulator imaginary = add(multiply(re(a), im(b)), multiply(im(a), re(b)));
  product.insert(product.end(), imaginary.begin(), imaginary.end());
  const auto is_one = [&](const Accumulator& x) {
    const auto at = static_cast<size_t>(half - 1);  // the plain value of a pair
    return (x[at] == 1) & (x[2 * at + 1] == 0);
  };
  return select(is_one(a), b, select(is_one(b), a, product));
}

// Devices differ in the NaN that inf - inf is; results have the one that hosts write. A pair that
// is zero has lost the zero's sign.
Value Fold::rounded(std::span<const Value> real) const {
  const auto result = [this](Value x) {
    return ir::wrap(b_.select(x != x, ir::math::nan(b_, x.type()), x), output_);
  };
  if (kind_ == Kind::plain) return result(real[0]);
  const Value sum = real[0] + real[1];
  const Value special = ir::math::is_nan(real[2]) | ir::math::is_infinity(real[2]);
  const Value is_zero = (sum == 0) & (real[2] == 0);
  return result(b_.select(special | (sum != sum) | is_zero, real[2], sum));
}

Accumulator Fold::combine_pairwise(std::vector<Accumulator> level) const {
  while (level.size() > 1) {
    std::vector<Accumulator> pairs;
    for (size_t i = 0; i < level.size(); i += 2) {
      const bool has_pair = i + 1 < level.size();
      pairs.push_back(has_pair ? combine(level[i], level[i + 1]) : level[i]);
    }
    level = std::move(pairs);
  }
  return level[0];
}

Number Fold::result(const Accumulator& a) const {
  if (kind_ != Kind::plain && kind_ != Kind::pair) return {output_, a[0], {}};
  const std::span<const Value> parts(a);
  if (!is_complex(output_)) return {output_, rounded(parts), {}};
  return {output_, rounded(parts.first(a.size() / 2)), rounded(parts.last(a.size() / 2))};
}

void Fold::store(Value buffer, Value index, const Accumulator& a) const {
  const auto parts = static_cast<uint32_t>(parts_.size());
  for (uint32_t i = 0; i < parts; ++i) {
    const Value at = parts == 1 ? index : index * parts + i;
    if (ir::bytes(parts_[i]) == 8) {
      b_.store(buffer, at, a[i]);
    } else {
      b_.store(buffer, at << 1, a[i]);
    }
  }
}

Accumulator Fold::load(Value buffer, Value index) const {
  const auto parts = static_cast<uint32_t>(parts_.size());
  Accumulator a;
  for (uint32_t i = 0; i < parts; ++i) {
    const Value at = parts == 1 ? index : index * parts + i;
    a.push_back(b_.load(buffer, ir::bytes(parts_[i]) == 8 ? at : at << 1, parts_[i]));
  }
  return a;
}

Accumulator Fold::select(Value condition, const Accumulator& a, const Accumulator& b) const {
  Accumulator result;
  for (size_t i = 0; i < a.size(); ++i) result.push_back(b_.select(condition, a[i], b[i]));
  return result;
}

std::vector<Var> Fold::variables(const Accumulator& initial) const {
  std::vector<Var> vars;
  for (const Value& v : initial) vars.push_back(b_.var(v));
  return vars;
}

Accumulator Fold::read(const std::vector<Var>& variables) {
  Accumulator a;
  for (const Var& v : variables) a.push_back(v.get());
  return a;
}

void Fold::write(const std::vector<Var>& variables, const Accumulator& a) {
  for (size_t i = 0; i < a.size(); ++i) variables[i].set(a[i]);
}

Accumulator Fold::exchange(const Accumulator& a, uint32_t mask) const {
  Accumulator other;
  for (const Value& v : a) other.push_back(b_.subgroup(Opcode::subgroup_shuffle_xor, v, mask));
  // Addition and multiplication commute, and what does not decides by index: both lanes agree.
  return combine(a, other);
}

PairwiseTree::PairwiseTree(const Fold& fold, int levels)
    : fold_(fold), b_(fold.identity()[0].builder()), count_(b_.var(b_.u32(0))) {
  for (int k = 0; k <= levels; ++k) digits_.push_back(fold.variables(fold.identity()));
}

void PairwiseTree::reset() const {
  count_.set(b_.u32(0));
  for (const auto& digit : digits_) Fold::write(digit, fold_.identity());
}

void PairwiseTree::push(const Accumulator& leaf) const {
  const Value count = count_.get();
  // Carry while the digits below are full.
  Accumulator carried = leaf;
  Value carrying = b_.boolean(true);
  for (size_t k = 0; k < digits_.size(); ++k) {
    const Value full = (count & (1u << k)) != 0u;
    const Accumulator digit = Fold::read(digits_[k]);
    const Value rests = carrying & !full;
    Fold::write(digits_[k], fold_.select(rests, carried, digit));
    carrying = carrying & full;
    carried = fold_.select(carrying, fold_.combine(digit, carried), carried);
  }
  count_.set(count + 1u);
}

Accumulator PairwiseTree::finish() const {
  // Missing leaves are identities, so a partial subtree is its digits folded from the right.
  const Value count = count_.get();
  Accumulator total = fold_.identity();
  for (size_t k = 0; k < digits_.size(); ++k) {
    const Value full = (count & (1u << k)) != 0u;
    total = fold_.select(full, fold_.combine(Fold::read(digits_[k]), total), total);
  }
  return total;
}

SharedAccumulators::SharedAccumulators(const Fold& fold, uint32_t count)
    : b_(fold.identity()[0].builder()) {
  for (const Type& type : fold.parts()) {
    parts_.push_back(b_.shared("accumulators" + std::to_string(parts_.size()), type, count));
  }
}

void SharedAccumulators::store(Value index, const Accumulator& a) const {
  for (size_t i = 0; i < parts_.size(); ++i) b_.shared_store(parts_[i], index, a[i]);
}

Accumulator SharedAccumulators::load(Value index) const {
  Accumulator a;
  for (const ir::Shared& part : parts_) a.push_back(b_.shared_load(part, index));
  return a;
}

}  // namespace nxv::kernels

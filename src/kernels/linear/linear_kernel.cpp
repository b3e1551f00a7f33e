#include "kernels/linear/linear_kernel.h"

#include <algorithm>
#include <bit>

#include "ir/complex/complex.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {

using ir::Number;
using ir::Opcode;
using ir::Value;

DType working_type(DType t, const Target& target) {
  if (!target.plan->has.fast_f64) return t;
  return is_complex(t) ? DType::c128 : DType::f64;
}

double unit_roundoff(DType working) { return to_real(working) == DType::f64 ? 0x1p-53 : 0x1p-24; }

uint32_t lanes_of(const Target& target, uint32_t most) {
  return std::bit_floor(std::min(most, target.plan->tuning.linear_workgroup));
}

LinearKernel::LinearKernel(const StepOptions& options, const Region& region, const Target& target,
                           uint32_t words)
    : workgroup(lanes_of(target, options.most_lanes)),
      b(std::string(options.kernel), workgroup),
      type(working_type(region.root->dtype, target)),
      part(ir::compute_type(type)),
      worker(options.worker),
      rounding(options.rounding),
      lanes(worker == Worker::lone ? 1 : workgroup),
      arguments(b, region, kWordsOf<StepWords> + words, {.workspaces = options.workspaces}),
      local(worker == Worker::lone ? b.u32(0) : b.builtin(ir::Builtin::local_index)),
      zero(b.zero(part)),
      out_(region.root->dtype),
      math_(target.math) {
  for (const Operand& operand : region.operands) operand_types_.push_back(operand.node->dtype);
}

void LinearKernel::each_item(const std::function<void(Value)>& body) {
  const Value items = arguments.words_as<StepWords>()[&StepWords::items];
  const Value item = worker == Worker::workgroup
                         ? linear_group(b)
                         : linear_group(b) * workgroup + b.builtin(ir::Builtin::local_index);
  b.if_(item < items, [&] { body(item); });
}

void LinearKernel::share(Value begin, Value end, const std::function<void(Value)>& body) {
  b.for_range(begin + local, end, b.u32(lanes), body);
}

Number LinearKernel::load_operand(int operand, Value index) {
  return ir::cast(load_element(arguments.operand(operand), index, operand_types_[operand]), type,
                  math_);
}

void LinearKernel::store_output(Value index, const Number& x) {
  store_element(arguments.output(), index, ir::cast(x, out_, math_));
}

Value LinearKernel::rounded(Value x) const {
  const ir::Type narrow = ir::compute_type(to_real(out_));
  if (!rounds() || narrow == part) return x;
  ir::Builder& k = x.builder();
  return k.convert(k.convert(x, narrow), part);
}

Number LinearKernel::rounded(const Number& x) const {
  return {x.dtype, rounded(x.re), x.im ? rounded(x.im) : Value()};
}

Number LinearKernel::conjugate(const Number& x) const {
  return is_complex() ? Number{type, x.re, -x.im} : x;
}

Number LinearKernel::multiply(const Number& x, const Number& y) const {
  if (!is_complex()) return rounded(Number{type, x.re * y.re, {}});
  return rounded(Number{type, x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re});
}

Number LinearKernel::scale(const Number& x, Value factor) const {
  return rounded(Number{type, x.re * factor, is_complex() ? x.im * factor : Value()});
}

Number LinearKernel::subtract(const Number& x, const Number& y) const {
  return rounded(Number{type, x.re - y.re, is_complex() ? x.im - y.im : Value()});
}

Number LinearKernel::accumulate(const Number& sum, const Number& x, const Number& y) const {
  ir::Builder& k = x.re.builder();
  if (!is_complex()) return {type, k.fma(x.re, y.re, sum.re), {}};
  return {type, k.fma(-x.im, y.im, k.fma(x.re, y.re, sum.re)),
          k.fma(x.im, y.re, k.fma(x.re, y.im, sum.im))};
}

Number LinearKernel::add_product(const Number& sum, const Number& x, const Number& y) const {
  if (!rounds()) return accumulate(sum, x, y);
  const Number p = multiply(x, y);
  return rounded(Number{type, sum.re + p.re, is_complex() ? sum.im + p.im : Value()});
}

Number LinearKernel::subtract_product(const Number& sum, const Number& x, const Number& y) const {
  return add_product(sum, {type, -x.re, is_complex() ? -x.im : Value()}, y);
}

namespace {
constexpr uint32_t kBlock = 16;  // of terms
}

uint64_t LinearKernel::terms_within(uint64_t iterations) {
  return iterations * kBlock / (kBlock + 1) - 1;
}

Number LinearKernel::add_up(const Number& initial, Value begin, Value end, uint32_t step,
                            const Add& add) {
  const Variable total = variable(initial);
  b.for_range(begin, end, b.u32(step * kBlock), [&](Value block) {
    const Variable sum = zero_variable();
    const Value rest = b.binary(Opcode::min, end, block + step * kBlock);
    b.for_range(block, rest, b.u32(step), [&](Value i) { sum.set(add(sum.get(), i)); });
    const Number x = total.get(), y = sum.get();
    total.set({type, x.re + y.re, is_complex() ? x.im + y.im : Value()});
  });
  return total.get();
}

Number LinearKernel::divide(const Number& x, const Number& y) {
  if (!is_complex()) return {type, divide(x.re, y.re), {}};
  const ir::complex::Context context(b, part, math_);
  const ir::complex::Complex q = ir::complex::divide({x.re, x.im}, {y.re, y.im}, context);
  return rounded(Number{type, q.re, q.im});
}

Number LinearKernel::select(Value condition, const Number& yes, const Number& no) {
  return {type, b.select(condition, yes.re, no.re),
          is_complex() ? b.select(condition, yes.im, no.im) : Value()};
}

Value LinearKernel::squared(const Number& x) const {
  return is_complex() ? x.re * x.re + x.im * x.im : x.re * x.re;
}

Value LinearKernel::magnitude(const Number& x) {
  const Value re = ir::math::abs(x.re);
  if (!is_complex()) return re;
  const Value im = ir::math::abs(x.im);
  const Value large = b.select(re < im, im, re), small = b.select(re < im, re, im);
  const Value ratio = ir::math::div(small, large, math_);
  const Value result = large * ir::math::sqrt(number(1) + ratio * ratio, math_);
  return rounded(b.select(large == zero, large, result));
}

Value LinearKernel::is_zero(const Number& x) { return !ir::is_truthy(x); }

LinearKernel::Variable::Variable(ir::Builder& b, const Number& initial)
    : type_(initial.dtype), re_(b.var(initial.re)) {
  if (initial.im) im_ = b.var(initial.im);
}

Number LinearKernel::Variable::get() const {
  return {type_, re_.get(), nxv::is_complex(type_) ? im_.get() : Value()};
}

void LinearKernel::Variable::set(const Number& x) const {
  re_.set(x.re);
  if (nxv::is_complex(type_)) im_.set(x.im);
}

Value LinearKernel::fold_over_lanes(Value value, const Combine& combine, uint32_t apart) {
  if (lanes == apart) return value;
  const ir::Shared slots = b.shared("fold" + std::to_string(folds_++), value.type(), lanes);
  b.shared_store(slots, local, value);
  b.barrier();
  for (uint32_t half = lanes / 2; half >= apart; half /= 2) {
    b.if_(local < half, [&] {
      b.shared_store(slots, local,
                     combine(b.shared_load(slots, local), b.shared_load(slots, local + half)));
    });
    b.barrier();
  }
  return b.shared_load(slots, local & (apart - 1));
}

Value LinearKernel::sum_over_lanes(Value value, uint32_t apart) {
  return fold_over_lanes(
      value, [](Value x, Value y) { return x + y; }, apart);
}

Value LinearKernel::max_over_lanes(Value value) {
  return fold_over_lanes(value, [&](Value x, Value y) { return b.select(x < y, y, x); });
}

SharedNumbers::SharedNumbers(LinearKernel& k, const std::string& name, uint32_t count)
    : k_(k), re_(k.b.shared(name, k.part, count)) {
  if (k.is_complex()) im_ = k.b.shared(name + "_im", k.part, count);
}

Number SharedNumbers::load(Value index) const {
  return {k_.type, k_.b.shared_load(re_, index),
          k_.is_complex() ? k_.b.shared_load(im_, index) : Value()};
}

void SharedNumbers::store(Value index, const Number& x) const {
  k_.b.shared_store(re_, index, x.re);
  if (k_.is_complex()) k_.b.shared_store(im_, index, x.im);
}

}  // namespace nxv::kernels

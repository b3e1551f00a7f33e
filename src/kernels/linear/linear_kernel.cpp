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
  return std::bit_floor(std::min(most, target.plan->reduction_workgroup));
}

void push_divisor(std::vector<uint32_t>& words, uint64_t d) { append(words, Divisor(d)); }

uint32_t float_word(double v) { return std::bit_cast<uint32_t>(static_cast<float>(v)); }

uint64_t batch_of(const Shape& shape, size_t matrix_axes) {
  uint64_t batch = 1;
  for (size_t i = 0; i + matrix_axes < shape.size(); ++i) batch *= static_cast<uint64_t>(shape[i]);
  return batch;
}

LinearKernel::LinearKernel(const std::string& name, uint32_t lanes, const Region& region,
                           const Target& target, int workspaces, int words, Worker worker,
                           Rounding rounding)
    : b(name, lanes),
      type(working_type(region.root->dtype, target)),
      part(ir::compute_type(type)),
      worker(worker),
      rounding(rounding),
      lanes(worker == Worker::invocation ? 1 : lanes),
      arguments(b, region, static_cast<uint32_t>(words), {.workspaces = workspaces}),
      local(worker == Worker::invocation ? b.u32(0) : b.builtin(ir::Builtin::local_index)),
      zero(b.zero(part)),
      out_(region.root->dtype),
      workgroup_(lanes),
      math_(target.math) {
  for (const Operand& operand : region.operands) operand_types_.push_back(operand.node->dtype);
}

Value LinearKernel::divide(Value n, int i) {
  return (b.binary(Opcode::mul_hi, n, word(i + 1)) + n) >> word(i + 2);
}

void LinearKernel::each(Value count, const std::function<void(Value)>& body) {
  const Value index = linear_group(b) * workgroup_ + b.builtin(ir::Builtin::local_index);
  b.if_(index < count, [&] { body(index); });
}

void LinearKernel::each_group(Value count, const std::function<void(Value)>& body) {
  const Value group = linear_group(b);
  b.if_(group < count, [&] { body(group); });
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

int Steps::workspace(uint64_t elements, DType type) {
  return lowering_.add_workspace(elements * static_cast<uint64_t>(storage_bytes(type)));
}

void Steps::add(Step step) {
  Dispatch d;
  d.key = "linear " + step.key + region_.key;
  d.generate = std::move(step.generate);
  d.groups = fold_groups(step.groups, *target.plan);
  d.words = std::move(step.words);
  d.workspaces = std::move(step.workspaces);
  d.reads_operands = step.reads_operands;
  d.writes_output = step.writes_output;
  d.work = step.groups * 256;
  lowering_.dispatches.push_back(std::move(d));
}

void add_lone(Steps& steps, const std::string& key, uint64_t batch, uint64_t begin, uint64_t end,
              const std::vector<uint64_t>& words, const std::vector<Use>& workspaces,
              const LoneBody& body, Rounding rounding) {
  if (begin == end) return;
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const int word_count = kLoneWords + static_cast<int>(words.size());
  const int workspace_count = static_cast<int>(workspaces.size());
  Step step;
  step.key = key + " lone";
  step.groups = Steps::groups(batch, lanes);
  for (const uint64_t w : {batch, begin, end}) step.words.push_back(static_cast<uint32_t>(w));
  for (const uint64_t w : words) step.words.push_back(static_cast<uint32_t>(w));
  step.workspaces = workspaces;
  step.generate = [=](const Region& region) {
    LinearKernel k(key, lanes, region, target, workspace_count, word_count, Worker::invocation,
                   rounding);
    k.each(k.word(kLoneBatch), [&](Value matrix) {
      k.b.for_range(k.word(kLoneBegin), k.word(kLoneEnd), k.b.u32(1),
                    [&](Value step) { body(k, matrix, step); });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

namespace {

// operand -1: to the output.
void add_copy(Steps& steps, int operand, const MatrixView& view, int workspace) {
  enum Word {
    kCount,
    kFirst,
    kBatchStride,
    kRowStride,
    kColumnStride,
    kColumns,
    kRows = kColumns + kDivisorWords,
    kWordCount = kRows + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t count = view.batch * view.rows * view.columns;
  const bool loads = operand >= 0;
  Step step;
  step.key = loads ? "load" + std::to_string(operand) : "store";
  step.groups = Steps::groups(count, lanes);
  for (const uint64_t w :
       {count, view.first, view.batch_stride, view.row_stride, view.column_stride}) {
    step.words.push_back(static_cast<uint32_t>(w));
  }
  push_divisor(step.words, view.columns);
  push_divisor(step.words, view.rows);
  step.workspaces = {loads ? writes(workspace) : reads(workspace)};
  step.reads_operands = loads;
  step.writes_output = !loads;
  step.generate = [=](const Region& region) {
    LinearKernel k(loads ? "linear_load" : "linear_store", lanes, region, target, 1, kWordCount);
    k.each(k.word(kCount), [&](Value i) {
      const Value row = k.divide(i, kColumns), column = i - row * k.word(kColumns);
      const Value matrix = k.divide(row, kRows);
      const Value at = k.word(kFirst) + matrix * k.word(kBatchStride) +
                       (row - matrix * k.word(kRows)) * k.word(kRowStride) +
                       column * k.word(kColumnStride);
      if (loads) {
        k.store(k.workspace(0), i, k.load_operand(operand, at));
      } else {
        k.store_output(at, k.load(k.workspace(0), i));
      }
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

void add_load(Steps& steps, int operand, const MatrixView& view, int to) {
  add_copy(steps, operand, view, to);
}

void add_store(Steps& steps, const MatrixView& view, int from) { add_copy(steps, -1, view, from); }

}  // namespace nxv::kernels

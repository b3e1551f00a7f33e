#include "kernels/matmul/matmul_kernel.h"

#include "ir/math/cast.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

namespace {

const Expr& expr(const Region& region, int index) {
  return region.exprs[static_cast<size_t>(index)];
}

constexpr ArgumentOptions options(int workspaces) {
  return {.overlap = Overlap::in_place, .workspaces = workspaces};
}

}  // namespace

MatmulKernel::MatmulKernel(ir::Builder& builder, const Region& region, const Target& target,
                           const Accumulation& sums, uint32_t words, int workspaces)
    : region_(region),
      sum_(region.contraction()),
      math_(target.math),
      emitter_(builder, region, math_, words, options(workspaces)),
      b(builder),
      arguments(emitter_.arguments()),
      size(arguments.region_words_as<ProductWords>(expr(region, sum_).words)),
      dtype(expr(region, sum_).dtype),
      sums(sums),
      type(ir::compute_type(sums.type)),
      A(factor_operand(arguments, region, 0)),
      B(factor_operand(arguments, region, 1)),
      workspaces(workspaces) {}

Value MatmulKernel::number(const Number& x) const {
  return ir::cast(x, to_real(sums.type), math_).re;
}

Sum MatmulKernel::element(const Operand& operand, Value index) const {
  const Number x = load_element(operand.buffer, index, operand.dtype);
  if (!is_complex(operand.dtype)) return {number(x)};
  const Number y = ir::cast(x, sums.type, math_);
  return {y.re, y.im};
}

Sum MatmulKernel::element(const Operand& operand, const Place& place) const {
  const Value index = operand.index(place);
  if (!operand.is_checked()) return element(operand, index);
  const Value inside = operand.is_inside(place);
  Sum x = element(operand, b.select(inside, index, b.u32(0)));
  for (Value& part : x) part = b.select(inside, part, zero());
  return x;
}

std::array<Value, kGroup> MatmulKernel::group(const Operand& operand, Value index) const {
  std::array<Value, kGroup> values;
  if (operand.dtype == sums.type && storage_bytes(operand.dtype) == 8) {
    for (uint32_t half = 0; half < 2; ++half) {
      const Value pair = b.load(operand.buffer, (index >> 1) + half, ir::vec(type, 2));
      values[2 * half] = b.extract(pair, 0);
      values[2 * half + 1] = b.extract(pair, 1);
    }
    return values;
  }
  const Group loaded = load_group(operand.buffer, index >> 2, operand.dtype);
  for (int i = 0; i < kGroup; ++i) values[i] = number(loaded[i]);
  return values;
}

Value MatmulKernel::zero() const { return is_integer(dtype) ? b.number(type, 0) : b.zero(type); }

Value MatmulKernel::multiply_add(Value x, Value y, Value sum) const {
  return is_integer(dtype) ? sum + x * y : b.fma(x, y, sum);
}

Sum MatmulKernel::multiply_add(const Sum& left, const Sum& right, const Sum& sum) const {
  const Sum &x = is_transposed() ? right : left, &y = is_transposed() ? left : right;
  Sum result{multiply_add(x[0], y[0], sum[0])};
  if (sum.size() == 1) return result;
  const bool both = x.size() == 2 && y.size() == 2;
  if (both) result[0] = b.fma(-x[1], y[1], result[0]);
  Value imaginary = sum[1];
  if (y.size() == 2) imaginary = b.fma(x[0], y[1], imaginary);
  if (x.size() == 2) imaginary = b.fma(x[1], y[0], imaginary);
  result.push_back(imaginary);
  return result;
}

Value MatmulKernel::add_dot(Value x, Value y, Value sum) const {
  using ir::Opcode;
  const bool x_signed = !is_unsigned(A.dtype), y_signed = !is_unsigned(B.dtype);
  if (x_signed != y_signed) {
    return sum + b.binary(Opcode::dot_mixed, x_signed ? x : y, x_signed ? y : x);
  }
  return sum + b.binary(x_signed ? Opcode::dot_signed : Opcode::dot_unsigned, x, y);
}

Value MatmulKernel::sum_of_word(Value bits) const {
  if (is_integer(sums.type) && ir::bytes(type) == 4) return b.bitcast(bits, type);
  const bool is_positive = is_unsigned(A.dtype) && is_unsigned(B.dtype);
  return b.convert(is_positive ? bits : b.bitcast(bits, ir::kS32), type);
}

Sum MatmulKernel::add(const Sum& x, const Sum& y) {
  Sum result;
  for (size_t i = 0; i < x.size(); ++i) result.push_back(x[i] + y[i]);
  return result;
}

Number MatmulKernel::number(const Sum& total) const {
  Number x{dtype, ir::wrap(total[0], dtype), {}};
  if (total.size() == 2) x.im = ir::wrap(total[1], dtype);
  return x;
}

std::vector<std::vector<Number>> MatmulKernel::finished(std::vector<Number> sums, Value index) {
  if (results() == 1 && region_.roots[0].expr == sum_) return {std::move(sums)};
  Points points;
  for (size_t i = 0; i < sums.size(); ++i) {
    points.rows.push_back(i == 0 ? index : index + static_cast<int>(i));
  }
  if (sums.size() == kGroup) points.row_group = index >> 2;
  std::vector<std::vector<Number>> all;
  emitter_.set(sum_, sums);
  for (const Root& root : region_.roots) {
    emitter_.evaluate(root.expr, points);
    std::vector<Number>& values = all.emplace_back();
    for (size_t i = 0; i < sums.size(); ++i) {
      values.push_back(emitter_.value(root.expr, static_cast<int>(i)));
    }
  }
  emitter_.forget_all();
  return all;
}

DType MatmulKernel::stored_sum() const {
  if (type == ir::kU32) return DType::u32;
  if (type == ir::kS32) return DType::s32;
  return sums.type;
}

std::vector<ir::Var> MatmulKernel::variables(const Sum& initial) const {
  std::vector<ir::Var> result;
  for (const Value& v : initial) result.push_back(b.var(v));
  return result;
}

Sum MatmulKernel::read(const std::vector<ir::Var>& variables) {
  Sum values;
  for (const ir::Var& v : variables) values.push_back(v.get());
  return values;
}

void MatmulKernel::write(const std::vector<ir::Var>& variables, const Sum& values) {
  for (size_t i = 0; i < values.size(); ++i) variables[i].set(values[i]);
}

}  // namespace nxv::kernels

#include "kernels/matmul/matmul_kernel.h"

#include "ir/math/cast.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

namespace {

constexpr ArgumentOptions options(int workspaces) {
  return {.overlap = Overlap::apart, .workspaces = workspaces, .has_zero = false};
}

MatmulKernel::Operand operand(const KernelArguments& arguments, const Region& region, int i) {
  const bool is_a = i == 0;
  const auto words = arguments.region_words_as<MatrixWords>(
      word_offset(is_a ? &ProductWords::a : &ProductWords::b));
  const Value row = words[&MatrixWords::row_stride], column = words[&MatrixWords::column_stride];
  return {arguments.operand(i),        region.operands[static_cast<size_t>(i)].node->dtype,
          words[&MatrixWords::offset], words[&MatrixWords::batch_stride],
          is_a ? row : column,         is_a ? column : row};
}

}  // namespace

MatmulKernel::MatmulKernel(ir::Builder& builder, const Region& region, const Target& target,
                           const Accumulation& sums, uint32_t words, int workspaces)
    : b(builder),
      arguments(b, region, words, options(workspaces)),
      size(arguments.region_words_as<ProductWords>(0)),
      out(region.root->dtype),
      sums(sums),
      type(ir::compute_type(sums.type)),
      A(operand(arguments, region, 0)),
      B(operand(arguments, region, 1)),
      math_(target.math) {}

Sum MatmulKernel::element(const Operand& operand, Value index) const {
  const Number x = load_element(operand.buffer, index, operand.dtype);
  if (!is_complex(operand.dtype)) return {ir::cast(x, to_real(sums.type), math_).re};
  const Number y = ir::cast(x, sums.type, math_);
  return {y.re, y.im};
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
  for (int i = 0; i < kGroup; ++i) values[i] = ir::cast(loaded[i], sums.type, math_).re;
  return values;
}

Value MatmulKernel::zero() const { return is_integer(out) ? b.number(type, 0) : b.zero(type); }

Value MatmulKernel::multiply_add(Value x, Value y, Value sum) const {
  return is_integer(out) ? sum + x * y : b.fma(x, y, sum);
}

Sum MatmulKernel::multiply_add(const Sum& x, const Sum& y, const Sum& sum) const {
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

Sum MatmulKernel::add(const Sum& x, const Sum& y) {
  Sum result;
  for (size_t i = 0; i < x.size(); ++i) result.push_back(x[i] + y[i]);
  return result;
}

Number MatmulKernel::result(const Sum& total) const {
  Number x{out, ir::wrap(total[0], out), {}};
  if (total.size() == 2) x.im = ir::wrap(total[1], out);
  return x;
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

#include "kernels/matmul/matmul_kernel.h"

#include "ir/math/cast.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Value;

namespace {

// Products of this many multiplications at most are added up in f64, where the device has it.
constexpr uint64_t kWideProducts = uint64_t{1} << 22;
// Steps along k that are added up in one chain. A chain in f64 is as long as most matrices are.
constexpr uint32_t kBlock = 256, kWideBlock = 4096;

}  // namespace

MatmulSize::MatmulSize(const Region& region)
    : batch(region.words[kBatchCount]),
      m(region.words[kM]),
      n(region.words[kN]),
      k(region.words[kK]) {}

Accumulation accumulation(const Region& region, const Target& target) {
  const DType out = region.root->dtype;
  if (is_integer(out)) return {out, kWideBlock};
  const MatmulSize size(region);
  const bool small = size.m * size.n <= kWideProducts && size.m * size.n * size.k <= kWideProducts;
  const bool wide = to_real(out) == DType::f64 || (small && target.math.f64);
  if (is_complex(out)) return {wide ? DType::c128 : DType::c64, wide ? kWideBlock : kBlock};
  return {wide ? DType::f64 : DType::f32, wide ? kWideBlock : kBlock};
}

Access2D access_of(const Region& region, int operand) {
  const bool is_a = operand == 0;
  const auto word = [&](MatmulWord i) { return region.words[i]; };
  const uint32_t offset = word(is_a ? kOffsetA : kOffsetB);
  const uint32_t batch = word(is_a ? kBatchStrideA : kBatchStrideB);
  const uint32_t free = word(is_a ? kRowStrideA : kColumnStrideB);
  const uint32_t depth = word(is_a ? kDepthStrideA : kDepthStrideB);
  // A dimension of one element may have any stride.
  const auto fits = [&](uint32_t stride, uint32_t extent) {
    return extent == 1 || stride % kGroup == 0;
  };
  const bool starts = offset % kGroup == 0 && fits(batch, word(kBatchCount));
  Access2D access;
  if (depth == 1) {
    access = {Access2D::Unit::depth, starts && fits(free, word(is_a ? kM : kN))};
  } else if (free == 1) {
    access = {Access2D::Unit::free, starts && fits(depth, word(kK))};
  }
  return access;
}

MatmulKernel::MatmulKernel(Builder& builder, const Region& region, const Target& target,
                           std::span<const std::string> workspace_names, int extra_words)
    : b(builder),
      out(region.root->dtype),
      sums(accumulation(region, target)),
      type(ir::compute_type(sums.type)),
      math_(target.math) {
  A.buffer = b.buffer("a", ir::Access::read, true);
  B.buffer = b.buffer("b", ir::Access::read, true);
  C = b.buffer("c", ir::Access::read_write);
  for (const std::string& name : workspace_names) {
    workspaces.push_back(b.buffer(name, ir::Access::read_write));
  }
  for (int i = 0; i < int{kMatmulWords} + extra_words; ++i) {
    words_.push_back(b.param("w" + std::to_string(i), ir::kU32));
  }
  A.offset = word(kOffsetA);
  A.batch_stride = word(kBatchStrideA);
  A.free_stride = word(kRowStrideA);
  A.depth_stride = word(kDepthStrideA);
  B.offset = word(kOffsetB);
  B.batch_stride = word(kBatchStrideB);
  B.free_stride = word(kColumnStrideB);
  B.depth_stride = word(kDepthStrideB);
  for (int i = 0; i < 2; ++i) {
    Operand& operand = i == 0 ? A : B;
    operand.dtype = region.operands[static_cast<size_t>(i)].node->dtype;
    operand.access = access_of(region, i);
  }
}

Value MatmulKernel::divide(Value n, int i) const {
  return (b.binary(ir::Opcode::mul_hi, n, extra(i + 1)) + n) >> extra(i + 2);
}

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

void MatmulKernel::store_four(const Value* totals, Value start, Value column,
                              const StoreOptions& options) const {
  const Value buffer = options.to_workspace ? workspaces[0] : C;
  const DType stored = options.to_workspace ? stored_sum() : out;
  const auto number = [&](Value total) {
    return options.to_workspace ? Number{stored, total, {}} : result({total});
  };
  const auto guarded = [&](Value at, const std::function<void()>& body) {
    if (options.is_inside) {
      body();
    } else {
      b.if_(at < word(kN), body);
    }
  };
  if (options.whole_groups) {
    guarded(column, [&] {
      const Value index = (start + column) >> 2;
      Group before, four;
      if (options.adds) before = load_group(buffer, index, stored);
      for (int i = 0; i < kGroup; ++i) {
        four[i] = number(options.adds ? before[i].re + totals[i] : totals[i]);
      }
      store_group(buffer, index, four);
    });
    return;
  }
  for (int i = 0; i < kGroup; ++i) {
    const Value at = i == 0 ? column : column + i;
    guarded(at, [&] {
      const Value index = start + at;
      const Value total =
          options.adds ? load_element(buffer, index, stored).re + totals[i] : totals[i];
      store_element(buffer, index, number(total));
    });
  }
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

// What tests of matrix products share: problems with any strides, a device that is not there, and
// the answers.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <optional>
#include <random>

#include "base/error.h"
#include "base/scalar.h"
#include "graph/region_words.h"
#include "kernels/matmul/matmul.h"
#include "spirv/translate.h"
#include "testing/driver/run_dispatch.h"
#include "testing/driver/snapshots.h"
#include "testing/driver/spirv_validate.h"
#include "testing/reference/reference.h"

namespace nxv::kernels {

using Bytes = std::vector<std::byte>;

inline plan::DevicePlan make_plan(plan::Profile profile) {
  const bool cpu = profile == plan::Profile::cpu;
  plan::DevicePlan p;
  p.tuning = plan::tuning_of(profile, cpu ? testing::lavapipe_25() : testing::common_gpu());
  p.has.f64 = p.has.fast_f64 = p.has.int64 = p.has.subgroup_shuffle = true;
  p.shared_memory_bytes = 49152;
  p.max_workgroup_invocations = 1024;
  p.subgroup_size = p.matrix_subgroup_size = p.min_subgroup_size = p.max_subgroup_size =
      cpu ? 8 : 32;
  p.fixed_subgroup_size = true;
  return p;
}

struct Device {
  plan::DevicePlan plan;
  Target target;
  explicit Device(plan::Profile profile, bool f64 = true) : plan(make_plan(profile)) {
    plan.has.f64 = plan.has.fast_f64 = f64;
    target = make_target(plan);
  }
};

// How an operand's rows and columns lie in its storage.
enum class Pattern {
  rows,
  columns,
  padded_rows,
  padded_columns,
  every_second,
  reversed,
  one_row,
  one_column,
  one_element,
};
inline constexpr Pattern kPatterns[] = {
    Pattern::rows,           Pattern::columns,      Pattern::padded_rows,
    Pattern::padded_columns, Pattern::every_second, Pattern::reversed,
    Pattern::one_row,        Pattern::one_column,   Pattern::one_element};

struct Matrix {
  DType dtype;
  int64_t offset = 0, batch_stride, row_stride, column_stride, elements;

  Matrix(DType t, int64_t batch, int64_t rows, int64_t columns, Pattern pattern) : dtype(t) {
    switch (pattern) {
      case Pattern::rows:
        row_stride = columns, column_stride = 1;
        break;
      case Pattern::columns:
        row_stride = 1, column_stride = rows;
        break;
      case Pattern::padded_rows:  // aligned, whatever the size
        row_stride = (columns + 7) / 4 * 4, column_stride = 1, offset = 4;
        break;
      case Pattern::padded_columns:
        row_stride = 1, column_stride = (rows + 7) / 4 * 4, offset = 8;
        break;
      case Pattern::every_second:
        row_stride = 2 * columns + 1, column_stride = 2, offset = 3;
        break;
      case Pattern::reversed:
        row_stride = -columns, column_stride = -1, offset = rows * columns - 1;
        break;
      case Pattern::one_row:
        row_stride = 0, column_stride = 1;
        break;
      case Pattern::one_column:
        row_stride = 1, column_stride = 0;
        break;
      case Pattern::one_element:
        row_stride = column_stride = 0, offset = 1;
        break;
    }
    const int64_t extent = offset + (rows - 1) * std::max<int64_t>(row_stride, 0) +
                           (columns - 1) * std::max<int64_t>(column_stride, 0) + 1;
    batch_stride = pattern == Pattern::one_element ? 0 : (extent + 3) / 4 * 4;
    elements = (batch - 1) * batch_stride + extent;
  }
  int64_t at(int64_t b, int64_t row, int64_t column) const {
    return offset + b * batch_stride + row * row_stride + column * column_stride;
  }
};

struct Problem {
  int64_t batch, m, n, k;
  Matrix a, b;
  DType out;
  Region region;
  Bytes a_bytes, b_bytes;
  std::vector<Bytes> others;  // what expressions behind the sum read

  Problem(DType ta, DType tb, int64_t batches, int64_t rows, int64_t columns, int64_t depth,
          Pattern pa = Pattern::rows, Pattern pb = Pattern::rows, std::optional<DType> result = {})
      : batch(batches),
        m(rows),
        n(columns),
        k(depth),
        a(ta, batch, m, k, pa),
        b(tb, batch, k, n, pb),
        out(result.value_or(merge(ta, tb))) {
    const auto yard = host_graveyard();
    const auto node = [&](DType t, Shape shape) {
      return NodeRef::adopt(new Node(yard, Op::data, t, std::move(shape), {}));
    };
    const auto word = [](int64_t v) { return static_cast<uint32_t>(v); };
    const auto where = [&](const Matrix& x) {
      return MatrixWords{word(x.offset), word(x.batch_stride), word(x.row_stride),
                         word(x.column_stride)};
    };
    region =
        product_region(node(ta, {a.elements}), node(tb, {b.elements}), node(out, {batch, m, n}),
                       {where(a), where(b), word(batch), word(m), word(n), word(k)});
    a_bytes = storage(ta, a.elements);
    b_bytes = storage(tb, b.elements);
  }

  static Bytes storage(DType t, int64_t elements) {
    const auto size = static_cast<size_t>(elements * storage_bytes(t));
    return Bytes((size + 15) / 16 * 16, std::byte{0xff});
  }

  void fill(uint32_t seed, const std::function<Scalar(DType, std::mt19937&)>& number) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < a.elements; ++i) {
      store_scalar(number(a.dtype, random), a_bytes.data(), i);
    }
    for (int64_t i = 0; i < b.elements; ++i) {
      store_scalar(number(b.dtype, random), b_bytes.data(), i);
    }
  }

  Scalar x(int64_t i, int64_t row, int64_t step) const {
    return load_scalar(a.dtype, a_bytes.data(), a.at(i, row, step));
  }
  Scalar y(int64_t i, int64_t step, int64_t column) const {
    return load_scalar(b.dtype, b_bytes.data(), b.at(i, step, column));
  }
};

inline Scalar any_real(DType t, std::mt19937& random) {
  return make_scalar(t, std::uniform_real_distribution<double>(-1, 1)(random));
}

// Numbers whose products and sums are exact in every type that adds them up.
inline Scalar small_number(DType t, std::mt19937& random) {
  const auto v = static_cast<int64_t>(random() % 7) - 3;
  if (is_complex(t)) {
    return make_scalar(
        t, std::complex<double>(static_cast<double>(v), static_cast<double>(random() % 5) - 2));
  }
  if (is_integer(t)) return make_scalar(t, bits(t) < 8 ? v : v * 37);
  return make_scalar(t, 0.5 * static_cast<double>(v));
}

inline std::vector<MatmulTile> test_tiles(const Device& device) {
  std::vector<MatmulTile> tiles;
  for (const MatmulTile& t : candidate_tiles(device.target)) {
    // The largest take the interpreter long and differ from others in numbers alone.
    if (t.rows * t.columns <= 64 * 64) tiles.push_back(t);
  }
  return tiles;
}

// Runs a lowering on the host, checking every module on the way: the bytes of each root. The first
// root may lie where one of `Problem::others` does.
inline std::vector<Bytes> run_roots(const Problem& p, const Lowering& lowering,
                                    std::optional<size_t> in_place = {}) {
  Bytes a = p.a_bytes, b = p.b_bytes;
  const int64_t count = p.batch * p.m * p.n;
  std::vector<Bytes> results;
  for (const Root& root : p.region.roots) {
    results.push_back(Problem::storage(root.node->dtype, (count + 3) / 4 * 4));
  }
  std::vector<Bytes> workspaces;
  for (uint64_t bytes : lowering.workspaces) {
    workspaces.emplace_back((bytes + 15) / 16 * 16, std::byte{0xff});
  }
  std::vector operands = {testing::Argument::buffer(a), testing::Argument::buffer(b)};
  std::vector<Bytes> others = p.others;
  for (Bytes& bytes : others) operands.push_back(testing::Argument::buffer(bytes));
  std::vector<testing::Argument> outputs, work;
  for (Bytes& bytes : results) outputs.push_back(testing::Argument::buffer(bytes));
  if (in_place) outputs[0] = operands[2 + *in_place];
  for (Bytes& bytes : workspaces) work.push_back(testing::Argument::buffer(bytes));
  for (const Launch& d : lowering.launches) {
    const ir::Kernel kernel = d.generate(p.region);
    EXPECT_EQ(testing::validate_spirv(spirv::translate(kernel)), "");
    testing::run_dispatch(d, kernel, {operands, outputs, {}, work}, p.region.words);
  }
  if (in_place) results[0] = others[*in_place];
  for (size_t r = 0; r < results.size(); ++r) {
    results[r].resize(static_cast<size_t>(count * storage_bytes(p.region.roots[r].node->dtype)));
  }
  return results;
}

inline Bytes run(const Problem& p, const Lowering& lowering) { return run_roots(p, lowering)[0]; }

// The transposed product of the same numbers, as the scheduler asks for it.
inline Problem transposed(const Problem& p) {
  Problem q(p.b.dtype, p.a.dtype, p.batch, p.n, p.m, p.k);
  q.a = p.b;
  q.b = p.a;
  q.a_bytes = p.b_bytes;
  q.b_bytes = p.a_bytes;
  auto words = record_at<ProductWords>(p.region.words, 0);
  std::swap(words.a, words.b);
  std::swap(words.m, words.n);
  for (Matrix* x : {&q.a, &q.b}) std::swap(x->row_stride, x->column_stride);
  for (MatrixWords* x : {&words.a, &words.b}) std::swap(x->row_stride, x->column_stride);
  q.region.words.clear();
  append(q.region.words, words);
  q.region.exprs[static_cast<size_t>(q.region.contraction())].is_transposed = true;
  q.region.key += "transposed";
  return q;
}

// Matrices [batch][n][m] of C^T from those of C.
inline Bytes transposed(const Problem& p, const Bytes& c) {
  const auto size = static_cast<size_t>(storage_bytes(p.out));
  Bytes result(c.size());
  for (int64_t i = 0; i < p.batch * p.m * p.n; ++i) {
    const int64_t batch = i / (p.m * p.n), row = i / p.n % p.m, column = i % p.n;
    const int64_t to = (batch * p.n + column) * p.m + row;
    std::memcpy(&result[static_cast<size_t>(to) * size], &c[static_cast<size_t>(i) * size], size);
  }
  return result;
}

// The order of additions that every kernel keeps to, in the type T.
template <typename T>
Bytes model(const Problem& p, int64_t block) {
  Bytes c = Problem::storage(p.out, p.batch * p.m * p.n);
  for (int64_t i = 0; i < p.batch * p.m * p.n; ++i) {
    const int64_t batch = i / (p.m * p.n), row = i / p.n % p.m, column = i % p.n;
    T total = 0;
    for (int64_t begin = 0; begin < p.k; begin += block) {
      T sum = 0;
      for (int64_t k = begin; k < std::min(begin + block, p.k); ++k) {
        const volatile T product = static_cast<T>(to_double(p.x(batch, row, k))) *
                                   static_cast<T>(to_double(p.y(batch, k, column)));
        sum = product + sum;
      }
      total = total + sum;
    }
    store_scalar(make_scalar(p.out, static_cast<double>(total)), c.data(), i);
  }
  c.resize(static_cast<size_t>(p.batch * p.m * p.n * storage_bytes(p.out)));
  return c;
}

inline Bytes exact(const Problem& p) {
  Bytes c = Problem::storage(p.out, p.batch * p.m * p.n);
  for (int64_t i = 0; i < p.batch * p.m * p.n; ++i) {
    const int64_t batch = i / (p.m * p.n), row = i / p.n % p.m, column = i % p.n;
    uint64_t integer = 0;
    std::complex<double> number = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      const Scalar x = p.x(batch, row, k), y = p.y(batch, k, column);
      if (is_integer(p.out)) {
        integer += static_cast<uint64_t>(to_int64(x)) * static_cast<uint64_t>(to_int64(y));
      } else {
        number += to_complex_double(x) * to_complex_double(y);
      }
    }
    store_scalar(is_integer(p.out)   ? make_scalar(p.out, integer)
                 : is_complex(p.out) ? make_scalar(p.out, number)
                                     : make_scalar(p.out, number.real()),
                 c.data(), i);
  }
  c.resize(static_cast<size_t>(p.batch * p.m * p.n * storage_bytes(p.out)));
  return c;
}

// Lets the region of one product add a bias for each column and a residual for each element to its
// sum, and cast that. Returns what to make of the product's bytes.
inline std::function<Bytes(const Bytes&)> add_epilogue(Problem& p, DType out) {
  const DType sum = p.out;
  Region& region = p.region;
  const auto yard = host_graveyard();
  const auto node = [&](DType t, Shape shape) {
    return NodeRef::adopt(new Node(yard, Op::data, t, std::move(shape), {}));
  };
  region.rows.dims = {p.m, p.n};
  region.rows.words = static_cast<WordIndex>(region.words.size());
  append(region.words, Divisor(static_cast<uint64_t>(p.n)));
  const auto bias_words = static_cast<WordIndex>(region.words.size());
  append(region.words, OffsetWords{0});
  for (uint32_t stride : {0, 1}) region.words.push_back(stride);

  std::mt19937 random(11);
  const auto load = [&](Shape shape, int64_t count, Addressing addressing, WordIndex words) {
    Bytes& bytes = p.others.emplace_back(Problem::storage(sum, count));
    for (int64_t i = 0; i < count; ++i) store_scalar(any_real(sum, random), bytes.data(), i);
    Operand& operand = region.operands.emplace_back();
    operand.node = node(sum, std::move(shape));
    operand.addressing = addressing;
    operand.words = words;
    Expr e{ExprKind::load, Level::row, Op::data, sum};
    e.operand = static_cast<int16_t>(region.operands.size() - 1);
    region.exprs.push_back(e);
    return static_cast<int16_t>(region.exprs.size() - 1);
  };
  const auto compute = [&](Op op, DType t, std::array<int16_t, 3> args) {
    region.exprs.push_back({ExprKind::compute, Level::row, op, t, args});
    return static_cast<int16_t>(region.exprs.size() - 1);
  };
  const auto product = static_cast<int16_t>(region.contraction());
  const int16_t bias = load({p.n}, p.n, Addressing::strided, bias_words);
  const int16_t residual = load({p.m, p.n}, p.m * p.n, Addressing::linear, 0);
  const int16_t biased = compute(Op::add, sum, {product, bias, -1});
  const int16_t all = compute(Op::add, sum, {biased, residual, -1});
  region.roots.clear();
  region.add_root(node(out, {1, p.m, p.n}), compute(Op::cast, out, {all, -1, -1}));
  p.out = out;

  return [=, m = p.m, n = p.n, others = p.others](const Bytes& product_bytes) {
    Bytes c = Problem::storage(out, m * n);
    const auto at = [&](const Bytes& bytes, int64_t i) {
      return to_double(load_scalar(sum, bytes.data(), i));
    };
    const auto rounded = [&](double v) { return to_double(make_scalar(sum, v)); };
    for (int64_t i = 0; i < m * n; ++i) {
      const double x = rounded(at(product_bytes, i) + at(others[0], i % n));
      store_scalar(make_scalar(out, rounded(x + at(others[1], i))), c.data(), i);
    }
    c.resize(static_cast<size_t>(m * n * storage_bytes(out)));
    return c;
  };
}

}  // namespace nxv::kernels

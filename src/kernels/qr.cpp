// QR decomposition by Householder reflections (Golub & Van Loan, Matrix Computations, 5.2.2). Two
// steps a column bring the matrix to R; Q grows from the identity, last reflection first. The
// smallest real matrices are multiplied by whole reflections H, as Nx defines it, and so is Q, the
// first one first.
//
// The result is packed, for each matrix: Q, then R. Which columns of Q there are follows from the
// packed length.
#include "kernels/householder.h"
#include "kernels/linear.h"
#include "kernels/range.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// What reflections leave of an element that should vanish, in units of roundoff of its column.
constexpr double kNoise = 16;

// The first `columns` of the `width` columns that Q has in its workspace, and as many rows of R.
void add_result(Steps& steps, const Householder& h, uint64_t columns, int q, uint64_t width,
                int scales) {
  enum Word {
    kCount,
    kColumns,
    kQColumns = kColumns + kDivisorWords,
    kWidth = kQColumns + kDivisorWords,
    kRows,
    kPacked,
    kWordCount = kPacked + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t packed = h.rows * columns + columns * h.columns;
  const bool scaled = scales != kUnscaled;
  Step step;
  step.key = scaled ? "qr_store scaled" : "qr_store";
  step.groups = Steps::groups(h.batch * packed, lanes);
  step.words = {static_cast<uint32_t>(h.batch * packed)};
  push_divisor(step.words, h.columns);
  push_divisor(step.words, columns);
  step.words.push_back(static_cast<uint32_t>(width));
  step.words.push_back(static_cast<uint32_t>(h.rows));
  push_divisor(step.words, packed);
  step.workspaces = {reads(h.matrices), reads(q), reads(h.sizes)};
  if (scaled) step.workspaces.push_back(reads(scales));
  step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("qr_store", lanes, region, target, scaled ? 4 : 3, kWordCount);
    const Value noise = k.number(kNoise * unit_roundoff(k.type));
    const Number zero = k.real(k.zero);
    const Value rows = k.word(kRows), q_elements = rows * k.word(kQColumns);
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
      k.b.if_(
          position < q_elements,
          [&] {
            const Value i = k.divide(position, kQColumns), j = position - i * k.word(kQColumns);
            const Number x = k.load(k.workspace(1), (matrix * rows + i) * k.word(kWidth) + j);
            k.store_output(at, k.select(k.magnitude(x) <= noise, zero, x));
          },
          [&] {
            const Value element = position - q_elements;
            const Value i = k.divide(element, kColumns), j = element - i * k.word(kColumns);
            const auto result = k.variable(zero);
            k.b.if_(i <= j, [&] {
              const Number x = k.load(k.workspace(0), matrix * (rows * k.word(kColumns)) + element);
              const Value size = k.load_real(k.workspace(2), matrix * k.word(kColumns) + j);
              const Number kept = k.select(k.magnitude(x) <= size * noise, zero, x);
              result.set(scaled ? k.scale(kept, scale_back(k, k.workspace(3), matrix)) : kept);
            });
            k.store_output(at, result.get());
          });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// ---- Whole reflections ----

// The largest size: whole reflections cost a factor of the size more.
constexpr uint64_t kWhole = 8;
// Of noise beside a column's size, in units of roundoff, as Householder has it.
constexpr double kNoNorm = 4;

// A sum over rows `begin` on that is rounded once.
Number sum_of_rows(LinearKernel& k, Value begin, Value end, const LinearKernel::Add& add) {
  const auto sum = k.zero_variable();
  k.b.for_range(begin, end, k.b.u32(1), [&](Value i) { sum.set(add(sum.get(), i)); });
  return sum.get();
}

// Multiplies a matrix from the left, and Q from the right, by the reflection H = 1 - scale v v^T
// that clears `column` below the diagonal.
void reflect_whole(LinearKernel& k, Value matrix, Value column) {
  const Value rows = k.word(kLoneWords), columns = k.word(kLoneWords + 1);
  const Value one = k.b.u32(1), next = column + 1u;
  const Value a = k.workspace(0), q = k.workspace(2), h = k.workspace(3), line = k.workspace(4);
  const Value first = matrix * rows;
  const auto a_at = [&](Value i, Value j) { return (first + i) * columns + j; };
  const auto square_at = [&](Value i, Value j) { return (first + i) * rows + j; };
  const auto add_square = [&](Value buffer, const Number& sum, Value at) {
    const Number x = k.load(buffer, at);
    return k.accumulate(sum, x, x);
  };

  const Number below = sum_of_rows(k, next, rows, [&](const Number& sum, Value i) {
    return add_square(a, sum, a_at(i, column));
  });
  const Number head = k.load(a, a_at(column, column));
  const Value norm = k.sqrt(k.rounded(k.accumulate(below, head, head)).re);
  const Value tail = k.rounded(below.re);
  const Value noise =
      k.load_real(k.workspace(1), matrix * columns + column) * k.number(kNoNorm * k.roundoff());
  const Value is_done = tail <= noise * noise;
  const Value positive = -k.divide(tail, k.rounded(head.re + norm));
  const Value pivot = k.b.select(head.re <= k.zero, k.rounded(head.re - norm), positive);
  const Value divisor = k.b.select(is_done, k.number(1), pivot);

  k.store(line, first + column, k.real(k.number(1)));
  k.b.for_range(next, rows, one, [&](Value i) {
    k.store(line, first + i, k.real(k.divide(k.load(a, a_at(i, column)).re, divisor)));
  });
  const Number length = k.rounded(sum_of_rows(k, column, rows, [&](const Number& sum, Value i) {
    return add_square(line, sum, first + i);
  }));
  const Value scale = k.b.select(is_done, k.zero, k.divide(k.number(2), length.re));
  k.b.for_range(column, rows, one, [&](Value i) {
    k.b.for_range(column, rows, one, [&](Value j) {
      const Number product = k.multiply(k.load(line, first + i), k.load(line, first + j));
      const Number identity = k.real(k.b.select(i == j, k.number(1), k.zero));
      k.store(h, square_at(i, j), k.subtract(identity, k.scale(product, scale)));
    });
  });

  // Replaces x[column ..] by H x; H is symmetric.
  const auto multiply = [&](Value x, const auto& at) {
    k.b.for_range(column, rows, one, [&](Value i) { k.store(line, first + i, k.load(x, at(i))); });
    k.b.for_range(column, rows, one, [&](Value i) {
      const Number sum = sum_of_rows(k, column, rows, [&](const Number& sum, Value j) {
        return k.accumulate(sum, k.load(h, square_at(i, j)), k.load(line, first + j));
      });
      k.store(x, at(i), k.rounded(sum));
    });
  };
  k.b.for_range(column, columns, one,
                [&](Value j) { multiply(a, [&](Value i) { return a_at(i, j); }); });
  k.b.for_range(k.b.u32(0), rows, one,
                [&](Value i) { multiply(q, [&](Value j) { return square_at(i, j); }); });
}

void add_whole_reflections(Steps& steps, const Householder& h, int q) {
  add_identity(steps, h.batch, h.rows, h.rows, q);
  const int reflection = steps.numbers(h.batch * h.rows * h.rows);
  const int line = steps.numbers(h.batch * h.rows);
  const uint64_t all = h.reflections(false);
  const uint64_t iterations = (h.rows + 1) * (h.rows + 2) * (h.rows + h.columns + 1);
  const uint64_t together =
      std::max<uint64_t>(1, (steps.target.plan->max_loop_iterations - 1) / (iterations + 1));
  for (uint64_t begin = 0; begin < all; begin += together) {
    add_lone(steps, "whole reflection", h.batch, begin, std::min(begin + together, all),
             {h.rows, h.columns},
             {updates(h.matrices), reads(h.sizes), updates(q), updates(reflection), updates(line)},
             reflect_whole, Rounding::of_operations);
  }
}

}  // namespace

Lowering lower_qr(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  const auto n = static_cast<uint64_t>(shape.back());
  const auto m = static_cast<uint64_t>(shape[shape.size() - 2]);
  const bool complete = static_cast<uint64_t>(region.root->shape.back()) == m * m + m * n;
  const uint64_t columns = complete ? m : std::min(m, n);
  Steps steps(region, target);
  const bool whole = steps.are_lone(m, n) && std::max(m, n) <= kWhole && !is_complex(steps.working);
  const Householder h(steps, batch_of(shape), m, n);
  const uint64_t width = whole ? m : columns;
  const int q = steps.numbers(h.batch * m * width);
  add_load(steps, 0, {h.batch, m, n, m * n, n, 1}, h.matrices);
  add_column_sizes(steps, h.matrices, h.sizes, h.batch, m, n);
  // A wider working type has range to spare, unless operations are rounded.
  const int scales =
      steps.widens() && !whole ? kUnscaled : add_scaling(steps, h.matrices, h.sizes, h.batch, m, n);
  if (whole) {
    add_whole_reflections(steps, h, q);
  } else {
    add_triangularization(steps, h);
    add_orthogonal_factor(steps, h, columns, q);
  }
  add_result(steps, h, columns, q, width, scales);
  return steps.take();
}

}  // namespace nxv::kernels

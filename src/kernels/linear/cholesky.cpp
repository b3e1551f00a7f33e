// Cholesky's decomposition a = l l^H (Golub & Van Loan, Matrix Computations, 4.2).
//
// By outer products, on the transpose of the lower triangle, so that a step reads and writes along
// rows. Rows are divided by the roots of their pivots when they are stored. Of small matrices by
// inner products, row by row in place, each sum rounded once: so Nx defines it.
#include "kernels/linear/elimination.h"
#include "kernels/linear/linear.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// What is left of an element after cancellation, in units of roundoff of the row's length, is zero.
constexpr double kNoise = 16;

void add_result(Steps& steps, int matrices, uint64_t batch, uint64_t n) {
  enum Word { kCount, kSize, kRows, kWordCount = kRows + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "cholesky_store";
  step.groups = Steps::groups(batch * n * n, lanes);
  step.words = {static_cast<uint32_t>(batch * n * n)};
  step.words.push_back(static_cast<uint32_t>(n));
  push_divisor(step.words, n);
  step.workspaces = {reads(matrices)};
  step.reads_operands = step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("cholesky_store", lanes, region, target, 1, kWordCount);
    const Value n = k.word(kSize);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kRows), j = at - row * n;
      const Value matrix = k.divide(row, kRows), i = row - matrix * n;
      const Value pivot_row = (matrix * n + j) * n;
      const auto result = k.zero_variable();
      k.b.if_(j <= i, [&] {
        const Number pivot = k.load(k.workspace(0), pivot_row + j);
        const Value root = k.sqrt(pivot.re);
        k.b.if_(
            i == j, [&] { result.set(k.real(root)); },
            [&] {
              const Number factor = elimination_factor(
                  k, Elimination::hermitian, k.load(k.workspace(0), pivot_row + i), pivot);
              const Number x = k.scale(k.conjugate(factor), root);
              const Value length = k.sqrt(k.load_operand(0, row * n + i).re);
              const Value noise = length * k.number(kNoise * unit_roundoff(k.type));
              result.set(k.select(k.magnitude(x) <= noise, k.real(k.zero), x));
            });
      });
      k.store_output(at, result.get());
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// a[row][j] less the product of the rows of l as far as column j.
Number remainder(LinearKernel& k, Value matrix, Value row, Value j) {
  const Value a = k.workspace(0), n = k.word(kLoneWords);
  const Value own = (matrix * n + row) * n, other = (matrix * n + j) * n;
  const auto sum = k.zero_variable();
  k.b.for_range(k.b.u32(0), j, k.b.u32(1), [&](Value i) {
    sum.set(k.accumulate(sum.get(), k.load(a, own + i), k.conjugate(k.load(a, other + i))));
  });
  return k.subtract(k.load(a, own + j), k.rounded(sum.get()));
}

// Row `row` of l, from the rows above it.
void factor_row(LinearKernel& k, Value matrix, Value row) {
  const Value a = k.workspace(0), n = k.word(kLoneWords), one = k.b.u32(1);
  const auto at = [&](Value i, Value j) { return (matrix * n + i) * n + j; };
  k.b.for_range(k.b.u32(0), row, one, [&](Value j) {
    const Number rest = remainder(k, matrix, row, j);
    const Value pivot = k.load(a, at(j, j)).re;
    const Number quotient{k.type, k.divide(rest.re, pivot),
                          k.is_complex() ? k.divide(rest.im, pivot) : Value()};
    k.store(a, at(row, j),
            k.select(pivot > k.zero, quotient, k.real(quotient_without_root(k, rest, pivot))));
  });
  k.store(a, at(row, row), k.real(k.sqrt(remainder(k, matrix, row, row).re)));
  k.b.for_range(row + 1u, n, one, [&](Value j) { k.store(a, at(row, j), k.real(k.zero)); });
}

}  // namespace

Lowering lower_cholesky(const Region& region, const Target& target) {
  const auto n = static_cast<uint64_t>(region.root->shape.back());
  const uint64_t batch = batch_of(region.root->shape);
  Steps steps(region, target);
  const int matrices = steps.numbers(batch * n * n);
  if (steps.are_lone(n, n)) {
    const MatrixView view{batch, n, n, n * n, n, 1};
    add_load(steps, 0, view, matrices);
    add_lone(steps, "cholesky", batch, 0, n, {n}, {updates(matrices)}, factor_row,
             Rounding::of_operations);
    add_store(steps, view, matrices);
    return steps.take();
  }
  add_load(steps, 0, {batch, n, n, n * n, 1, n}, matrices);
  for (uint64_t column = 0; column + 1 < n; ++column) {
    add_elimination(steps, Elimination::hermitian, matrices, batch, n, column);
  }
  add_result(steps, matrices, batch, n);
  return steps.take();
}

}  // namespace nxv::kernels

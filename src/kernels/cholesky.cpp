// Cholesky's decomposition a = l l^H by outer products (Golub & Van Loan, Matrix Computations,
// 4.2.5), on the transpose of the lower triangle, so that a step reads and writes along rows. Rows
// are divided by the roots of their pivots when they are stored.
#include "kernels/elimination.h"
#include "kernels/linear.h"

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

}  // namespace

Lowering lower_cholesky(const Region& region, const Target& target) {
  const auto n = static_cast<uint64_t>(region.root->shape.back());
  const uint64_t batch = batch_of(region.root->shape);
  Steps steps(region, target);
  const int matrices = steps.numbers(batch * n * n);
  add_load(steps, 0, {batch, n, n, n * n, 1, n}, matrices);
  if (steps.are_lone(n, n)) {
    add_lone(steps, "cholesky", batch, 0, n - 1, {n}, {updates(matrices)},
             [](LinearKernel& k, Value matrix, Value column) {
               eliminate(k, Elimination::hermitian, k.workspace(0), k.word(kLoneWords), matrix,
                         column);
             });
  } else {
    for (uint64_t column = 0; column + 1 < n; ++column) {
      add_elimination(steps, Elimination::hermitian, matrices, batch, n, column);
    }
  }
  add_result(steps, matrices, batch, n);
  return steps.take();
}

}  // namespace nxv::kernels

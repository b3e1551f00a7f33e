// LU decomposition by outer products with partial pivoting (Golub & Van Loan, Matrix Computations,
// 3.4.1). A column takes two steps: a workgroup a matrix finds the pivot and swaps rows, then the
// grid eliminates. Columns are divided by their pivots when they are stored.
//
// The result is packed, for each matrix: the factors, n x n, the ones of l left out; the
// permutation, where row i of the factors is row permutation[i] of the operand; its sign.
#include "kernels/linear/elimination.h"
#include "kernels/linear/linear.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Opcode;
using ir::Value;

// The row of the largest magnitude on or below the diagonal: the first of equal ones, the last NaN.
class PivotSearch {
 public:
  explicit PivotSearch(LinearKernel& k, Value column)
      : k_(k), size_(k.b.var(k.number(-1))), row_(k.b.var(column)) {}

  void consider(Value size, Value row) {
    const Value is_better = (size > size_.get()) | ir::math::is_nan(size);
    size_.set(k_.b.select(is_better, size, size_.get()));
    row_.set(k_.b.select(is_better, row, row_.get()));
  }

  // Over the workgroup.
  Value row() {
    if (k_.lanes == 1) return row_.get();
    ir::Builder& b = k_.b;
    const ir::Shared sizes = b.shared("sizes", k_.part, k_.lanes);
    const ir::Shared rows = b.shared("rows", ir::kU32, k_.lanes);
    b.shared_store(sizes, k_.local, size_.get());
    b.shared_store(rows, k_.local, row_.get());
    b.barrier();
    for (uint32_t half = k_.lanes / 2; half >= 1; half /= 2) {
      b.if_(k_.local < half, [&] {
        const Value x = b.shared_load(sizes, k_.local), y = b.shared_load(sizes, k_.local + half);
        const Value i = b.shared_load(rows, k_.local), j = b.shared_load(rows, k_.local + half);
        const Value x_nan = ir::math::is_nan(x), y_nan = ir::math::is_nan(y);
        const Value takes_y =
            (y_nan & ((!x_nan) | (j > i))) | ((!x_nan) & ((y > x) | ((y == x) & (j < i))));
        b.shared_store(sizes, k_.local, b.select(takes_y, y, x));
        b.shared_store(rows, k_.local, b.select(takes_y, j, i));
      });
      b.barrier();
    }
    return b.shared_load(rows, b.u32(0));
  }

 private:
  LinearKernel& k_;
  ir::Var size_, row_;
};

// Brings the pivot of a column to its row.
void swap_rows(LinearKernel& k, Value a, Value pivots, Value n, Value matrix, Value column) {
  PivotSearch search(k, column);
  k.share(column, n, [&](Value i) {
    search.consider(k.magnitude(k.load(a, (matrix * n + i) * n + column)), i);
  });
  const Value pivot = search.row();
  k.b.if_(k.local == 0u, [&] { k.b.store(pivots, matrix * n + column, pivot); });
  k.b.if_(pivot != column, [&] {
    k.share(k.b.u32(0), n, [&](Value j) {
      const Value at = (matrix * n + column) * n + j, other = (matrix * n + pivot) * n + j;
      const Number x = k.load(a, at), y = k.load(a, other);
      k.store(a, at, y);
      k.store(a, other, x);
    });
  });
}

void add_pivot(Steps& steps, int matrices, int pivots, uint64_t batch, uint64_t n,
               uint64_t column) {
  enum Word { kGroups, kSize, kColumn, kWordCount };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target, 256);
  Step step;
  step.key = "pivot";
  step.groups = batch;
  for (const uint64_t w : {batch, n, column}) step.words.push_back(static_cast<uint32_t>(w));
  step.workspaces = {updates(matrices), writes(pivots)};
  step.generate = [=](const Region& region) {
    LinearKernel k("lu_pivot", lanes, region, target, 2, kWordCount);
    k.each_group(k.word(kGroups), [&](Value matrix) {
      swap_rows(k, k.workspace(0), k.workspace(1), k.word(kSize), matrix, k.word(kColumn));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// The permutation that the swaps amount to, n numbers a matrix, and its sign.
void add_permutation(Steps& steps, int pivots, int permutation, uint64_t batch, uint64_t n) {
  enum Word { kCount, kSize, kWordCount };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "permutation";
  step.groups = Steps::groups(batch, lanes);
  step.words = {static_cast<uint32_t>(batch), static_cast<uint32_t>(n)};
  step.workspaces = {reads(pivots), updates(permutation)};
  step.generate = [=](const Region& region) {
    LinearKernel k("lu_permutation", lanes, region, target, 2, kWordCount);
    const Value n = k.word(kSize), zero = k.b.u32(0), one = k.b.u32(1);
    k.each(k.word(kCount), [&](Value matrix) {
      const Value first = matrix * (n + 1u), permutation = k.workspace(1);
      k.b.for_range(zero, n, one, [&](Value i) { k.b.store(permutation, first + i, i); });
      const ir::Var swaps = k.b.var(zero);
      k.b.for_range(zero, n - 1u, one, [&](Value i) {
        const Value pivot = k.b.load(k.workspace(0), matrix * n + i, ir::kU32);
        const Value x = k.b.load(permutation, first + i, ir::kU32);
        const Value y = k.b.load(permutation, first + pivot, ir::kU32);
        k.b.store(permutation, first + i, y);
        k.b.store(permutation, first + pivot, x);
        swaps.set(swaps.get() ^ k.b.select(pivot != i, one, zero));
      });
      k.b.store(permutation, first + n, swaps.get());
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_result(Steps& steps, int matrices, int permutation, uint64_t batch, uint64_t n) {
  enum Word {
    kCount,
    kSize,
    kMatrix,
    kRow,
    kPacked = kRow + kDivisorWords,
    kWordCount = kPacked + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t packed = n * n + n + 1;
  Step step;
  step.key = "lu_store";
  step.groups = Steps::groups(batch * packed, lanes);
  for (const uint64_t w : {batch * packed, n, n * n}) {
    step.words.push_back(static_cast<uint32_t>(w));
  }
  push_divisor(step.words, n);
  push_divisor(step.words, packed);
  step.workspaces = {reads(matrices), reads(permutation)};
  step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("lu_store", lanes, region, target, 2, kWordCount);
    const Value n = k.word(kSize), elements = k.word(kMatrix);
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
      k.b.if_(
          position < elements,
          [&] {
            const Value i = k.divide(position, kRow), j = position - i * n;
            const Value first = matrix * elements;
            const auto result = k.variable(k.load(k.workspace(0), first + position));
            k.b.if_(j < i, [&] {
              const Number pivot = k.load(k.workspace(0), first + j * n + j);
              result.set(elimination_factor(k, Elimination::general, result.get(), pivot));
            });
            k.store_output(at, result.get());
          },
          [&] {
            const Value i = position - elements;
            const Value entry = k.b.load(k.workspace(1), matrix * (n + 1u) + i, ir::kU32);
            const Value odd = k.b.select(entry == 0u, k.number(1), k.number(-1));
            k.store_output(at, k.real(k.b.select(i < n, k.b.convert(entry, k.part), odd)));
          });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

Lowering lower_lu(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  const auto n = static_cast<uint64_t>(shape.back());
  const uint64_t batch = batch_of(shape);
  Steps steps(region, target);
  const int matrices = steps.numbers(batch * n * n);
  const int pivots = steps.indices(batch * n);
  const int permutation = steps.indices(batch * (n + 1));
  add_load(steps, 0, {batch, n, n, n * n, n, 1}, matrices);
  if (steps.are_lone(n, n)) {
    add_lone(
        steps, "lu", batch, 0, n - 1, {n}, {updates(matrices), writes(pivots)},
        [](LinearKernel& k, Value matrix, Value column) {
          const Value a = k.workspace(0), n = k.word(kLoneWords);
          swap_rows(k, a, k.workspace(1), n, matrix, column);
          eliminate(k, a, n, matrix, column);
        },
        Rounding::of_operations);
  } else {
    for (uint64_t column = 0; column + 1 < n; ++column) {
      add_pivot(steps, matrices, pivots, batch, n, column);
      add_elimination(steps, Elimination::general, matrices, batch, n, column);
    }
  }
  add_permutation(steps, pivots, permutation, batch, n);
  add_result(steps, matrices, permutation, batch, n);
  return steps.take();
}

}  // namespace nxv::kernels

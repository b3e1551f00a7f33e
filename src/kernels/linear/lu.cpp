// LU decomposition by outer products with partial pivoting (Golub & Van Loan, Matrix Computations,
// 3.4.1). A column takes two steps: a workgroup a matrix finds the pivot and swaps rows, then the
// grid eliminates. Columns are divided by their pivots when they are stored.
//
// The result is packed, for each matrix: the factors, n x n, the ones of l left out; the
// permutation, where row i of the factors is row permutation[i] of the operand; its sign.
#include "kernels/linear/elimination.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"

namespace nxv::kernels {
namespace {

using ir::Number;
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

struct LuPivot {
  static constexpr std::string_view kName = "lu_pivot";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0, column = 0;
  };
  static StepOptions options(NoLayout) {
    return {
        .kernel = kName, .workspaces = 2, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<LuPivot>& k) {
    k.each_item([&](Value matrix) {
      swap_rows(k, k.workspace(0), k.workspace(1), k.words[&Words::n], matrix,
                k.words[&Words::column]);
    });
  }
};

// All columns of a matrix.
struct LuColumns {
  static constexpr std::string_view kName = "lu";
  using Layout = NoLayout;
  struct Words {
    StepRange columns;
    uint32_t n = 0;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName,
            .workspaces = 2,
            .worker = Worker::lone,
            .rounding = Rounding::of_operations};
  }
  static void emit(StepKernel<LuColumns>& k) {
    const Value a = k.workspace(0), n = k.words[&Words::n];
    each_step(k, k.words[&Words::columns], [&](Value matrix, Value column) {
      swap_rows(k, a, k.workspace(1), n, matrix, column);
      eliminate(k, a, n, matrix, column);
    });
  }
};

// The permutation that the swaps amount to, n numbers a matrix, and its sign.
struct LuPermutation {
  static constexpr std::string_view kName = "lu_permutation";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0;
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<LuPermutation>& k) {
    const Value n = k.words[&Words::n], zero = k.b.u32(0), one = k.b.u32(1);
    k.each_item([&](Value matrix) {
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
  }
};

struct LuStore {
  static constexpr std::string_view kName = "lu_store";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0, elements = 0;  // of a matrix
    Divisor row, packed;
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<LuStore>& k) {
    const Value n = k.words[&Words::n], elements = k.words[&Words::elements];
    k.each_part(&Words::packed, [&](Value matrix, Value position, Value at) {
      k.b.if_(
          position < elements,
          [&] {
            const Value i = k.words.divide(position, &Words::row), j = position - i * n;
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
  }
};

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
  const Touched touched = {.workspaces = {updates(matrices), writes(pivots)}};
  if (!steps.are_lone(n, n)) {
    for (uint64_t column = 0; column + 1 < n; ++column) {
      steps.add<LuPivot>(batch, {.n = word(n), .column = word(column)}, touched);
      add_elimination(steps, Elimination::general, matrices, batch, n, column);
    }
  } else if (n > 1) {
    steps.add<LuColumns>(batch, {.columns = {0, n - 1}, .n = word(n)}, touched);
  }
  steps.add<LuPermutation>(batch, {.n = word(n)},
                           {.workspaces = {reads(pivots), updates(permutation)}});
  const uint64_t packed = n * n + n + 1;
  steps.add<LuStore>(
      batch * packed,
      {.n = word(n), .elements = word(n * n), .row = Divisor(n), .packed = Divisor(packed)},
      {.workspaces = {reads(matrices), reads(permutation)}, .writes_output = true});
  return steps.take();
}

}  // namespace nxv::kernels

// LU decomposition by outer products with partial pivoting (Golub & Van Loan, Matrix Computations,
// 3.4.1). Where a workgroup has registers for the rows of several columns it factors them alone, as
// a panel; the others follow with its swaps, its rows, and what the rows below have of them. Of
// other columns each takes two steps: a workgroup a matrix finds the pivot and swaps rows, then the
// grid eliminates. Those are divided by their pivots when they are stored.
//
// The result is packed, for each matrix: the factors, n x n, the ones of l left out; the
// permutation, where row i of the factors is row permutation[i] of the operand; its sign.
#include "kernels/linear/elimination.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/lu_panel.h"
#include "kernels/linear/matrix_copy.h"
#include "kernels/linear/substitution.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// Brings the pivot of a column to its row, of the columns begin .. end - 1.
void swap_rows(LinearKernel& k, Value a, Value pivots, Value n, Value matrix, Value column,
               Value begin, Value end) {
  const PivotSearch::Meeting meeting(k);
  PivotSearch search(k, column);
  k.share(column, n, [&](Value i) {
    search.consider(k.magnitude(k.load(a, (matrix * n + i) * n + column)), i);
  });
  const Value pivot = search.row(meeting);
  k.b.if_(k.local == 0u, [&] { k.b.store(pivots, matrix * n + column, pivot); });
  k.b.if_(pivot != column, [&] {
    k.share(begin, end, [&](Value j) {
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
      const Value n = k.words[&Words::n];
      swap_rows(k, k.workspace(0), k.workspace(1), n, matrix, k.words[&Words::column], k.b.u32(0),
                n);
    });
  }
};

// The columns of a panel, in their own columns alone; or all of a matrix.
struct LuColumns {
  static constexpr std::string_view kName = "lu";
  struct Words {
    StepRange columns;
    uint32_t n = 0;
  };
  struct Layout {
    Choice<Rounding> rounding = Rounding::of_results;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName, .workspaces = 2, .worker = Worker::lone, .rounding = layout.rounding};
  }
  static void emit(StepKernel<LuColumns>& k) {
    const Value a = k.workspace(0), n = k.words[&Words::n];
    const auto columns = k.words[&Words::columns];
    const Value begin = columns[&StepRange::begin], end = columns[&StepRange::end];
    each_step(k, columns, [&](Value matrix, Value column) {
      swap_rows(k, a, k.workspace(1), n, matrix, column, begin, end);
      eliminate(k, a, n, matrix, column, end);
    });
  }
};

// What a column beside a panel has of its swaps; right of it, of its rows too.
struct LuRows {
  static constexpr std::string_view kName = "lu_rows";
  using Layout = Substitution;
  struct Words {
    SubstitutionWords rows;
    Divisor beside;  // columns beside the panel
  };
  static StepOptions options(const Layout&) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<LuRows>& k) {
    const Value a = k.workspace(0);
    const auto rows = k.words[&Words::rows];
    const Value n = rows[&SubstitutionWords::columns], begin = rows[&SubstitutionWords::begin];
    const Value end = rows[&SubstitutionWords::end];
    k.each_part(&Words::beside, [&](Value matrix, Value position, Value) {
      const Value j = k.b.select(position < begin, position, position + (end - begin));
      k.b.for_range(begin, end, k.b.u32(1), [&](Value i) {
        const Value pivot = k.b.load(k.workspace(1), matrix * n + i, ir::kU32);
        const Value at = (matrix * n + i) * n + j, other = (matrix * n + pivot) * n + j;
        const Number x = k.load(a, at), y = k.load(a, other);
        k.store(a, at, y);
        k.store(a, other, x);
      });
      k.b.if_(j >= end, [&] { substitute(k, k.layout, rows, matrix, j); });
    });
  }
};

// By an invocation, of the results' rounding or of that of operations.
void add_columns(Steps& steps, const Matrices& a, int pivots, const RowBlock& columns,
                 Rounding rounding) {
  steps.add<LuColumns>(a.batch, {.columns = {columns.begin, columns.end}, .n = word(a.columns)},
                       {.workspaces = {updates(a.workspace), updates(pivots)}}, {rounding});
}

// How many columns the next panel has, of so many rows; 0: none pays.
uint32_t panel_columns(const Steps& steps, uint64_t rows) {
  const plan::DevicePlan& plan = *steps.target.plan;
  if (plan.tuning.shares_cheaply) return shared_panel_columns(steps, rows);
  // An invocation looks for the pivot of each column, and takes its row from all others.
  for (const uint32_t columns : {8, 4}) {
    const uint64_t iterations = columns * rows * (2 + columns / 2);
    if (columns <= rows && iterations <= plan.max_loop_iterations) return columns;
  }
  return 0;
}

void add_lu_panel(Steps& steps, const Matrices& a, int pivots, const RowBlock& block) {
  const uint64_t n = a.columns;
  if (steps.target.plan->tuning.shares_cheaply) {
    add_shared_panel(steps, a.workspace, pivots, a.batch, n, block.begin, word(block.size()));
  } else {
    add_columns(steps, a, pivots, block, Rounding::of_results);
  }
  const Factors f = {.matrix = word(n * n), .row = word(n), .column = 1};
  if (block.size() < n) {
    steps.add<LuRows>(a.batch * (n - block.size()),
                      {.rows = words_of(a, block, f), .beside = Divisor(n - block.size())},
                      {.workspaces = {updates(a.workspace), reads(pivots)}},
                      substitution_of(steps, block, f, RowEnd::stays));
  }
  add_block_update(steps, a, block, f, block.end);
}

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
    uint32_t n = 0, elements = 0;           // of a matrix
    uint32_t divided = 0, divided_end = 0;  // columns
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
            const Value divided =
                (j >= k.words[&Words::divided]) & (j < k.words[&Words::divided_end]);
            k.b.if_((j < i) & !divided, [&] {
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
  const Matrices a = {matrices, batch, n, n};
  RowBlock divided;  // columns
  const auto add_single = [&](uint64_t column) {
    steps.add<LuPivot>(batch, {.n = word(n), .column = word(column)},
                       {.workspaces = {updates(matrices), updates(pivots)}});
    add_elimination(steps, Elimination::general, matrices, batch, n, column);
  };
  if (steps.are_lone(n, n)) {
    add_columns(steps, a, pivots, {0, n}, Rounding::of_operations);
    divided.end = n;
  } else {
    // Single columns where rows are too many for panels yet, and at last where they are too few.
    for (; divided.begin + 1 < n && panel_columns(steps, n - divided.begin) == 0; ++divided.begin) {
      add_single(divided.begin);
    }
    divided.end = divided.begin;
    while (const uint32_t columns = panel_columns(steps, n - divided.end)) {
      add_lu_panel(steps, a, pivots, {divided.end, divided.end + columns});
      divided.end += columns;
    }
    for (uint64_t column = divided.end; column + 1 < n; ++column) add_single(column);
  }
  steps.add<LuPermutation>(batch, {.n = word(n)},
                           {.workspaces = {reads(pivots), updates(permutation)}});
  const uint64_t packed = n * n + n + 1;
  steps.add<LuStore>(batch * packed,
                     {.n = word(n),
                      .elements = word(n * n),
                      .divided = word(divided.begin),
                      .divided_end = word(divided.end),
                      .row = Divisor(n),
                      .packed = Divisor(packed)},
                     {.workspaces = {reads(matrices), reads(permutation)}, .writes_output = true});
  return steps.take();
}

}  // namespace nxv::kernels

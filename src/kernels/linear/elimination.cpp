#include "kernels/linear/elimination.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

Number elimination_factor(LinearKernel& k, Elimination kind, const Number& element,
                          const Number& pivot) {
  if (kind == Elimination::general) {
    return k.select(k.is_zero(pivot), element, k.divide(element, pivot));
  }
  return hermitian_factor(k, element, pivot.re, k.divide(k.number(1), pivot.re));
}

Number hermitian_factor(LinearKernel& k, const Number& element, Value pivot, Value inverse) {
  const Value factor =
      k.b.select(pivot > k.zero, inverse, quotient_without_root(k, element, pivot));
  return k.scale(k.conjugate(element), factor);
}

Value quotient_without_root(LinearKernel& k, const Number& element, Value pivot) {
  const Value nothing = (pivot == k.zero) & k.is_zero(element);
  return k.b.select(nothing, k.zero, k.divide(k.zero, k.zero));
}

namespace {

// Takes from row i, as far as column `end`, its multiple of row `column`. Gives the factor.
Number eliminate_row(LinearKernel& k, Elimination kind, Value a, Value n, Value matrix,
                     Value column, Value i, Value end) {
  const Value pivot_row = (matrix * n + column) * n, row = (matrix * n + i) * n;
  const bool general = kind == Elimination::general;
  const Number factor = elimination_factor(
      k, kind, k.load(a, general ? row + column : pivot_row + i), k.load(a, pivot_row + column));
  k.share(general ? column + 1u : i, end, [&](Value j) {
    k.store(a, row + j, k.subtract_product(k.load(a, row + j), factor, k.load(a, pivot_row + j)));
  });
  return factor;
}

// A row below the column, of one matrix.
struct Eliminate {
  static constexpr std::string_view kName = "eliminate";
  struct Layout {
    Choice<Elimination> kind = Elimination::general;
  };
  struct Words {
    uint32_t n = 0, column = 0;
    Divisor rows;  // below the column
  };
  static StepOptions options(const Layout&) {
    return {.kernel = kName, .workspaces = 1, .worker = Worker::workgroup};
  }
  static void emit(StepKernel<Eliminate>& k) {
    k.each_item([&](Value group) {
      const Value matrix = k.words.divide(group, &Words::rows), column = k.words[&Words::column];
      const Value i = column + 1u + group - matrix * k.words[&Words::rows];
      const Value n = k.words[&Words::n];
      eliminate_row(k, k.layout.kind, k.workspace(0), n, matrix, column, i, n);
    });
  }
};

}  // namespace

void add_elimination(Steps& steps, Elimination kind, int matrices, uint64_t batch, uint64_t n,
                     uint64_t column) {
  const uint64_t rows = n - column - 1;
  steps.add<Eliminate>(batch * rows, {.n = word(n), .column = word(column), .rows = Divisor(rows)},
                       {.workspaces = {updates(matrices)}}, {kind});
}

void eliminate(LinearKernel& k, Value elements, Value n, Value matrix, Value column, Value end) {
  k.b.for_range(column + 1u, n, k.b.u32(1), [&](Value i) {
    const Number factor =
        eliminate_row(k, Elimination::general, elements, n, matrix, column, i, end);
    k.store(elements, (matrix * n + i) * n + column, factor);
  });
}

}  // namespace nxv::kernels

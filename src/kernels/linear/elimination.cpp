#include "kernels/linear/elimination.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;

Number elimination_factor(LinearKernel& k, Elimination kind, const Number& element,
                          const Number& pivot) {
  if (kind == Elimination::general) {
    return k.select(k.is_zero(pivot), element, k.divide(element, pivot));
  }
  const Value inverse = k.divide(k.number(1), pivot.re);
  return k.scale(k.conjugate(element), k.b.select(pivot.re > k.zero, inverse,
                                                  quotient_without_root(k, element, pivot.re)));
}

Value quotient_without_root(LinearKernel& k, const Number& element, Value pivot) {
  const Value nothing = (pivot == k.zero) & k.is_zero(element);
  return k.b.select(nothing, k.zero, k.divide(k.zero, k.zero));
}

namespace {

void eliminate_row(LinearKernel& k, Elimination kind, Value a, Value n, Value matrix, Value column,
                   Value i) {
  const Value pivot_row = (matrix * n + column) * n, row = (matrix * n + i) * n;
  const bool general = kind == Elimination::general;
  const Number factor = elimination_factor(
      k, kind, k.load(a, general ? row + column : pivot_row + i), k.load(a, pivot_row + column));
  k.share(general ? column + 1u : i, n, [&](Value j) {
    k.store(a, row + j, k.subtract_product(k.load(a, row + j), factor, k.load(a, pivot_row + j)));
  });
}

}  // namespace

void add_elimination(Steps& steps, Elimination kind, int matrices, uint64_t batch, uint64_t n,
                     uint64_t column) {
  enum Word { kGroups, kSize, kColumn, kRows, kWordCount = kRows + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t rows = n - column - 1;
  Step step;
  step.key = kind == Elimination::general ? "eliminate" : "eliminate_hermitian";
  step.groups = batch * rows;
  step.words = {static_cast<uint32_t>(step.groups), static_cast<uint32_t>(n),
                static_cast<uint32_t>(column)};
  push_divisor(step.words, rows);
  step.workspaces = {updates(matrices)};
  step.generate = [=](const Region& region) {
    LinearKernel k("eliminate", lanes, region, target, 1, kWordCount);
    const Value column = k.word(kColumn);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kRows);
      const Value i = column + 1u + group - matrix * k.word(kRows);
      eliminate_row(k, kind, k.workspace(0), k.word(kSize), matrix, column, i);
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void eliminate(LinearKernel& k, Value elements, Value n, Value matrix, Value column) {
  k.b.for_range(column + 1u, n, k.b.u32(1), [&](Value i) {
    eliminate_row(k, Elimination::general, elements, n, matrix, column, i);
  });
}

}  // namespace nxv::kernels

// Cholesky's decomposition a = l l^H (Golub & Van Loan, Matrix Computations, 4.2).
//
// By outer products, on the transpose of the lower triangle, so that a step reads and writes along
// rows: blocks of rows at a time, of which a workgroup has the square on the diagonal, then single
// rows. Rows are divided by the roots of their pivots when they are stored. Of small matrices by
// inner products, row by row in place, each sum rounded once: so Nx defines it.
#include "kernels/linear/block_steps.h"
#include "kernels/linear/elimination.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// What is left of an element after cancellation, in units of roundoff of the row's length, is zero.
constexpr double kNoise = 16;

// Elements of l from what elimination has left.
struct CholeskyStore {
  static constexpr std::string_view kName = "cholesky_store";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0;
    Divisor rows;
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 1}; }
  static void emit(StepKernel<CholeskyStore>& k) {
    const Value n = k.words[&Words::n];
    k.each_item([&](Value at) {
      const Value row = k.words.divide(at, &Words::rows), j = at - row * n;
      const Value matrix = k.words.divide(row, &Words::rows), i = row - matrix * n;
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
  }
};

// The square of a block on the diagonal, by a workgroup in shared memory; and the factors that its
// rows have of each other, beside the inverses of the pivots.
struct CholeskySquare {
  static constexpr std::string_view kName = "cholesky_square";
  struct Layout {
    uint32_t size = 1;  // a power of two
  };
  struct Words {
    uint32_t n = 0, begin = 0;
    uint32_t factors = 0;  // of a matrix
  };
  static StepOptions options(const Layout&) {
    return {
        .kernel = kName, .workspaces = 2, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<CholeskySquare>& k) {
    const uint32_t size = k.layout.size, elements = size * size;
    const Value n = k.words[&Words::n], begin = k.words[&Words::begin];
    const SharedNumbers square(k, "square", elements);
    k.each_item([&](Value matrix) {
      const auto each = [&](Value from, const std::function<void(Value, Value, Value)>& body) {
        k.share(from, k.b.u32(elements), [&](Value e) {
          const Value i = e / k.b.u32(size);
          body(e, i, e - i * size);
        });
      };
      const auto place = [&](Value i, Value j) { return (matrix * n + begin + i) * n + begin + j; };
      each(k.b.u32(0), [&](Value e, Value i, Value j) {
        square.store(e, k.load(k.workspace(0), place(i, j)));
      });
      k.b.barrier();
      k.b.for_range(k.b.u32(0), k.b.u32(size), k.b.u32(1), [&](Value row) {
        const Value pivot = square.load(row * size + row).re;
        const Value inverse = k.divide(k.number(1), pivot);
        k.b.if_(k.local == 0u, [&] { store_factor(k, matrix, row, begin + row, k.real(inverse)); });
        each((row + 1u) * size, [&](Value e, Value i, Value j) {
          const Number f = hermitian_factor(k, square.load(row * size + i), pivot, inverse);
          k.b.if_(j >= i, [&] {
            square.store(e, k.subtract_product(square.load(e), f, square.load(row * size + j)));
          });
          k.b.if_(j == row, [&] { store_factor(k, matrix, row, begin + i, f); });
        });
        k.b.barrier();
      });
      each(k.b.u32(0), [&](Value e, Value i, Value j) {
        k.b.if_(j >= i, [&] { k.store(k.workspace(0), place(i, j), square.load(e)); });
      });
    });
  }

 private:
  static void store_factor(StepKernel<CholeskySquare>& k, Value matrix, Value row, Value i,
                           const Number& f) {
    k.store(k.workspace(1), matrix * k.words[&Words::factors] + row * k.words[&Words::n] + i, f);
  }
};

// Rows of the blocks: as many as a workgroup has room for in the least shared memory of any device.
constexpr uint64_t kBlocks[] = {32, 8};
constexpr uint64_t kSharedBytes = 16 * 1024;

void add_block(Steps& steps, const Matrices& a, int factors, uint64_t most, const RowBlock& block) {
  const uint64_t n = a.columns;
  const Factors f = {.place = Factors::Place::workspace,
                     .workspace = factors,
                     .first = 0U - word(block.begin * n),
                     .matrix = word(most * n),
                     .row = 1,
                     .column = word(n)};
  steps.add<CholeskySquare>(a.batch,
                            {.n = word(n), .begin = word(block.begin), .factors = word(most * n)},
                            {.workspaces = {updates(a.workspace), writes(factors)}},
                            {static_cast<uint32_t>(block.size())});
  add_block_rows(steps, a, block, f, RowEnd::hermitian, block.end);
  add_block_update(steps, a, block, f, block.end, true);
}

// a[row][j] less the product of the rows of l as far as column j.
Number remainder(LinearKernel& k, Value a, Value n, Value matrix, Value row, Value j) {
  const Value own = (matrix * n + row) * n, other = (matrix * n + j) * n;
  const auto sum = k.zero_variable();
  k.b.for_range(k.b.u32(0), j, k.b.u32(1), [&](Value i) {
    sum.set(k.accumulate(sum.get(), k.load(a, own + i), k.conjugate(k.load(a, other + i))));
  });
  return k.subtract(k.load(a, own + j), k.rounded(sum.get()));
}

// Row `row` of l, from the rows above it.
void factor_row(LinearKernel& k, Value a, Value n, Value matrix, Value row) {
  const Value one = k.b.u32(1);
  const auto at = [&](Value i, Value j) { return (matrix * n + i) * n + j; };
  k.b.for_range(k.b.u32(0), row, one, [&](Value j) {
    const Number rest = remainder(k, a, n, matrix, row, j);
    const Value pivot = k.load(a, at(j, j)).re;
    const Number quotient{k.type, k.divide(rest.re, pivot),
                          k.is_complex() ? k.divide(rest.im, pivot) : Value()};
    k.store(a, at(row, j),
            k.select(pivot > k.zero, quotient, k.real(quotient_without_root(k, rest, pivot))));
  });
  k.store(a, at(row, row), k.real(k.sqrt(remainder(k, a, n, matrix, row, row).re)));
  k.b.for_range(row + 1u, n, one, [&](Value j) { k.store(a, at(row, j), k.real(k.zero)); });
}

// All rows of a matrix.
struct CholeskyRows {
  static constexpr std::string_view kName = "cholesky";
  using Layout = NoLayout;
  struct Words {
    StepRange rows;
    uint32_t n = 0;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName,
            .workspaces = 1,
            .worker = Worker::lone,
            .rounding = Rounding::of_operations};
  }
  static void emit(StepKernel<CholeskyRows>& k) {
    each_step(k, k.words[&Words::rows], [&](Value matrix, Value row) {
      factor_row(k, k.workspace(0), k.words[&Words::n], matrix, row);
    });
  }
};

}  // namespace

Lowering lower_cholesky(const Region& region, const Target& target) {
  const auto n = static_cast<uint64_t>(region.root->shape.back());
  const uint64_t batch = batch_of(region.root->shape);
  Steps steps(region, target);
  const int matrices = steps.numbers(batch * n * n);
  if (steps.are_lone(n, n)) {
    const MatrixView view{batch, n, n, n * n, n, 1};
    add_load(steps, 0, view, matrices);
    steps.add<CholeskyRows>(batch, {.rows = {0, n}, .n = word(n)},
                            {.workspaces = {updates(matrices)}});
    add_store(steps, view, matrices);
    return steps.take();
  }
  add_load(steps, 0, {batch, n, n, n * n, 1, n}, matrices);
  const Matrices a = {matrices, batch, n, n};
  const auto bytes = static_cast<uint64_t>(storage_bytes(steps.working));
  const int factors = n >= kBlocks[1] ? steps.numbers(batch * kBlocks[0] * n) : 0;
  uint64_t column = 0;
  for (const uint64_t size : kBlocks) {
    if (size * size * bytes >= kSharedBytes) continue;
    for (; column + size <= n; column += size) {
      add_block(steps, a, factors, kBlocks[0], {column, column + size});
    }
  }
  for (; column + 1 < n; ++column) {
    add_elimination(steps, Elimination::hermitian, matrices, batch, n, column);
  }
  steps.add<CholeskyStore>(
      batch * n * n, {.n = word(n), .rows = Divisor(n)},
      {.workspaces = {reads(matrices)}, .reads_operands = true, .writes_output = true});
  return steps.take();
}

}  // namespace nxv::kernels

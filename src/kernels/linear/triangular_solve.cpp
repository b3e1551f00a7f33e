// Triangular systems by substitution in blocks (Golub & Van Loan, Matrix Computations, 3.1.4).
//
// All variants are one: T x = c with T lower triangular, where element (i, j) of T lies in the
// operand at first + i * row stride + j * column stride. An upper triangle is walked from its end,
// a transpose swaps the strides, and a system from the right is the transposed one. The right-hand
// sides are the columns of a workspace; a block of unknowns is solved by one invocation a column,
// then its contribution is taken from all rows below.
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

constexpr uint64_t kBlock = 32;

// Where elements of T lie; unsigned differences wrap as they should.
struct Walk {
  uint32_t first, row_stride, column_stride;
};
Walk walk_of(const TriangularAttr& attr, uint64_t n) {
  // x A = b is A^T x^T = b^T.
  const bool transposed = attr.transpose == attr.left_side;
  const bool from_the_end = attr.lower == transposed;
  const auto width = static_cast<uint32_t>(n);
  Walk walk{0, transposed ? 1 : width, transposed ? width : 1};
  if (from_the_end) {
    walk.first = static_cast<uint32_t>(n * n - 1);
    walk.row_stride = 0U - walk.row_stride;
    walk.column_stride = 0U - walk.column_stride;
  }
  return walk;
}

class TriangularStep {
 public:
  static constexpr std::string_view kName = "triangular";
  enum class Phase : uint8_t { block, update };
  struct Layout {
    Choice<Phase> phase = Phase::block;
    Choice<bool> conjugates = false;
  };
  struct Words {
    uint32_t n = 0;
    uint32_t matrix = 0;                                    // its elements
    uint32_t first = 0, row_stride = 0, column_stride = 0;  // as in Walk
    uint32_t begin = 0, end = 0;                            // of the block
    Divisor columns;                                        // right-hand sides
    Divisor rows;                                           // that are updated
  };
  static StepOptions options(const Layout& layout) {
    const bool solves = layout.phase == Phase::block;
    return {.kernel = solves ? "triangular_block" : "triangular_update", .workspaces = 1};
  }
  static void emit(StepKernel<TriangularStep>& k) {
    k.layout.phase == Phase::block ? solve_block(k) : update(k);
  }

 private:
  using Kernel = StepKernel<TriangularStep>;

  // The block's unknowns of a right-hand side.
  static void solve_block(Kernel& k) {
    k.each_part(&Words::columns, [&](Value matrix, Value column, Value) {
      const Value begin = k.words[&Words::begin], end = k.words[&Words::end], one = k.b.u32(1);
      k.b.for_range(begin, end, one, [&](Value i) {
        const Value at = index(k, matrix, i, column);
        const auto sum = k.variable(k.load(k.workspace(0), at));
        k.b.for_range(begin, i, one, [&](Value j) {
          const Number x = k.load(k.workspace(0), index(k, matrix, j, column));
          sum.set(k.subtract_product(sum.get(), element(k, matrix, i, j), x));
        });
        const Number diagonal = element(k, matrix, i, i);
        k.arguments.fault(k.is_zero(diagonal), matrix);
        k.store(k.workspace(0), at, k.divide(sum.get(), diagonal));
      });
    });
  }

  // An element of the rows from the end of the block on.
  static void update(Kernel& k) {
    k.each_part(&Words::columns, [&](Value row, Value column, Value) {
      const Value matrix = k.words.divide(row, &Words::rows);
      const Value i = k.words[&Words::end] + row - matrix * k.words[&Words::rows];
      const Value at = index(k, matrix, i, column);
      const auto sum = k.variable(k.load(k.workspace(0), at));
      k.b.for_range(k.words[&Words::begin], k.words[&Words::end], k.b.u32(1), [&](Value j) {
        const Number x = k.load(k.workspace(0), index(k, matrix, j, column));
        sum.set(k.subtract_product(sum.get(), element(k, matrix, i, j), x));
      });
      k.store(k.workspace(0), at, sum.get());
    });
  }

  static Value index(Kernel& k, Value matrix, Value row, Value column) {
    return (matrix * k.words[&Words::n] + row) * k.words[&Words::columns] + column;
  }
  static Number element(Kernel& k, Value matrix, Value i, Value j) {
    const Number t =
        k.load_operand(0, matrix * k.words[&Words::matrix] + k.words[&Words::first] +
                              i * k.words[&Words::row_stride] + j * k.words[&Words::column_stride]);
    return k.layout.conjugates ? k.conjugate(t) : t;
  }
};

}  // namespace

Lowering lower_triangular_solve(const Region& region, const Target& target) {
  const auto& attr = region.root->attribute<TriangularAttr>();
  const Shape& a = region.operands[0].node->shape;
  const Shape& b = region.operands[1].node->shape;
  const auto n = static_cast<uint64_t>(a.back());
  const uint64_t batch = batch_of(a);
  const bool vector = b.size() < a.size();
  const uint64_t columns = vector           ? 1
                           : attr.left_side ? static_cast<uint64_t>(b.back())
                                            : static_cast<uint64_t>(b[b.size() - 2]);
  const Walk walk = walk_of(attr, n);

  // Row i of the workspace is row i of the system.
  const bool turned = !vector && !attr.left_side;
  MatrixView view{batch, n, columns, n * columns, turned ? 1 : columns, turned ? n : 1};
  if (walk.first != 0) {
    view.first = (n - 1) * view.row_stride;
    view.row_stride = 0 - view.row_stride;
  }
  Steps steps(region, target);
  const int x = steps.numbers(batch * n * columns);
  add_load(steps, 1, view, x);

  using Phase = TriangularStep::Phase;
  const Touched touched = {.workspaces = {updates(x)}, .reads_operands = true};
  for (uint64_t begin = 0; begin < n; begin += kBlock) {
    const uint64_t end = std::min(begin + kBlock, n), below = n - end;
    const TriangularStep::Words words = {.n = word(n),
                                         .matrix = word(n * n),
                                         .first = walk.first,
                                         .row_stride = walk.row_stride,
                                         .column_stride = walk.column_stride,
                                         .begin = word(begin),
                                         .end = word(end),
                                         .columns = Divisor(columns),
                                         .rows = Divisor(std::max<uint64_t>(below, 1))};
    steps.add<TriangularStep>(batch * columns, words, touched, {Phase::block, attr.conjugate});
    if (below == 0) break;
    steps.add<TriangularStep>(batch * below * columns, words, touched,
                              {Phase::update, attr.conjugate});
  }
  add_store(steps, view, x);
  return steps.take();
}

}  // namespace nxv::kernels

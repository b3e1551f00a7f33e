// Triangular systems by substitution in blocks (Golub & Van Loan, Matrix Computations, 3.1.4).
//
// All variants are one: T x = c with T lower triangular, where element (i, j) of T lies in the
// operand at first + i * row stride + j * column stride. An upper triangle is walked from its end,
// a transpose swaps the strides, and a system from the right is the transposed one. The right-hand
// sides are the columns of a workspace; a block of unknowns is solved by one invocation a column,
// then its contribution is taken from all rows below.
#include "kernels/linear/linear.h"
#include "kernels/linear/linear_kernel.h"

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

enum Word {
  kCount,   // invocations that have something to do
  kSize,    // n
  kMatrix,  // n^2
  kFirst,   // as in Walk
  kRowStride,
  kColumnStride,
  kBegin,  // of the block
  kEnd,
  kColumns,                          // right-hand sides
  kRows = kColumns + kDivisorWords,  // that are updated
  kWordCount = kRows + kDivisorWords
};

class Generator {
 public:
  Generator(const char* name, uint32_t lanes, const Region& region, const Target& target)
      : k_(name, lanes, region, target, 1, kWordCount),
        conjugates_(region.root->attribute<TriangularAttr>().conjugate) {}

  ir::Kernel solve_block() {
    k_.each(k_.word(kCount), [&](Value unit) {
      const Value matrix = k_.divide(unit, kColumns);
      const Value column = unit - matrix * k_.word(kColumns);
      const Value begin = k_.word(kBegin), end = k_.word(kEnd), one = k_.b.u32(1);
      k_.b.for_range(begin, end, one, [&](Value i) {
        const Value at = index(matrix, i, column);
        const auto sum = k_.variable(k_.load(k_.workspace(0), at));
        k_.b.for_range(begin, i, one, [&](Value j) {
          const Number x = k_.load(k_.workspace(0), index(matrix, j, column));
          sum.set(k_.subtract_product(sum.get(), element(matrix, i, j), x));
        });
        const Number diagonal = element(matrix, i, i);
        k_.arguments.fault(k_.is_zero(diagonal), matrix);
        k_.store(k_.workspace(0), at, k_.divide(sum.get(), diagonal));
      });
    });
    return k_.finish();
  }

  // Rows from the end of the block on.
  ir::Kernel update() {
    k_.each(k_.word(kCount), [&](Value unit) {
      const Value row = k_.divide(unit, kColumns), column = unit - row * k_.word(kColumns);
      const Value matrix = k_.divide(row, kRows);
      const Value i = k_.word(kEnd) + row - matrix * k_.word(kRows);
      const Value at = index(matrix, i, column);
      const auto sum = k_.variable(k_.load(k_.workspace(0), at));
      k_.b.for_range(k_.word(kBegin), k_.word(kEnd), k_.b.u32(1), [&](Value j) {
        const Number x = k_.load(k_.workspace(0), index(matrix, j, column));
        sum.set(k_.subtract_product(sum.get(), element(matrix, i, j), x));
      });
      k_.store(k_.workspace(0), at, sum.get());
    });
    return k_.finish();
  }

 private:
  Value index(Value matrix, Value row, Value column) {
    return (matrix * k_.word(kSize) + row) * k_.word(kColumns) + column;
  }
  Number element(Value matrix, Value i, Value j) {
    const Number t = k_.load_operand(0, matrix * k_.word(kMatrix) + k_.word(kFirst) +
                                            i * k_.word(kRowStride) + j * k_.word(kColumnStride));
    return conjugates_ ? k_.conjugate(t) : t;
  }

  LinearKernel k_;
  const bool conjugates_;
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

  const uint32_t lanes = lanes_of(target);
  const std::string key = attr.conjugate ? "conjugate" : "";
  for (uint64_t begin = 0; begin < n; begin += kBlock) {
    const uint64_t end = std::min(begin + kBlock, n), below = n - end;
    const auto step = [&](const char* name, uint64_t count, ir::Kernel (Generator::*generate)()) {
      Step s;
      s.key = name + key;
      s.groups = Steps::groups(count, lanes);
      s.words = {static_cast<uint32_t>(count),
                 static_cast<uint32_t>(n),
                 static_cast<uint32_t>(n * n),
                 walk.first,
                 walk.row_stride,
                 walk.column_stride,
                 static_cast<uint32_t>(begin),
                 static_cast<uint32_t>(end)};
      push_divisor(s.words, columns);
      push_divisor(s.words, std::max<uint64_t>(below, 1));
      s.workspaces = {updates(x)};
      s.reads_operands = true;
      s.generate = [=](const Region& r) { return (Generator(name, lanes, r, target).*generate)(); };
      steps.add(std::move(s));
    };
    step("triangular_block", batch * columns, &Generator::solve_block);
    if (below > 0) step("triangular_update", batch * below * columns, &Generator::update);
  }
  add_store(steps, view, x);
  return steps.take();
}

}  // namespace nxv::kernels

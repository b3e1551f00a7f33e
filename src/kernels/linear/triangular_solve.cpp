// Triangular systems by substitution in blocks (Golub & Van Loan, Matrix Computations, 3.1.4).
//
// All variants are one: T x = c with T lower triangular, where element (i, j) of T lies in the
// operand at first + i * row stride + j * column stride. An upper triangle is walked from its end,
// a transpose swaps the strides, and a system from the right is the transposed one. The right-hand
// sides are the columns of a workspace; a block of unknowns is solved by one invocation a column,
// then its contribution is taken from all rows below.
#include "kernels/linear/block_steps.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"

namespace nxv::kernels {
namespace {

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

  const Matrices unknowns = {x, batch, n, columns};
  const Factors t = {.place = Factors::Place::operand,
                     .conjugates = attr.conjugate,
                     .first = walk.first,
                     .matrix = word(n * n),
                     .row = walk.row_stride,
                     .column = walk.column_stride};
  for (uint64_t begin = 0; begin < n; begin += kBlock) {
    const RowBlock block = {begin, std::min(begin + kBlock, n)};
    add_block_rows(steps, unknowns, block, t, RowEnd::divides, 0);
    add_block_update(steps, unknowns, block, t, 0);
  }
  add_store(steps, view, x);
  return steps.take();
}

}  // namespace nxv::kernels

// Linear algebra: triangular solves, decompositions and what is made of them.
//
// Matrices are the last two axes, all others are batches. A decomposition is one node with its
// results packed along the last axis, which views take apart. Types below f32 are computed in f32.
#include "library/linear.h"

#include <array>

#include "graph/build.h"
#include "library/families.h"

namespace nxv::library {
namespace {

std::vector<NodeRef> build_triangular_solve(const Arguments& arguments) {
  const NodeRef& a = arguments.tensor(0);
  const NodeRef& b = arguments.tensor(1);
  const TriangularAttr attr{arguments.flag("lower", true), arguments.flag("left_side", true),
                            arguments.integer("transform", 0) == 1,
                            arguments.integer("transform", 0) == 2};
  if (const int64_t t = arguments.integer("transform", 0); t < 0 || t > 2) {
    arguments.fail("transform is 0 (none), 1 (transpose) or 2 (conjugate), got " +
                   std::to_string(t));
  }
  require_square(arguments, a);
  require_right_hand_side(arguments, a, b, attr.left_side);
  const DType type = to_floating(merge(a->dtype, b->dtype));
  require_nonzero_diagonal(arguments, a);
  return {cast(triangular_solve(a, b, type, attr), type)};
}

std::vector<NodeRef> build_cholesky(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  require_square(arguments, x);
  const DType type = to_floating(x->dtype), computed = computed_type(type);
  return {cast(make_node(Op::cholesky, computed, x->shape, {cast(x, computed)}), type)};
}

std::vector<NodeRef> build_lu(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  require_square(arguments, x);
  const DType type = to_floating(x->dtype);
  const Lu lu = decompose_lu(x, computed_type(type));
  return {cast(lu.p, x->dtype), cast(lu.l, type), cast(lu.u, type)};
}

std::vector<NodeRef> build_qr(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  arguments.require_rank(2);
  const DType type = to_floating(x->dtype);
  const Qr qr = decompose_qr(x, computed_type(type), arguments.flag("complete"));
  return {cast(qr.q, type), cast(qr.r, type)};
}

std::vector<NodeRef> build_eigh(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  require_square(arguments, x);
  const DType type = to_floating(x->dtype);
  const Eigen eigen = decompose_eigh(x, computed_type(type));
  return {cast(eigen.values, type), cast(eigen.vectors, type)};
}

std::vector<NodeRef> build_svd(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  arguments.require_rank(2);
  if (is_complex(x->dtype)) arguments.fail("takes real matrices only, got " + describe(x));
  const DType type = to_floating(x->dtype);
  const Svd svd = decompose_svd(x, computed_type(type), arguments.flag("full_matrices", true));
  return {cast(svd.u, type), cast(svd.s, type), cast(svd.vt, type)};
}

std::vector<NodeRef> build_solve(const Arguments& arguments) {
  const NodeRef& a = arguments.tensor(0);
  const NodeRef& b = arguments.tensor(1);
  require_square(arguments, a);
  require_right_hand_side(arguments, a, b, true);
  const DType type = to_floating(merge(a->dtype, b->dtype));
  return {cast(solve(decompose_lu(a, computed_type(type)), b), type)};
}

std::vector<NodeRef> build_invert(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  require_square(arguments, x);
  const DType type = to_floating(x->dtype), computed = computed_type(type);
  return {cast(invert(cast(x, computed)), type)};
}

std::vector<NodeRef> build_determinant(const Arguments& arguments) {
  require_square(arguments, arguments.tensor(0));
  return {determinant(arguments.tensor(0))};
}

using enum OptionKind;
constexpr OptionRow kTriangular[] = {{"lower", flag}, {"left_side", flag}, {"transform", integer}};
constexpr OptionRow kQr[] = {{"complete", flag}};
constexpr OptionRow kSvd[] = {{"full_matrices", flag}};

constexpr std::array kRows = {
    Row{"triangular_solve", 2, kTriangular, build_triangular_solve,
        "x with a x = b (left_side) or x a = b for a triangular a, whose other triangle is not "
        "read; transform: 0, 1 (transpose a) or 2 (conjugate a); b of a's rank less 1 is a vector. "
        "Options lower, left_side, transform. A zero on the diagonal is an error."},
    Row{"cholesky",
        1,
        {},
        build_cholesky,
        "The lower triangular l with x = l l^H, from the lower triangle of x; NaN from the first "
        "column on where x is not positive definite."},
    Row{"lu",
        1,
        {},
        build_lu,
        "p, l, u with x = p l u: a permutation, unit lower and upper triangles."},
    Row{"qr", 1, kQr, build_qr,
        "q, r with x = q r: orthonormal columns and an upper triangle; complete: q is square. "
        "Option complete."},
    Row{"eigh",
        1,
        {},
        build_eigh,
        "Eigenvalues, by descending magnitude, and eigenvectors, as columns, of Hermitian x, whose "
        "lower triangle is read."},
    Row{"svd", 1, kSvd, build_svd,
        "u, s, vt with x = u diag(s) vt, s descending; full_matrices: u and vt are square. Real "
        "types. Option full_matrices (1 unless given)."},
    Row{"solve",
        2,
        {},
        build_solve,
        "x with a x = b; b of a's rank less 1 is a vector. A singular a is an error."},
    Row{"determinant", 1, {}, build_determinant, "The determinant of each matrix."},
    Row{"invert", 1, {}, build_invert, "The inverse of each matrix; NaN where it is singular."},
};

}  // namespace

std::span<const Row> linear_rows() { return kRows; }

}  // namespace nxv::library

// What the operations of linear algebra are composed of.
#pragma once

#include "library/registry.h"

namespace nxv::library {

// Of the matrices that a result of type t is computed from: f32 for narrower floats.
DType computed_type(DType t);

// The last two axes are a square matrix; at least two axes.
void require_square(const Arguments& arguments, const NodeRef& x);
// b holds vectors or matrices that fit the square a.
void require_right_hand_side(const Arguments& arguments, const NodeRef& a, const NodeRef& b,
                             bool left_side);
// Throws when the host knows that the diagonal of a has a zero.
void require_nonzero_diagonal(const Arguments& arguments, const NodeRef& a);

// Element [.., i, j] of all matrices where the axis offset j - i is at most / at least `diagonal`,
// zero elsewhere.
NodeRef lower_triangle(const NodeRef& x, int64_t diagonal);
NodeRef upper_triangle(const NodeRef& x, int64_t diagonal);
NodeRef identity(const NodeRef& like);  // of like's type and shape
NodeRef diagonal(const NodeRef& x);     // of square matrices

// Elements first .. first + product(shape) - 1 of the last axis of a packed result, in that shape.
NodeRef unpack(const NodeRef& packed, int64_t first, Shape shape);

NodeRef triangular_solve(const NodeRef& a, const NodeRef& b, DType type,
                         const TriangularAttr& attr);

struct Lu {
  NodeRef p, l, u;
  NodeRef sign;  // of the permutation, a number for each matrix
};
Lu decompose_lu(const NodeRef& x, DType computed);
NodeRef solve(const Lu& lu, const NodeRef& b);
NodeRef invert(const NodeRef& x);
NodeRef determinant(const NodeRef& x);

struct Qr {
  NodeRef q, r;
};
Qr decompose_qr(const NodeRef& x, DType computed, bool complete);

struct Eigen {
  NodeRef values, vectors;
};
Eigen decompose_eigh(const NodeRef& x, DType computed);

struct Svd {
  NodeRef u, s, vt;
};
Svd decompose_svd(const NodeRef& x, DType computed, bool full_matrices);

}  // namespace nxv::library

// The rotations of eigh.cpp.
#pragma once

#include "kernels/linear/rotations.h"

namespace nxv::kernels {

// Matrices on their way to diagonal form. Their size is even, or a multiple of two blocks: rows and
// columns of zeros fill it up.
struct EighMatrices {
  uint64_t batch, n, size;
  uint64_t block;  // rows that are rotated together; 0: single ones
  uint64_t sweeps;
  // Workspaces.
  int matrices, vectors;  // size x size; vectors as conjugated rows
  int angles;             // four numbers a pair: versine, change of the diagonal, sine
  int progress;           // see rotations.h
  uint64_t half() const { return size / 2; }
};

// Makes all matrices diagonal, and applies the rotations to the vectors.
void add_eigh_sweeps(Steps& steps, const EighMatrices& m);

// The rotation of two rows that makes their off-diagonal element zero; none where its size is not
// above a threshold.
struct Rotation {
  ir::Value versine, change;  // 1 - cosine; of the diagonal
  ir::Number sine;
};
// `off` is the element of the top row and the bottom column; its size has a sign where it is real.
ir::Value size_of(LinearKernel& k, const ir::Number& off);
Rotation rotation_of(LinearKernel& k, const ir::Number& off, ir::Value size, ir::Value top,
                     ir::Value bottom, ir::Value threshold);
// Off-diagonal elements up to this are as good as zero.
ir::Value negligible(LinearKernel& k);

// x' = c x - conj(s) y, y' = s x + c y. Written as corrections: thousands of rotations by small
// angles, whose cosines round to one, would lengthen their vectors (Rutishauser, Numer. Math. 9,
// 1966). Small matrices have few; theirs are as they stand.
void rotate(LinearKernel& k, const Rotation& r, ir::Number& x, ir::Number& y);
// Of the elements where two rows meet two columns: top left to bottom right. On the diagonal the
// others become zero.
void rotate_square(LinearKernel& k, const Rotation& of_rows, const Rotation& of_columns,
                   ir::Value is_diagonal, ir::Number& tl, ir::Number& tr, ir::Number& bl,
                   ir::Number& br);

}  // namespace nxv::kernels

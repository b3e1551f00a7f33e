// The rotations of svd.cpp: what makes the rows of triangular matrices orthogonal.
#pragma once

#include "kernels/linear/rotations.h"

namespace nxv::kernels {

// The rows of R and those of the identity, side by side: 2 pairs rows of 2 n numbers a matrix.
struct SvdRows {
  uint64_t batch, n, pairs;
  uint64_t sweeps;
  // Workspaces.
  int rows;
  int progress;  // see rotations.h
};
SvdRows make_svd_rows(Steps& steps, uint64_t batch, uint64_t n);

// From the upper triangles of m x n matrices.
void add_svd_start(Steps& steps, const SvdRows& r, int triangles, uint64_t m);
// Makes all rows orthogonal to each other.
void add_svd_sweeps(Steps& steps, const SvdRows& r);

// The lengths of n rows a matrix, their first halves: singular values.
void add_svd_lengths(Steps& steps, const SvdRows& r, int values);
// What the rows have become, in order and as columns: the n x n matrices R^T W, or W in the corner
// of the identity, rows x columns.
enum class SvdPart : uint8_t { product, rotations };
void add_svd_columns(Steps& steps, const SvdRows& r, SvdPart part, int order, uint64_t rows,
                     uint64_t columns, int to);

}  // namespace nxv::kernels

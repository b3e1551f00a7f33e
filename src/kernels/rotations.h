// Which rows meet in which round of a Jacobi sweep, and in which order results stand.
#pragma once

#include "kernels/linear_kernel.h"

namespace nxv::kernels {

// The tournament of Brent and Luk (SIAM J. Sci. Stat. Comput. 6, 1985): in the 2 h - 1 rounds of a
// sweep each of 2 h rows meets each other row once. `shift` is the number of the round modulo
// 2 h - 1.
struct Pair {
  ir::Value top, bottom;
};
Pair pair_of_round(LinearKernel& k, ir::Value pair, ir::Value half, ir::Value shift);

// Sweeps that suffice for matrices of n rows, with room to spare; converged matrices sit them out.
uint64_t sweeps_for(uint64_t n);

// A word for each matrix and sweep: whether the sweep has rotated anything.
int add_sweep_marks(Steps& steps, uint64_t batch, uint64_t sweeps);

// Positions by descending magnitude of `count` real numbers a matrix, in rows of `stride` numbers:
// order[i] is the index of the i-th largest, the first of equal ones first, NaN before numbers.
void add_order(Steps& steps, int values, int order, uint64_t batch, uint64_t count);

}  // namespace nxv::kernels

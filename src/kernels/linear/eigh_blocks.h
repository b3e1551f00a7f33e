// The rotations of eigh.cpp, for blocks of rows.
#pragma once

#include "kernels/linear/eigh_rotations.h"

namespace nxv::kernels {

// Rows of a block of n x n matrices; 0 where single rows are rotated.
uint64_t eigh_block_rows(const Steps& steps, uint64_t n);

// Pairs of blocks meet as pairs of rows do. A workgroup has the square where a pair meets itself in
// shared memory: there the rows of one block meet those of the other, in the first round of a sweep
// also each other, and their rotations multiply up. Then what this amounts to is applied to all
// other squares, as products.
void add_eigh_blocks(Steps& steps, const EighMatrices& m);

}  // namespace nxv::kernels

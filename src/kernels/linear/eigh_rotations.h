// The rotations of eigh.cpp.
#pragma once

#include "kernels/linear/rotations.h"

namespace nxv::kernels {

// Matrices on their way to diagonal form. They have an even size: an odd one gains a row and a
// column of zeros.
struct EighMatrices {
  uint64_t batch, n, size;
  uint64_t sweeps;
  // Workspaces.
  int matrices, vectors;  // size x size; vectors as conjugated rows
  int angles;             // four numbers a pair: versine, change of the diagonal, sine
  int progress;           // see rotations.h
  uint64_t half() const { return size / 2; }
};

// Makes all matrices diagonal, and applies the rotations to the vectors.
void add_eigh_sweeps(Steps& steps, const EighMatrices& m);

}  // namespace nxv::kernels

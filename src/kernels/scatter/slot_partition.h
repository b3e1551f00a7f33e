// The updates of a scatter, put in the order of the highest bits of their slots: those that name
// slots far apart are far apart. Updates with equal bits stay in order. One pass of a radix sort
// (sort.h): every sixteenth of the slots, with its updates, then fits into a GPU's cache.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Workspaces, in groups of four words: for each update its slot, and its element's bits in f32.
struct SlotPartition {
  int slots, values;
};

// Appends the dispatches, and their workspaces. Rows of one real element of at most 4 bytes. An
// index that names no slot is a fault, and goes to the last.
SlotPartition partition_updates(Lowering& lowering, const Region& region, const Target& target);

}  // namespace nxv::kernels

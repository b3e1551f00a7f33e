// Where the temporaries of a Function's program lie: what its steps store for each other alone, and
// their workspaces, in one block for each stretch of steps between loops and branches.
#pragma once

#include "runtime/program.h"

namespace nxv::runtime {

// Gives the temporaries their places, and the first steps of stretches their blocks. What may
// outlive the stretch stays apart: results of the program and what they take the storage of,
// operands of loops and branches, what steps behind those read. With `donates`, which is how the
// program is run, a temporary takes over the place of another one that it can be written over: that
// is then its first donor, and no other output's. A block has `most` bytes at most; for what does
// not fit there each temporary has a block of its own.
//
// Offsets are chosen as by Pisarchyk and Lee, "Efficient memory management for deep neural net
// inference" (2020), greedy by size: the largest first, each into the smallest gap between those
// that live at the same time.
void plan_temporaries(Program& program, bool donates, uint64_t most);

}  // namespace nxv::runtime

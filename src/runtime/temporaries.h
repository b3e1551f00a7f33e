// Where the temporaries of a Function's program lie: what its steps store for each other alone, and
// their workspaces, in a block for each stretch of steps (runtime/block_layout.h).
#pragma once

#include "runtime/program.h"

namespace nxv::runtime {

// Gives the temporaries their places, and the first steps of stretches their blocks. Stretches end
// with loops and branches at the latest. What outlives a stretch has a block of its own: results of
// the program and what they take the storage of, operands of loops and branches, what steps behind
// the stretch read. With `donates`, which is how the program is run, a temporary takes over the
// place of another one that it can be written over: that is then its first donor, and no other
// output's. A block has `most` bytes at most.
void plan_temporaries(Program& program, bool donates, uint64_t most);

}  // namespace nxv::runtime

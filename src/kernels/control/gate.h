// The gate of a round of a loop that the device decides on: dispatches that were recorded ahead
// take their numbers of workgroups from it, and have none once the loop's condition has failed.
#pragma once

#include "ir/kernel.h"

namespace nxv::kernels {

// Buffers: the condition (a u32), for each dispatch the groups along each dimension, the state
// (whether the loop goes on, the rounds that were run), the groups to dispatch. A word: how many
// numbers of groups there are. One workgroup.
ir::Kernel generate_gate();

// The gate of what else starts in that round. Buffers: planned groups, the state, the groups to
// dispatch. A word: how many numbers of groups there are. One workgroup.
ir::Kernel generate_further_gate();

}  // namespace nxv::kernels

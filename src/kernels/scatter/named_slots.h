// The slots that updates name, among many that none does: words of a workspace for all of them, of
// which the others hold anything.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Zeros in the first workspace, at the slots that the operand's integers name; with `counts` also
// behind the last slot.
Launch empty_named_slots(const Region& region, const Target& target, uint32_t operand,
                         uint64_t slots, bool counts);

}  // namespace nxv::kernels

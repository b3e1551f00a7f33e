// Scatters: rows of updates into the slots that an index names. Results do not depend on the order
// in which invocations run.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Of each slot the number of the last update that names it.
Lowering lower_last_update(const Region& region, const Target& target);
// Of each update the slot that it names, or -1 where a later one names it too. Touches no others.
Lowering lower_last_slot(const Region& region, const Target& target);
// Rows of a target and of updates, by the type of what is added.
Lowering lower_scatter_add(const Region& region, const Target& target);
Lowering lower_scatter_add_integer(const Region& region, const Target& target);
Lowering lower_scatter_add_float(const Region& region, const Target& target);

// Bytes of what is read but for the target: slots and updates.
inline uint64_t update_bytes(const Region& region) {
  return static_cast<uint64_t>(region.operands[1].node->storage_size() +
                               region.operands[2].node->storage_size());
}

}  // namespace nxv::kernels

// Gathers and scatters.
#pragma once

#include <span>

#include "testing/reference/reference.h"

namespace nxv::reference {

HostTensor evaluate_gather(const Node& node, const HostTensor& x, const HostTensor& index);
// The target with other elements where the index names one.
HostTensor evaluate_overwrite(const Node& node, const HostTensor& target, const HostTensor& index,
                              const HostTensor& elements);
// Of each slot: 1 + the number of the last update that names it, 0 without one.
HostTensor evaluate_last_update(const Node& node, const HostTensor& slots);
// Of each update: the slot that it names, -1 where a later one names it too.
HostTensor evaluate_last_slot(const Node& node, const HostTensor& slots);
// The updates of a row in their order, then the row of the target.
HostTensor evaluate_scatter_add(const Node& node, const HostTensor& target, const HostTensor& slots,
                                const HostTensor& updates);

}  // namespace nxv::reference

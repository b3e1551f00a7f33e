// Faults: what has no value, which only the data can show. Which operations may fault, for which
// types and why, stands in the op table. A kernel reports into its value's fault slot: a word for
// each operation of the region that may fault, lowered (atomicMin) to the first position where it
// did. Positions are elements of the result, the first that needs the value in question; of a
// scatter they are updates, of a system of equations matrices.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

inline constexpr uint32_t kNoFault = 0xffffffff;

// Of the node's own operation.
Fault fault_of(const Node& node);

// Adds the operations of the node, its own or those of its function, that may fault and are not
// there.
void add_faulting(const Node& node, std::vector<Op>& ops);

// The failure that the words of a slot tell of, in words; none if no operation of `ops` faulted.
// The first position counts, and of those that faulted there the first operation.
Failure find_fault(std::span<const Op> ops, std::span<const uint32_t> words, const Shape& result);

}  // namespace nxv

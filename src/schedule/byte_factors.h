// Factors of products that are 8-bit integers in memory, widened by casts.
#pragma once

#include "schedule/partition.h"

namespace nxv::schedule {

// Whether a product of the graph reads both of its factors as 8-bit integers. They lie behind views
// and casts that widen them, which nobody else reads; words of memory have four steps along k or
// four lines of them each, since others cost less stored and widened; and sums of 32 bits tell
// those of the product.
bool reads_bytes(const std::vector<Entry>& entries, const Node& product);

}  // namespace nxv::schedule

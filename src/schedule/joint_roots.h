// Joins cuts that have the same points into one region with several roots.
//
// A value that is stored, because somebody asked for it or because several regions read it, joins a
// region that reads it, which then has it in registers; and a region joins another one that reads
// the same operand, which is then loaded once. Both must have the same points, no region may come
// to depend on itself, and what comes of it keeps within the limits of regions: kMaxRegionOps, and
// kMaxRegionBuffers of operands and roots together, beside the factors of a product and a few
// scalars. A pure function of the partition.
//
// A product of matrices takes in what is made of its elements, be it read by one region or by
// several. Where nobody needs the product itself and all read it transposed, the transposed product
// is computed.
#pragma once

#include "schedule/partition.h"

namespace nxv::schedule {

// Makes the parts of a partition, and their order.
void join_roots(Partition& partition, const Options& options);

}  // namespace nxv::schedule

// Turns a part of a partition into a Region.
#pragma once

#include "graph/region.h"
#include "schedule/partition.h"

namespace nxv::schedule {

Region build_region(const Partition& partition, int part);
// The same, with neither words nor key. Should a root be read elsewhere than at its own points, it
// is an operand as well.
Region sketch_region(const Partition& partition, int part);

}  // namespace nxv::schedule

// Turns one cut of a partition into a Region.
#pragma once

#include "graph/region.h"
#include "schedule/partition.h"

namespace nxv::schedule {

Region build_region(const Partition& partition, int cut);

}  // namespace nxv::schedule

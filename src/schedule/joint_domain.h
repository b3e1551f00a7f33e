// The points of a region that two parts of a partition would become.
#pragma once

#include <optional>

#include "schedule/partition.h"

namespace nxv::schedule {

// Pointwise parts have the same points where their roots have the same shape; reductions and row
// programs where they fold the same last axes. A pointwise part also joins those as one of their
// elements or of their rows. A pointwise part has the points of a product if it has as many;
// whether it reads them in that order, or transposed, is for the region to see. None where the
// points differ, or where the kernel of both would be worse than two: a single reduction of few
// long rows is better split.
std::optional<Domain> joint_domain(const Partition& partition, const Part& a, const Part& b,
                                   const Options& options);

// Where the points of a part's root are in the joint domain.
int base_in(const Partition& partition, const Part& part, const Part::Root& root,
            const Domain& joint);

}  // namespace nxv::schedule

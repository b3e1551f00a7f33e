// Lanes side by side that fold together: those of a subgroup, or a part of a wider one, which
// shuffle; where there are none, invocations of a workgroup that meet in shared memory.
#pragma once

#include <utility>
#include <vector>

#include "kernels/common/fold.h"

namespace nxv::kernels {

class Team {
 public:
  // Of a power of two of lanes, at most 32. `subgroup_size` is what the kernel demands, a multiple
  // of them; 0: the lanes meet in shared memory, those of a workgroup of so many invocations.
  Team(ir::Builder& b, uint32_t lanes, uint32_t subgroup_size, uint32_t workgroup);

  ir::Value lane() const;   // of the team
  ir::Value index() const;  // of the team in its workgroup
  // Combines the lanes' accumulators in adjacent pairs; all lanes get the result. All invocations
  // of the subgroup must come here together, without subgroups all of the workgroup.
  Accumulator fold(const Fold& fold, Accumulator a);

 private:
  const SharedAccumulators& meeting_place(const Fold& fold);

  ir::Builder& b_;
  const uint32_t lanes_, subgroup_size_, workgroup_;
  // Of accumulators of one make each.
  std::vector<std::pair<std::vector<ir::Type>, SharedAccumulators>> places_;
};

}  // namespace nxv::kernels

#include "kernels/common/team.h"

#include <algorithm>

namespace nxv::kernels {

using ir::Builtin;
using ir::Value;

Team::Team(ir::Builder& b, uint32_t lanes, uint32_t subgroup_size, uint32_t workgroup)
    : b_(b), lanes_(lanes), subgroup_size_(subgroup_size), workgroup_(workgroup) {}

Value Team::lane() const {
  if (subgroup_size_ == lanes_) return b_.builtin(Builtin::subgroup_lane);
  const Builtin place = subgroup_size_ == 0 ? Builtin::local_index : Builtin::subgroup_lane;
  return b_.builtin(place) % lanes_;
}

Value Team::index() const {
  if (subgroup_size_ == 0) return b_.builtin(Builtin::local_index) / lanes_;
  const Value subgroup = b_.builtin(Builtin::subgroup_index);
  if (subgroup_size_ == lanes_) return subgroup;
  return subgroup * (subgroup_size_ / lanes_) + b_.builtin(Builtin::subgroup_lane) / lanes_;
}

Accumulator Team::fold(const Fold& fold, Accumulator a) {
  if (subgroup_size_ != 0) {
    for (uint32_t mask = 1; mask < lanes_; mask *= 2) a = fold.exchange(a, mask);
    return a;
  }
  const SharedAccumulators& place = meeting_place(fold);
  const Value local = b_.builtin(Builtin::local_index);
  for (uint32_t mask = 1; mask < lanes_; mask *= 2) {
    place.store(local, a);
    b_.barrier();
    a = fold.combine(a, place.load(local ^ mask));
    b_.barrier();
  }
  return a;
}

const SharedAccumulators& Team::meeting_place(const Fold& fold) {
  const auto known = std::find_if(places_.begin(), places_.end(),
                                  [&](const auto& p) { return p.first == fold.parts(); });
  if (known != places_.end()) return known->second;
  return places_.emplace_back(fold.parts(), SharedAccumulators(fold, workgroup_)).second;
}

}  // namespace nxv::kernels

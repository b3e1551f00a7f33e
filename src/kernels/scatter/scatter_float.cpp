// Sums of floats by slot: the updates of a slot in their order, then the target.
//
// Every slot has a list of its updates (update_list.h), linked in whatever order invocations ran.
// An invocation adds up those of each of its elements by number: bits depend on the numbers alone.
// Slots with a heavy list leave that to sums in which order does not show (exact_sum.h). Where no
// slot can be heavy those steps are left out; where none is, they return at once.
//
// Atomic operations outside of a GPU's cache are slow. Where lists carry values and the heads do
// not fit there, updates are put in the order of the highest bits of their slots first; elsewhere
// large targets are gone over by parts (each_pass).
#include "kernels/scatter/scatter_float.h"

#include "kernels/common/item_step.h"
#include "kernels/scatter/exact_sum.h"
#include "kernels/scatter/scatter.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/update_list.h"

namespace nxv::kernels {
namespace {

uint64_t extent(const Node& node, size_t axis) { return static_cast<uint64_t>(node.shape[axis]); }

}  // namespace

FloatScatter::FloatScatter(const Region& r, const Target& t)
    : region(r),
      target(t),
      slots(extent(*r.root, 0)),
      inner(extent(*r.root, 1)),
      updates(static_cast<uint64_t>(r.root->inputs[1]->count)),
      carries(inner == 1 && !is_complex(r.root->dtype) && storage_bytes(r.root->dtype) <= 4),
      most_heavy(updates / (kLongestList + 1)) {}

Lowering lower_scatter_add_float(const Region& region, const Target& target) {
  const FloatScatter s(region, target);
  const uint64_t sum_bytes = ExactSum::kWords * 4 * (is_complex(region.root->dtype) ? 2 : 1);
  Lowering lowering;
  lowering.workspaces = {(s.slots / 4 + 1) * 16, s.updates * (s.carries ? 8 : 4)};
  if (s.most_heavy > 0) {
    lowering.workspaces.push_back(s.most_heavy * 4);
    lowering.workspaces.push_back(s.most_heavy * s.inner * sum_bytes);
  }
  lowering.add(fill_zeros(region, target, kHeads, s.slots + 1));
  const uint64_t cached = target.plan->tuning.scatter_slots;
  if (s.carries && cached != 0 && s.slots > cached) {
    const SlotPartition partition = partition_updates(lowering, region, target);
    lowering.add(link_partition(s, partition));
  } else {
    each_pass(s.slots, *target.plan,
              [&](uint32_t begin, uint32_t end) { lowering.add(link_updates(s, begin, end)); });
  }
  lowering.add(sum_lists(s));
  if (s.most_heavy > 0) add_heavy_sums(lowering, s);
  return lowering;
}

}  // namespace nxv::kernels

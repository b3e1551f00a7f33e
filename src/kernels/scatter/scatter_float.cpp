// Sums of floats by slot: the updates of a slot in their order, then the target.
//
// Every slot has a list of its updates (update_list.h), linked in whatever order invocations ran.
// An invocation adds up those of each of its elements by number: bits depend on the numbers alone.
// Slots with a heavy list leave that to sums in which order does not show (exact_sum.h). Where no
// slot can be heavy those steps are left out; where none is, they return at once.
//
// Where updates are few beside the slots, nothing but the slots that they name is touched: the
// update at the head of a list adds it up, and the result is the target otherwise, in its storage
// or a copy.
//
// Atomic operations outside of a GPU's cache are slow. Where lists carry values and the heads do
// not fit there, updates are put in the order of the highest bits of their slots first; elsewhere
// large targets are gone over by parts (each_pass).
#include "kernels/scatter/scatter_float.h"

#include "kernels/common/item_step.h"
#include "kernels/scatter/exact_sum.h"
#include "kernels/scatter/named_slots.h"
#include "kernels/scatter/scatter.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/update_list.h"

namespace nxv::kernels {
namespace {

// Slots for each update from which on a pass over all of them costs more than to go to those that
// are named, one by one; and where these are single elements, far apart in memory.
constexpr uint64_t kFewUpdates = 4, kFewUpdatesApart = 64;

uint64_t extent(const Node& node, size_t axis) { return static_cast<uint64_t>(node.shape[axis]); }

bool is_apart(const FloatScatter& s) {
  const uint64_t cached = s.target.plan->tuning.scatter_slots;
  return s.carries && cached != 0 && s.slots > cached;
}

}  // namespace

FloatScatter::FloatScatter(const Region& r, const Target& t)
    : region(r),
      target(t),
      slots(extent(*r.root, 0)),
      inner(extent(*r.root, 1)),
      updates(static_cast<uint64_t>(r.root->inputs[1]->count)),
      carries(inner == 1 && !is_complex(r.root->dtype) && storage_bytes(r.root->dtype) <= 4),
      most_heavy(updates / (kLongestList + 1)),
      is_sparse(updates * (is_apart(*this) ? kFewUpdatesApart : kFewUpdates) <= slots) {}

Lowering lower_scatter_add_float(const Region& region, const Target& target) {
  const FloatScatter s(region, target);
  const uint64_t sum_bytes = ExactSum::kWords * 4 * (is_complex(region.root->dtype) ? 2 : 1);
  Lowering lowering;
  lowering.workspaces = {(s.slots / 4 + 1) * 16, s.updates * (s.carries ? 8 : 4)};
  if (s.most_heavy > 0) {
    lowering.workspaces.push_back(s.most_heavy * 4);
    lowering.workspaces.push_back(s.most_heavy * s.inner * sum_bytes);
  }
  if (s.is_sparse) {
    lowering.target = 0;
    lowering.add(empty_named_slots(region, target, 1, s.slots, true));
    lowering.add(link_updates(s, 0, static_cast<uint32_t>(s.slots)));
    lowering.add(sum_lists(s));
    if (s.most_heavy > 0) add_heavy_sums(lowering, s);
    return lowering;
  }
  lowering.add(fill_zeros(region, target, kHeads, s.slots + 1));
  if (is_apart(s)) {
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

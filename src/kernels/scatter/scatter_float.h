// The parts of a scatter that adds floats: see scatter_float.cpp.
#pragma once

#include "graph/words.h"
#include "kernels/lowering.h"
#include "kernels/scatter/slot_partition.h"

namespace nxv::kernels {

// Workspaces. Heads: of each slot 1 + the number of an update, or 0; a heavy slot gets kHeavy + its
// rank; after the last slot the number of heavy ones. Entries: of each update, see UpdateList.
// Heavy: slots by rank. Sums: of each element of a heavy slot.
enum ScatterWorkspace { kHeads, kEntries, kHeavySlots, kSums };
inline constexpr uint32_t kHeavy = 0x80000000;

struct FloatScatter {
  FloatScatter(const Region& region, const Target& target);

  const Region& region;
  const Target& target;
  const uint64_t slots;
  const uint64_t inner;  // length of a row
  const uint64_t updates;
  const bool carries;         // an entry its update's value
  const uint64_t most_heavy;  // slots that can be heavy
  // The updates name few of the slots: steps go over the updates and leave other elements alone.
  const bool is_sparse;
};

// Words of the steps that go over elements.
struct ScatterWords {
  ScatterWords() = default;
  explicit ScatterWords(const FloatScatter& s)
      : inner(s.inner),
        slots(static_cast<uint32_t>(s.slots)),
        elements(static_cast<uint32_t>(s.slots * s.inner)) {}

  Divisor inner;  // length of a row
  uint32_t slots = 0, elements = 0;
};

// Links the updates of the slots begin .. end - 1, or all of them once they are put in order.
Launch link_updates(const FloatScatter& s, uint32_t begin, uint32_t end);
Launch link_partition(const FloatScatter& s, const SlotPartition& partition);
// Adds up short lists, and finds the heavy ones.
Launch sum_lists(const FloatScatter& s);
// Adds up heavy slots.
void add_heavy_sums(Lowering& lowering, const FloatScatter& s);

}  // namespace nxv::kernels

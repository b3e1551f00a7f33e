#include "runtime/faults.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "graph/fault.h"

namespace nxv::runtime {
namespace {

// Unions that are remembered: those of a call or two.
constexpr size_t kMostUnited = 256;
// Slots of a set from which they are read ahead.
constexpr size_t kManySlots = 64;

bool is_clear(const FaultSlot& slot) { return slot.is_clear.load(std::memory_order_acquire); }

bool has(const Faults& set, const std::vector<FaultSlotRef>& slots) {
  return set && set->slots.size() == slots.size() &&
         std::is_permutation(slots.begin(), slots.end(), set->slots.begin());
}

}  // namespace

Failure FaultSlot::judge(const std::byte* bytes) noexcept {
  try {
    std::vector<uint32_t> words(ops.size());
    std::memcpy(words.data(), bytes, 4 * words.size());
    Failure fault = find_fault(ops, words, shape);
    if (!fault && !is_shared) is_clear.store(true, std::memory_order_release);
    return fault;
  } catch (const std::exception& e) {
    return failure_of(e);
  }
}

size_t FaultSets::PairHash::operator()(const Pair& pair) const {
  const std::hash<const FaultSet*> hash;
  return hash(pair.a.get()) * 31 + hash(pair.b.get());
}

Faults FaultSets::unite(const Faults& a, const Faults& b) {
  if (a == b || !b) return a;
  if (!a) return b;
  if (const auto known = united_.find({a, b}); known != united_.end()) return known->second;
  std::vector<FaultSlotRef> slots;
  std::unordered_set<const FaultSlot*> seen;
  for (const Faults* set : {&a, &b}) {
    for (const FaultSlotRef& slot : (*set)->slots) {
      if (!is_clear(*slot) && seen.insert(slot.get()).second) slots.push_back(slot);
    }
  }
  if (united_.size() == kMostUnited) united_.clear();
  return united_.emplace(Pair{a, b}, made(std::move(slots), a, b)).first->second;
}

Faults FaultSets::add(const Faults& set, const FaultSlotRef& slot) {
  std::vector<FaultSlotRef> slots;
  if (set) {
    if (std::find(set->slots.begin(), set->slots.end(), slot) != set->slots.end()) return set;
    std::copy_if(set->slots.begin(), set->slots.end(), std::back_inserter(slots),
                 [](const FaultSlotRef& s) { return !is_clear(*s); });
  }
  slots.push_back(slot);
  return made(std::move(slots), set, nullptr);
}

Faults FaultSets::made(std::vector<FaultSlotRef> slots, const Faults& a, const Faults& b) {
  if (slots.empty()) return nullptr;
  // As where one value was computed from the other.
  if (has(a, slots)) return a;
  if (has(b, slots)) return b;
  auto set = std::make_shared<const FaultSet>(FaultSet{std::move(slots)});
  if (set->slots.size() >= kManySlots) read_ahead(*set);
  return set;
}

void FaultSets::read_ahead(const FaultSet& set) {
  using Reading = std::pair<FaultSlotRef, vulkan::Readback>;
  const auto reading = std::make_shared<std::vector<Reading>>();
  uint64_t epoch = 0;
  for (const FaultSlotRef& slot : set.slots) {
    if (slot->is_being_read || slot->is_shared) continue;
    reading->emplace_back(slot, device_.transfers().read(slot->block, 0, slot->bytes()));
    epoch = std::max(epoch, reading->back().second.epoch);
  }
  if (reading->empty()) return;
  device_.queue().on_complete(epoch, [reading](const Failure& failure) {
    if (failure) return;  // whoever reads a value learns of it
    for (const auto& [slot, read] : *reading) slot->judge(read.bytes);
  });
  for (const auto& [slot, read] : *reading) slot->is_being_read = true;
}

}  // namespace nxv::runtime

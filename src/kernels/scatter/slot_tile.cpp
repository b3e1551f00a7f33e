#include "kernels/scatter/slot_tile.h"

#include <algorithm>

#include "kernels/common/divide_up.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

namespace {

constexpr uint32_t kWorkgroup = 256;
constexpr uint32_t kCount = 8;       // updates of an invocation
constexpr uint32_t kSpread = 2;      // slots for each update of a tile
constexpr uint32_t kBatch = 4;       // words that an invocation has on their way
constexpr uint32_t kBoundWords = 2;  // lowest and highest slot

}  // namespace

TileLayout tile_layout(const plan::DevicePlan& plan) {
  if (!plan.tuning.shares_cheaply) return {};
  const uint32_t workgroup = std::min(kWorkgroup, plan.max_workgroup_invocations);
  const uint32_t batch = kBatch * workgroup, room = plan.shared_memory_bytes / 4;
  if (room < batch + kBoundWords) return {};
  const uint32_t words = std::min(kSpread * kCount * workgroup, room - kBoundWords);
  return {workgroup, kCount, words / batch * batch, plan.has.subgroup_arithmetic};
}

uint64_t TileLayout::invocations(uint64_t updates) const {
  if (workgroup == 0) return divide_up(updates, count);
  return divide_up(updates, uint64_t{count} * workgroup) * workgroup;
}

uint32_t TileLayout::stride(uint64_t updates) const {
  return workgroup == 0 ? static_cast<uint32_t>(invocations(updates)) : workgroup;
}

Value TileLayout::first(Builder& b, Value item) const {
  if (workgroup == 0) return item;
  const Value local = b.builtin(ir::Builtin::local_index);
  return (item - local) * count + local;
}

ItemOptions TileLayout::options(std::string_view name, std::string_view name_with_tiles) const {
  return {.name = workgroup == 0 ? name : name_with_tiles, .shared_workgroup = workgroup};
}

SlotTile::SlotTile(Builder& b, const TileLayout& layout, const std::vector<Update>& updates)
    : b_(b), layout_(layout), words_(b.shared("words", ir::kU32, layout.span)) {
  Value lowest = b.u32(0xffffffff), highest = b.u32(0);
  for (const Update& update : updates) {
    lowest =
        b.binary(Opcode::min, lowest, b.select(update.is_taken, update.slot, b.u32(0xffffffff)));
    highest = b.binary(Opcode::max, highest, b.select(update.is_taken, update.slot, b.u32(0)));
  }
  const Value local = b.builtin(ir::Builtin::local_index);
  const Shared bounds = b.shared("bounds", ir::kU32, kBoundWords);
  b.if_(local == 0u, [&] {
    b.shared_store(bounds, b.u32(0), b.u32(0xffffffff));
    b.shared_store(bounds, b.u32(1), b.u32(0));
  });
  b.barrier();
  Value decides = b.boolean(true);
  if (layout.reduces) {
    lowest = b.subgroup(Opcode::subgroup_min, lowest);
    highest = b.subgroup(Opcode::subgroup_max, highest);
    decides = b.builtin(ir::Builtin::subgroup_lane) == 0u;
  }
  b.if_(decides, [&] {
    b.shared_atomic(Opcode::shared_atomic_min, bounds, b.u32(0), lowest);
    b.shared_atomic(Opcode::shared_atomic_max, bounds, b.u32(1), highest);
  });
  b.barrier();
  lowest_ = b.shared_load(bounds, b.u32(0));
  // Two, of which none is named, where no update is taken.
  end_ = b.shared_load(bounds, b.u32(1)) - lowest_ + 1u;
  is_close_ = end_ - 1u < b.u32(layout.span);
}

// An invocation's places are the same each time. The last batch may go beyond the end, within the
// array.
void SlotTile::each_batch(const std::function<void(const std::vector<Value>& places)>& use) const {
  b_.for_range(b_.builtin(ir::Builtin::local_index), end_, b_.u32(kBatch * layout_.workgroup),
               [&](Value first) {
                 std::vector<Value> places;
                 for (uint32_t i = 0; i < kBatch; ++i) {
                   places.push_back(first + i * layout_.workgroup);
                 }
                 use(places);
               });
}

void SlotTile::start() const {
  each_batch([&](const std::vector<Value>& places) {
    for (const Value& place : places) b_.shared_store(words_, place, b_.u32(0));
  });
  b_.barrier();
}

Value SlotTile::change(Opcode op, const Update& update, Value operand) const {
  return b_.shared_atomic(op, words_, update.slot - lowest_, operand);
}

Value SlotTile::word(const Update& update) const {
  return b_.shared_load(words_, update.slot - lowest_);
}

void SlotTile::each_named(const std::function<Value(Value slot, Value word)>& use) const {
  each_batch([&](const std::vector<Value>& places) {
    std::vector<Value> words;
    std::vector<Var> results;  // all on their way before the first is waited for
    bool has_results = false;
    for (const Value& place : places) words.push_back(b_.shared_load(words_, place));
    for (uint32_t i = 0; i < kBatch; ++i) {
      results.push_back(b_.var(b_.u32(0)));
      b_.if_(words[i] != 0u, [&] {
        const Value result = use(lowest_ + places[i], words[i]);
        has_results = result.exists();
        if (has_results) results[i].set(result);
      });
    }
    for (uint32_t i = 0; i < kBatch && has_results; ++i) {
      b_.if_(words[i] != 0u, [&] { b_.shared_store(words_, places[i], results[i].get()); });
    }
  });
}

void SlotTile::visit(Builder& b, const TileLayout& layout, const std::vector<Update>& updates,
                     const std::function<void(const SlotTile& tile)>& close,
                     const std::function<void()>& spread) {
  if (layout.workgroup == 0) return spread();
  const SlotTile tile(b, layout, updates);
  b.if_(
      tile.is_close_, [&] { close(tile); }, spread);
}

}  // namespace nxv::kernels

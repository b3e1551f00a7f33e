// Updates of a scatter that a workgroup combines before it goes to memory.
//
// An atomic operation on a buffer costs about the same whatever it is next to: the updates of
// sorted segments, or of places close to the updates' own, queue for few cache lines. So a
// workgroup takes a tile of consecutive updates and finds their lowest and their highest slot. If
// shared memory has a word for each slot between them, the updates meet there, and the buffer gets
// one operation for each slot that was named, neighbours side by side. The updates of a tile that
// is spread out go to the buffer one by one.
//
// CPUs have no tiles: barriers are dear there, and atomics are not.
#pragma once

#include <functional>
#include <vector>

#include "kernels/common/item_step.h"
#include "kernels/scatter/slot_indices.h"

namespace nxv::kernels {

// Which updates an invocation takes: `count`, a stride apart, so that neighbours take neighbours.
struct TileLayout {
  uint32_t workgroup = 0;  // that shares a tile; 0: no tiles
  uint32_t count = 4;
  uint32_t span = 0;     // words of shared memory: slots of a tile that is close together, at most
  bool reduces = false;  // by subgroup operations

  uint64_t invocations(uint64_t updates) const;
  uint32_t stride(uint64_t updates) const;
  ir::Value first(ir::Builder& b, ir::Value item) const;
  // Of a step whose invocations take updates; its kernel's name, with tiles and without.
  ItemOptions options(std::string_view name, std::string_view name_with_tiles) const;
};
TileLayout tile_layout(const plan::DevicePlan& plan);

class SlotTile {
 public:
  using Update = SlotIndices::Update;

  // Goes over a workgroup's updates, those that are taken: together by `close` where their slots
  // are close together, else by `spread`. A layout without tiles leaves all to `spread`.
  static void visit(ir::Builder& b, const TileLayout& layout, const std::vector<Update>& updates,
                    const std::function<void(const SlotTile& tile)>& close,
                    const std::function<void()>& spread);

  // In `close`, where every slot has a word of shared memory. First of all, sets them to 0; has a
  // barrier.
  void start() const;
  // On the word of an update that is taken: an atomic operation, which gives the old value; or what
  // it holds.
  ir::Value change(ir::Opcode op, const Update& update, ir::Value operand) const;
  ir::Value word(const Update& update) const;
  // Calls `use` for the words that are not 0, each in one invocation, and puts what it returns in
  // their places, if it returns values.
  void each_named(const std::function<ir::Value(ir::Value slot, ir::Value word)>& use) const;

 private:
  SlotTile(ir::Builder& b, const TileLayout& layout, const std::vector<Update>& updates);
  void each_batch(const std::function<void(const std::vector<ir::Value>& places)>& use) const;

  ir::Builder& b_;
  const TileLayout layout_;
  ir::Shared words_;
  ir::Value lowest_, end_;  // the first slot, how many there are
  ir::Value is_close_;      // the same for the workgroup
};

}  // namespace nxv::kernels

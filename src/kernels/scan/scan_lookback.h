// Decoupled look-back: how the blocks of a scan find their prefixes while they are scanned, in one
// pass over memory (Merrill & Garland, "Single-pass Parallel Prefix Scan with Decoupled Look-back",
// NVIDIA 2016), here along the tree of scan.h.
//
// Workgroups take tickets, so that blocks begin in order. Each block publishes its total. The last
// block of a chunk of 32 publishes the chunk's total too, that of a chunk of chunks that one's, and
// so on: level by level. A block's prefix takes at most 31 published values a level, and an
// invocation of its team waits for each. No chain of waits is longer than there are levels.
//
// A workgroup waits for others with smaller tickets, and for itself only after a barrier behind
// what it published: on devices that go on with every workgroup once it has begun, all waits end.
//
// A value is published as words that bring their own flags. Bit 0 of a word is set when it is there
// (all are zero at first, and are written once); the bits that it pushes out of the top share a
// word behind them. So accesses to one place need no order with those to others, and relaxed atomic
// loads and stores are enough.
#pragma once

#include "kernels/common/fold.h"

namespace nxv::kernels {

// The workspace of a look-back over `lines` lines of `blocks` blocks.
struct LookBackSize {
  uint32_t levels = 1;
  uint64_t words = 0;  // zeros at first
};
LookBackSize look_back_size(std::span<const ir::Type> accumulator, uint64_t lines, uint64_t blocks);

class LookBack {
 public:
  // `identity` leaves no trace in what it is combined with.
  LookBack(ir::Builder& builder, const Fold& fold, const Accumulator& identity, ir::Value workspace,
           uint32_t levels);

  // The number of this workgroup in the order of their beginning. Has a barrier.
  ir::Value ticket();

  // A block, and the team of kScanChunk invocations that has it.
  struct Block {
    ir::Value line, index;                     // of the block in its line
    ir::Value blocks;                          // of a line
    ir::Value exists;                          // whether the team has a block
    ir::Value lane;                            // of the team
    const SharedAccumulators* room = nullptr;  // of the workgroup
    std::function<ir::Value(ir::Value)> slot;  // of a lane in the room
  };
  // Publishes the total, which lane 0 knows, and returns the prefix of the block. Has barriers, one
  // of them before the room is used.
  Accumulator prefix(const Block& block, const Accumulator& total);

 private:
  void publish(ir::Value slot, const Accumulator& value);
  Accumulator wait(ir::Value slot);
  Accumulator fold_room(const Block& block, ir::Value count);

  ir::Builder& b_;
  const Fold& fold_;
  const Accumulator identity_;
  const ir::Value workspace_;
  const uint32_t levels_;
  const uint32_t words_;  // of a published value
};

}  // namespace nxv::kernels

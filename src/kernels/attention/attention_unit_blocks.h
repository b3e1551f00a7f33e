// Blocks of others (keys, or queries) on their way past rows: while one is used the next is on its
// way, from memory to registers and, where there are two stages, from there to shared memory.
#pragma once

#include <functional>
#include <vector>

#include "kernels/attention/attention_scores.h"

namespace nxv::kernels {

struct UnitBlocks {
  uint32_t others = 64;     // of a block
  uint32_t stages = 2;      // blocks in shared memory
  uint32_t stage_size = 0;  // in elements of the array they are in
};

// What is done with a block that lies behind the first stage and whose first is such a number.
using VisitBlock = std::function<void(ir::Value behind, ir::Value first)>;
struct BlockRange {
  AttentionScores::Range range;
  VisitBlock visit;
};

// Visits the blocks of ranges, each of which begins where the one before it ends. load(first) is
// from memory to registers, and may lie beyond the ranges, store(behind) from there to shared
// memory. All invocations of a workgroup come here; what was in the stages is lost.
template <typename Load, typename Store>
void each_block(ir::Builder& b, const std::vector<BlockRange>& ranges, const UnitBlocks& blocks,
                Load load, Store store) {
  const uint32_t step = blocks.others;
  const auto each = [&](const auto& body) {
    for (const BlockRange& r : ranges) {
      b.for_range(
          r.range.begin, r.range.end, b.u32(step), [&](ir::Value first) { body(r.visit, first); },
          ir::Unrolling::never);
    }
  };
  load(ranges[0].range.begin);
  if (blocks.stages == 1) {
    return each([&](const VisitBlock& visit, ir::Value first) {
      b.barrier();
      store(b.u32(0));
      b.barrier();
      load(first + step);
      visit(b.u32(0), first);
    });
  }
  const ir::Var stage = b.var(b.u32(0));
  b.barrier();
  store(b.u32(0));
  load(ranges[0].range.begin + step);
  each([&](const VisitBlock& visit, ir::Value first) {
    b.barrier();
    const ir::Value now = stage.get(), next = now ^ blocks.stage_size;
    store(next);
    stage.set(next);
    load(first + 2 * step);
    visit(now, first);
  });
}

}  // namespace nxv::kernels

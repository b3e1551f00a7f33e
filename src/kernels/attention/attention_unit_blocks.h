// Blocks of others (keys, or queries) on their way past rows: while one is used the next is on its
// way, from memory to registers and, where there are two stages, from there to shared memory.
#pragma once

#include "kernels/attention/attention_scores.h"

namespace nxv::kernels {

struct UnitBlocks {
  uint32_t others = 64;     // of a block
  uint32_t stages = 2;      // blocks in shared memory
  uint32_t stage_size = 0;  // in elements of the array they are in
};

// For the blocks of a range: load(first) from memory to registers, which may lie beyond the range,
// store(behind) from there to shared memory, so many elements behind the first stage, and
// visit(behind, first). All invocations of a workgroup come here; what was in the stages is lost.
template <typename Load, typename Store, typename Visit>
void each_block(ir::Builder& b, AttentionScores::Range range, const UnitBlocks& blocks, Load load,
                Store store, Visit visit) {
  const uint32_t step = blocks.others;
  load(range.begin);
  if (blocks.stages == 1) {
    return b.for_range(range.begin, range.end, b.u32(step), [&](ir::Value first) {
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
  load(range.begin + step);
  b.for_range(range.begin, range.end, b.u32(step), [&](ir::Value first) {
    b.barrier();
    const ir::Value now = stage.get(), next = now ^ blocks.stage_size;
    store(next);
    stage.set(next);
    load(first + 2 * step);
    visit(now, first);
  });
}

}  // namespace nxv::kernels

// Where things that live for some steps of a program lie in blocks of memory. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace nxv::runtime {

struct Lifetime {
  uint64_t bytes = 0;
  int first = 0, last = 0;  // the steps that it lives through
  // Has memory of its own, while it lives: before, so that it is given no place; afterwards, also
  // where it is better off so.
  bool is_apart = false;
  uint64_t offset = 0;  // in the block of its steps
};

// Memory for the steps from `first` on until the next block's.
struct PlannedBlock {
  int first = 0;
  uint64_t bytes = 0;  // 0: nothing lies there
};

// Gives places to what lives within one stretch of steps, between the ascending `boundaries`, each
// of which is the first step of a stretch; steps go from 0 to `end`. A stretch has a block, or
// several after each other where the largest amount of memory at any step, of blocks and of what
// has memory of its own, would else be larger than if everything had; none where it is larger all
// the same. A block has `most` bytes at most.
//
// Places in a block are chosen as by Pisarchyk and Lee, "Efficient memory management for deep
// neural net inference" (2020): one after the other, each into the smallest gap between those that
// live at the same time. The largest come first ("greedy by size"), or those of the steps at which
// the most is alive ("greedy by breadth"), or in other orders, whichever takes the least.
std::vector<PlannedBlock> lay_out(std::vector<Lifetime>& items, const std::vector<int>& boundaries,
                                  int end, uint64_t most);

}  // namespace nxv::runtime

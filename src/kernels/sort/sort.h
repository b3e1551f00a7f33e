// Stable sorts of the rows of a value along its last axis.
//
// Short rows: an invocation an element counts what comes before it. Rows that fit into the shared
// memory of a workgroup: merges. Longer ones: a radix sort from the least significant digit, all
// rows by the same dispatches. Each of its passes cuts a row into tiles, counts the digits of each
// tile, scans the counts by (digit, tile), and moves the elements to where that says (Satish,
// Harris and Garland, "Designing efficient sorting algorithms for manycore GPUs", IPDPS 2009). No
// workgroup waits for another.
//
// Only the order is a matter of keys: elements move with the bits they have, NaN and -0.0 included.
#pragma once

#include "kernels/common/family.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/lowering.h"
#include "kernels/sort/sort_key.h"

namespace nxv::kernels {

// How one kernel is laid out.
struct SortLayout {
  Choice<DType> type = DType::u32;  // of the elements
  Choice<bool> descending = false;
  Choice<bool> positions = false;  // the result is where elements come from, not the elements
  Choice<bool> slots = false;      // keys are slots of a scatter, positions the bits of its updates
  uint32_t workgroup = 64;
  uint32_t items = 1;  // of an invocation: elements of a merge or of a tile
  // Radix sort.
  uint32_t digit_bits = 4;
  Choice<bool> counts = false;  // counts digits instead of moving elements
  Choice<bool> first = false;   // from the operand, else from workspaces
  Choice<bool> last = false;    // into the output, else into workspaces
};

// Of all kernels here.
struct SortWords {
  uint32_t units = 0;
  Divisor columns;
  Divisor tiles;       // of a row
  uint32_t tile = 0;   // elements of a tile
  uint32_t shift = 0;  // of the digit
  uint32_t slots = 0;  // how many there are
};

using SortFamily = Family<SortLayout>;

ir::Kernel generate_rank_sort(const Region&, const Target&, const SortLayout&);
ir::Kernel generate_merge_sort(const Region&, const Target&, const SortLayout&);
uint32_t merge_sort_bytes(const SortLayout& layout);  // of shared memory

// A tile is what one invocation takes, or one workgroup. Workspaces: the counts; the elements' bits
// (keys when the result is positions) and positions to read, unless first; the same to write,
// unless last.
ir::Kernel generate_serial_radix(const Region&, const Target&, const SortLayout&);
ir::Kernel generate_tile_radix(const Region&, const Target&, const SortLayout&);
uint32_t tile_radix_bytes(const SortLayout& layout);
// The layout with tiles that the device has room for.
SortLayout tile_radix_layout(const plan::DevicePlan& plan, SortLayout layout);

inline constexpr SortFamily kRankSort = {"sort_rank", generate_rank_sort};
inline constexpr SortFamily kMergeSort = {"sort_merge", generate_merge_sort};
inline constexpr SortFamily kSerialRadix = {"sort_serial", generate_serial_radix};
inline constexpr SortFamily kTileRadix = {"sort_tile", generate_tile_radix};

// Rows that are cut into tiles, `units` in all.
struct SortGrid {
  uint64_t columns = 1, units = 1, groups = 1, tiles = 1, tile = 0;
  uint64_t work = 0;
  uint32_t shift = 0, slots = 0;
};
// What it touches is the caller's to say.
Launch sort_dispatch(const SortFamily& family, const Region& region, const Target& target,
                     const SortLayout& layout, const SortGrid& grid);

Lowering lower_sort(const Region& region, const Target& target);

}  // namespace nxv::kernels

// Which kernels sort rows of which length.
#include "kernels/sort/sort.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/scan/scan.h"

namespace nxv::kernels {
namespace {

constexpr uint32_t kMergeItems = 16;    // of an invocation at most
constexpr uint64_t kSerialTile = 8192;  // below the bound on loop iterations
constexpr uint32_t kTileItems = 16;
constexpr uint32_t kRegistersOfItem = 16;

class SortLowering {
 public:
  SortLowering(const Region& region, const Target& target)
      : region_(region), target_(target), plan_(*target.plan) {
    const Node& x = *region.operands[0].node;
    layout_.type = x.dtype;
    layout_.descending = region.root->attribute<SortAttr>().descending;
    layout_.positions = region.root->op == Op::argsort;
    columns_ = static_cast<uint64_t>(x.shape.back());
    rows_ = static_cast<uint64_t>(x.count) / columns_;
  }

  Lowering run() {
    if (columns_ <= plan_.tuning.rank_sort_columns) {
      by_rank();
    } else if (!merge_obstacle()) {
      by_merging();
    } else {
      by_digits();
    }
    return std::move(lowering_);
  }

 private:
  void by_rank() {
    layout_.workgroup = plan_.tuning.lone_workgroup;
    const uint64_t count = rows_ * columns_;
    add(kRankSort, layout_,
        {.columns = columns_,
         .units = count,
         .groups = divide_up(count, layout_.workgroup),
         .work = count * columns_});
  }

  SortLayout merge_layout() const {
    SortLayout layout = layout_;
    layout.workgroup = std::min(256u, plan_.max_workgroup_invocations);
    layout.items = static_cast<uint32_t>(std::bit_ceil(divide_up(columns_, layout.workgroup)));
    return layout;
  }

  // Why a row is not merged in shared memory, or null.
  const char* merge_obstacle() const {
    if (!plan_.tuning.shares_cheaply) return "barriers are dear";
    const SortLayout layout = merge_layout();
    if (layout.items > kMergeItems) return "rows are too long";
    const uint32_t room = std::min(plan_.shared_memory_bytes, plan_.tuning.merge_shared_bytes);
    return merge_sort_bytes(layout) > room ? "shared memory is too small" : nullptr;
  }

  void by_merging() {
    add(kMergeSort, merge_layout(),
        {.columns = columns_, .units = rows_, .groups = rows_, .work = rows_ * columns_ * 64});
  }

  void by_digits() {
    const bool serial = !plan_.tuning.shares_cheaply;
    if (serial) {
      layout_.workgroup = plan_.tuning.lone_workgroup;
      // Counters are cleared and scanned for every tile.
      layout_.digit_bits = columns_ < 1024 ? 4 : 8;
      while ((layout_.workgroup * 4) << layout_.digit_bits > plan_.shared_memory_bytes) {
        layout_.workgroup /= 2;
      }
    } else {
      layout_ = tile_radix_layout(plan_, layout_);
    }
    const SortFamily& family = serial ? kSerialRadix : kTileRadix;
    const uint64_t tile = serial ? kSerialTile : uint64_t{layout_.workgroup} * layout_.items;
    const uint64_t tiles = divide_up(columns_, tile), units = rows_ * tiles;
    const uint64_t digits = uint64_t{1} << layout_.digit_bits;
    const auto passes = static_cast<uint32_t>(
        divide_up(static_cast<uint64_t>(bits(layout_.type)), layout_.digit_bits));
    SortGrid grid{.columns = columns_,
                  .units = units,
                  .groups = serial ? divide_up(units, layout_.workgroup) : units,
                  .tiles = tiles,
                  .tile = tile,
                  .work = rows_ * columns_ * 8};

    const int counts = lowering_.add_workspace(units * digits * 4);
    const uint64_t word_bytes = bits(layout_.type) == 64 ? 8 : 4;
    std::vector<int> arrays[2];  // elements, and positions, that pass p writes: p % 2
    for (uint32_t p = 0; p + 1 < passes && p < 2; ++p) {
      arrays[p].push_back(lowering_.add_workspace(rows_ * columns_ * word_bytes));
      if (layout_.positions) arrays[p].push_back(lowering_.add_workspace(rows_ * columns_ * 4));
    }
    for (uint32_t p = 0; p < passes; ++p) {
      SortLayout layout = layout_;
      layout.first = p == 0;
      layout.last = p + 1 == passes;
      grid.shift = p * layout.digit_bits;
      const std::vector<int> none, &from = layout.first ? none : arrays[(p + 1) % 2],
                                   &to = layout.last ? none : arrays[p % 2];

      SortLayout counting = layout;
      counting.counts = true;
      counting.last = false;
      Launch& count = add(family, counting, grid);
      count.workspaces = {writes(counts)};
      if (!layout.first) count.workspaces.push_back(reads(from[0]));
      count.reads_operands = layout.first;
      count.writes_output = false;

      scan_counters(lowering_, region_, target_, counts, rows_, digits * tiles);

      Launch& move = add(family, layout, grid);
      move.workspaces = {reads(counts)};
      for (int w : from) move.workspaces.push_back(reads(w));
      for (int w : to) move.workspaces.push_back(writes(w));
      move.reads_operands = layout.first;
      move.writes_output = layout.last;
    }
  }

  Launch& add(const SortFamily& family, const SortLayout& layout, const SortGrid& grid) {
    return lowering_.add(sort_dispatch(family, region_, target_, layout, grid));
  }

  const Region& region_;
  const Target& target_;
  const plan::DevicePlan& plan_;
  SortLayout layout_;
  uint64_t rows_ = 1, columns_ = 1;
  Lowering lowering_;
};

}  // namespace

SortLayout tile_radix_layout(const plan::DevicePlan& plan, SortLayout layout) {
  layout.workgroup = std::min(256u, std::bit_floor(plan.max_workgroup_invocations));
  layout.digit_bits = 4;
  const uint32_t registers = plan.tuning.lane_registers;
  layout.items = std::min(kTileItems, std::max(registers / kRegistersOfItem, 4u));
  while (tile_radix_bytes(layout) > plan.shared_memory_bytes) layout.workgroup /= 2;
  return layout;
}

Launch sort_dispatch(const SortFamily& family, const Region& region, const Target& target,
                     const SortLayout& layout, const SortGrid& grid) {
  SortWords words;
  words.units = static_cast<uint32_t>(grid.units);
  words.columns = Divisor(grid.columns);
  words.tiles = Divisor(grid.tiles);
  words.tile = static_cast<uint32_t>(grid.tile);
  words.shift = grid.shift;
  words.slots = grid.slots;
  Launch d = launch_of(family, region, target, layout, words);
  d.groups = fold_groups(grid.groups, *target.plan);
  d.work = grid.work;
  return d;
}

Lowering lower_sort(const Region& region, const Target& target) {
  return SortLowering(region, target).run();
}

}  // namespace nxv::kernels

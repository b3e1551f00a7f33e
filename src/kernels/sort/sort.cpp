// Which kernels sort rows of which length.
#include "kernels/sort/sort.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/scan/scan.h"

namespace nxv::kernels {
namespace {

constexpr uint32_t kMergeItems = 16;         // of an invocation at most
constexpr uint64_t kSerialTile = 8192;       // below the bound on loop iterations
constexpr uint32_t kMergeBytes = 32 * 1024;  // of shared memory
constexpr uint32_t kTileItems = 16;

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
    if (columns_ <= (is_cpu() ? 32 : 64)) {
      by_rank();
    } else if (!by_merging()) {
      by_digits();
    }
    return std::move(lowering_);
  }

 private:
  bool is_cpu() const { return plan_.profile == plan::Profile::cpu; }

  void by_rank() {
    layout_.workgroup = is_cpu() ? std::max(plan_.subgroup_size, 1u) : 64;
    const uint64_t count = rows_ * columns_;
    add("rank", generate_rank_sort, layout_,
        {.columns = columns_,
         .units = count,
         .groups = divide_up(count, layout_.workgroup),
         .work = count * columns_});
  }

  // Whether a row fits.
  bool by_merging() {
    if (is_cpu()) return false;
    layout_.workgroup = std::min(256u, plan_.max_workgroup_invocations);
    const uint64_t items = std::bit_ceil(divide_up(columns_, layout_.workgroup));
    layout_.items = static_cast<uint32_t>(items);
    if (items > kMergeItems ||
        merge_sort_bytes(layout_) > std::min(plan_.shared_memory_bytes, kMergeBytes)) {
      return false;
    }
    add("merge", generate_merge_sort, layout_,
        {.columns = columns_, .units = rows_, .groups = rows_, .work = rows_ * columns_ * 64});
    return true;
  }

  void by_digits() {
    if (is_cpu()) {
      layout_.workgroup = std::max(plan_.subgroup_size, 1u);
      // Counters are cleared and scanned for every tile.
      layout_.digit_bits = columns_ < 1024 ? 4 : 8;
      while ((layout_.workgroup * 4) << layout_.digit_bits > plan_.shared_memory_bytes) {
        layout_.workgroup /= 2;
      }
    } else {
      layout_ = tile_radix_layout(plan_, layout_);
    }
    const uint64_t tile = is_cpu() ? kSerialTile : uint64_t{layout_.workgroup} * layout_.items;
    const uint64_t tiles = divide_up(columns_, tile), units = rows_ * tiles;
    const uint64_t digits = uint64_t{1} << layout_.digit_bits;
    const int passes = (bits(layout_.type) + layout_.digit_bits - 1) / layout_.digit_bits;
    const auto generate = is_cpu() ? generate_serial_radix : generate_tile_radix;
    const char* name = is_cpu() ? "serial" : "tile";
    SortGrid grid{.columns = columns_,
                  .units = units,
                  .groups = is_cpu() ? divide_up(units, layout_.workgroup) : units,
                  .tiles = tiles,
                  .tile = tile,
                  .work = rows_ * columns_ * 8};

    const int counts = workspace(units * digits * 4);
    const uint64_t word_bytes = bits(layout_.type) == 64 ? 8 : 4;
    std::vector<int> arrays[2];  // elements, and positions, that pass p writes: p % 2
    for (int p = 0; p + 1 < passes && p < 2; ++p) {
      arrays[p].push_back(workspace(rows_ * columns_ * word_bytes));
      if (layout_.positions) arrays[p].push_back(workspace(rows_ * columns_ * 4));
    }
    for (int p = 0; p < passes; ++p) {
      SortLayout layout = layout_;
      layout.first = p == 0;
      layout.last = p + 1 == passes;
      grid.shift = static_cast<uint32_t>(p * layout.digit_bits);
      const std::vector<int> none, &from = layout.first ? none : arrays[(p + 1) % 2],
                                   &to = layout.last ? none : arrays[p % 2];

      SortLayout counting = layout;
      counting.counts = true;
      counting.last = false;
      Dispatch& count = add(name, generate, counting, grid);
      count.workspaces = {counts};
      if (!layout.first) count.workspaces.push_back(from[0]);
      count.reads.assign(count.workspaces.begin() + 1, count.workspaces.end());
      count.writes = {counts};
      count.reads_operands = layout.first;
      count.writes_output = false;

      scan_counters(lowering_, region_, target_, counts, rows_, digits * tiles);

      Dispatch& move = add(name, generate, layout, grid);
      move.workspaces = {counts};
      move.workspaces.insert(move.workspaces.end(), from.begin(), from.end());
      move.reads = move.workspaces;
      move.workspaces.insert(move.workspaces.end(), to.begin(), to.end());
      move.writes = to;
      move.reads_operands = layout.first;
      move.writes_output = layout.last;
    }
  }

  int workspace(uint64_t bytes) {
    lowering_.workspaces.push_back(bytes);
    return static_cast<int>(lowering_.workspaces.size()) - 1;
  }

  Dispatch& add(const char* name, SortGenerator generate, const SortLayout& layout,
                const SortGrid& grid) {
    lowering_.dispatches.push_back(sort_dispatch(region_, plan_, name, generate, layout, grid));
    return lowering_.dispatches.back();
  }

  const Region& region_;
  const Target& target_;
  const plan::DevicePlan& plan_;
  SortLayout layout_;
  uint64_t rows_ = 1, columns_ = 1;
  Lowering lowering_;
};

}  // namespace

std::string SortLayout::key(const char* kernel) const {
  std::string k = std::string("sort_") + kernel;
  for (uint32_t v : {static_cast<uint32_t>(type), static_cast<uint32_t>(descending),
                     static_cast<uint32_t>(positions), static_cast<uint32_t>(slots), workgroup,
                     items, static_cast<uint32_t>(digit_bits), static_cast<uint32_t>(counts),
                     static_cast<uint32_t>(first), static_cast<uint32_t>(last)}) {
    k += std::to_string(v) + ",";
  }
  return k;
}

SortLayout tile_radix_layout(const plan::DevicePlan& plan, SortLayout layout) {
  layout.workgroup = std::min(256u, std::bit_floor(plan.max_workgroup_invocations));
  layout.digit_bits = 4;
  layout.items = kTileItems;
  while (tile_radix_bytes(layout) > plan.shared_memory_bytes) layout.workgroup /= 2;
  return layout;
}

Dispatch sort_dispatch(const Region& region, const plan::DevicePlan& plan, const char* name,
                       SortGenerator generate, const SortLayout& layout, const SortGrid& grid) {
  Dispatch d;
  d.key = layout.key(name) + region.key;
  d.generate = [generate, layout](const Region& r) { return generate(r, layout); };
  d.groups = fold_groups(grid.groups, plan);
  d.extra_words = {static_cast<uint32_t>(grid.units)};
  for (const uint64_t divisor : {grid.columns, grid.tiles}) {
    const auto words = divisor_words(divisor);
    d.extra_words.insert(d.extra_words.end(), words.begin(), words.end());
  }
  d.extra_words.push_back(static_cast<uint32_t>(grid.tile));
  d.extra_words.push_back(grid.shift);
  d.extra_words.push_back(grid.slots);
  d.work = grid.work;
  return d;
}

Lowering lower_sort(const Region& region, const Target& target) {
  return SortLowering(region, target).run();
}

}  // namespace nxv::kernels

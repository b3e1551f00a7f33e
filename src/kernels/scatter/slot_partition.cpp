#include "kernels/scatter/slot_partition.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/scan/scan.h"
#include "kernels/sort/sort.h"

namespace nxv::kernels {

SlotPartition partition_updates(Lowering& lowering, const Region& region, const Target& target) {
  const Node& root = *region.root;
  const auto slots = static_cast<uint64_t>(root.shape[0]);
  const auto updates = static_cast<uint64_t>(root.inputs[1]->count);
  const SortLayout layout =
      tile_radix_layout(*target.plan, {.positions = true, .slots = true, .first = true});

  const uint64_t tile = uint64_t{layout.workgroup} * layout.items;
  const uint64_t tiles = divide_up(updates, tile), digits = uint64_t{1} << layout.digit_bits;
  const auto slot_bits = static_cast<uint32_t>(std::bit_width(slots - 1));
  const SortGrid grid{.columns = updates,
                      .units = tiles,
                      .groups = tiles,
                      .tiles = tiles,
                      .tile = tile,
                      .work = updates * 8,
                      .shift = slot_bits > layout.digit_bits ? slot_bits - layout.digit_bits : 0,
                      .slots = static_cast<uint32_t>(slots)};
  const auto workspace = [&](uint64_t words) {
    return lowering.add_workspace(divide_up(words, 4) * 16);
  };
  const int counts = workspace(tiles * digits);
  const SlotPartition result{workspace(updates), workspace(updates)};

  const auto add = [&](const SortLayout& l, std::vector<Use> workspaces) {
    Launch& d = lowering.add(sort_dispatch(kTileRadix, region, target, l, grid));
    d.workspaces = std::move(workspaces);
    d.writes_output = false;
  };
  SortLayout counting = layout;
  counting.counts = true;
  add(counting, {writes(counts)});
  scan_counters(lowering, region, target, counts, 1, digits * tiles);
  add(layout, {reads(counts), writes(result.slots), writes(result.values)});
  return result;
}

}  // namespace nxv::kernels

// Lists of updates: how they are linked, and the sums of short ones.
#include <functional>

#include "kernels/common/divide_up.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/scatter/scatter.h"
#include "kernels/scatter/scatter_float.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/slot_tile.h"
#include "kernels/scatter/update_list.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;
using ir::Var;
using Update = SlotIndices::Update;

// The updates of an invocation, and their values' bits where entries carry them.
struct Taken {
  std::vector<Update> updates;
  std::vector<Value> bits;
};

// Puts updates at the heads of lists: the old heads come next. The entries of lists in a tile are
// linked to each other; the last of each list is linked to the head in memory.
void put_in_lists(Builder& b, const KernelArguments& arguments, const TileLayout& tile_layout,
                  const Taken& taken) {
  const auto& updates = taken.updates;
  std::vector<Var> next;  // all on their way before the first is waited for
  const auto exchange = [&](const std::function<Value(const Update&, Value name)>& head) {
    for (size_t i = 0; i < updates.size(); ++i) {
      b.if_(updates[i].is_taken, [&] { next[i].set(head(updates[i], updates[i].number + 1u)); });
    }
  };
  const auto put = [&](Value slot, Value name) {
    return b.atomic(Opcode::atomic_exchange, arguments.workspace(0), slot, name);
  };
  for (size_t i = 0; i < updates.size(); ++i) next.push_back(b.var(b.u32(0)));
  SlotTile::visit(
      b, tile_layout, updates,
      [&](const SlotTile& tile) {
        tile.start();
        exchange([&](const Update& update, Value name) {
          return tile.change(Opcode::shared_atomic_exchange, update, name);
        });
        b.barrier();
        tile.each_named(put);
        b.barrier();
        for (size_t i = 0; i < updates.size(); ++i) {
          b.if_(updates[i].is_taken & (next[i].get() == 0u),
                [&] { next[i].set(tile.word(updates[i])); });
        }
      },
      [&] { exchange([&](const Update& update, Value name) { return put(update.slot, name); }); });
  for (size_t i = 0; i < updates.size(); ++i) {
    b.if_(updates[i].is_taken, [&] {
      Value entry = next[i].get();
      if (!taken.bits.empty()) entry = b.pack({entry, taken.bits[i]});
      b.store(arguments.workspace(1), updates[i].number, entry);
    });
  }
}

// Workspaces: heads, entries.
struct LinkUpdates {
  static constexpr std::string_view kName = "scatter_link";
  struct Layout {
    Choice<bool> carries = false;
  };
  struct Words {
    uint32_t slots = 0, updates = 0;
    uint32_t stride = 0;          // between the updates of an invocation
    uint32_t begin = 0, end = 0;  // slots of the pass
  };
  static ItemOptions options(const Region&, const Target& target, const Layout& layout) {
    const TileLayout tile = tile_layout(*target.plan);
    ItemOptions options = layout.carries
                              ? tile.options("scatter_link_values", "scatter_link_values_tile")
                              : tile.options("scatter_link", "scatter_link_tile");
    options.workspaces = 2;
    return options;
  }
  static void run(const ItemKernel<LinkUpdates>& k, Value item) {
    const TileLayout tile = tile_layout(*k.target.plan);
    const Value first = tile.first(k.b, item);
    const SlotIndices slots(k.arguments, 1, k.region.operands[1].node->dtype,
                            k.words[&Words::slots]);
    const SlotIndices::Range range{k.words[&Words::begin], k.words[&Words::end]};
    const Value count = k.words[&Words::updates];
    Taken taken{slots.take(first, k.words[&Words::stride], tile.count, count, range), {}};
    for (const Update& update : taken.updates) {
      if (!k.layout.carries) break;
      const Value at = k.b.binary(Opcode::min, update.number, count - 1u);
      const Number x = load_element(k.arguments.operand(2), at, k.region.root->dtype);
      taken.bits.push_back(k.b.bitcast(x.re, ir::kU32));
    }
    put_in_lists(k.b, k.arguments, tile, taken);
  }
};

// The updates of a slot are named by their places, which are in the order of their numbers.
// Workspaces: heads, entries, and those of the partition.
struct LinkPartition {
  static constexpr std::string_view kName = "scatter_link_partition";
  using Layout = NoLayout;
  struct Words {
    uint32_t updates = 0;
    uint32_t stride = 0;  // between the updates of an invocation
  };
  static ItemOptions options(const Region&, const Target& target, const Layout&) {
    ItemOptions options =
        tile_layout(*target.plan).options("scatter_link_partition", "scatter_link_partition_tile");
    options.workspaces = 4;
    return options;
  }
  static void run(const ItemKernel<LinkPartition>& k, Value item) {
    const TileLayout tile = tile_layout(*k.target.plan);
    const Value first = tile.first(k.b, item);
    Taken taken;
    for (uint32_t i = 0; i < tile.count; ++i) {
      const Value number = first + k.words[&Words::stride] * i;
      const Value exists = number < k.words[&Words::updates];
      const Value at = k.b.select(exists, number, k.b.u32(0));
      const Value slot = k.b.load(k.arguments.workspace(2), at, ir::kU32);
      taken.updates.push_back({number, slot, exists});
      taken.bits.push_back(k.b.load(k.arguments.workspace(3), at, ir::kU32));
    }
    put_in_lists(k.b, k.arguments, tile, taken);
  }
};

// A group of elements. Workspaces: heads, entries, and the heavy slots, if there can be any.
struct SumLists {
  static constexpr std::string_view kName = "scatter_sum";
  struct Layout {
    Choice<bool> finds_heavy = false, carries = false;
  };
  using Words = ScatterWords;
  static ItemOptions options(const Region&, const Target&, const Layout& layout) {
    ItemOptions options;
    options.name = layout.finds_heavy
                       ? (layout.carries ? "scatter_sum_short_values" : "scatter_sum_short")
                       : (layout.carries ? "scatter_sum_values" : "scatter_sum");
    options.workspaces = 2 + int{layout.finds_heavy};
    options.has_loops = true;
    return options;
  }
  static void run(const ItemKernel<SumLists>& k, Value group) {
    Builder& b = k.b;
    const DType type = k.region.root->dtype;
    const Value heads = k.arguments.workspace(0);
    const Fold fold(b, Op::sum, type, type, k.target.math);
    const Group target = load_group(k.arguments.operand(0), group, type);
    Group sums;
    for (uint32_t i = 0; i < kGroup; ++i) {
      const Value element = (group << 2) + i;
      const Value is_real = element < k.words[&Words::elements];
      const Value at = b.select(is_real, element, b.u32(0));
      const Value slot = k.words.divide(at, &Words::inner);
      const Value column = at - slot * k.words[&Words::inner];
      const UpdateList list(heads, k.arguments.workspace(1), slot, k.layout.carries);
      const auto load = [&](Value number) {
        const Value row = number * k.words[&Words::inner];
        return load_element(k.arguments.operand(2), row + column, type);
      };
      sums[i] = list.sum(fold, load, target[i]);
      if (!k.layout.finds_heavy) continue;
      b.if_(is_real & (column == 0u) & list.is_heavy(), [&] {
        const Value rank = b.atomic(Opcode::atomic_add, heads, k.words[&Words::slots], b.u32(1));
        b.store(k.arguments.workspace(2), rank, slot);
      });
    }
    store_group(k.arguments.output(), group, sums);
  }
};

// An element of an update: where it is at the head of its list, that of the target. Workspaces as
// those of SumLists.
struct SumNamed {
  static constexpr std::string_view kName = "scatter_sum_named";
  using Layout = SumLists::Layout;
  using Words = ScatterWords;
  static ItemOptions options(const Region& region, const Target& target, const Layout& layout) {
    ItemOptions options = SumLists::options(region, target, layout);
    options.name = kName;
    return options;
  }
  static void run(const ItemKernel<SumNamed>& k, Value item) {
    Builder& b = k.b;
    const DType type = k.region.root->dtype;
    const Value heads = k.arguments.workspace(0), inner = k.words[&Words::inner];
    const Value update = k.words.divide(item, &Words::inner);
    const Value column = item - update * inner;
    const SlotIndices slots(k.arguments, 1, k.region.operands[1].node->dtype,
                            k.words[&Words::slots]);
    const Value slot = slots.slot(update);
    b.if_(b.load(heads, slot, ir::kU32) == update + 1u, [&] {
      const Value element = slot * inner + column;
      const UpdateList list(heads, k.arguments.workspace(1), slot, k.layout.carries);
      const auto load = [&](Value number) {
        return load_element(k.arguments.operand(2), number * inner + column, type);
      };
      const Fold fold(b, Op::sum, type, type, k.target.math);
      const Number target = load_element(k.arguments.operand(0), element, type);
      replace_element(k.arguments.output(), element, list.sum(fold, load, target));
      if (!k.layout.finds_heavy) return;
      b.if_((column == 0u) & list.is_heavy(), [&] {
        const Value rank = b.atomic(Opcode::atomic_add, heads, k.words[&Words::slots], b.u32(1));
        b.store(k.arguments.workspace(2), rank, slot);
      });
    });
  }
};

}  // namespace

Launch link_updates(const FloatScatter& s, uint32_t begin, uint32_t end) {
  const TileLayout tile = tile_layout(*s.target.plan);
  LinkUpdates::Words words;
  words.slots = static_cast<uint32_t>(s.slots);
  words.updates = static_cast<uint32_t>(s.updates);
  words.stride = tile.stride(s.updates);
  words.begin = begin;
  words.end = end;
  Launch d =
      item_launch<LinkUpdates>(s.region, s.target, tile.invocations(s.updates), {s.carries}, words);
  d.writes_output = false;
  if (s.is_sparse) d.bytes_read = update_bytes(s.region);
  d.workspaces = {updates(kHeads), writes(kEntries)};
  return d;
}

Launch link_partition(const FloatScatter& s, const SlotPartition& partition) {
  const TileLayout tile = tile_layout(*s.target.plan);
  const LinkPartition::Words words = {static_cast<uint32_t>(s.updates), tile.stride(s.updates)};
  Launch d = item_launch<LinkPartition>(s.region, s.target, tile.invocations(s.updates), {}, words);
  d.writes_output = false;
  d.workspaces = {updates(kHeads), writes(kEntries), reads(partition.slots),
                  reads(partition.values)};
  return d;
}

Launch sum_lists(const FloatScatter& s) {
  const SumLists::Layout layout = {s.most_heavy > 0, s.carries};
  Launch d;
  if (s.is_sparse) {
    const uint64_t elements = s.updates * s.inner;
    d = item_launch<SumNamed>(s.region, s.target, elements, layout, ScatterWords(s));
    d.reads_output = true;
    d.bytes_written = elements * static_cast<uint64_t>(storage_bytes(s.region.root->dtype));
    d.bytes_read = update_bytes(s.region) + *d.bytes_written;
  } else {
    const uint64_t groups = divide_up(s.slots * s.inner, kGroup);
    d = item_launch<SumLists>(s.region, s.target, groups, layout, ScatterWords(s));
  }
  d.workspaces = {reads(kHeads), reads(kEntries)};
  if (layout.finds_heavy) d.workspaces = {updates(kHeads), reads(kEntries), writes(kHeavySlots)};
  return d;
}

}  // namespace nxv::kernels

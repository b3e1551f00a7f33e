// Scatters whose result no order of the updates can show: the last one of each slot, and sums of
// integers. Both are atomic operations: one an update, or one a slot of a tile (slot_tile.h).
#include "kernels/scatter/scatter.h"

#include "kernels/common/divide_up.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/scatter/named_slots.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/slot_tile.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

namespace {

// Adds an integer to words of a buffer, modulo the width of its type. Where there are 2^31 words or
// more, their indices take two.
void add_atomically(Builder& b, Value buffer, Value at, Value number, bool is_large) {
  if (ir::bytes(number.type()) == 4) {
    b.atomic(Opcode::atomic_add, buffer, at, b.bitcast(number, ir::kU32));
    return;
  }
  const auto index = [&](uint32_t half) {
    const Value word = (at << 1) + half;
    return is_large ? b.pack({word, at >> 31}) : word;
  };
  // The low words wrap as often as something is carried, whatever the order.
  const Value words = b.bitcast(number, ir::vec(ir::kU32, 2));
  const Value low = b.extract(words, 0);
  const Value old = b.atomic(Opcode::atomic_add, buffer, index(0), low);
  const Value carry = b.convert(old + low < low, ir::kU32);
  b.atomic(Opcode::atomic_add, buffer, index(1), b.extract(words, 1) + carry);
}

// An operation for which 0 changes nothing, on buffers and on shared arrays.
struct Operation {
  Opcode global, shared;
};
constexpr Operation kMax{Opcode::atomic_max, Opcode::shared_atomic_max};
constexpr Operation kAdd{Opcode::atomic_add, Opcode::shared_atomic_add};

// Combines the operand of each update that is taken with the word of its slot, if that belongs to
// the pass. A tile that is close together belongs to the first pass as a whole.
void fold_words(Builder& b, const TileLayout& layout, const std::vector<SlotTile::Update>& updates,
                const std::vector<Value>& operands, Value words, const Operation& operation,
                const SlotIndices::Range& pass) {
  const auto apply = [&](Value slot, Value operand) {
    b.atomic(operation.global, words, slot, operand);
    return Value();
  };
  const auto together = [&](const SlotTile& tile) {
    tile.start();
    for (size_t i = 0; i < updates.size(); ++i) {
      b.if_(updates[i].is_taken, [&] { tile.change(operation.shared, updates[i], operands[i]); });
    }
    b.barrier();
    tile.each_named(apply);
  };
  SlotTile::visit(
      b, layout, updates,
      [&](const SlotTile& tile) { b.if_(pass.begin == 0u, [&] { together(tile); }); },
      [&] {
        for (size_t i = 0; i < updates.size(); ++i) {
          const Value slot = updates[i].slot;
          const Value is_of_pass = (slot < pass.end) & !(slot < pass.begin);
          b.if_(updates[i].is_taken & is_of_pass, [&] { apply(slot, operands[i]); });
        }
      });
}

// Marks slots with the numbers of their updates, the largest last: in the output, or in a
// workspace.
struct LastUpdate {
  static constexpr std::string_view kName = "last_update";
  struct Layout {
    Choice<bool> to_workspace = false;
  };
  struct Words {
    uint32_t slots = 0;
    uint32_t stride = 0;  // between the updates of an invocation
    uint32_t updates = 0;
    uint32_t begin = 0, end = 0;  // slots of the pass
  };
  static ItemOptions options(const Region&, const Target& target, const Layout& layout) {
    const TileLayout tile = tile_layout(*target.plan);
    ItemOptions options = layout.to_workspace
                              ? tile.options("last_named_update", "last_named_update_tile")
                              : tile.options("last_update", "last_update_tile");
    options.workspaces = int{layout.to_workspace};
    return options;
  }
  static void run(const ItemKernel<LastUpdate>& k, Value item) {
    const TileLayout tile = tile_layout(*k.target.plan);
    const Value slot_count = k.words[&Words::slots];
    const SlotIndices slots(k.arguments, 0, k.region.operands[0].node->dtype, slot_count);
    const auto updates = slots.take(tile.first(k.b, item), k.words[&Words::stride], tile.count,
                                    k.words[&Words::updates], {k.b.u32(0), slot_count});
    std::vector<Value> names;
    for (const auto& update : updates) names.push_back(update.number + 1u);
    const Value marks = k.layout.to_workspace ? k.arguments.workspace(0) : k.arguments.output();
    fold_words(k.b, tile, updates, names, marks, kMax,
               {k.words[&Words::begin], k.words[&Words::end]});
  }
};

// Takes the slots whose last update is the item. Workspace: the marks.
struct TakeLast {
  static constexpr std::string_view kName = "last_slot";
  using Layout = NoLayout;
  struct Words {
    uint32_t slots = 0;
  };
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .workspaces = 1};
  }
  static void run(const ItemKernel<TakeLast>& k, Value update) {
    const SlotIndices slots(k.arguments, 0, k.region.operands[0].node->dtype,
                            k.words[&Words::slots]);
    const Value slot = slots.slot(update);
    const Value last = k.b.load(k.arguments.workspace(0), slot, ir::kU32);
    const Value taken = k.b.select(last == update + 1u, slot, k.b.u32(0xffffffff));
    k.b.store(k.arguments.output(), update, taken);
  }
};

// The same of few updates: each looks at those behind it.
struct TakeLastOfFew {
  static constexpr std::string_view kName = "last_slot_of_few";
  using Layout = NoLayout;
  struct Words {
    uint32_t slots = 0, updates = 0;
  };
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .has_loops = true};
  }
  static void run(const ItemKernel<TakeLastOfFew>& k, Value update) {
    Builder& b = k.b;
    const SlotIndices slots(k.arguments, 0, k.region.operands[0].node->dtype,
                            k.words[&Words::slots]);
    const Value none = b.u32(0xffffffff);
    const ir::Var taken = b.var(none);
    slots.at(update, [&](Value slot) {
      taken.set(slot);
      b.for_range(update + 1u, k.words[&Words::updates], b.u32(1), [&](Value later) {
        taken.set(b.select(slots.slot(later) == slot, none, taken.get()));
      });
    });
    b.store(k.arguments.output(), update, taken.get());
  }
};
constexpr uint64_t kFewUpdates = 64;

// Integers of less than a word share words: they are added up apart, in a workspace.
bool are_narrow(const Region& region) { return storage_bytes(region.root->dtype) < 4; }

Value sums_of(const Region& region, const KernelArguments& arguments) {
  return are_narrow(region) ? arguments.workspace(0) : arguments.output();
}

// Sums of one word a slot, by tiles.
struct AddWords {
  static constexpr std::string_view kName = "scatter_add_words";
  using Layout = NoLayout;
  struct Words {
    uint32_t slots = 0;
    uint32_t stride = 0;  // between the updates of an invocation
    uint32_t updates = 0;
  };
  static ItemOptions options(const Region& region, const Target& target, const Layout&) {
    ItemOptions options =
        tile_layout(*target.plan).options("scatter_add_words", "scatter_add_words_tile");
    options.workspaces = int{are_narrow(region)};
    return options;
  }
  static void run(const ItemKernel<AddWords>& k, Value item) {
    const TileLayout tile = tile_layout(*k.target.plan);
    const Value slot_count = k.words[&Words::slots], count = k.words[&Words::updates];
    const SlotIndices slots(k.arguments, 1, k.region.operands[1].node->dtype, slot_count);
    const SlotIndices::Range all{k.b.u32(0), slot_count};
    const auto updates =
        slots.take(tile.first(k.b, item), k.words[&Words::stride], tile.count, count, all);
    std::vector<Value> numbers;
    for (const auto& update : updates) {
      const Value at = k.b.binary(Opcode::min, update.number, count - 1u);
      const Number x = load_element(k.arguments.operand(2), at, k.region.root->dtype);
      numbers.push_back(k.b.bitcast(x.re, ir::kU32));
    }
    fold_words(k.b, tile, updates, numbers, sums_of(k.region, k.arguments), kAdd, all);
  }
};

// Sums of any integers, an atomic operation or two an element.
struct AddElements {
  static constexpr std::string_view kName = "scatter_add";
  struct Layout {
    Choice<bool> is_large = false;  // indices of words take two words
  };
  struct Words {
    Divisor inner;  // length of a row
    uint32_t slots = 0;
  };
  static ItemOptions options(const Region& region, const Target&, const Layout& layout) {
    return {.name = layout.is_large ? "scatter_add_large" : "scatter_add",
            .workspaces = int{are_narrow(region)}};
  }
  static void run(const ItemKernel<AddElements>& k, Value item) {
    const SlotIndices slots(k.arguments, 1, k.region.operands[1].node->dtype,
                            k.words[&Words::slots]);
    const Value update = k.words.divide(item, &Words::inner);
    slots.at(update, [&](Value slot) {
      const Value inner = k.words[&Words::inner];
      const Value element = slot * inner + (item - update * inner);
      const Number x = load_element(k.arguments.operand(2), item, k.region.root->dtype);
      add_atomically(k.b, sums_of(k.region, k.arguments), element, x.re, k.layout.is_large);
    });
  }
};

// The target and the sums of narrow numbers.
struct AddSums {
  static constexpr std::string_view kName = "scatter_target";
  using Layout = NoLayout;
  using Words = NoWords;
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = "scatter_target", .workspaces = 1};
  }
  static void run(const ItemKernel<AddSums>& k, Value group) {
    const DType type = k.region.root->dtype;
    Group elements = load_group(k.arguments.operand(0), group, type);
    const Value sums = k.b.load(k.arguments.workspace(0), group, ir::vec(ir::kU32, 4));
    for (int i = 0; i < kGroup; ++i) {
      const Value sum = k.b.bitcast(k.b.extract(sums, i), elements[i].re.type());
      elements[i].re = ir::wrap(elements[i].re + sum, type);
    }
    store_group(k.arguments.output(), group, elements);
  }
};

// By tiles, where a slot is a word.
Launch add_integers(const Region& region, const Target& target) {
  const Node& root = *region.root;
  const auto slots = static_cast<uint32_t>(root.shape[0]);
  const TileLayout tile = tile_layout(*target.plan);
  if (tile.workgroup != 0 && root.shape[1] == 1 && storage_bytes(root.dtype) <= 4) {
    const auto updates = static_cast<uint64_t>(root.inputs[1]->count);
    return item_launch<AddWords>(region, target, tile.invocations(updates), {},
                                 {slots, tile.stride(updates), static_cast<uint32_t>(updates)});
  }
  const bool is_large = storage_bytes(root.dtype) == 8 && root.count >= int64_t{1} << 30;
  return item_launch<AddElements>(region, target, static_cast<uint64_t>(root.inputs[2]->count),
                                  {is_large},
                                  {Divisor(static_cast<uint64_t>(root.shape[1])), slots});
}

}  // namespace

Lowering lower_last_update(const Region& region, const Target& target) {
  const Node &root = *region.root, &indices = *root.inputs[0];
  const auto slots = static_cast<uint64_t>(root.count);
  const auto updates = static_cast<uint64_t>(indices.count);
  const TileLayout tile = tile_layout(*target.plan);
  Lowering lowering;
  lowering.add(fill_zeros(region, target, kOutput, slots));
  each_pass(slots, *target.plan, [&](uint32_t begin, uint32_t end) {
    const LastUpdate::Words words = {static_cast<uint32_t>(slots), tile.stride(updates),
                                     static_cast<uint32_t>(updates), begin, end};
    lowering.add(item_launch<LastUpdate>(region, target, tile.invocations(updates), {}, words));
    lowering.launches.back().reads_output = true;
  });
  return lowering;
}

Lowering lower_last_slot(const Region& region, const Target& target) {
  const auto count = static_cast<uint64_t>(region.root->attribute<SlotsAttr>().count);
  const auto named = static_cast<uint64_t>(region.root->count);
  const auto slots = static_cast<uint32_t>(count), numbers = static_cast<uint32_t>(named);
  Lowering lowering;
  if (named <= kFewUpdates) {
    lowering.add(item_launch<TakeLastOfFew>(region, target, named, {}, {slots, numbers}));
    return lowering;
  }
  const TileLayout tile = tile_layout(*target.plan);
  const int marks = lowering.add_workspace(divide_up(count, 4) * 16);
  lowering.add(empty_named_slots(region, target, 0, count, false));
  Launch& d = lowering.add(item_launch<LastUpdate>(region, target, tile.invocations(named), {true},
                                                   {slots, tile.stride(named), numbers, 0, slots}));
  d.writes_output = false;
  d.workspaces = {updates(marks)};
  Launch& last = lowering.add(item_launch<TakeLast>(region, target, named, {}, {slots}));
  last.workspaces = {reads(marks)};
  return lowering;
}

Lowering lower_scatter_add(const Region& region, const Target& target) {
  return is_integer(region.root->dtype) ? lower_scatter_add_integer(region, target)
                                        : lower_scatter_add_float(region, target);
}

// Numbers of a word or two are added to the target; narrower ones apart.
Lowering lower_scatter_add_integer(const Region& region, const Target& target) {
  const auto count = static_cast<uint64_t>(region.root->count);
  Launch adds = add_integers(region, target);
  Lowering lowering;
  if (are_narrow(region)) {
    const int sums = lowering.add_workspace(divide_up(count, 4) * 16);
    adds.workspaces = {updates(sums)};
    adds.writes_output = false;
    lowering.add(fill_zeros(region, target, sums, count));
    lowering.add(std::move(adds));
    Launch& last =
        lowering.add(item_launch<AddSums>(region, target, divide_up(count, kGroup), {}, {}));
    last.workspaces = {reads(sums)};
  } else {
    lowering.target = 0;
    adds.reads_output = true;
    adds.bytes_read = update_bytes(region);
    adds.bytes_written = static_cast<uint64_t>(region.operands[2].node->storage_size());
    lowering.add(std::move(adds));
  }
  return lowering;
}

}  // namespace nxv::kernels

// Scatters whose result no order of the updates can show: the last one of each slot, and sums of
// integers. Both are atomic operations: one an update, or one a slot of a tile (slot_tile.h).
#include "kernels/scatter/scatter.h"

#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/slot_tile.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

namespace {

// Step words of a sum: divisor by the length of a row, number of slots.
enum Word { kInner, kSlots = 3 };

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

// Sums of one word a slot, by tiles.
ItemStep add_words(const Region& region, const TileLayout& layout) {
  const Node& root = *region.root;
  const auto count = static_cast<uint64_t>(root.inputs[1]->count);
  ItemStep step;
  step.name = "scatter_add_words";
  layout.apply(step, count);
  step.words = {static_cast<uint32_t>(root.shape[0]), layout.stride(count),
                static_cast<uint32_t>(count)};
  step.body = [layout, type = root.dtype, index_type = root.inputs[1]->dtype](
                  Builder& b, const KernelArguments& arguments, Value item) {
    const Value slot_count = step_word(arguments, 0), count = step_word(arguments, 2);
    const SlotIndices slots(arguments, 1, index_type, slot_count);
    const SlotIndices::Range all{b.u32(0), slot_count};
    const auto updates =
        slots.take(layout.first(b, item), step_word(arguments, 1), layout.count, count, all);
    std::vector<Value> numbers;
    for (const auto& update : updates) {
      const Value at = b.binary(Opcode::min, update.number, count - 1u);
      numbers.push_back(b.bitcast(load_element(arguments.operand(2), at, type).re, ir::kU32));
    }
    const bool narrow = storage_bytes(type) < 4;
    const Value sums = narrow ? arguments.workspace(0) : arguments.output();
    fold_words(b, layout, updates, numbers, sums, kAdd, all);
  };
  return step;
}

// Sums of any integers, an atomic operation or two an element.
ItemStep add_elements(const Region& region) {
  const Node& root = *region.root;
  const DType type = root.dtype;
  const bool narrow = storage_bytes(type) < 4;
  const bool is_large = storage_bytes(type) == 8 && root.count >= int64_t{1} << 30;
  ItemStep step;
  step.name = is_large ? "scatter_add_large" : "scatter_add";
  step.items = static_cast<uint64_t>(root.inputs[2]->count);
  for (uint32_t w : divisor_words(static_cast<uint64_t>(root.shape[1]))) step.words.push_back(w);
  step.words.push_back(static_cast<uint32_t>(root.shape[0]));
  step.body = [type, narrow, is_large, index_type = root.inputs[1]->dtype](
                  Builder& b, const KernelArguments& arguments, Value item) {
    const SlotIndices slots(arguments, 1, index_type, step_word(arguments, kSlots));
    const Value update = step_divide(arguments, item, kInner);
    slots.at(update, [&](Value slot) {
      const Value inner = step_word(arguments, kInner);
      const Value element = slot * inner + (item - update * inner);
      add_atomically(b, narrow ? arguments.workspace(0) : arguments.output(), element,
                     load_element(arguments.operand(2), item, type).re, is_large);
    });
  };
  return step;
}

}  // namespace

Lowering lower_last_update(const Region& region, const Target& target) {
  const Node &root = *region.root, &indices = *root.inputs[0];
  const auto slots = static_cast<uint64_t>(root.count);
  const auto count = static_cast<uint64_t>(indices.count);
  const TileLayout layout = tile_layout(*target.plan);
  Lowering lowering;
  lowering.dispatches.push_back(fill_zeros(region, target, kOutput, slots));
  each_pass(slots, *target.plan, [&](uint32_t begin, uint32_t end) {
    ItemStep mark;
    mark.name = "last_update";
    layout.apply(mark, count);
    mark.words = {static_cast<uint32_t>(slots), layout.stride(count), static_cast<uint32_t>(count),
                  begin, end};
    mark.body = [layout, type = indices.dtype](Builder& b, const KernelArguments& arguments,
                                               Value item) {
      const Value slot_count = step_word(arguments, 0);
      const SlotIndices slots(arguments, 0, type, slot_count);
      const Value stride = step_word(arguments, 1), count = step_word(arguments, 2);
      const auto updates =
          slots.take(layout.first(b, item), stride, layout.count, count, {b.u32(0), slot_count});
      std::vector<Value> names;
      for (const auto& update : updates) names.push_back(update.number + 1u);
      fold_words(b, layout, updates, names, arguments.output(), kMax,
                 {step_word(arguments, 3), step_word(arguments, 4)});
    };
    lowering.dispatches.push_back(make_dispatch(region, target, std::move(mark)));
    lowering.dispatches.back().reads_output = true;
  });
  return lowering;
}

Lowering lower_scatter_add(const Region& region, const Target& target) {
  return is_integer(region.root->dtype) ? lower_scatter_add_integer(region, target)
                                        : lower_scatter_add_float(region, target);
}

// Numbers of a word or two are added to a copy of the target; narrower ones share words, and are
// added up apart.
Lowering lower_scatter_add_integer(const Region& region, const Target& target) {
  const Node& root = *region.root;
  const DType type = root.dtype;
  const bool narrow = storage_bytes(type) < 4;
  const auto count = static_cast<uint64_t>(root.count);

  const TileLayout layout = tile_layout(*target.plan);
  const bool has_tiles = layout.workgroup != 0 && root.shape[1] == 1 && storage_bytes(type) <= 4;

  ItemStep add = has_tiles ? add_words(region, layout) : add_elements(region);
  if (narrow) add.workspaces = {0};
  // The target, with the sums of narrow numbers.
  ItemStep copy;
  copy.name = "scatter_target";
  copy.items = (count + kGroup - 1) / kGroup;
  copy.workspaces = add.workspaces;
  copy.body = [type, narrow](Builder& b, const KernelArguments& arguments, Value group) {
    Group elements = load_group(arguments.operand(0), group, type);
    if (narrow) {
      const Value sums = b.load(arguments.workspace(0), group, ir::vec(ir::kU32, 4));
      for (int i = 0; i < kGroup; ++i) {
        const Value sum = b.bitcast(b.extract(sums, i), elements[i].re.type());
        elements[i].re = ir::wrap(elements[i].re + sum, type);
      }
    }
    store_group(arguments.output(), group, elements);
  };

  Dispatch adds = make_dispatch(region, target, std::move(add));
  Dispatch copies = make_dispatch(region, target, std::move(copy));
  Lowering lowering;
  if (narrow) {
    lowering.workspaces = {(count + 3) / 4 * 16};
    lowering.dispatches.push_back(fill_zeros(region, target, 0, count));
    adds.writes_output = false;
    adds.reads = adds.writes = copies.reads = {0};
    lowering.dispatches.push_back(std::move(adds));
    lowering.dispatches.push_back(std::move(copies));
  } else {
    adds.reads_output = true;
    lowering.dispatches.push_back(std::move(copies));
    lowering.dispatches.push_back(std::move(adds));
  }
  return lowering;
}

}  // namespace nxv::kernels

#include "kernels/sort/radix.h"

#include "kernels/common/memory_format.h"
#include "kernels/scatter/slot_indices.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Value;

namespace {

int workspaces(const SortLayout& layout) {
  const int arrays = layout.positions ? 2 : 1;
  if (layout.counts) return 1 + (layout.first ? 0 : 1);
  return 1 + (layout.first ? 0 : arrays) + (layout.last ? 0 : arrays);
}

}  // namespace

RadixPass::RadixPass(Builder& builder, const Region& region, const SortLayout& layout)
    : b_(builder),
      layout_(layout),
      arguments_(builder, region, kWordsOf<SortWords>, {.workspaces = workspaces(layout)}),
      words_(arguments_.words_as<SortWords>()) {
  if (layout.slots) {
    index_type_ = region.operands[1].node->dtype;
    update_type_ = region.operands[2].node->dtype;
  }
  int next = 0;
  counts_ = arguments_.workspace(next++);
  if (!layout.first) from_bits_ = arguments_.workspace(next++);
  if (layout.counts) return;
  if (!layout.first && layout.positions) from_positions_ = arguments_.workspace(next++);
  if (layout.last) return;
  to_bits_ = arguments_.workspace(next++);
  if (layout.positions) to_positions_ = arguments_.workspace(next++);
}

RadixPass::Tile RadixPass::tile(Value unit) const {
  Tile t;
  t.row = words_.divide(unit, &SortWords::tiles);
  t.number = unit - t.row * words_[&SortWords::tiles];
  t.begin = t.number * words_[&SortWords::tile];
  const Value columns = words_[&SortWords::columns];
  t.end = b_.binary(Opcode::min, t.begin + words_[&SortWords::tile], columns);
  t.base = t.row * columns;
  return t;
}

RadixPass::Element RadixPass::load(const Tile& tile, Value column) const {
  const Value at = tile.base + column;
  if (!layout_.first) {
    Element e{load_words(from_bits_, at, layout_.type), {}};
    if (from_positions_) e.position = b_.load(from_positions_, at, ir::kU32);
    return e;
  }
  if (layout_.slots) return load_update(at);
  const Bits bits = load_bits(arguments_.operand(0), at, layout_.type);
  if (!layout_.positions) return {bits, {}};
  return {order_key(bits, layout_.type, layout_.descending), column};
}

RadixPass::Element RadixPass::load_update(Value update) const {
  const SlotIndices slots(arguments_, 1, index_type_, words_[&SortWords::slots]);
  if (layout_.counts) return {{slots.checked_slot(update), {}}, {}};
  const Value x = load_element(arguments_.operand(2), update, update_type_).re;
  return {{slots.slot(update), {}}, b_.bitcast(x, ir::kU32)};
}

void RadixPass::store(const Tile& tile, Value place, const Element& element) const {
  const Value at = tile.base + place;
  if (!layout_.last) {
    store_words(to_bits_, at, element.bits);
    if (layout_.positions) b_.store(to_positions_, at, element.position);
  } else if (layout_.positions) {
    b_.store(arguments_.output(), at, b_.bitcast(element.position, ir::kS32));
  } else {
    store_value(arguments_.output(), at, element.bits, layout_.type);
  }
}

Value RadixPass::digit_of(const Element& element) const {
  const Bits key =
      layout_.positions ? element.bits : order_key(element.bits, layout_.type, layout_.descending);
  return digit(key, words_[&SortWords::shift], static_cast<int>(layout_.digit_bits));
}

Value RadixPass::count_index(const Tile& tile, Value digit) const {
  return (tile.row * digits() + digit) * words_[&SortWords::tiles] + tile.number;
}
Value RadixPass::load_count(const Tile& tile, Value digit) const {
  return b_.load(counts_, count_index(tile, digit), ir::kU32);
}
void RadixPass::store_count(const Tile& tile, Value digit, Value count) const {
  b_.store(counts_, count_index(tile, digit), count);
}

}  // namespace nxv::kernels

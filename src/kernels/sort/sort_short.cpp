// Rows that need no radix sort.
#include <bit>

#include "kernels/common/grid.h"
#include "kernels/sort/sort.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

namespace {

// The element of a row, or its place there.
void store_result(const KernelArguments& arguments, const SortLayout& layout, Value to, Value row,
                  Value column) {
  Builder& b = to.builder();
  if (layout.positions) {
    b.store(arguments.output(), to, b.bitcast(column, ir::kS32));
  } else {
    const Value from = row * arguments.words_as<SortWords>()[&SortWords::columns] + column;
    store_value(arguments.output(), to, load_bits(arguments.operand(0), from, layout.type),
                layout.type);
  }
}

}  // namespace

// The place of an element is the number of those before it in the order, or before it in the row
// and equal.
ir::Kernel generate_rank_sort(const Region& region, const Target&, const SortLayout& layout) {
  Builder b("rank_sort", layout.workgroup);
  const KernelArguments arguments(b, region, kWordsOf<SortWords>, {});
  const auto words = arguments.words_as<SortWords>();
  const auto key_at = [&](Value at) {
    return order_key(load_bits(arguments.operand(0), at, layout.type), layout.type,
                     layout.descending);
  };
  const Value element = linear_group(b) * layout.workgroup + b.builtin(ir::Builtin::local_index);
  b.if_(element < words[&SortWords::units], [&] {
    const Value columns = words[&SortWords::columns];
    const Value row = words.divide(element, &SortWords::columns);
    const Value base = row * columns, column = element - base;
    const Bits own = key_at(element);
    const Var rank = b.var(b.u32(0));
    b.for_range(b.u32(0), columns, b.u32(1), [&](Value other) {
      const Bits key = key_at(base + other);
      const Value before = less(key, own) | (equal(key, own) & (other < column));
      rank.set(rank.get() + b.convert(before, ir::kU32));
    });
    store_result(arguments, layout, base + rank.get(), row, column);
  });
  return b.finish();
}

uint32_t merge_sort_bytes(const SortLayout& layout) {
  return layout.workgroup * layout.items * (bits(layout.type) == 64 ? 12 : 8);
}

// A workgroup merges runs of 1, 2, 4, ... elements of its row. An element's place in two merged
// runs is its place in its own plus a binary search's in the other: behind equal elements of the
// left run, before those of the right one.
ir::Kernel generate_merge_sort(const Region& region, const Target&, const SortLayout& layout) {
  Builder b("merge_sort", layout.workgroup);
  const KernelArguments arguments(b, region, kWordsOf<SortWords>, {});
  const auto words = arguments.words_as<SortWords>();
  const uint32_t capacity = layout.workgroup * layout.items;
  const bool wide = bits(layout.type) == 64;
  const Shared low = b.shared("low", ir::kU32, capacity);
  const Shared high = wide ? b.shared("high", ir::kU32, capacity) : Shared{};
  const Shared from = b.shared("from", ir::kU32, capacity);
  const auto key_at = [&](Value at) {
    return Bits{b.shared_load(low, at), wide ? b.shared_load(high, at) : Value()};
  };

  const Value columns = words[&SortWords::columns], row = linear_group(b);
  const Value local = b.builtin(ir::Builtin::local_index);
  const auto place = [&](uint32_t item) { return local + item * layout.workgroup; };
  const auto put = [&](Value at, const Bits& key, Value column) {
    b.shared_store(low, at, key.low);
    if (wide) b.shared_store(high, at, key.high);
    b.shared_store(from, at, column);
  };
  // Workgroups beyond the last row take part in the barriers and no more.
  const Value count = b.select(row < words[&SortWords::units], columns, b.u32(0));
  for (uint32_t item = 0; item < layout.items; ++item) {
    const Value at = place(item);
    b.if_(at < count, [&] {
      const Bits bits = load_bits(arguments.operand(0), row * columns + at, layout.type);
      put(at, order_key(bits, layout.type, layout.descending), at);
    });
  }
  b.barrier();

  b.if_(count > 1u, [&] {
    const Var run_length = b.var(b.u32(1)), level = b.var(b.u32(0));
    b.loop([&] {
      const Value run = run_length.get();
      b.break_if(run >= count);
      struct Item {
        Value key_low, key_high, column, sibling, size;
        Var found;
        Value is_right, base;
      };
      std::vector<Item> items(layout.items);
      for (uint32_t i = 0; i < layout.items; ++i) {
        // Past the end, elements repeat the last one and are not put back.
        const Value at = b.binary(Opcode::min, place(i), count - 1u);
        Item& x = items[i];
        const Bits key = key_at(at);
        x.key_low = key.low;
        x.key_high = key.high;
        x.column = b.shared_load(from, at);
        const Value number = at >> level.get();
        const Value own = number << level.get();
        x.is_right = (number & 1u) != 0u;
        x.sibling = (number ^ 1u) << level.get();
        const Value end = b.binary(Opcode::min, x.sibling + run, count);
        x.size = b.select(x.sibling < count, end - x.sibling, b.u32(0));
        x.base = b.select(x.is_right, x.sibling, own) + (at - own);
        x.found = b.var(b.u32(0));
      }
      const Var step = b.var(run);
      b.loop([&] {
        const Value s = step.get();
        b.break_if(s == 0u);
        for (Item& x : items) {
          const Value next = x.found.get() + s;
          const Value at = b.binary(Opcode::min, x.sibling + next - 1u, count - 1u);
          const Bits other = key_at(at), own{x.key_low, x.key_high};
          const Value before = less(other, own) | (x.is_right & equal(other, own));
          x.found.set(b.select((next <= x.size) & before, next, x.found.get()));
        }
        step.set(s >> 1);
      });
      b.barrier();
      for (uint32_t i = 0; i < layout.items; ++i) {
        const Item& x = items[i];
        b.if_(place(i) < count, [&] {
          put(x.base + x.found.get(), {x.key_low, x.key_high}, x.column);
        });
      }
      b.barrier();
      run_length.set(run << 1);
      level.set(level.get() + 1u);
    });
  });

  for (uint32_t item = 0; item < layout.items; ++item) {
    const Value at = place(item);
    b.if_(at < count, [&] {
      store_result(arguments, layout, row * columns + at, row, b.shared_load(from, at));
    });
  }
  return b.finish();
}

}  // namespace nxv::kernels

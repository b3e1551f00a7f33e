// Sums of floats by slot: the updates of a slot in their order, then the target.
//
// Every slot has a list of its updates (update_list.h), linked in whatever order invocations ran.
// An invocation adds up those of each of its elements by number: bits depend on the numbers alone.
// Slots with a heavy list leave that to sums in which order does not show (exact_sum.h). Where no
// slot can be heavy those steps are left out; where none is, they return at once.
//
// Atomic operations outside of a GPU's cache are slow. Where lists carry values and the heads do
// not fit there, updates are put in the order of the highest bits of their slots first; elsewhere
// large targets are gone over by parts (each_pass).
#include <algorithm>

#include "kernels/common/divide_up.h"
#include "kernels/common/fold.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/scatter/exact_sum.h"
#include "kernels/scatter/scatter.h"
#include "kernels/scatter/slot_indices.h"
#include "kernels/scatter/slot_partition.h"
#include "kernels/scatter/slot_tile.h"
#include "kernels/scatter/update_list.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;
using ir::Var;

constexpr uint32_t kHeavy = 0x80000000;

// Workspaces. Heads: of each slot 1 + the number of an update, or 0; a heavy slot gets kHeavy + its
// rank; after the last slot the number of heavy ones. Entries: of each update, see UpdateList.
// Heavy: slots by rank. Sums: of each element of a heavy slot.
enum Workspace { kHeads, kEntries, kHeavySlots, kSums };

// Step words: divisor by the length of a row, numbers of slots, elements and updates, how far apart
// an invocation's updates are, the slots of the pass.
enum Word { kInner, kSlots = 3, kElements, kUpdates, kStride, kBegin, kEnd };

class Scatter {
  using Update = SlotIndices::Update;

 public:
  Scatter(const Region& region, const Target& target)
      : region_(region),
        target_(target),
        type_(region.root->dtype),
        slots_(static_cast<uint64_t>(region.root->shape[0])),
        inner_(static_cast<uint64_t>(region.root->shape[1])),
        updates_(static_cast<uint64_t>(region.root->inputs[1]->count)),
        most_heavy_(updates_ / (kLongestList + 1)),
        carries_(inner_ == 1 && !is_complex(type_) && storage_bytes(type_) <= 4),
        layout_(tile_layout(*target.plan)) {}

  Lowering run() {
    const uint64_t sum_bytes = ExactSum::kWords * 4 * (is_complex(type_) ? 2 : 1);
    result_.workspaces = {(slots_ / 4 + 1) * 16, updates_ * (carries_ ? 8 : 4)};
    if (most_heavy_ > 0) {
      result_.workspaces.push_back(most_heavy_ * 4);
      result_.workspaces.push_back(most_heavy_ * inner_ * sum_bytes);
    }
    add(fill_zeros(region_, target_, kHeads, slots_ + 1));
    const uint64_t cached = target_.plan->scatter_slots;
    if (carries_ && cached != 0 && slots_ > cached) {
      link_partition(partition_updates(result_, region_, target_));
    } else {
      each_pass(slots_, *target_.plan, [&](uint32_t begin, uint32_t end) { link(begin, end); });
    }
    sum();
    if (most_heavy_ > 0) {
      prepare();
      over_updates("scatter_raise", &ExactSum::raise);
      over_updates("scatter_accumulate", &ExactSum::add);
      finish();
    }
    return std::move(result_);
  }

 private:
  DType index_type() const { return region_.root->inputs[1]->dtype; }

  void add(Dispatch d) { result_.dispatches.push_back(std::move(d)); }

  Dispatch dispatch(ItemStep step, std::vector<int> reads, std::vector<int> writes) const {
    const std::array<uint32_t, 3> inner = divisor_words(inner_);
    std::vector<uint32_t> words(inner.begin(), inner.end());
    for (uint64_t n : {slots_, slots_ * inner_, updates_})
      words.push_back(static_cast<uint32_t>(n));
    step.words.insert(step.words.begin(), words.begin(), words.end());
    Dispatch d = make_dispatch(region_, target_, std::move(step));
    d.writes_output = false;
    d.reads = std::move(reads);
    d.writes = std::move(writes);
    return d;
  }

  // ---- Lists ----

  // The updates of an invocation, and their values' bits where entries carry them.
  struct Taken {
    std::vector<Update> updates;
    std::vector<Value> bits;
  };
  using Take = std::function<Taken(Builder& b, const KernelArguments& arguments, Value first)>;

  // Puts updates at the heads of lists: the old heads come next. The entries of lists in a tile
  // are linked to each other; the last of each list is linked to the head in memory.
  static void link_updates(Builder& b, const KernelArguments& arguments, const TileLayout& layout,
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
        b, layout, updates,
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
        [&] {
          exchange([&](const Update& update, Value name) { return put(update.slot, name); });
        });
    for (size_t i = 0; i < updates.size(); ++i) {
      b.if_(updates[i].is_taken, [&] {
        Value entry = next[i].get();
        if (!taken.bits.empty()) entry = b.pack({entry, taken.bits[i]});
        b.store(arguments.workspace(1), updates[i].number, entry);
      });
    }
  }

  void add_link(ItemStep step, std::vector<int> reads, const Take& take) {
    layout_.apply(step, updates_);
    step.words.insert(step.words.begin(), layout_.stride(updates_));
    step.body = [layout = layout_, take](Builder& b, const KernelArguments& arguments, Value item) {
      link_updates(b, arguments, layout, take(b, arguments, layout.first(b, item)));
    };
    reads.push_back(kHeads);
    add(dispatch(std::move(step), std::move(reads), {kHeads, kEntries}));
  }

  void link(uint32_t begin, uint32_t end) {
    ItemStep step;
    step.name = carries_ ? "scatter_link_values" : "scatter_link";
    step.workspaces = {kHeads, kEntries};
    step.words = {begin, end};
    add_link(
        std::move(step), {},
        [type = type_, index_type = index_type(), carries = carries_, layout = layout_](
            Builder& b, const KernelArguments& arguments, Value first) {
          const SlotIndices slots(arguments, 1, index_type, step_word(arguments, kSlots));
          const SlotIndices::Range range{step_word(arguments, kBegin), step_word(arguments, kEnd)};
          const Value stride = step_word(arguments, kStride);
          const Value count = step_word(arguments, kUpdates);
          Taken taken{slots.take(first, stride, layout.count, count, range), {}};
          for (const auto& update : taken.updates) {
            if (!carries) break;
            const Value at = b.binary(Opcode::min, update.number, count - 1u);
            const Value x = load_element(arguments.operand(2), at, type).re;
            taken.bits.push_back(b.bitcast(x, ir::kU32));
          }
          return taken;
        });
  }

  // The updates of a slot are named by their places, which are in the order of their numbers.
  void link_partition(const SlotPartition& partition) {
    ItemStep step;
    step.name = "scatter_link_partition";
    step.workspaces = {kHeads, kEntries, partition.slots, partition.values};
    add_link(std::move(step), {partition.slots, partition.values},
             [layout = layout_](Builder& b, const KernelArguments& arguments, Value first) {
               Taken taken;
               for (uint32_t i = 0; i < layout.count; ++i) {
                 const Value number = first + step_word(arguments, kStride) * i;
                 const Value exists = number < step_word(arguments, kUpdates);
                 const Value at = b.select(exists, number, b.u32(0));
                 const Value slot = b.load(arguments.workspace(2), at, ir::kU32);
                 taken.updates.push_back({number, slot, exists});
                 taken.bits.push_back(b.load(arguments.workspace(3), at, ir::kU32));
               }
               return taken;
             });
  }

  // ---- Short lists ----

  void sum() {
    const bool lists_heavy = most_heavy_ > 0;
    ItemStep step;
    step.name = lists_heavy ? "scatter_sum_short" : "scatter_sum";
    if (carries_) step.name += "_values";
    step.items = divide_up(slots_ * inner_, kGroup);
    step.workspaces = {kHeads, kEntries};
    if (lists_heavy) step.workspaces.push_back(kHeavySlots);
    step.has_loops = true;
    step.body = [type = type_, math = target_.math, lists_heavy, carries = carries_](
                    Builder& b, const KernelArguments& arguments, Value group) {
      const Fold fold(b, Op::sum, type, type, math);
      const Group target = load_group(arguments.operand(0), group, type);
      Group sums;
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Value element = (group << 2) + i;
        const Value is_real = element < step_word(arguments, kElements);
        const Value at = b.select(is_real, element, b.u32(0));
        const Value slot = step_divide(arguments, at, kInner);
        const Value column = at - slot * step_word(arguments, kInner);
        const UpdateList list(arguments.workspace(0), arguments.workspace(1), slot, carries);
        const auto load = [&](Value number) {
          const Value row = number * step_word(arguments, kInner);
          return load_element(arguments.operand(2), row + column, type);
        };
        sums[i] = list.sum(fold, load, target[i]);
        if (!lists_heavy) continue;
        b.if_(is_real & (column == 0u) & list.is_heavy(), [&] {
          const Value rank = b.atomic(Opcode::atomic_add, arguments.workspace(0),
                                      step_word(arguments, kSlots), b.u32(1));
          b.store(arguments.workspace(2), rank, slot);
        });
      }
      store_group(arguments.output(), group, sums);
    };
    Dispatch d = dispatch(std::move(step), {kHeads, kEntries}, {});
    d.writes_output = true;
    if (lists_heavy) d.writes = {kHeads, kHeavySlots};
    add(std::move(d));
  }

  // ---- Heavy slots ----

  static Value heavy_count(Builder& b, const KernelArguments& arguments) {
    return b.load(arguments.workspace(0), step_word(arguments, kSlots), ir::kU32);
  }

  // Calls `use` with the position of each part's sum and the part.
  static void each_part(const Number& x, Value sum,
                        const std::function<void(Value base, Value part)>& use) {
    if (!x.im.exists()) return use(sum * ExactSum::kWords, x.re);
    const Value base = sum * (2 * ExactSum::kWords);
    use(base, x.re);
    use(base + ExactSum::kWords, x.im);
  }

  // The sums begin with the target; the heads name them.
  void prepare() {
    ItemStep step;
    step.name = "scatter_prepare";
    step.items = most_heavy_ * inner_;
    step.workspaces = {kHeads, kHeavySlots, kSums};
    step.body = [type = type_](Builder& b, const KernelArguments& arguments, Value item) {
      const Value rank = step_divide(arguments, item, kInner);
      const Value inner = step_word(arguments, kInner);
      b.if_(rank < heavy_count(b, arguments), [&] {
        const Value column = item - rank * inner;
        const Value slot = b.load(arguments.workspace(1), rank, ir::kU32);
        const ExactSum sums(b, to_real(type));
        each_part(load_element(arguments.operand(0), slot * inner + column, type), item,
                  [&](Value base, Value part) { sums.start(arguments.workspace(2), base, part); });
        b.if_(column == 0u, [&] { b.store(arguments.workspace(0), slot, rank | kHeavy); });
      });
    };
    add(dispatch(std::move(step), {kHeads, kHeavySlots}, {kHeads, kSums}));
  }

  void over_updates(const char* name, void (ExactSum::*take)(Value, Value, Value) const) {
    ItemStep step;
    step.name = name;
    step.items = updates_ * inner_;
    step.is_rare = true;
    step.workspaces = {kHeads, kSums};
    step.body = [type = type_, index_type = index_type(), take](
                    Builder& b, const KernelArguments& arguments, Value item) {
      b.if_(heavy_count(b, arguments) != 0u, [&] {
        const Value update = step_divide(arguments, item, kInner);
        const SlotIndices slots(arguments, 1, index_type, step_word(arguments, kSlots));
        const Value head = b.load(arguments.workspace(0), slots.slot(update), ir::kU32);
        b.if_((head & kHeavy) != 0u, [&] {
          const Value inner = step_word(arguments, kInner);
          const Value sum = (head ^ kHeavy) * inner + (item - update * inner);
          const ExactSum sums(b, to_real(type));
          each_part(
              load_element(arguments.operand(2), item, type), sum,
              [&](Value base, Value part) { (sums.*take)(arguments.workspace(1), base, part); });
        });
      });
    };
    add(dispatch(std::move(step), {kHeads, kSums}, {kSums}));
  }

  void finish() {
    ItemStep step;
    step.name = "scatter_finish";
    step.items = divide_up(slots_ * inner_, kGroup);
    step.workspaces = {kHeads, kSums};
    step.body = [type = type_](Builder& b, const KernelArguments& arguments, Value group) {
      b.if_(heavy_count(b, arguments) != 0u, [&] {
        std::vector<Value> heads, columns;
        Value any = b.boolean(false);
        for (uint32_t i = 0; i < kGroup; ++i) {
          const Value last = step_word(arguments, kElements) - 1u;
          const Value element = b.binary(Opcode::min, (group << 2) + i, last);
          const Value slot = step_divide(arguments, element, kInner);
          columns.push_back(element - slot * step_word(arguments, kInner));
          heads.push_back(b.load(arguments.workspace(0), slot, ir::kU32));
          any = any | ((heads[i] & kHeavy) != 0u);
        }
        b.if_(any, [&] {
          const Group target = load_group(arguments.operand(0), group, type);
          Group result = load_group(arguments.output(), group, type);
          for (uint32_t i = 0; i < kGroup; ++i) {
            result[i] = finished(arguments, heads[i], columns[i], target[i], result[i]);
          }
          store_group(arguments.output(), group, result);
        });
      });
    };
    Dispatch d = dispatch(std::move(step), {kHeads, kSums}, {});
    d.reads_output = d.writes_output = true;
    add(std::move(d));
  }

  // The element of a heavy slot, or what is there.
  static Number finished(const KernelArguments& arguments, Value head, Value column,
                         const Number& target, const Number& present) {
    Builder& b = head.builder();
    const Var re = b.var(present.re);
    const Var im = present.im ? b.var(present.im) : Var();
    b.if_((head & kHeavy) != 0u, [&] {
      const ExactSum sums(b, to_real(target.dtype));
      const Value sum = (head ^ kHeavy) * step_word(arguments, kInner) + column;
      bool first = true;
      each_part(target, sum, [&](Value base, Value part) {
        (first ? re : im).set(sums.finish(arguments.workspace(1), base, part));
        first = false;
      });
    });
    return {target.dtype, re.get(), present.im ? im.get() : Value()};
  }

  const Region& region_;
  const Target& target_;
  const DType type_;
  const uint64_t slots_, inner_, updates_, most_heavy_;
  const bool carries_;       // an entry its update's value
  const TileLayout layout_;  // of the steps that link
  Lowering result_;
};

}  // namespace

Lowering lower_scatter_add_float(const Region& region, const Target& target) {
  return Scatter(region, target).run();
}

}  // namespace nxv::kernels

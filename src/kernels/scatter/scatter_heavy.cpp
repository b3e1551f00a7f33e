// The sums of heavy slots, in which the order of the terms does not show (exact_sum.h).
#include <functional>

#include "kernels/common/divide_up.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/scatter/exact_sum.h"
#include "kernels/scatter/scatter.h"
#include "kernels/scatter/scatter_float.h"
#include "kernels/scatter/slot_indices.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;
using ir::Var;
using Words = ScatterWords;

// The heads are the first workspace of all these steps.
template <typename Step>
Value heavy_count(const ItemKernel<Step>& k) {
  return k.b.load(k.arguments.workspace(0), k.words[&Words::slots], ir::kU32);
}

// Calls `use` with the position of each part's sum and the part.
void each_part(const Number& x, Value sum, const std::function<void(Value base, Value part)>& use) {
  if (!x.im.exists()) return use(sum * ExactSum::kWords, x.re);
  const Value base = sum * (2 * ExactSum::kWords);
  use(base, x.re);
  use(base + ExactSum::kWords, x.im);
}

// The sums begin with the target; the heads name them. Workspaces: heads, heavy slots, sums.
struct BeginSums {
  static constexpr std::string_view kName = "scatter_prepare";
  using Layout = NoLayout;
  using Words = ScatterWords;
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .workspaces = 3};
  }
  static void run(const ItemKernel<BeginSums>& k, Value item) {
    Builder& b = k.b;
    const DType type = k.region.root->dtype;
    const Value rank = k.words.divide(item, &Words::inner);
    const Value inner = k.words[&Words::inner];
    b.if_(rank < heavy_count(k), [&] {
      const Value column = item - rank * inner;
      const Value slot = b.load(k.arguments.workspace(1), rank, ir::kU32);
      const ExactSum sums(b, to_real(type));
      each_part(load_element(k.arguments.operand(0), slot * inner + column, type), item,
                [&](Value base, Value part) { sums.start(k.arguments.workspace(2), base, part); });
      b.if_(column == 0u, [&] { b.store(k.arguments.workspace(0), slot, rank | kHeavy); });
    });
  }
};

// The largest exponent of the terms, then the terms. Workspaces: heads, sums.
struct TakeUpdates {
  static constexpr std::string_view kName = "scatter_heavy";
  struct Layout {
    Choice<bool> adds = false;
  };
  using Words = ScatterWords;
  static ItemOptions options(const Region&, const Target&, const Layout& layout) {
    return {.name = layout.adds ? "scatter_accumulate" : "scatter_raise",
            .workspaces = 2,
            .is_rare = true};
  }
  static void run(const ItemKernel<TakeUpdates>& k, Value item) {
    Builder& b = k.b;
    const DType type = k.region.root->dtype;
    b.if_(heavy_count(k) != 0u, [&] {
      const Value update = k.words.divide(item, &Words::inner);
      const SlotIndices slots(k.arguments, 1, k.region.operands[1].node->dtype,
                              k.words[&Words::slots]);
      const Value head = b.load(k.arguments.workspace(0), slots.slot(update), ir::kU32);
      b.if_((head & kHeavy) != 0u, [&] {
        const Value inner = k.words[&Words::inner];
        const Value sum = (head ^ kHeavy) * inner + (item - update * inner);
        const ExactSum sums(b, to_real(type));
        each_part(load_element(k.arguments.operand(2), item, type), sum,
                  [&](Value base, Value part) {
                    if (k.layout.adds) {
                      sums.add(k.arguments.workspace(1), base, part);
                    } else {
                      sums.raise(k.arguments.workspace(1), base, part);
                    }
                  });
      });
    });
  }
};

// A group of elements of the output, of which those of heavy slots are replaced. Workspaces: heads,
// sums.
struct FinishSums {
  static constexpr std::string_view kName = "scatter_finish";
  using Layout = NoLayout;
  using Words = ScatterWords;
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .workspaces = 2};
  }
  static void run(const ItemKernel<FinishSums>& k, Value group) {
    Builder& b = k.b;
    const DType type = k.region.root->dtype;
    b.if_(heavy_count(k) != 0u, [&] {
      std::vector<Value> heads, columns;
      Value any = b.boolean(false);
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Value last = k.words[&Words::elements] - 1u;
        const Value element = b.binary(ir::Opcode::min, (group << 2) + i, last);
        const Value slot = k.words.divide(element, &Words::inner);
        columns.push_back(element - slot * k.words[&Words::inner]);
        heads.push_back(b.load(k.arguments.workspace(0), slot, ir::kU32));
        any = any | ((heads[i] & kHeavy) != 0u);
      }
      b.if_(any, [&] {
        const Group target = load_group(k.arguments.operand(0), group, type);
        Group result = load_group(k.arguments.output(), group, type);
        for (uint32_t i = 0; i < kGroup; ++i) {
          result[i] = finished(k, heads[i], columns[i], target[i], result[i]);
        }
        store_group(k.arguments.output(), group, result);
      });
    });
  }

 private:
  // The element of a heavy slot, or what is there.
  static Number finished(const ItemKernel<FinishSums>& k, Value head, Value column,
                         const Number& target, const Number& present) {
    Builder& b = k.b;
    const Var re = b.var(present.re);
    const Var im = present.im ? b.var(present.im) : Var();
    b.if_((head & kHeavy) != 0u, [&] {
      const ExactSum sums(b, to_real(target.dtype));
      const Value sum = (head ^ kHeavy) * k.words[&Words::inner] + column;
      bool first = true;
      each_part(target, sum, [&](Value base, Value part) {
        (first ? re : im).set(sums.finish(k.arguments.workspace(1), base, part));
        first = false;
      });
    });
    return {target.dtype, re.get(), present.im ? im.get() : Value()};
  }
};

// An element of a heavy slot of the output. Workspaces: heads, heavy slots, sums.
struct FinishNamed {
  static constexpr std::string_view kName = "scatter_finish_named";
  using Layout = NoLayout;
  using Words = ScatterWords;
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .workspaces = 3};
  }
  static void run(const ItemKernel<FinishNamed>& k, Value item) {
    Builder& b = k.b;
    const Value rank = k.words.divide(item, &Words::inner);
    const Value inner = k.words[&Words::inner];
    b.if_(rank < heavy_count(k), [&] {
      const Value slot = b.load(k.arguments.workspace(1), rank, ir::kU32);
      const Value element = slot * inner + (item - rank * inner);
      Number x = load_element(k.arguments.operand(0), element, k.region.root->dtype);
      const ExactSum sums(b, to_real(x.dtype));
      const Value base = item * (x.im.exists() ? 2 * ExactSum::kWords : ExactSum::kWords);
      const Number target = x;
      x.re = sums.finish(k.arguments.workspace(2), base, target.re);
      if (x.im) x.im = sums.finish(k.arguments.workspace(2), base + ExactSum::kWords, target.im);
      replace_element(k.arguments.output(), element, x);
    });
  }
};

}  // namespace

void add_heavy_sums(Lowering& lowering, const FloatScatter& s) {
  const ScatterWords words(s);
  const auto add = [&](Launch d, std::vector<Use> workspaces) -> Launch& {
    d.workspaces = std::move(workspaces);
    d.writes_output = false;
    return lowering.add(std::move(d));
  };
  add(item_launch<BeginSums>(s.region, s.target, s.most_heavy * s.inner, {}, words),
      {updates(kHeads), reads(kHeavySlots), writes(kSums)});
  for (const bool adds : {false, true}) {
    add(item_launch<TakeUpdates>(s.region, s.target, s.updates * s.inner, {adds}, words),
        {reads(kHeads), updates(kSums)});
  }
  const uint64_t groups = divide_up(s.slots * s.inner, kGroup), heavy = s.most_heavy * s.inner;
  Launch& finish = s.is_sparse ? add(item_launch<FinishNamed>(s.region, s.target, heavy, {}, words),
                                     {reads(kHeads), reads(kHeavySlots), reads(kSums)})
                               : add(item_launch<FinishSums>(s.region, s.target, groups, {}, words),
                                     {reads(kHeads), reads(kSums)});
  finish.reads_output = finish.writes_output = true;
  if (!s.is_sparse) return;
  for (Launch& d : lowering.launches) {
    if (d.reads_operands && !d.bytes_read) d.bytes_read = update_bytes(s.region);
  }
  finish.bytes_written = heavy * static_cast<uint64_t>(storage_bytes(s.region.root->dtype));
}

}  // namespace nxv::kernels

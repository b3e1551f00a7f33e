#include "kernels/common/item_step.h"

#include <algorithm>

#include "kernels/common/grid.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Value;

namespace {

constexpr uint64_t kRareItems = 16;  // an invocation

enum Word { kItems, kChunk, kWordCount };  // items, items a workgroup

ir::Kernel generate(const Region& region, const ItemStep& step, uint32_t workgroup, bool chunked) {
  Builder b(step.name, workgroup);
  const KernelArguments arguments(b, region, kWordCount + static_cast<uint32_t>(step.words.size()),
                                  {.workspaces = static_cast<int>(step.workspaces.size())});
  const Value local = b.builtin(ir::Builtin::local_index);
  const Value items = arguments.word(kItems);
  if (chunked) {
    const Value chunk = arguments.word(kChunk);
    const Value begin = linear_group(b) * chunk;
    const Value end = b.binary(Opcode::min, begin + chunk, items);
    b.for_range(begin + local, end, b.u32(workgroup),
                [&](Value item) { step.body(b, arguments, item); });
  } else {
    const Value item = linear_group(b) * workgroup + local;
    if (step.shared_workgroup != 0) {
      step.body(b, arguments, item);
    } else {
      b.if_(item < items, [&] { step.body(b, arguments, item); });
    }
  }
  return b.finish();
}

}  // namespace

Value step_word(const KernelArguments& arguments, int i) { return arguments.word(kWordCount + i); }

Value step_divide(const KernelArguments& arguments, Value item, int i) {
  const Value high = item.builder().binary(Opcode::mul_hi, item, step_word(arguments, i + 1));
  return (high + item) >> step_word(arguments, i + 2);
}

Dispatch make_dispatch(const Region& region, const Target& target, ItemStep step) {
  const plan::PointwiseShape& shape = target.plan->pointwise;
  const bool on_cpu = target.plan->profile == plan::Profile::cpu;
  const bool is_shared = step.shared_workgroup != 0;
  const uint32_t workgroup = is_shared ? step.shared_workgroup : shape.workgroup;
  const bool chunked = (on_cpu || step.is_rare) && !step.has_loops && !is_shared;
  const uint64_t chunk = !chunked ? workgroup
                         : on_cpu ? shape.chunk_elements
                                  : kRareItems * shape.workgroup;
  Dispatch d;
  d.key = step.name + region.key;
  d.groups = fold_groups((step.items + chunk - 1) / chunk, *target.plan);
  d.extra_words = {static_cast<uint32_t>(step.items), static_cast<uint32_t>(chunk)};
  d.extra_words.insert(d.extra_words.end(), step.words.begin(), step.words.end());
  d.workspaces = step.workspaces;
  d.work = step.items;
  d.generate = [step = std::move(step), workgroup, chunked](const Region& r) {
    return generate(r, step, workgroup, chunked);
  };
  return d;
}

Dispatch fill_zeros(const Region& region, const Target& target, int buffer, uint64_t words) {
  ItemStep step;
  step.name = buffer == kOutput ? "zero_output" : "zero_workspace";
  step.items = (words + 3) / 4;
  if (buffer != kOutput) step.workspaces = {buffer};
  step.body = [buffer](Builder& b, const KernelArguments& arguments, Value item) {
    const Value zero = b.u32(0);
    b.store(buffer == kOutput ? arguments.output() : arguments.workspace(0), item,
            b.pack({zero, zero, zero, zero}));
  };
  Dispatch d = make_dispatch(region, target, std::move(step));
  d.reads_operands = false;
  d.writes_output = buffer == kOutput;
  if (buffer != kOutput) d.writes = {buffer};
  return d;
}

}  // namespace nxv::kernels

#include "kernels/common/item_step.h"

#include "kernels/common/divide_up.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Value;

namespace {

constexpr uint64_t kRareItems = 16;  // an invocation

struct FillZeros {
  static constexpr std::string_view kName = "zeros";
  struct Layout {
    Choice<bool> to_output = false;
  };
  using Words = NoWords;
  static ItemOptions options(const Region&, const Target&, const Layout& layout) {
    if (layout.to_output) return {.name = "zero_output"};
    return {.name = "zero_workspace", .workspaces = 1};
  }
  static void run(const ItemKernel<FillZeros>& k, Value item) {
    const Value zero = k.b.u32(0);
    k.b.store(k.layout.to_output ? k.arguments.output() : k.arguments.workspace(0), item,
              k.b.pack({zero, zero, zero, zero}));
  }
};

}  // namespace

ItemShape::ItemShape(const ItemOptions& options, const plan::DevicePlan& plan)
    : is_shared(options.shared_workgroup != 0) {
  const uint32_t walked = plan.tuning.chunk_elements;
  workgroup = is_shared ? options.shared_workgroup : plan.tuning.workgroup;
  is_chunked = (walked > 0 || options.is_rare) && !options.has_loops && !is_shared;
  chunk = !is_chunked ? workgroup : walked > 0 ? walked : kRareItems * workgroup;
}

void each_item(Builder& b, const ItemShape& shape, const WordValues<ItemWords>& words,
               const std::function<void(Value)>& run) {
  const Value local = b.builtin(ir::Builtin::local_index);
  const Value items = words[&ItemWords::items];
  if (shape.is_chunked) {
    const Value chunk = words[&ItemWords::chunk];
    const Value begin = linear_group(b) * chunk;
    const Value end = b.binary(ir::Opcode::min, begin + chunk, items);
    b.for_range(begin + local, end, b.u32(shape.workgroup), run);
    return;
  }
  const Value item = linear_group(b) * shape.workgroup + local;
  if (shape.is_shared) {
    run(item);
  } else {
    b.if_(item < items, [&] { run(item); });
  }
}

Launch fill_zeros(const Region& region, const Target& target, int buffer, uint64_t words) {
  const bool to_output = buffer == kOutput;
  Launch d = item_launch<FillZeros>(region, target, divide_up(words, 4), {to_output}, {});
  d.reads_operands = false;
  d.writes_output = to_output;
  if (!to_output) d.workspaces = {writes(buffer)};
  return d;
}

}  // namespace nxv::kernels

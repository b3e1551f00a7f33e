#include "kernels/scatter/named_slots.h"

#include "kernels/common/item_step.h"
#include "kernels/scatter/slot_indices.h"

namespace nxv::kernels {
namespace {

using ir::Value;

// An update. Several store the same.
struct EmptyNamed {
  static constexpr std::string_view kName = "scatter_empty";
  struct Layout {
    Choice<uint32_t> operand = 0;
    Choice<bool> counts = false;
  };
  struct Words {
    uint32_t slots = 0;
  };
  static ItemOptions options(const Region&, const Target&, const Layout&) {
    return {.name = kName, .workspaces = 1};
  }
  static void run(const ItemKernel<EmptyNamed>& k, Value update) {
    const Value words = k.arguments.workspace(0), count = k.words[&Words::slots];
    const auto operand = static_cast<int>(uint32_t{k.layout.operand});
    const DType type = k.region.operands[static_cast<size_t>(operand)].node->dtype;
    const SlotIndices slots(k.arguments, operand, type, count);
    k.b.atomic_store(words, slots.slot(update), k.b.u32(0));
    if (!k.layout.counts) return;
    k.b.if_(update == 0u, [&] { k.b.atomic_store(words, count, k.b.u32(0)); });
  }
};

}  // namespace

Launch empty_named_slots(const Region& region, const Target& target, uint32_t operand,
                         uint64_t slots, bool counts) {
  const Node& names = *region.operands[operand].node;
  Launch d = item_launch<EmptyNamed>(region, target, static_cast<uint64_t>(names.count),
                                     {operand, counts}, {static_cast<uint32_t>(slots)});
  d.writes_output = false;
  d.bytes_read = static_cast<uint64_t>(names.storage_size());
  d.workspaces = {writes(0)};
  return d;
}

}  // namespace nxv::kernels

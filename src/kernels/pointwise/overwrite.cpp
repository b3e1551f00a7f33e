// Overwrite regions: elements stored where an index names them, in an output that has all others.
//
// An invocation computes and stores one element at a time: other invocations may be storing those
// that share a word with it.
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_emitter.h"
#include "kernels/lowering.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;

struct OverwriteWords {
  uint32_t elements = 0;  // of the output
};

bool shares_words(const Node& node) { return storage_bytes(node.dtype) < 4; }

ir::Kernel generate(const Region& region, const Target& target, const NoLayout&) {
  const Root& root = region.roots[0];
  const bool shares = shares_words(*root.node);
  const ItemShape shape({}, *target.plan);
  Builder b("overwrite", shape.workgroup);
  RegionEmitter emitter(b, region, target.math, kWordsOf<ItemWords> + kWordsOf<OverwriteWords>,
                        {.overlap = Overlap::in_place, .reads_output = shares});
  const auto words = emitter.arguments().words_as<OverwriteWords>(kWordsOf<ItemWords>);
  each_item(b, shape, emitter.words_as<ItemWords>(), [&](Value item) {
    Points points;
    points.rows = {item};
    emitter.evaluate(root.place, points);
    emitter.evaluate(root.expr, points);
    const Value place = b.convert(emitter.value(root.place, 0).re, ir::kU32);
    const Number& x = emitter.value(root.expr, 0);
    b.if_(place < words[&OverwriteWords::elements],
          [&] { replace_element(emitter.output(), place, x); });
    emitter.forget_all();
  });
  return b.finish();
}

constexpr Family<NoLayout> kOverwrite = {"overwrite", generate};

}  // namespace

Lowering lower_overwrite(const Region& region, const Target& target) {
  const Root& root = region.roots[0];
  const auto items = static_cast<uint64_t>(region.row_count);
  const ItemShape shape({}, *target.plan);
  Launch d = launch_of(kOverwrite, region, target, NoLayout{},
                       ItemWords{static_cast<uint32_t>(items), static_cast<uint32_t>(shape.chunk)});
  append(d.words, OverwriteWords{static_cast<uint32_t>(root.node->count)});
  d.groups = fold_groups((items + shape.chunk - 1) / shape.chunk, *target.plan);
  d.work = items * region.exprs.size();
  d.reads_output = shares_words(*root.node);
  d.bytes_read = 0;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    if (static_cast<int16_t>(i) == root.target) continue;
    *d.bytes_read += static_cast<uint64_t>(region.operands[i].node->storage_size());
  }
  d.bytes_written = items * static_cast<uint64_t>(storage_bytes(root.node->dtype));
  Lowering lowering;
  lowering.target = root.target;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels

// Overwrite regions: elements stored where an index names them, in an output that has all others.
//
// Other invocations may be storing elements that share a word with those of this one. One of narrow
// elements therefore takes as many points as elements share a word: where these are that word's, as
// in rows of slices that begin with a word, it is stored as it is; elsewhere each element is
// replaced by itself.
#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/common/item_step.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_cost.h"
#include "kernels/common/region_emitter.h"
#include "kernels/lowering.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

struct OverwriteLayout {
  uint32_t points = 1;  // of an invocation: one, or as many as elements share a word
};
struct OverwriteWords {
  uint32_t points = 0;
  uint32_t elements = 0;  // of the output
};

bool shares_words(const Node& node) { return storage_bytes(node.dtype) < 4; }

class OverwriteKernel {
 public:
  OverwriteKernel(const Region& region, const Target& target, const OverwriteLayout& layout)
      : root_(region.roots[0]),
        layout_(layout),
        shape_({}, *target.plan),
        b_("overwrite", shape_.workgroup),
        emitter_(b_, region, target.math, kWordsOf<ItemWords> + kWordsOf<OverwriteWords>,
                 {.overlap = Overlap::in_place, .reads_output = shares_words(*root_.node)}),
        words_(emitter_.arguments().words_as<OverwriteWords>(kWordsOf<ItemWords>)) {}

  ir::Kernel run() {
    each_item(b_, shape_, emitter_.words_as<ItemWords>(), [&](Value item) {
      const uint32_t count = layout_.points;
      const Value first = count == 1 ? item : item * count, end = words_[&OverwriteWords::points];
      Points points;
      // Beyond the end the last point is computed again, and not stored.
      for (uint32_t i = 0; i < count; ++i) {
        points.rows.push_back(i == 0 ? first : b_.binary(Opcode::min, first + i, end - 1u));
      }
      emitter_.evaluate(root_.place, points);
      emitter_.evaluate(root_.expr, points);
      std::vector<Value> is_there{b_.boolean(true)};
      for (uint32_t i = 1; i < count; ++i) is_there.push_back(first + i < end);
      count == 1 ? replace(0, is_there[0]) : store(is_there);
      emitter_.forget_all();
    });
    return b_.finish();
  }

 private:
  Value place(uint32_t i) {
    return b_.convert(emitter_.value(root_.place, static_cast<int>(i)).re, ir::kU32);
  }
  const Number& element(uint32_t i) { return emitter_.value(root_.expr, static_cast<int>(i)); }

  void store(const std::vector<Value>& is_there) {
    const uint32_t count = layout_.points;
    const Value first = place(0);
    Value is_word = (first & (count - 1)) == 0u, word = stored_bits(element(0));
    for (uint32_t i = 1; i < count; ++i) {
      is_word = is_word & is_there[i] & (place(i) == first + i);
      word = word | stored_bits(element(i)) << (i * 32 / count);
    }
    is_word = is_word & (first < words_[&OverwriteWords::elements]);
    b_.if_(
        is_word, [&] { b_.store(emitter_.output(), first / count, word); },
        [&] {
          for (uint32_t i = 0; i < count; ++i) replace(i, is_there[i]);
        });
  }

  void replace(uint32_t i, Value is_there) {
    const Value at = place(i), inside = at < words_[&OverwriteWords::elements];
    b_.if_(i == 0 ? inside : is_there & inside,
           [&] { replace_element(emitter_.output(), at, element(i)); });
  }

  const Root& root_;
  const OverwriteLayout layout_;
  const ItemShape shape_;
  Builder b_;
  RegionEmitter emitter_;
  const WordValues<OverwriteWords> words_;
};

ir::Kernel generate(const Region& region, const Target& target, const OverwriteLayout& layout) {
  return OverwriteKernel(region, target, layout).run();
}

constexpr Family<OverwriteLayout> kOverwrite = {"overwrite", generate};

}  // namespace

Lowering lower_overwrite(const Region& region, const Target& target) {
  const Root& root = region.roots[0];
  const auto points = static_cast<uint64_t>(region.row_count);
  OverwriteLayout layout;
  if (!is_heavy(region, Level::row, *target.plan)) {
    layout.points = static_cast<uint32_t>(elements_per_word(root.node->dtype));
  }
  const uint64_t items = divide_up(points, uint64_t{layout.points});
  const ItemShape shape({}, *target.plan);
  Launch d = launch_of(kOverwrite, region, target, layout,
                       ItemWords{static_cast<uint32_t>(items), static_cast<uint32_t>(shape.chunk)});
  append(d.words,
         OverwriteWords{static_cast<uint32_t>(points), static_cast<uint32_t>(root.node->count)});
  d.groups = fold_groups(divide_up(items, shape.chunk), *target.plan);
  d.work = points * region.exprs.size();
  d.reads_output = shares_words(*root.node);
  d.bytes_read = 0;
  for (size_t i = 0; i < region.operands.size(); ++i) {
    if (static_cast<int16_t>(i) == root.target) continue;
    *d.bytes_read += static_cast<uint64_t>(region.operands[i].node->storage_size());
  }
  d.bytes_written = points * static_cast<uint64_t>(storage_bytes(root.node->dtype));
  Lowering lowering;
  lowering.target = root.target;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels

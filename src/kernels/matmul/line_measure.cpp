// The scale of every line of the factors of a split product, and what verdicts are found from.
#include "kernels/common/grid.h"
#include "kernels/matmul/line_walk.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

constexpr ir::Type kCounts = ir::vec(ir::kU32, 4);

class LineMeasure {
 public:
  LineMeasure(const Region& region, const Target& target, const MeasureLayout& layout)
      : layout_(layout),
        b_("matmul_measure", layout.workgroup),
        kernel_(b_, region, target, {DType::f32, 0}, kWordsOf<MeasureWords>, 1),
        words_(kernel_.arguments.words_as<MeasureWords>()),
        lines_(kernel_.arguments.words_as<LineWords>(kWordsOf<TileWords>)),
        walk_(kernel_, {.workgroup = layout.workgroup,
                        .lines = layout.lines,
                        .times = layout.times,
                        .whole_groups = layout.whole_groups,
                        .loads = 8,
                        .kept = layout.kept,
                        .type = kCounts,
                        .shuffles = layout.subgroup_size > 0}),
        judged_(b_.shared("judged", ir::vec(ir::kU32, 2), layout.lines * layout.times)) {
    b_.set_subgroup_size(layout.subgroup_size);
  }

  ir::Kernel run() {
    const Value group = linear_group(b_), rows = words_[&MeasureWords::rows];
    b_.if_(group < words_[&MeasureWords::all], [&] {
      b_.if_(
          group < rows,
          [&] {
            walk_.locate(kernel_.A, layout_.a, group, words_[&MeasureWords::row_groups],
                         kernel_.m());
            measure(lines_[&LineWords::row_stride], b_.u32(0));
          },
          [&] {
            walk_.locate(kernel_.B, layout_.b, group - rows, words_[&MeasureWords::column_groups],
                         kernel_.n());
            measure(lines_[&LineWords::column_stride], lines_[&LineWords::columns]);
          });
    });
    return b_.finish();
  }

 private:
  void measure(Value batch_stride, Value first_word) {
    const size_t lines = walk_.lines();
    std::vector<ir::Var> largest, substance, count, weak;
    for (size_t i = 0; i < lines; ++i) largest.push_back(b_.var(b_.u32(0)));
    walk_.each_element([&](size_t i, Value bits, Value) {
      largest[i].set(b_.binary(Opcode::max, largest[i].get(), bits));
    });
    std::vector<Value> empty, finite, shift, least, least_held;
    for (size_t i = 0; i < lines; ++i) {
      const Value zero = b_.u32(0);
      const Value part = b_.pack({largest[i].get(), zero, zero, zero});
      const Value of_line = b_.extract(walk_.combined(part, Opcode::max), 0);
      // The exponent that brings the largest element into [2^14, 2^15), where its power is normal.
      const Value exponent =
          b_.u32(14 + 127) - b_.binary(Opcode::max, of_line >> 23, b_.u32(14 + 127 - 126));
      empty.push_back(of_line == 0u);
      finite.push_back(of_line < 0x7f800000u);
      shift.push_back(b_.select(empty[i] | !finite[i], b_.u32(0), exponent));
      least.push_back((b_.u32(127 + 7) - shift[i]) << 23);  // 2^7 on that scale
      // 2^-14 on it, or the least number that is normal.
      least_held.push_back((b_.binary(Opcode::max, of_line >> 23, b_.u32(29)) - 28u) << 23);
      for (auto* of_lines : {&substance, &count, &weak}) of_lines->push_back(b_.var(b_.u32(0)));
    }
    const auto add = [&](const ir::Var& sum, Value counts) {
      sum.set(sum.get() + b_.select(counts, b_.u32(1), b_.u32(0)));
    };
    walk_.each_element([&](size_t i, Value bits, Value inside) {
      add(substance[i], inside & (bits >= least[i]));
      add(count[i], inside & (bits != 0u));
      add(weak[i], inside & (bits != 0u) & (bits < least_held[i]));
    });
    const Value first_line = first_word + walk_.batch() * batch_stride;
    for (size_t i = 0; i < lines; ++i) {
      const Value all = b_.pack({substance[i].get(), count[i].get(), weak[i].get(), b_.u32(0)});
      const Value counted = walk_.combined(all, Opcode::add);
      const auto or_none = [&](Value sum, Value exists) {
        return b_.select(empty[i], kernel_.k(), b_.select(exists, sum, b_.u32(0)));
      };
      const Value is_held = finite[i] & (b_.extract(counted, 2) == 0u);
      const Value held = or_none(b_.extract(counted, 1), is_held);
      const Value judged = b_.pack({or_none(b_.extract(counted, 0), finite[i]), held});
      b_.if_(walk_.speaks(), [&] {
        b_.shared_store(judged_, walk_.place(i), judged);
        b_.if_(walk_.exists(i),
               [&] { b_.store(kernel_.workspace(0), first_line + walk_.line(i), shift[i]); });
      });
    }
    b_.barrier();
    const Value local = b_.builtin(ir::Builtin::local_index);
    b_.if_(local < layout_.lines * layout_.times / kJudgedTogether, [&] {
      Value all;
      for (uint32_t i = 0; i < kJudgedTogether; ++i) {
        const Value next = b_.shared_load(judged_, local * kJudgedTogether + i);
        all = i == 0 ? next : b_.binary(Opcode::min, all, next);
      }
      const Value word = (first_line + walk_.first()) / kJudgedTogether + local;
      b_.store(kernel_.workspace(0), lines_[&LineWords::substances] + word, b_.extract(all, 0));
      b_.store(kernel_.workspace(0), lines_[&LineWords::counts] + word, b_.extract(all, 1));
    });
  }

  const MeasureLayout layout_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<MeasureWords> words_;
  const WordValues<LineWords> lines_;
  LineWalk walk_;
  const ir::Shared judged_;
};

}  // namespace

ir::Kernel generate_line_measure(const Region& region, const Target& target,
                                 const MeasureLayout& layout) {
  return LineMeasure(region, target, layout).run();
}

}  // namespace nxv::kernels

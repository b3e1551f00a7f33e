// The scale and substance of every line of the factors of a split product.
#include "kernels/common/grid.h"
#include "kernels/matmul/line_walk.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

class LineMeasure {
 public:
  LineMeasure(const Region& region, const Target& target, const MeasureLayout& layout)
      : layout_(layout),
        b_("matmul_measure", layout.workgroup),
        kernel_(b_, region, target, {DType::f32, 0}, kWordsOf<MeasureWords>, 1),
        words_(kernel_.arguments.words_as<MeasureWords>()),
        lines_(kernel_.arguments.words_as<LineWords>(kWordsOf<TileWords>)),
        walk_(kernel_, {.workgroup = layout.workgroup,
                        .lines = kMeasuredLines,
                        .times = layout.lines,
                        .whole_groups = layout.whole_groups}) {}

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
    std::vector<ir::Var> largest, count;
    for (size_t i = 0; i < lines; ++i) largest.push_back(b_.var(b_.u32(0)));
    walk_.each_element([&](size_t i, Value bits, Value) {
      largest[i].set(b_.binary(Opcode::max, largest[i].get(), bits));
    });
    std::vector<Value> empty, finite, shift, least;
    for (size_t i = 0; i < lines; ++i) {
      const Value of_line = walk_.combined(largest[i].get(), Opcode::max);
      // The exponent that brings the largest element into [2^14, 2^15), where its power is normal.
      const Value exponent =
          b_.u32(14 + 127) - b_.binary(Opcode::max, of_line >> 23, b_.u32(14 + 127 - 126));
      empty.push_back(of_line == 0u);
      finite.push_back(of_line < 0x7f800000u);
      shift.push_back(b_.select(empty[i] | !finite[i], b_.u32(0), exponent));
      least.push_back((b_.u32(127 + 7) - shift[i]) << 23);  // 2^7 on that scale
      count.push_back(b_.var(b_.u32(0)));
    }
    walk_.each_element([&](size_t i, Value bits, Value inside) {
      const Value counts = inside & (bits >= least[i]);
      count[i].set(count[i].get() + b_.select(counts, b_.u32(1), b_.u32(0)));
    });
    for (size_t i = 0; i < lines; ++i) {
      const Value counted = walk_.combined(count[i].get(), Opcode::add);
      const Value substance =
          b_.select(empty[i], kernel_.k(), b_.select(finite[i], counted, b_.u32(0)));
      b_.if_(walk_.answers(i), [&] {
        const Value word = first_word + walk_.batch() * batch_stride + walk_.line(i);
        b_.store(kernel_.workspace(0), word, shift[i]);
        b_.store(kernel_.workspace(0), lines_[&LineWords::substances] + word, substance);
      });
    }
  }

  const MeasureLayout layout_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<MeasureWords> words_;
  const WordValues<LineWords> lines_;
  LineWalk walk_;
};

}  // namespace

ir::Kernel generate_line_measure(const Region& region, const Target& target,
                                 const MeasureLayout& layout) {
  return LineMeasure(region, target, layout).run();
}

}  // namespace nxv::kernels

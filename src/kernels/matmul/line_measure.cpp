// The scale and substance of every line of the factors of a split product.
#include <functional>

#include "kernels/common/grid.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

// A workgroup measures neighbouring lines, each by several invocations: adjacent ones along k where
// elements are adjacent along k, else along the lines.
class LineMeasure {
 public:
  LineMeasure(const Region& region, const Target& target, const MeasureLayout& layout)
      : layout_(layout),
        segments_(layout.workgroup / kMeasuredLines),
        b_("matmul_measure", layout.workgroup),
        kernel_(b_, region, target, {DType::f32, 0}, kWordsOf<MeasureWords>, 1),
        words_(kernel_.arguments.words_as<MeasureWords>()),
        lines_(kernel_.arguments.words_as<LineWords>(kWordsOf<TileWords>)),
        partial_(b_.shared("partial", ir::kU32, layout.workgroup)),
        result_(b_.shared("result", ir::kU32, kMeasuredLines)) {}

  ir::Kernel run() {
    const Value group = linear_group(b_), rows = words_[&MeasureWords::rows];
    b_.if_(group < words_[&MeasureWords::all], [&] {
      b_.if_(
          group < rows,
          [&] {
            measure(kernel_.A, layout_.a, group, words_[&MeasureWords::row_groups], kernel_.m(),
                    lines_[&LineWords::row_stride], b_.u32(0));
          },
          [&] {
            measure(kernel_.B, layout_.b, group - rows, words_[&MeasureWords::column_groups],
                    kernel_.n(), lines_[&LineWords::column_stride], lines_[&LineWords::columns]);
          });
    });
    return b_.finish();
  }

 private:
  using Visit = std::function<void(size_t line, Value bits, Value inside)>;

  void measure(const MatmulKernel::Operand& operand, const FactorAccess& access, Value group,
               Value groups, Value extent, Value batch_stride, Value first_word) {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const bool by_groups =
        access.by_groups_along(FactorAccess::Unit::depth) && layout_.whole_groups;
    const bool along_k = access.unit == FactorAccess::Unit::depth;
    const Value line = along_k ? local / segments_ : local & (kMeasuredLines - 1);
    const Value segment = along_k ? local & (segments_ - 1) : local / kMeasuredLines;
    const Value batch = group / groups;
    const Value first = (group - batch * groups) * (kMeasuredLines * layout_.lines);
    std::vector<Value> lines, frees;
    std::vector<Place> at;
    for (uint32_t i = 0; i < layout_.lines; ++i) {
      lines.push_back(first + (i == 0 ? line : line + i * kMeasuredLines));
      frees.push_back(b_.binary(Opcode::min, lines[i], extent - 1u));
      at.push_back(operand.of_batch(batch) + operand.of_free(frees[i]));
    }

    std::vector<ir::Var> largest, count;
    for (size_t i = 0; i < at.size(); ++i) largest.push_back(b_.var(b_.u32(0)));
    each_element(operand, by_groups, at, segment, [&](size_t i, Value bits, Value) {
      largest[i].set(b_.binary(Opcode::max, largest[i].get(), bits));
    });
    std::vector<Value> empty, finite, shift, least;
    for (size_t i = 0; i < at.size(); ++i) {
      const Value of_line = combined(local, line, along_k, largest[i].get(), Opcode::max);
      // The exponent that brings the largest element into [2^14, 2^15), where its power is normal.
      const Value exponent =
          b_.u32(14 + 127) - b_.binary(Opcode::max, of_line >> 23, b_.u32(14 + 127 - 126));
      empty.push_back(of_line == 0u);
      finite.push_back(of_line < 0x7f800000u);
      shift.push_back(b_.select(empty[i] | !finite[i], b_.u32(0), exponent));
      least.push_back((b_.u32(127 + 7) - shift[i]) << 23);  // 2^7 on that scale
      count.push_back(b_.var(b_.u32(0)));
    }
    each_element(operand, by_groups, at, segment, [&](size_t i, Value bits, Value inside) {
      const Value counts = inside & (bits >= least[i]);
      count[i].set(count[i].get() + b_.select(counts, b_.u32(1), b_.u32(0)));
    });
    for (size_t i = 0; i < at.size(); ++i) {
      const Value counted = combined(local, line, along_k, count[i].get(), Opcode::add);
      const Value substance =
          b_.select(empty[i], kernel_.k(), b_.select(finite[i], counted, b_.u32(0)));
      b_.if_((segment == 0u) & (lines[i] < extent), [&] {
        const Value word = first_word + batch * batch_stride + frees[i];
        b_.store(kernel_.workspace(0), word, shift[i]);
        b_.store(kernel_.workspace(0), lines_[&LineWords::substances] + word, substance);
      });
    }
  }

  // The magnitudes, as bits, of this invocation's part of each of its lines; those beyond the end
  // are elements that others visit too, and not `inside`.
  void each_element(const MatmulKernel::Operand& operand, bool by_groups,
                    const std::vector<Place>& at, Value segment, const Visit& visit) {
    const uint32_t unroll = at.size() > 1 ? 2 : 4;
    const uint32_t width = by_groups ? kGroup : 1, stride = segments_ * width;
    const Value end = kernel_.k();
    b_.for_range(segment * width, end, b_.u32(unroll * stride), [&](Value begin) {
      std::vector<Value> loaded, inside;
      for (uint32_t i = 0; i < unroll; ++i) {
        const Value k = begin + i * stride;
        inside.push_back(k < end);
        const Place depth = operand.of_depth(b_.binary(Opcode::min, k, end - width));
        for (const Place& line : at) loaded.push_back(load(operand, by_groups, line + depth));
      }
      for (uint32_t i = 0; i < unroll; ++i) {
        for (size_t line = 0; line < at.size(); ++line) {
          const Value all = loaded[i * at.size() + line];
          for (uint32_t j = 0; j < width; ++j) {
            const Value bits = by_groups ? b_.extract(all, static_cast<int>(j)) : all;
            visit(line, bits & 0x7fffffffu, inside[i]);
          }
        }
      }
    });
  }

  Value load(const MatmulKernel::Operand& operand, bool by_groups, const Place& place) {
    const Value index = operand.index(place);
    if (by_groups) return b_.load(operand.buffer, index >> 2, ir::vec(ir::kU32, kGroup));
    if (!operand.is_checked()) return b_.load(operand.buffer, index, ir::kU32);
    const Value inside = operand.is_inside(place);
    const Value bits = b_.load(operand.buffer, b_.select(inside, index, b_.u32(0)), ir::kU32);
    return b_.select(inside, bits, b_.u32(0));
  }

  // Of all invocations of a line, for each of them.
  Value combined(Value local, Value line, bool along_k, Value part, Opcode op) {
    b_.shared_store(partial_, local, part);
    b_.barrier();
    b_.if_(local < kMeasuredLines, [&] {
      Value all;
      for (uint32_t s = 0; s < segments_; ++s) {
        const Value next =
            b_.shared_load(partial_, along_k ? local * segments_ + s : local + s * kMeasuredLines);
        all = s == 0 ? next : b_.binary(op, all, next);
      }
      b_.shared_store(result_, local, all);
    });
    b_.barrier();
    return b_.shared_load(result_, line);
  }

  const MeasureLayout layout_;
  const uint32_t segments_;  // invocations of a line, a power of two
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<MeasureWords> words_;
  const WordValues<LineWords> lines_;
  ir::Shared partial_, result_;
};

}  // namespace

ir::Kernel generate_line_measure(const Region& region, const Target& target,
                                 const MeasureLayout& layout) {
  return LineMeasure(region, target, layout).run();
}

}  // namespace nxv::kernels

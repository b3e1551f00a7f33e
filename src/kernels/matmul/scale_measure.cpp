// The scales of the factors of a fast product.
#include "kernels/common/grid.h"
#include "kernels/matmul/line_walk.h"
#include "kernels/matmul/scaled_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

constexpr ir::Type kExtremes = ir::vec(ir::kU32, 2);
constexpr uint32_t kInfinity = 0x7f800000;

class ScaleMeasure {
 public:
  ScaleMeasure(const Region& region, const Target& target, const ScaleMeasureLayout& layout)
      : layout_(layout),
        b_("matmul_scales", layout.workgroup),
        kernel_(b_, region, target, {DType::f32, 0}, kWordsOf<ScaleMeasureWords>, 1),
        words_(kernel_.arguments.words_as<ScaleMeasureWords>()),
        scales_(words_[&ScaleMeasureWords::scales]),
        walk_(kernel_, {.workgroup = layout.workgroup,
                        .lines = layout.together,
                        .whole_groups = layout.whole_groups,
                        .loads = 8,
                        .type = kExtremes}) {}

  ir::Kernel run() {
    using W = ScaleMeasureWords;
    const Value group = linear_group(b_), rows = words_[&W::rows];
    const auto columns = [&] { return scales_[&ScaleWords::columns]; };
    b_.if_(group < words_[&W::all], [&] {
      b_.if_(
          group < rows,
          [&] {
            if (layout_.scales.whole_a) {
              return measure_tensor(kernel_.A, words_[&W::row_count], group, b_.u32(0));
            }
            walk_.locate(kernel_.A, layout_.a, group, words_[&W::row_groups], kernel_.m());
            measure_lines(scales_[&ScaleWords::row_stride], b_.u32(0));
          },
          [&] {
            if (layout_.scales.whole_b) {
              return measure_tensor(kernel_.B, words_[&W::column_count], group - rows, columns());
            }
            walk_.locate(kernel_.B, layout_.b, group - rows, words_[&W::column_groups],
                         kernel_.n());
            measure_lines(scales_[&ScaleWords::column_stride], columns());
          });
    });
    return b_.finish();
  }

 private:
  // The largest magnitude, as bits, and the largest that is finite.
  struct Extremes {
    ir::Var any, finite;
    explicit Extremes(Builder& b) : any(b.var(b.u32(0))), finite(b.var(b.u32(0))) {}
    void add(Builder& b, Value bits) const {
      any.set(b.binary(Opcode::max, any.get(), bits));
      const Value counted = b.select(bits < kInfinity, bits, b.u32(0));
      finite.set(b.binary(Opcode::max, finite.get(), counted));
    }
    Value get(Builder& b) const { return b.pack({any.get(), finite.get()}); }
  };
  Value word(Value extremes) {
    const Value exponent = b_.extract(extremes, 1) >> 23;
    return exponent | b_.select(b_.extract(extremes, 0) < kInfinity, b_.u32(0), b_.u32(kNotFinite));
  }

  void measure_lines(Value batch_stride, Value first_word) {
    const Extremes extremes(b_);
    walk_.each_element([&](size_t, Value bits, Value) { extremes.add(b_, bits); });
    const Value all = walk_.combined(extremes.get(b_), Opcode::max);
    b_.if_(walk_.answers(0), [&] {
      const Value at = first_word + walk_.batch() * batch_stride + walk_.line(0);
      b_.store(kernel_.workspace(0), at, word(all));
    });
  }

  // Of kWholeParts workgroups, every one takes groups of four elements that are as far apart.
  void measure_tensor(const MatmulKernel::Operand& operand, Value count, Value part,
                      Value first_word) {
    constexpr uint32_t kLoads = 8;
    const Extremes extremes(b_);
    const uint32_t stride = kWholeParts * layout_.workgroup;
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value end = (count + (kGroup - 1)) / uint32_t{kGroup};
    const Value begin = part * layout_.workgroup + local;
    b_.for_range(begin, end, b_.u32(stride * kLoads), [&](Value first) {
      std::vector<Value> groups, loaded;
      for (uint32_t i = 0; i < kLoads; ++i) {
        groups.push_back(b_.binary(Opcode::min, first + i * stride, end - 1u));
        loaded.push_back(group_bits(kernel_, operand, groups[i]));
      }
      for (uint32_t i = 0; i < kLoads; ++i) {
        for (uint32_t j = 0; j < kGroup; ++j) {
          const Value bits = b_.extract(loaded[i], static_cast<int>(j)) & 0x7fffffffu;
          const Value exists = groups[i] * uint32_t{kGroup} + j < count;
          extremes.add(b_, j == 0 ? bits : b_.select(exists, bits, b_.u32(0)));
        }
      }
    });
    const Value all = walk_.combined_of_all(extremes.get(b_), Opcode::max);
    b_.if_(local == 0u, [&] { b_.store(kernel_.workspace(0), first_word + part, word(all)); });
  }

  const ScaleMeasureLayout layout_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<ScaleMeasureWords> words_;
  const WordValues<ScaleWords> scales_;
  LineWalk walk_;
};

}  // namespace

ir::Kernel generate_scale_measure(const Region& region, const Target& target,
                                  const ScaleMeasureLayout& layout) {
  return ScaleMeasure(region, target, layout).run();
}

}  // namespace nxv::kernels

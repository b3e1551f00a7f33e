// Fast products of f32 on matrix units: of one f16 for each element (Precision::fast).
//
// An element is scaled by a power of two that brings the largest one it shares the scale with below
// 2^15, and rounded to f16: to eleven bits, and not more closely than to 2^-38 of that largest. A
// line of a factor (a row of A, a column of B) has a scale of its own. A factor of windows, whose
// lines overlap, and one of few long lines are scaled whole: by the largest element of the tensor
// that they lie in, which is read once.
//
// What is not finite has no part in scales and stays what it is. Beside it, no element but zero is
// rounded to zero: infinity times a small number is infinity, as it is in f32.
#pragma once

#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

// Which factors are scaled whole.
struct ScaleLayout {
  Choice<bool> whole_a = false, whole_b = false;
};
ScaleLayout scale_layout(const Product& product);

// The workspace: a word for each row of A, then for each column of B; of a factor that is scaled
// whole, one for each workgroup that measures it. A word has the exponent, as f32 has it, of the
// largest finite element, and kNotFinite if there is one that is not.
inline constexpr uint32_t kNotFinite = 0x100, kWholeParts = 128;
struct ScaleWords {
  uint32_t row_stride = 0, column_stride = 0;  // of a batch
  uint32_t columns = 0;                        // where those of columns begin
};
struct ScaleSpace {
  explicit ScaleSpace(const Product& product);
  ScaleWords words;
  uint64_t bytes = 0;
};

// What the workspace holds, as kernels that multiply read it; workspace 0.
class ScaledLines {
 public:
  // `first_word`: where ScaleWords begin.
  ScaledLines(const MatmulKernel& kernel, const ScaleLayout& layout, uint32_t first_word)
      : kernel_(kernel),
        layout_(layout),
        words_(kernel.arguments.words_as<ScaleWords>(first_word)) {}

  // Reads what all lines of a factor share; in control flow that is uniform in the subgroup.
  void locate(ir::Value batch);
  bool is_whole(bool is_row) const { return is_row ? layout_.whole_a : layout_.whole_b; }
  ir::Value word(bool is_row, ir::Value line) const;

  // The exponent of the scale, between -113 and 126.
  static ir::Value shift(ir::Value word);
  static ir::Value is_finite(ir::Value word) { return word < kNotFinite; }

 private:
  ir::Value whole(ir::Value first) const;

  const MatmulKernel& kernel_;
  const ScaleLayout layout_;
  const WordValues<ScaleWords> words_;
  ir::Value rows_, columns_;  // their first word; or the word of the factor
};

struct ScaleMeasureLayout {
  uint32_t workgroup = 0;
  uint32_t together = 0;  // lines of a workgroup at a time
  FactorAccess a, b;
  Choice<bool> whole_groups = false;  // K is a multiple of four
  ScaleLayout scales;
};
struct ScaleMeasureWords {
  ScaleWords scales;
  uint32_t rows = 0, all = 0;                  // workgroups of A, and of both factors
  uint32_t row_groups = 0, column_groups = 0;  // of lines, in a batch
  uint32_t row_count = 0, column_count = 0;    // elements of a tensor that is measured whole
};
ir::Kernel generate_scale_measure(const Region&, const Target&, const ScaleMeasureLayout&);
inline constexpr Family<ScaleMeasureLayout> kScaleMeasure = {"matmul_scales",
                                                             generate_scale_measure};

}  // namespace nxv::kernels

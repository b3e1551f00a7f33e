// Products of f32 on matrix units.
//
// Every line of a factor (a row of A, a column of B) is scaled by a power of two that brings its
// largest element below 2^15, and each element becomes the sum of two f16, of which three products
// are kept (Markidis et al., IPDPSW 2018; Ootomo and Yokota, IJHPCA 2022). Sums of 32 steps go to a
// total in f32, since matrix units truncate what they add up.
//
// Two f16 hold 22 bits of an element, but nothing below 2^-40 of the largest one in its line. So
// data decides whether a product of f32 may be split. A line's substance is the number of its
// elements that are at least 2^-7 of the largest. When no row of A and column of B have substance
// below K + K / 8 together, at least K / 8 products of each element of C are above 2^-14 of the
// largest that is possible, and what was dropped is far below what a chain of K multiplications and
// additions may round away. Otherwise (and where an element is not finite) the kernels for f32
// compute the product: both are dispatched, and look at the verdict of each batch.
#pragma once

#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_plain.h"
#include "kernels/matmul/matmul_tiled.h"

namespace nxv::kernels {

// The workspace: for each row of A, then for each column of B, the binary logarithm of its scale;
// their substances in the same order; a verdict for each batch.
struct LineWords {
  uint32_t row_stride = 0,
           column_stride = 0;             // lines of a batch; batches begin at multiples of four
  uint32_t columns = 0;                   // where those of columns begin
  uint32_t substances = 0, verdicts = 0;  // where these begin
};
struct LineSpace {
  explicit LineSpace(const Product& product);
  LineWords words;
  uint64_t bytes = 0;
};

// Words of kernels that multiply.
struct SplitWords {
  TileWords tiles;
  LineWords lines;
};
// Of totals that are judged: the sums of matrix units come first, then those of the other kernel.
struct JudgedWords {
  PlainWords plain;
  LineWords lines;
  uint32_t unit_parts = 0;
};

// What the workspace holds, as kernels that multiply read it; workspace 0.
class SplitLines {
 public:
  // `first_word`: where LineWords begin.
  explicit SplitLines(const MatmulKernel& kernel, uint32_t first_word = kWordsOf<TileWords>)
      : kernel_(kernel), words_(kernel.arguments.words_as<LineWords>(first_word)) {}

  // 1 where matrix units may compute the batch.
  ir::Value verdict(ir::Value batch) const { return load(words_[&LineWords::verdicts] + batch); }
  ir::Value row_shift(ir::Value batch, ir::Value row) const {
    return load(batch * words_[&LineWords::row_stride] + row);
  }
  ir::Value column_shift(ir::Value batch, ir::Value column) const {
    return load(words_[&LineWords::columns] + batch * words_[&LineWords::column_stride] + column);
  }

 private:
  ir::Value load(ir::Value index) const {
    return kernel_.b.load(kernel_.workspace(0), index, ir::kU32);
  }

  const MatmulKernel& kernel_;
  const WordValues<LineWords> words_;
};

// Of a workgroup, at a time. Each of its invocations has several such lines of gathered factors,
// for which it finds a step's place once.
inline constexpr uint32_t kMeasuredLines = 32, kGatheredLines = 4;

struct MeasureLayout {
  uint32_t workgroup = 0;
  FactorAccess a, b;
  Choice<bool> whole_groups = false;  // K is a multiple of four
  uint32_t lines = 1;                 // of an invocation
};
struct MeasureWords {
  SplitWords split;
  uint32_t rows = 0, all = 0;                  // groups of lines of A, and of both factors
  uint32_t row_groups = 0, column_groups = 0;  // of a batch
};
// Finds scales and substances.
ir::Kernel generate_line_measure(const Region&, const Target&, const MeasureLayout&);
inline constexpr Family<MeasureLayout> kLineMeasure = {"matmul_measure", generate_line_measure};

struct VerdictLayout {
  uint32_t workgroup = 0;
};
// Judges each batch.
ir::Kernel generate_verdicts(const Region&, const Target&, const VerdictLayout&);
inline constexpr Family<VerdictLayout> kVerdicts = {"matmul_verdicts", generate_verdicts};

}  // namespace nxv::kernels

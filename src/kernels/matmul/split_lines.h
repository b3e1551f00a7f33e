// Products of f32 on matrix units.
//
// Every line of a factor (a row of A, a column of B) is scaled by a power of two that brings its
// largest element below 2^15, and each element becomes the sum of two f16, of which three products
// are kept (Markidis et al., IPDPSW 2018; Ootomo and Yokota, IJHPCA 2022). Sums of 32 steps go to a
// total in f32, since matrix units truncate what they add up.
//
// Two f16 on one scale hold 22 bits of an element, but nothing below 2^-40 of the largest one in
// its line. With the lower one on a scale of its own (`kLowerScale`) they hold 22 bits down to
// 2^-28 of the largest, which takes a tenth more time. So data decides, for blocks of `kJudged`
// rows and columns, who computes the product:
//
// - One scale. A line's substance is the number of its elements that are at least 2^-7 of the
//   largest. When no row and column have substance below K + K / 8 together, at least K / 8
//   products of each element of C are above 2^-14 of the largest that is possible, and what was
//   dropped is far below what a chain of K multiplications and additions may round away.
// - Two scales: when no element but 0 is below 2^-28 of the largest in its line, every product has
//   22 bits. A chain keeps 24 of each, but rounds with every addition: it is no better where it
//   adds up `kFewProducts` or more. So many elements other than 0 meet for certain where rows and
//   columns have enough of them together, and are taken to meet where each has an eighth, as what
//   went through a ReLU has.
// - Otherwise, and where an element is not finite, the kernels for f32: both are dispatched, and
//   look at the verdict.
#pragma once

#include <utility>

#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_plain.h"
#include "kernels/matmul/matmul_tiled.h"

namespace nxv::kernels {

// Rows and columns that a verdict is about, and that are judged by one invocation first.
inline constexpr uint32_t kJudged = 128, kJudgedTogether = 8;
inline constexpr uint32_t kFewProducts = 32;
// The binary logarithm of the scale of lower pieces, where they have one of their own.
inline constexpr uint32_t kLowerScale = 11;
enum class Verdict : uint8_t { rejected, one_scale, two_scales };
// Whether lower pieces have a scale of their own in any case: the places of gathered factors leave
// no registers for both loops.
inline bool has_own_scales(const Product& product) {
  return product.a.is_gathered || product.b.is_gathered;
}

// The workspace: for each row of A, then for each column of B, the binary logarithm of its scale;
// for every kJudgedTogether of them, in the same order, the least substance; likewise the least
// number of elements that are not 0, or 0 where there is one below 2^-28 of the largest. Then a
// Verdict for each block, which the kernel for matrix units finds.
struct LineWords {
  uint32_t row_stride = 0, column_stride = 0;  // lines of a batch, multiples of kJudged
  uint32_t columns = 0;                        // where those of columns begin
  uint32_t substances = 0, counts = 0;         // where these begin
  uint32_t verdicts = 0, column_blocks = 0;    // likewise, and how many stand side by side
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

  // A Verdict, as u32, on the block that the element lies in: from what is known of its lines, and
  // as it is kept.
  ir::Value verdict(ir::Value batch, ir::Value row, ir::Value column) const;
  ir::Value kept_verdict(ir::Value batch, ir::Value row, ir::Value column) const {
    return load(block(batch, row, column));
  }
  // By one invocation of a tile. Of those of a block the first one does it.
  void keep(ir::Value verdict, ir::Value batch, ir::Value row, ir::Value column) const;
  ir::Value row_shift(ir::Value batch, ir::Value row) const { return load(first_row(batch) + row); }
  ir::Value column_shift(ir::Value batch, ir::Value column) const {
    return load(first_column(batch) + column);
  }

 private:
  ir::Value first_row(ir::Value batch) const { return batch * words_[&LineWords::row_stride]; }
  ir::Value first_column(ir::Value batch) const {
    return words_[&LineWords::columns] + batch * words_[&LineWords::column_stride];
  }
  ir::Value block(ir::Value batch, ir::Value row, ir::Value column) const {
    const ir::Value blocks_before = (first_row(batch) + row) / kJudged;
    return words_[&LineWords::verdicts] + blocks_before * words_[&LineWords::column_blocks] +
           column / kJudged;
  }
  ir::Value load(ir::Value index) const {
    return kernel_.b.load(kernel_.workspace(0), index, ir::kU32);
  }
  // Of the kJudged lines from `line` on: of words that begin at `first`.
  ir::Value least(ir::Value first, ir::Value line) const;

  const MatmulKernel& kernel_;
  const WordValues<LineWords> words_;
};

// The parts, of totals that are judged, which C's element is added up from: those of matrix units,
// or the `others` behind them. Words: JudgedWords.
std::pair<ir::Value, ir::Value> judged_parts(const MatmulKernel& kernel, ir::Value element,
                                             ir::Value others);

struct MeasureLayout {
  uint32_t workgroup = 0;
  uint32_t lines = 0;          // of a workgroup,
  uint32_t times = 1;          // so many times; multiples of kJudgedTogether
  uint32_t subgroup_size = 0;  // whose lanes share lines along k; 0: of any
  uint32_t kept = 0;           // kept_elements
  FactorAccess a, b;
  Choice<bool> whole_groups = false;  // K is a multiple of four
};
struct MeasureWords {
  SplitWords split;
  uint32_t rows = 0, all = 0;                  // groups of lines of A, and of both factors
  uint32_t row_groups = 0, column_groups = 0;  // of a batch
};
// Finds scales, and what verdicts are found from.
ir::Kernel generate_line_measure(const Region&, const Target&, const MeasureLayout&);
inline constexpr Family<MeasureLayout> kLineMeasure = {"matmul_measure", generate_line_measure};

}  // namespace nxv::kernels

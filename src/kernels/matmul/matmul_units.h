// Matrix products on matrix units (16 x 16 cooperative matrices).
//
// f16 and bf16 are multiplied as they are and added up in f32. f32 is split: every line of an
// operand (a row of A, a column of B) is scaled by a power of two that brings its largest element
// below 2^15, and each element becomes the sum of two f16, of which three products are kept
// (Markidis et al., IPDPSW 2018; Ootomo and Yokota, IJHPCA 2022). Sums of 32 steps go to a total
// in f32, since matrix units truncate what they add up.
//
// Two f16 hold 22 bits of an element, but nothing below 2^-40 of the largest one in its line. So
// data decides whether a product of f32 may be split. A line's substance is the number of its
// elements that are at least 2^-7 of the largest. When no row of A and column of B have substance
// below K + K / 8 together, at least K / 8 products of each element of C are above 2^-14 of the
// largest that is possible, and what was dropped is far below what a chain of K multiplications and
// additions may round away. Otherwise (and where an element is not finite) the kernels for f32
// compute the product: both are dispatched, and look at the verdict of each batch.
#pragma once

#include <optional>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

enum class UnitFactors : uint8_t { f16, bf16, split };

// What the matrix units of the target multiply for the region; nothing where it is computed without
// them. A function of types, sizes and plan alone, since bits depend on it.
std::optional<UnitFactors> unit_factors(const Region& region, const Target& target);

// Elements that are loaded from an operand and stored to shared memory together.
inline constexpr uint32_t kChunk = 8;
// How the chunks of an operand lie in memory.
struct ChunkAccess {
  bool along_k = true;      // else along the free dimension
  bool adjacent = false;    // elements are neighbours in memory,
  bool contiguous = false;  // and chunks are whole 16-byte words
  char key() const { return static_cast<char>('0' + along_k * 4 + adjacent * 2 + contiguous); }
};
ChunkAccess chunk_access(const Region& region, int operand);

// The workspace of split products: for each row of A, then for each column of B, the binary
// logarithm of its scale; their substances in the same order; a verdict for each batch. Batches
// begin at multiples of four.
struct LineLayout {
  explicit LineLayout(const Region& region);
  uint64_t row_stride, column_stride;  // lines of a batch
  uint64_t columns, substances, verdicts, words;
};
// Words of the kernels that use it, behind those of tiled kernels.
enum LineWord {
  kRowStride = kTileWords,
  kColumnStride,
  kColumnLines,
  kSubstances,
  kVerdicts,
  kLineWords,
};
// Words of the kernel that measures lines: line groups of A and of both, and a divisor for each
// operand's groups of a batch.
enum MeasureWord {
  kMeasuredRows = kLineWords,
  kMeasured,
  kRowGroups,
  kColumnGroups,
  kMeasureWords,
};
inline constexpr uint32_t kMeasuredLines = 32;  // of a workgroup

// With the smallest tile, whatever the size of the region: for tests of the units.
Lowering lower_small_units(const Region& region, const Target& target);

ir::Kernel generate_unit_matmul(const Region&, const Target&, const MatmulTile&, bool to_workspace,
                                bool full_tiles);
ir::Kernel generate_line_measure(const Region&, const Target&, uint32_t workgroup);
ir::Kernel generate_verdicts(const Region&, const Target&, uint32_t workgroup);

}  // namespace nxv::kernels

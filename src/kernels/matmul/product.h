// What decides which kernels compute a product, and in which order they add up: types, sizes and
// strides, without the expressions of the region that it stands in.
#pragma once

#include <cstdint>
#include <optional>

#include "graph/region_words.h"
#include "graph/word_sums.h"
#include "kernels/common/family.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// A or B. `extent` and `free_stride` are those of m, or n; `depth_stride` is that of k.
struct Factor {
  DType type = DType::f32;
  uint64_t extent = 1;
  uint32_t offset = 0, batch_stride = 0, free_stride = 0, depth_stride = 0;
  // Gathered: the strides are those of the innermost digits, or 0 where those move otherwise than
  // by single steps along one checked axis at most.
  bool is_gathered = false;
  uint64_t free_run = 0, depth_run = 0;     // extents of the innermost digits
  int32_t free_axis = -1, depth_axis = -1;  // that they move along
  uint32_t other_strides = 0;  // the bits that any stride but theirs has, or the offset
  uint64_t stored = 0;         // elements of the tensor that it lies in
};

// C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n].
struct Product {
  DType type = DType::f32;    // of the sums
  DType stored = DType::f32;  // of what the region makes of them: the narrowest root's
  bool has_epilogue = false;  // it makes something else of them, or several things
  Precision precision = Precision::accurate;
  Factor a, b;
  uint64_t batch = 1, m = 1, n = 1, k = 1;

  uint64_t count() const { return batch * m * n; }
  uint64_t steps() const { return count() * k; }
  uint64_t words_of_result() const;  // or elements, where those are larger
  // Whether totals of a type may wait in the result.
  bool holds_totals(DType type) const { return !has_epilogue && stored == type; }
};
// Of a region whose factors are loads.
Product product_of(const Region& region);
// The operand of a factor, 0 or 1.
const Operand& factor_operand(const Region& region, int factor);
// A region that computes the product of two stored values: for probes and tests.
Region product_region(NodeRef a, NodeRef b, NodeRef root, const ProductWords& words,
                      Precision precision = Precision::accurate);

struct Accumulation {
  Choice<DType> type;  // that products are computed and added in
  uint32_t block = 0;  // steps along k
};
// A function of element types, M, N, K and plan alone.
Accumulation accumulation(const Product& product, const Target& target);
// Steps along k of a block where invocations share an element: as few as leave few sums to add up.
uint32_t short_block(const Product& product);

// How the elements of a factor lie in memory along its free dimension (m or n) and along k.
struct FactorAccess {
  enum class Unit : uint8_t { none, free, depth };
  Choice<Unit> unit = Unit::none;  // adjacent elements are neighbours along this dimension,
  Choice<bool> aligned = false;    // and every fourth starts a group of four (memory_format.h)

  bool by_groups_along(Unit dimension) const { return unit == dimension && aligned; }
};
// Whether all lines along k are contiguous runs of whole `unit`s of elements, which begin at
// multiples of it in memory.
bool starts_lines(const Product& product, const Factor& factor, uint32_t unit);
// Whether lines are neighbours in memory, and every `unit` of them begins at a multiple of it.
bool starts_steps(const Product& product, const Factor& factor, uint32_t unit);
FactorAccess access_of(const Product& product, const Factor& factor);

// Elements that are loaded from a factor and stored to shared memory together, for matrix units.
inline constexpr uint32_t kChunk = 8;
// How the chunks of a factor lie in memory.
struct ChunkAccess {
  Choice<bool> along_k = true;      // else along the free dimension
  Choice<bool> adjacent = false;    // elements are neighbours in memory,
  Choice<bool> contiguous = false;  // and chunks are whole 16-byte words
  // Gathered: the axis, counted from 1, that the elements of a chunk move along if it is checked.
  uint32_t moves = 0;
};
ChunkAccess chunk_access(const Product& product, const Factor& factor);

// ---- Factors of 8-bit integers (graph/word_sums.h)

bool has_word_sums(const Product& product);
// Whether dot products of packed integers compute it on the target.
bool has_dots(const Product& product, const Target& target);
// The shape of matrices that the target's units multiply for it.
std::optional<plan::MatrixShape> integer_shape(const Product& product, const Target& target);

// How the bytes of a factor lie in memory, seen in words.
struct PackedAccess {
  enum class Unit : uint8_t {
    elements,  // in no order that words know
    steps,     // a word has four steps along k of a line
    lines,     // four lines of a step
  };
  Choice<Unit> unit = Unit::elements;
  Choice<bool> is_wide = false;  // sixteen steps begin at a multiple of 16 bytes
};
PackedAccess packed_access(const Product& product, const Factor& factor);

// ---- Matrix units

// f32: `split` into two f16 (split_lines.h), or `scaled` and rounded to one (scaled_lines.h); a
// factor may then be of f16 or bf16, of whose elements one f16 holds all.
enum class UnitFactors : uint8_t { f16, bf16, split, scaled, integers };
// Steps along k that matrix units may add up in one accumulator, which they truncate, of f32 that
// is split: the error stays below that of a chain of fma.
inline constexpr uint32_t kSplitChain = 32;
inline constexpr bool are_f32(UnitFactors f) {
  return f == UnitFactors::split || f == UnitFactors::scaled;
}
// What the matrix units of the target multiply for the product; nothing where it is computed
// without them. A function of types, sizes and plan alone, since bits depend on it.
std::optional<UnitFactors> unit_factors(const Product& product, const Target& target);

}  // namespace nxv::kernels

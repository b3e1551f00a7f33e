// What the kernels of matrix products share: arguments, reading of operands, order of additions.
//
// Every element of C is added up in the same order whichever kernel computes it: the products are
// added in order of k (floats by fma) in blocks of `Accumulation::block` steps, each starting from
// +0; then the sums of the blocks are added in order to a total that starts from +0. Steps beyond
// the end that add 0 * 0 therefore leave no trace. Integers are added modulo 2^width, where order
// cannot show.
#pragma once

#include <span>
#include <vector>

#include "kernels/common/memory_format.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// Words of a matmul region. Strides of A are of batch, m, k; those of B of batch, k, n.
enum MatmulWord {
  kOffsetA,
  kBatchStrideA,
  kRowStrideA,
  kDepthStrideA,
  kOffsetB,
  kBatchStrideB,
  kDepthStrideB,
  kColumnStrideB,
  kBatchCount,
  kM,
  kN,
  kK,
  kMatmulWords
};

struct MatmulSize {
  uint64_t batch, m, n, k;
  explicit MatmulSize(const Region& region);
  uint64_t count() const { return batch * m * n; }
};

struct Accumulation {
  DType type;      // that products are computed and added in
  uint32_t block;  // steps along k
};
// A function of element types, M, N, K and plan alone.
Accumulation accumulation(const Region& region, const Target& target);

// How the elements of an operand lie in memory along its free dimension (m or n) and along k.
struct Access2D {
  enum class Unit : uint8_t { none, free, depth };
  Unit unit = Unit::none;  // adjacent elements are neighbours along this dimension,
  bool aligned = false;    // and every fourth starts a group of four (see memory_format.h)
  char key() const { return static_cast<char>('0' + static_cast<int>(unit) * 2 + aligned); }
};
Access2D access_of(const Region& region, int operand);

// The parts of an accumulator: one, or two for complex numbers.
using Sum = std::vector<ir::Value>;

class MatmulKernel {
 public:
  // Declares the arguments: A, B (unless the kernel works on workspaces alone), C, the
  // `workspaces`, the region's words and `extra_words` more.
  MatmulKernel(ir::Builder& builder, const Region& region, const Target& target,
               std::span<const std::string> workspaces, int extra_words);

  struct Operand {
    ir::Value buffer;
    DType dtype;
    ir::Value offset, batch_stride, free_stride, depth_stride;
    Access2D access;
    ir::Value at(ir::Value batch) const { return offset + batch * batch_stride; }
  };

  ir::Builder& b;
  const DType out;
  const Accumulation sums;
  const ir::Type type;  // of one part of a sum
  Operand A, B;
  ir::Value C;
  std::vector<ir::Value> workspaces;

  ir::Value word(MatmulWord i) const { return words_[i]; }
  ir::Value extra(int i) const { return words_[static_cast<size_t>(kMatmulWords) + i]; }
  // n / d for the divisor at extra words i, i + 1, i + 2.
  ir::Value divide(ir::Value n, int i) const;

  // An element of an operand as a number to multiply; one part only for real types.
  Sum element(const Operand& operand, ir::Value index) const;
  // Four elements that start a group; real types only.
  std::array<ir::Value, kGroup> group(const Operand& operand, ir::Value index) const;

  ir::Value zero() const;  // that arithmetic may use
  Sum zero_sum() const { return Sum(is_complex(out) ? 2 : 1, zero()); }
  ir::Value multiply_add(ir::Value x, ir::Value y, ir::Value sum) const;
  Sum multiply_add(const Sum& x, const Sum& y, const Sum& sum) const;
  static Sum add(const Sum& x, const Sum& y);
  ir::Number result(const Sum& total) const;
  struct StoreOptions {
    bool whole_groups;  // N is a multiple of four
    bool is_inside;     // no column lies beyond the edge
    bool to_workspace;  // as they are, to the first workspace
    bool adds = false;  // to what is there; C holds totals
  };
  // Stores four totals at elements start + column .. + 3 of C; those beyond the edge not at all.
  // `start` begins a row.
  void store_four(const ir::Value* totals, ir::Value start, ir::Value column,
                  const StoreOptions& options) const;
  // The type that a sum has in a workspace: at least a word.
  DType stored_sum() const;

  std::vector<ir::Var> variables(const Sum& initial) const;
  static Sum read(const std::vector<ir::Var>& variables);
  static void write(const std::vector<ir::Var>& variables, const Sum& values);

 private:
  const ir::math::MathOptions math_;
  std::vector<ir::Value> words_;
};

// The generators.
struct MatmulTile;
enum class PlainStage : uint8_t {
  whole,   // A, B -> C
  blocks,  // A, B -> the sum of each block, in a workspace
  totals,  // sums of blocks (and an earlier total) -> C, or a total for the next pass
};
struct PlainLayout {
  PlainStage stage = PlainStage::whole;
  uint32_t workgroup = 64;
  uint32_t unroll = 8;
  bool resumes = false;  // totals: starts from the total of the pass before
  bool finishes = true;  // totals: writes C
};
ir::Kernel generate_plain_matmul(const Region&, const Target&, const PlainLayout&);
ir::Kernel generate_register_matmul(const Region&, const Target&, const MatmulTile&,
                                    bool to_workspace);
// `rejected`: computes the batches of a split product whose verdict is against matrix units.
ir::Kernel generate_shared_matmul(const Region&, const Target&, const MatmulTile&,
                                  bool to_workspace, bool full_tiles, bool rejected);

// Words that the plain kernels take: see matmul_plain.cpp.
std::vector<uint32_t> plain_words(const Region& region, uint64_t units, uint64_t first_block,
                                  uint64_t blocks);
// Words that the tiled kernels take.
enum TileWord {
  kTileCount,
  kColumnTiles,
  kColumnTilesMultiplier,
  kColumnTilesShift,
  kRowTiles,
  kRowTilesMultiplier,
  kRowTilesShift,
  kTileWords
};

}  // namespace nxv::kernels

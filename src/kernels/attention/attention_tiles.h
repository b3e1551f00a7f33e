// Blocks of matrices of an attention in shared memory, for kernels without matrix units.
//
// A workgroup of 64 invocations has a block of 8 * `rows` rows (queries, or keys) and meets 32
// others at a time (keys, or queries). Factors pass through shared memory in slabs of 32 columns,
// as f32. Eight invocations side by side share `rows` rows: of a block's products each has those of
// four adjacent others, of a slab of results four adjacent columns. All they exchange goes through
// shared memory: subgroups may have any size. Inner products add four chains, one for each of four
// columns; sums over the others are one chain a column.
#pragma once

#include <array>

#include "kernels/attention/attention_scores.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {

class AttentionTiles {
 public:
  static constexpr uint32_t kLanes = 8;      // that share rows
  static constexpr uint32_t kRowGroups = 8;  // of a workgroup
  static constexpr uint32_t kOthers = 32;    // of a block
  static constexpr uint32_t kChunks = 8;     // of four columns, of a slab
  static constexpr uint32_t kSlab = 4 * kChunks;
  static constexpr uint32_t kInvocations = kLanes * kRowGroups;

  // `wide`: adds up in f64. `in_turn`: loops over what is added up stay loops, where registers are
  // few.
  AttentionTiles(ir::Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                 uint32_t rows, bool wide, bool in_turn);

  // A factor's matrix: an operand, of a head.
  struct Factor {
    int operand = 0;
    DType type = DType::f32;
    bool groups = false;         // four columns of a row are a group
    ir::Value head, end, width;  // rows and columns that there are
  };

  uint32_t block_rows() const { return rows_ * kRowGroups; }
  ir::Value lane() const { return lane_; }
  // Row i of this invocation's, in the block.
  ir::Value row_in_block(uint32_t i) const { return row_group_ + i * kRowGroups; }
  ir::Type sum_type() const { return sum_; }
  ir::Value zero() const { return zero_; }  // of the type of sums
  ir::Value widened(ir::Value v) const;     // f32, and vectors of it
  ir::Value rounded(ir::Value v) const;     // to f32
  ir::Value four(ir::Value v) const { return b_.pack({v, v, v, v}); }

  // Iterations of the loops of a slab, where they are loops.
  static constexpr uint64_t kIterationsInTurn = 1 + kChunks;

  // Inner products, in the type of sums, of the rows from first_row on with four others each: of
  // row i those at 4 * i .. 4 * i + 3, which are the others first_other + 4 * lane() + ...
  std::vector<ir::Value> multiply(const Factor& rows, ir::Value first_row, const Factor& others,
                                  ir::Value first_other);
  // Hands out weights, f32 and in the order of products, for add().
  void share(const std::vector<ir::Value>& weights);
  // totals += weights . factor, for the slabs of its columns: those of row i and slab s at
  // i * slabs + s, vectors of four. Multiplies the totals of row i with scales[i] first, where
  // there are any.
  void add(const Factor& factor, ir::Value first_other, uint32_t slabs,
           const std::vector<ir::Var>& totals, const std::vector<ir::Value>& scales = {});
  std::vector<ir::Var> zero_totals(uint32_t slabs);

  // Of f32 of the lanes that share each row, all get the result. A barrier must part this from
  // earlier uses.
  std::vector<ir::Value> exchange(const std::vector<ir::Value>& parts,
                                  const std::function<ir::Value(std::vector<ir::Value>)>& combine);

  // Stores a row's totals times scale, whole words: rows of narrow numbers have an even width.
  struct Result {
    ir::Value buffer, start, width;
    DType type = DType::f32;
    bool groups = false;
  };
  void store(const Result& result, uint32_t row, uint32_t slabs, const std::vector<ir::Var>& totals,
             ir::Value scale);

 private:
  static constexpr uint32_t kStride = kChunks + 1;  // odd: no bank conflicts
  template <typename Place>
  void fill(ir::Shared shared, const Factor& factor, ir::Value first_row, uint32_t count,
            ir::Value column, Place place);

  // body(i, values of sums) for all i below count.
  template <typename Body>
  void repeat(uint32_t count, const std::vector<ir::Var>& sums, const Body& body);

  ir::Builder& b_;
  const KernelArguments& arguments_;
  const AttentionScores& scores_;
  const uint32_t rows_;
  const bool wide_;
  const bool in_turn_;
  const ir::Type sum_;
  const ir::Shared row_slab_, other_slab_, weights_, row_parts_;
  ir::Value lane_, row_group_, zero_;
};

}  // namespace nxv::kernels

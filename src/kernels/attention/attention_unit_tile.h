// Rows of halves on their way from memory through shared memory to matrix units.
//
// A row has chunks of eight halves and an odd number of places for them, so that neither the stores
// of chunks nor the loads of matrices meet in a bank.
#pragma once

#include "kernels/attention/attention_scores.h"

namespace nxv::kernels {

inline constexpr uint32_t kUnitChunk = 8;
inline constexpr ir::Type kUnitChunkType = ir::vec(ir::kU32, 4);

class AttentionUnitTile {
 public:
  // `rows` rows of an operand, whose columns are `matrices` times 16 at most; `width`: how many.
  AttentionUnitTile(ir::Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                    int operand, uint32_t rows, uint32_t matrices, ir::Value width,
                    uint32_t threads);

  static uint32_t stride(uint32_t matrices) { return 2 * matrices + 1; }
  uint32_t size() const { return rows_ * stride(matrices_); }
  void place(ir::Shared shared, uint32_t first) {
    shared_ = shared;
    first_ = first;
  }

  // Loads this invocation's chunks of the rows from `first` on; those from `end` on are 0.
  void load(ir::Value head, ir::Value first, ir::Value end);
  void store() const;
  // The matrix at rows 16 * row_block + `row`, columns 16 * column_block.
  ir::Value matrix(ir::Type type, ir::Value row, uint32_t row_block, uint32_t column_block,
                   bool by_columns) const;

 private:
  struct Slot {
    ir::Value row, chunk, is_there;
    ir::Var value;
  };

  ir::Builder& b_;
  const KernelArguments& arguments_;
  const AttentionScores& scores_;
  const int operand_;
  const uint32_t rows_, matrices_;
  const ir::Value width_;
  ir::Shared shared_;
  uint32_t first_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace nxv::kernels

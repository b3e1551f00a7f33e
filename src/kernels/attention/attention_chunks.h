// Rows of an operand on their way from memory to shared memory, as they are.
//
// A row has chunks of 16 bytes, eight halves or four f32, and an odd number of places for them, so
// that neither the stores of chunks nor the loads of matrices meet in a bank.
#pragma once

#include "kernels/attention/attention_scores.h"

namespace nxv::kernels {

inline constexpr uint32_t kHalves = 8;  // of a chunk
inline constexpr ir::Type kChunkType = ir::vec(ir::kU32, 4);

inline uint32_t chunk_elements(DType type) {
  return 16 / static_cast<uint32_t>(storage_bytes(type));
}

// The elements of a chunk, as f32.
std::vector<ir::Value> chunk_numbers(ir::Value chunk, DType type);

class AttentionChunks {
 public:
  // `rows` rows of an operand, of at most so many chunks; `width`: how many elements. So many
  // invocations share them, of which this is number `local`: else those of the workgroup.
  AttentionChunks(ir::Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                  int operand, DType type, uint32_t rows, uint32_t chunks, ir::Value width,
                  uint32_t threads, ir::Value local = {});
  // Of rows that have all of their chunks.
  AttentionChunks(ir::Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                  int operand, DType type, uint32_t rows, uint32_t chunks, uint32_t threads)
      : AttentionChunks(b, arguments, scores, operand, type, rows, chunks, {}, threads) {}

  static uint32_t stride(uint32_t chunks) { return chunks | 1; }
  uint32_t size() const { return rows_ * stride(chunks_); }
  void place(ir::Shared shared, uint32_t first) {
    shared_ = shared;
    first_ = first;
  }

  // Loads this invocation's chunks of the rows from `first` on; those from `end` on are as the one
  // before it.
  void load(ir::Value head, ir::Value first, ir::Value end);
  // To their place, and so many elements of the array behind it.
  void store(ir::Value behind = {}) const;
  // A chunk of a row.
  ir::Value chunk(ir::Value row, uint32_t chunk) const {
    return b_.shared_load(shared_, row * stride(chunks_) + (first_ + chunk));
  }
  // Of halves: the matrix at rows 16 * row_block + `row`, columns 16 * column_block, so many
  // elements of the array behind the place.
  ir::Value matrix(ir::Type type, ir::Value row, uint32_t row_block, uint32_t column_block,
                   bool by_columns, ir::Value behind = {}) const;

 private:
  struct Slot {
    ir::Value row, chunk, is_there;
    ir::Var value;
  };

  ir::Builder& b_;
  const KernelArguments& arguments_;
  const AttentionScores& scores_;
  const int operand_;
  const uint32_t elements_, rows_, chunks_;
  const ir::Value width_;
  ir::Shared shared_;
  uint32_t first_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace nxv::kernels

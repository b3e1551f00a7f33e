#include "kernels/attention/attention_chunks.h"

#include <array>

#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

AttentionChunks::AttentionChunks(ir::Builder& b, const KernelArguments& arguments,
                                 const AttentionScores& scores, int operand, DType type,
                                 uint32_t rows, uint32_t chunks, Value width, uint32_t threads,
                                 Value local)
    : b_(b),
      arguments_(arguments),
      scores_(scores),
      operand_(operand),
      elements_(chunk_elements(type)),
      rows_(rows),
      chunks_(chunks),
      width_(width) {
  const Value zero = b_.u32(0);
  if (!local.exists()) local = b_.builtin(ir::Builtin::local_index);
  for (uint32_t first = 0; first < rows * chunks; first += threads) {
    const Value index = local + first;
    Slot slot;
    slot.row = index / chunks;
    slot.chunk = index - slot.row * chunks;
    if (first + threads > rows * chunks) slot.is_there = index < rows * chunks;
    slot.value = b_.var(b_.pack({zero, zero, zero, zero}));
    slots_.push_back(slot);
  }
}

void AttentionChunks::load(Value head, Value first, Value end) {
  const Value zero = b_.u32(0), zeros = b_.pack({zero, zero, zero, zero});
  const Value start = scores_.start(operand_, head, zero) / elements_;
  const Value distance = scores_.row_stride(operand_) / elements_;
  for (const Slot& slot : slots_) {
    const Value row = b_.binary(Opcode::min, first + slot.row, end - 1u);
    Value chunk = slot.chunk;
    if (width_) chunk = b_.binary(Opcode::min, chunk, width_ / elements_ - 1u);
    Value loaded =
        b_.load(arguments_.operand(operand_), start + row * distance + chunk, kChunkType);
    if (width_) loaded = b_.select(slot.chunk * elements_ < width_, loaded, zeros);
    slot.value.set(loaded);
  }
}

void AttentionChunks::store(Value behind) const {
  for (const Slot& slot : slots_) {
    const auto put = [&] {
      Value at = slot.row * stride(chunks_) + slot.chunk + first_;
      if (behind) at = at + behind;
      b_.shared_store(shared_, at, slot.value.get());
    };
    slot.is_there ? b_.if_(slot.is_there, put) : put();
  }
}

Value AttentionChunks::matrix(ir::Type type, Value row, uint32_t row_block, uint32_t column_block,
                              bool by_columns, Value behind) const {
  const uint32_t distance = stride(chunks_);
  const uint32_t at = first_ + row_block * ir::kMatrixSide * distance + column_block * 2;
  Value index = row * distance + at;
  if (behind) index = index + behind;
  return b_.matrix_load(shared_, index, distance, type, by_columns);
}

std::vector<ir::Value> chunk_numbers(ir::Value chunk, DType type) {
  std::array<ir::Value, 4> words;
  for (int w = 0; w < 4; ++w) {
    words[static_cast<size_t>(w)] = chunk.builder().extract(chunk, w);
  }
  std::vector<ir::Value> all;
  for (const ir::Number& n : elements_in(words, type)) all.push_back(n.re);
  return all;
}

}  // namespace nxv::kernels

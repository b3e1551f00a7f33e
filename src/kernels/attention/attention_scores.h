// From products of queries and keys to scores: scale, cap, bias, masks.
#pragma once

#include "kernels/attention/attention.h"

namespace nxv::kernels {

// e^x to 2^-23 of itself for x <= 0; 0 below -87, where results would be subnormal. NaN stays.
ir::Value exponential(ir::Value x);

// 2^x to 4e-6 of itself for x <= 0; 0 below -126. NaN stays.
ir::Value binary_exponential(ir::Value x);

class AttentionScores {
 public:
  // Of a kernel whose words are, or begin with, AttentionWords.
  AttentionScores(ir::Builder& b, const KernelArguments& arguments, const Region& region,
                  const AttentionOptions& options, const ir::math::MathOptions& math);

  using Words = AttentionWords;
  ir::Value word(uint32_t Words::*member) const { return words_[member]; }
  const WordValues<Words>& words() const { return words_; }
  ir::Value zero() const { return zero_; }      // f32
  ir::Value lowest() const { return lowest_; }  // -infinity

  // What a workgroup computes.
  struct Block {
    ir::Value batch, head, kv_head, first_row;
  };
  // The block of so many rows that is a workgroup's, by which all else goes from here on.
  Block select(ir::Value group, uint32_t rows);
  // The same with rows of keys, of which words name blocks and heads; without a head.
  Block select_keys(ir::Value group, uint32_t rows);
  void select_head(ir::Value head) { head_ = head; }
  const AttentionOperands& operands() const { return operands_; }
  struct Range {
    ir::Value begin, end;
  };
  // Of the keys that some query from first_row to before end_row sees; begin is a multiple of
  // `block`.
  Range keys_of(ir::Value first_row, ir::Value end_row, uint32_t block) const;
  // Of the queries that see some of so many keys.
  Range queries_of(ir::Value first_key, uint32_t keys, uint32_t block) const;

  // Within a range of keys (queries), of which blocks begin where its begin says, those whole
  // blocks that all of the rows (of keys) up to the last see; in the middle, or empty.
  Range keys_all_see(const Range& keys, ir::Value first_row, ir::Value last_row,
                     uint32_t block) const;
  Range queries_all_see(const Range& queries, ir::Value first_key, ir::Value last_key,
                        uint32_t block) const;

  // What a score takes from memory beside its product, which may be loaded ahead; both may be none.
  struct Addends {
    ir::Value bias, mask;
  };
  Addends addends(ir::Value row, ir::Value key) const;

  // The score, f32, of a product of the query and the key; -infinity where the query does not see
  // the key. Both may lie beyond the end.
  ir::Value score(ir::Value product, ir::Value row, ir::Value key) const {
    return score(product, row, key, addends(row, key));
  }
  ir::Value score(ir::Value product, ir::Value row, ir::Value key, const Addends& addends) const {
    return b_.select(sees(row, key), differentiated(product, addends).value, lowest_);
  }
  // The score where it is seen, and its derivative by the product.
  struct Differentiated {
    ir::Value value, slope;
  };
  Differentiated differentiated(ir::Value product, ir::Value row, ir::Value key) const {
    return differentiated(product, addends(row, key));
  }
  Differentiated differentiated(ir::Value product, const Addends& addends) const;
  ir::Value adjusted(ir::Value product, ir::Value row, ir::Value key) const {
    return differentiated(product, row, key).value;
  }
  ir::Value sees(ir::Value row, ir::Value key) const;
  // Whether each of the rows, up to and with the last, sees each of the keys.
  ir::Value all_see(ir::Value first_row, ir::Value last_row, ir::Value first_key,
                    ir::Value last_key) const;
  // Whether some of the rows may see some of the keys.
  ir::Value some_see(ir::Value first_row, ir::Value last_row, ir::Value first_key,
                     ir::Value last_key) const;
  // A product of scale alone is the score.
  bool only_scales() const { return !options_.has_cap && !options_.has_bias && !options_.has_mask; }
  // The score of the head that has no value.
  ir::Value sink() const;

  // The element {batch, head, row} of an operand of f32; of rows beyond the end that of the last.
  ir::Value of_row(int operand, ir::Value row) const;

  // Where an operand's element {batch, head, row, 0} lies, and the distance of columns.
  ir::Value start(int operand, ir::Value head, ir::Value row) const;
  ir::Value row_stride(int operand) const { return strides(operand)[2]; }
  ir::Value column_stride(int operand) const { return strides(operand)[3]; }

 private:
  std::span<const ir::Value> strides(int operand) const;
  ir::Value offset(int operand) const;
  // Of an operand of one axis.
  ir::Value element(int operand, ir::Value index, DType type) const;
  struct Place {
    ir::Value head, block;  // the head of all entries of the batch
  };
  Place place_of(ir::Value group) const;
  void select_batch(ir::Value batch);
  ir::Value distance(ir::Value row, ir::Value key) const;  // s32
  Range whole_blocks(const Range& all, ir::Value first, ir::Value end, uint32_t block) const;
  ir::Value signed_word(uint32_t Words::*member) const {
    return b_.bitcast(words_[member], ir::kS32);
  }
  ir::Value at(int operand, ir::Value row, ir::Value key) const;

  ir::Builder& b_;
  const KernelArguments& arguments_;
  const Region& region_;
  const AttentionOptions options_;
  const ir::math::MathOptions math_;
  AttentionOperands operands_;
  const WordValues<Words> words_;
  ir::Value zero_, lowest_;
  ir::Value batch_, head_;
  ir::Value keys_end_;  // of the batch entry
  ir::Value position_;  // of query 0 among the keys, s32
};

// The larger of two scores; NaN is left out: it shows in sums.
ir::Value larger_score(ir::Value a, ir::Value b);
// The sum of numbers, as many as a power of two: of neighbours, then of neighbouring sums.
ir::Value folded(std::vector<ir::Value> all);

}  // namespace nxv::kernels

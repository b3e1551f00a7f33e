// The online softmax of a subgroup on matrix units: goes over blocks of keys and values in shared
// memory for rows (queries) whose matrices, and totals, stay in registers.
//
// Exponents are relative to bases: totals must be rescaled where one is raised. Two guesses spare
// that. Weights of bf16 have the range of f32 and need no base, as long as scores are neither huge
// nor all tiny; those of f16 have one by the first block of keys, as long as no later score is much
// larger. Where a guess was wrong shows in the sums, and all begins again with bases that are as
// the rows' maxima once were, and are raised where a maximum has grown by more than 2^8.
//
// Exponents are binary: scores that are but scaled come with the factor 1 / log(2). Weights are
// rounded to the type of the values, sums are of what they were before.
#pragma once

#include "kernels/attention/attention_unit_rows.h"
#include "kernels/attention/attention_unit_sums.h"

namespace nxv::kernels {

struct UnitSoftmaxLayout {
  uint32_t lanes, subgroups;    // of a subgroup, of a workgroup
  uint32_t rows;                // of a subgroup
  uint32_t width, value_width;  // in matrices
  uint32_t keys;                // of a block
  DType type;
  bool in_registers;
};

class UnitSoftmax {
 public:
  using Matrices = std::vector<ir::Value>;
  using Vars = std::vector<ir::Var>;

  UnitSoftmax(ir::Builder& b, AttentionScores& scores, const UnitSoftmaxLayout& layout);
  static uint32_t shared_bytes(const UnitSoftmaxLayout& layout);

  const UnitRows& rows() const { return rows_; }
  const Vars& totals() const { return totals_; }  // by row, then by column of the values

  enum class Bases { none, first, raised };
  // Of rows that have seen no key. `sink`, if there is one, is as AttentionScores has it.
  void begin(Bases bases, ir::Value sink = {});

  struct Block {
    const AttentionChunks *keys, *values;
    ir::Value behind;     // where both are in their shared array, behind their places
    ir::Value first_key;  // the number of the first
    bool is_masked;       // some row may not see some key
    bool raises;          // bases
  };
  // query_of(row of the subgroup): the query, of the head that scores_ then have selected.
  using QueryOf = std::function<ir::Value(ir::Value)>;
  void visit(const Matrices& queries, const Block& block, const QueryOf& query_of);

  // For each row, in all invocations that share it, the sum of its weights with the sink's, and the
  // base, an exponent to e; is_first in one of them. A barrier of the subgroup must part stores to
  // shared memory from what comes after.
  struct Row {
    ir::Value in_block;  // counted over the subgroups
    ir::Value sum, base, is_first;
  };
  void each_row(const std::function<void(const Row&)>& f);
  // Whether a sum is right where bases were not raised: boolean.
  ir::Value is_right(ir::Value sum) const;

  // Multiplies totals with a number for each row in the block.
  void scale(ir::Shared factors);

 private:
  using Words = AttentionWords;

  uint32_t blocks() const { return layout_.keys / ir::kMatrixSide; }
  const ir::Var& product(uint32_t row, uint32_t block) const {
    return products_[row * blocks() + block];
  }
  const ir::Var& total(uint32_t row, uint32_t column) const {
    return totals_[row * layout_.value_width + column];
  }
  ir::Value binary(ir::Value exponent) const;  // of scores, as an exponent to 2
  ir::Value exponent(ir::Value element, ir::Value negative_base) const;
  ir::Value of_rows(ir::Shared vector, uint32_t row) const;
  void multiply(const Matrices& queries, const Block& block);
  template <typename F>
  void each_score(const Block& block, const QueryOf& query_of, F f);
  ir::Value weight(uint32_t row, uint32_t block, uint32_t element) const;
  void raise_bases();
  void rescale(const Vars& largest);
  void add_values(const Block& block);

  ir::Builder& b_;
  AttentionScores& scores_;
  const UnitSoftmaxLayout layout_;
  const UnitRows rows_;
  const UnitSums sums_;
  const ir::Shared bases_, factors_;
  Bases bases_are_ = Bases::raised;
  ir::Value sink_;
  Vars products_, totals_;
  Vars negative_bases_, row_sums_;  // of each sixteen rows; sums of an element's columns
  Vars own_bases_;                  // negative, of the row that an invocation reduces
  ir::Var weights_;
};

}  // namespace nxv::kernels

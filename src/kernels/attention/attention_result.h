// How what attention of few queries has for a row is stored.
#pragma once

#include <array>

#include "kernels/attention/attention_scores.h"

namespace nxv::kernels {

struct AttentionRow {
  ir::Value batch, head, query;
};

// Two neighbouring columns of a row, from weighted values and the sum of weights; where the result
// is asked for.
void store_columns(ir::Builder& b, const KernelArguments& arguments, const AttentionScores& scores,
                   const AttentionOptions& options, const AttentionRow& row, ir::Value column,
                   const std::array<ir::Value, 2>& totals, ir::Value sum);

// The logarithm of the sum of e^score of the row, which a root asks for. Weights are relative
// to `base`.
void store_statistics(ir::Builder& b, const KernelArguments& arguments,
                      const AttentionScores& scores, const AttentionOptions& options,
                      const ir::math::MathOptions& math, const AttentionRow& row, ir::Value base,
                      ir::Value sum);

}  // namespace nxv::kernels

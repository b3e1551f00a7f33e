// Which kernels compute an attention: a function of shapes, types and the plan.
#pragma once

#include <variant>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_decode.h"
#include "kernels/attention/attention_gradient.h"

namespace nxv::kernels {

struct AttentionProblem {
  AttentionSizes sizes;
  AttentionOptions options;
  bool query_groups = false, key_groups = false, value_groups = false,
       result_groups = false;  // of four columns
  bool has_chunks = false;     // of 16 bytes, of queries, keys and values
  bool scales = false;         // the larger a product, the larger its score
};
AttentionProblem attention_problem(const Region& region);

using AttentionLayout =
    std::variant<SharedAttentionLayout, UnitAttentionLayout, DecodeLayout, UnitPartsLayout>;
// Whether columns are adjacent, and so many of every row begin at a multiple of as many elements.
bool has_groups(const Region& region, size_t operand, const Shape& shape, uint32_t several);
// Subgroups of a workgroup on matrix units that has so many rows each: no more than there are rows
// for, and few enough that each core has a workgroup.
uint32_t fewer_subgroups(uint32_t subgroups, uint32_t rows, int64_t all_rows, int64_t heads,
                         const Target& target);
// Whether attention is faster in one piece than as products and a softmax: on GPUs, of halves, and
// of any type where few rows share many keys. Long products of f32 take other kernels.
bool attention_pays(const plan::DevicePlan& plan, DType type, const AttentionSizes& sizes);
// Whether products are added up in f64.
bool adds_up_wide(const AttentionSizes& sizes, DType type, const Target& target);

// Why matrix units do not take queries, keys and values; null where they do.
const char* unit_factors_obstacle(const AttentionProblem& problem, const Target& target);

struct AttentionCandidate {
  const char* name;
  AttentionLayout layout;
  const char* refusal;  // why not; null: it serves
};
// Best first.
std::vector<AttentionCandidate> attention_candidates(const AttentionProblem& problem,
                                                     const Target& target);
// The first that serves. Throws Error(unsupported) where none does.
AttentionLayout choose_attention(const AttentionProblem& problem, const Target& target);

// ---- Gradients: on matrix units, or in shared memory ----

size_t gradient_operand(const Node& node);  // that of the result
GradientUnitLayout gradient_unit_layout(const AttentionProblem& problem, const Target& target,
                                        bool of_queries);
// Why not both of their kernels; null: they serve.
const char* gradient_unit_obstacle(const Region& region, const AttentionProblem& problem,
                                   const Target& target);

}  // namespace nxv::kernels

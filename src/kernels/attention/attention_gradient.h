// Gradients of attention: the weights are computed again from the logarithms of the rows' sums, so
// that no score reaches memory here either (Dao, "FlashAttention-2", 2023). With P the weights, G
// the gradient of the result and D the sums of each row of G times the result:
//
//   dV = P^T G,  dS = P * (G V^T - D) * slope,  dQ = dS K,  dK = dS^T Q
//
// A kernel for queries goes over keys, one for keys and values over the queries of all heads of
// their group: nothing is added by two workgroups.
#pragma once

#include "kernels/attention/attention.h"

namespace nxv::kernels {

// Operands behind those of the attention.
struct AttentionGradientOperands {
  int gradient;    // of the result
  int statistics;  // f32 {batch, heads, queries}: the logarithms of the rows' sums
  int deltas;      // f32 {batch, heads, queries}: D
  explicit AttentionGradientOperands(int first)
      : gradient(first), statistics(first + 1), deltas(first + 2) {}
};

struct GradientAttentionLayout {
  AttentionOptions options;
  uint32_t rows = 2;                    // of an invocation
  uint32_t slabs = 2, value_slabs = 2;  // of 32 columns
  Choice<bool> of_queries = false;      // else of keys and values
  Choice<bool> wide = false;            // adds up in f64
  Choice<bool> in_turn = false;         // see AttentionTiles
  Choice<int> first = -1, second = -1;  // roots: of queries; of keys, of values; -1: none
  // Four columns of a row are a group.
  Choice<bool> query_groups = false, key_groups = false, value_groups = false,
               gradient_groups = false;
};

// On matrix units.
struct GradientUnitLayout {
  AttentionOptions options;
  uint32_t lanes = 32;                  // of a subgroup
  uint32_t subgroups = 4;               // of a workgroup
  uint32_t rows = 16;                   // of a subgroup
  uint32_t width = 4, value_width = 4;  // in matrices
  uint32_t others = 64;                 // of a block
  uint32_t stages = 2;                  // blocks in shared memory
  Choice<bool> of_queries = false;
  Choice<bool> whole = true;         // columns fill the matrices
  Choice<bool> in_registers = true;  // Capabilities::matrix_chains
  Choice<int> first = -1, second = -1;
};
uint32_t gradient_shared_bytes(const GradientUnitLayout& layout);

// Where rows of a result begin; they are contiguous.
struct AttentionResultWords {
  uint32_t batch_stride = 0, head_stride = 0, row_stride = 0;
};
struct GradientWords {
  AttentionWords attention;
  AttentionResultWords first, second;
};

ir::Kernel generate_attention_gradient(const Region&, const Target&,
                                       const GradientAttentionLayout&);

ir::Kernel generate_attention_gradient_units(const Region&, const Target&,
                                             const GradientUnitLayout&);

// Whether attention and its gradients are faster as these operations than as products and
// softmaxes: on GPUs, of halves, on matrix units where there are any; of f32 where half of the
// scores are not seen, since products of weights of which many are 0 are not on units; and of any
// type where nothing holds the scores.
bool attention_gradients_pay(const plan::DevicePlan& plan, DType type, const AttentionSizes& sizes,
                             bool is_causal);

Lowering lower_attention_gradient(const Region& region, const Target& target);
std::vector<Candidate> candidates_of_attention_gradient(const Region& region, const Target& target);

}  // namespace nxv::kernels

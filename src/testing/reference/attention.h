// Attention in double, score by score.
#pragma once

#include <span>
#include <vector>

#include "testing/reference/reference.h"

namespace nxv::reference {

// The weighted values, in the type of the queries; the logarithm of each row's sum, where the
// attributes ask for it.
std::vector<HostTensor> evaluate_attention(const Node& node,
                                           std::span<const HostTensor* const> inputs);

// Of queries, keys and values, from the statistics and the rows' sums that are operands.
std::vector<HostTensor> evaluate_attention_gradient(const Node& node,
                                                    std::span<const HostTensor* const> inputs);

}  // namespace nxv::reference

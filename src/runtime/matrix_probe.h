// The self-test of matrix units and of dot products of packed integers: small products, computed
// with them and without.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "kernels/lowering.h"

namespace nxv::runtime {

using Bytes = std::vector<std::byte>;

// One question to the device: some ways to compute C from A and B, and whether their answers are
// right.
struct MatrixCheck {
  bool plan::Probes::*verdict = &plan::Probes::matrix_units_exact;  // that it decides
  Region region;
  std::vector<kernels::Lowering> ways;
  Bytes a, b;
  size_t c_bytes = 0;
  std::function<bool(std::span<const Bytes> answers)> is_right;
};

// A check for each type and precision whose products would use matrix units on the target, or dot
// products of packed integers; none without. Lowerings refer to the target's plan.
std::vector<MatrixCheck> matrix_checks(const kernels::Target& target);

}  // namespace nxv::runtime

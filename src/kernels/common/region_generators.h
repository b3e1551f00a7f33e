// Numbers that a region computes from an element's index: constants, iota, eye, random streams.
#pragma once

#include <span>
#include <vector>

#include "graph/region.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {

class RegionGenerators {
 public:
  RegionGenerators(ir::Builder& b, const ir::math::MathOptions& math,
                   const KernelArguments& arguments)
      : b_(b), math_(math), arguments_(arguments) {}

  ir::Number constant(const Expr& e) const;
  // The element at an index.
  ir::Number at(const Expr& e, ir::Value index) const;
  // Random numbers of whole groups, by a loop if `in_turn`.
  std::vector<ir::Number> groups(const Expr& e, std::span<const ir::Value> groups,
                                 bool in_turn) const;

 private:
  ir::Number integer(const Expr& e, ir::Value u) const;

  ir::Builder& b_;
  const ir::math::MathOptions& math_;
  const KernelArguments& arguments_;
};

}  // namespace nxv::kernels

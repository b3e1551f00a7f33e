// From the coordinates of a view to those of its input.
#pragma once

#include <vector>

#include "graph/region.h"
#include "kernels/common/kernel_arguments.h"

namespace nxv::kernels {

struct PathPoint {
  std::vector<ir::Value> at;
  // Whether there is such an element of the input; if not, `at` is one that exists.
  ir::Value inside;
};
PathPoint follow(const PathStep& step, const std::vector<ir::Value>& from, ir::Builder& b,
                 const KernelArguments& arguments);

}  // namespace nxv::kernels

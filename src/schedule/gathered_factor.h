// Factors of products that are windows of a stored value: what of an element's place its batch, its
// free index and its depth each decide, so that kernels find it without patches in memory.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "graph/region.h"

namespace nxv::schedule {

struct GatheredFactor {
  struct Axis {
    int64_t first, end, dilation, stride;  // CheckedAxis
  };
  struct Digit {
    int64_t extent, stride;
    std::vector<int64_t> steps;  // along each axis
  };
  int64_t offset = 0;
  std::vector<Axis> axes;
  std::array<std::vector<Digit>, 3> digits;  // by GatheredShape::Index, outermost first

  GatheredShape shape() const;
  void append_to(std::vector<uint32_t>& words) const;
};

// The views that lead from a factor to a stored value; `path` is the last of them, next to the
// value. The factor is A, [b, m, k], or B, [b, k, n], the batch being absent where there is none.
// Nothing where its elements do not lie so: strided views, and one pad with zeros, do.
std::optional<GatheredFactor> gathered_factor(const std::vector<PathStep>& paths, int path,
                                              bool is_b);

// Whether the factor that the path leads from has windows, on the path or behind it. Those are
// gathered: patches would take as many times their bytes as windows overlap. Of other views that no
// strides express products read a copy, in runs, unless each matrix has strides.
bool has_windows(const std::vector<PathStep>& paths, int path);

}  // namespace nxv::schedule

#include "graph/region.h"

namespace nxv {

std::string_view name(SplitReason reason) {
  switch (reason) {
    case SplitReason::root:
      return "root";
    case SplitReason::contraction:
      return "contraction";
    case SplitReason::library:
      return "kernels of its own";
    case SplitReason::reduction:
      return "reduction";
    case SplitReason::shared:
      return "shared";
    case SplitReason::repeated:
      return "repeated";
    case SplitReason::too_many_ops:
      return "too many operations";
    case SplitReason::too_many_buffers:
      return "too many buffers";
    case SplitReason::materialized:
      return "materialized";
    case SplitReason::no_fusion:
      return "fusion off";
  }
  return "";
}

std::string_view name(RegionKind kind) {
  switch (kind) {
    case RegionKind::pointwise:
      return "pointwise";
    case RegionKind::reduction:
      return "reduction";
    case RegionKind::row_program:
      return "row program";
    case RegionKind::matmul:
      return "matmul";
    case RegionKind::library:
      return "library";
  }
  return "";
}

}  // namespace nxv

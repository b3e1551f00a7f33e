#include "graph/region.h"

#include <algorithm>

namespace nxv {

std::string_view name(SplitReason reason) {
  switch (reason) {
    case SplitReason::root:
      return "root";
    case SplitReason::contraction:
      return "contraction";
    case SplitReason::library:
      return "kernels of its own";
    case SplitReason::control:
      return "control";
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

void append_to_key(std::string& key, int64_t number) {
  constexpr unsigned char kWhole = 0xff;
  if (number >= -1 && number + 1 < kWhole) {
    key.push_back(static_cast<char>(number + 1));
    return;
  }
  key.push_back(static_cast<char>(kWhole));
  for (int shift = 0; shift < 64; shift += 8) {
    key.push_back(static_cast<char>(static_cast<uint64_t>(number) >> shift));
  }
}

bool is_read_in_place(const Region& region, size_t operand) {
  const Operand& o = region.operands[operand];
  const bool same_place = region.kind == RegionKind::pointwise && o.level == Level::row &&
                          o.addressing == Addressing::linear &&
                          storage_bytes(o.node->dtype) == storage_bytes(region.root->dtype);
  return same_place && std::none_of(region.exprs.begin(), region.exprs.end(), [&](const Expr& e) {
           return e.operand == static_cast<int16_t>(operand) && e.kind != ExprKind::load;
         });
}

}  // namespace nxv

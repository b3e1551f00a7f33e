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
    case SplitReason::overwrite:
      return "overwrite";
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
    case RegionKind::overwrite:
      return "overwrite";
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

bool is_read_in_place(const Region& region, size_t operand, size_t root) {
  if (region.kind == RegionKind::overwrite) {
    return region.roots[root].target == static_cast<int16_t>(operand);
  }
  const Operand& o = region.operands[operand];
  const bool same_place =
      (region.kind == RegionKind::pointwise || region.kind == RegionKind::matmul) &&
      o.level == Level::row && o.addressing == Addressing::linear &&
      storage_bytes(o.node->dtype) == storage_bytes(region.roots[root].node->dtype);
  return same_place && std::none_of(region.exprs.begin(), region.exprs.end(), [&](const Expr& e) {
           return e.operand == static_cast<int16_t>(operand) && e.kind != ExprKind::load;
         });
}

Dependencies dependencies_of(const Region& region, const Root& root) {
  Dependencies d;
  if (root.expr < 0) {
    d.operands.assign(region.operands.size(), true);
    return d;
  }
  d.operands.resize(region.operands.size());
  d.exprs.resize(region.exprs.size());
  d.exprs[static_cast<size_t>(root.expr)] = true;
  if (root.place >= 0) {
    d.exprs[static_cast<size_t>(root.place)] = true;
    d.operands[static_cast<size_t>(root.target)] = true;
  }
  for (size_t i = region.exprs.size(); i-- > 0;) {
    if (!d.exprs[i]) continue;
    const Expr& e = region.exprs[i];
    for (int16_t arg : e.args) {
      if (arg >= 0) d.exprs[static_cast<size_t>(arg)] = true;
    }
    if (e.operand >= 0) d.operands[static_cast<size_t>(e.operand)] = true;
  }
  return d;
}

}  // namespace nxv

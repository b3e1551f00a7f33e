#include "kernels/common/region_cost.h"

#include "ir/ops/random.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {

int cost_of(const Region& region, Level level) {
  int cost = 0;
  for (const Expr& e : region.exprs) {
    if (e.level == level) cost += info(e.op).cost;
  }
  return cost;
}

bool is_heavy(const Region& region, Level level, const plan::DevicePlan& plan) {
  return cost_of(region, level) >= plan.tuning.heavy_cost;
}

uint32_t iterations_in_turn(const Region& region) {
  uint32_t count = kGroup;
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::generate && e.op == Op::random_normal) count += ir::kIterationsInTurn;
  }
  return count;
}

}  // namespace nxv::kernels

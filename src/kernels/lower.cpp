#include <string>

#include "base/error.h"
#include "graph/attention.h"
#include "ir/passes/expand_conversions.h"
#include "ir/passes/legalize_int64.h"
#include "ir/passes/simplify.h"
#include "ir/passes/tile_matrices.h"
#include "kernels/attention/attention_gradient.h"
#include "kernels/common/grid.h"
#include "kernels/large.h"
#include "kernels/lowering.h"

namespace nxv::kernels {
namespace {

void check(const Region& region, const plan::DevicePlan& plan) {
  const auto needs = [&](DType t) {
    if (to_real(t) == DType::f64 && !plan.has.f64) {
      throw Error(Status::unsupported, "the device has no f64 (capability shaderFloat64), which " +
                                           std::string(name(t)) + " needs");
    }
  };
  const auto limit = static_cast<int64_t>(plan.max_elements);
  const auto fits = [&](const Node& n) {
    if (n.count >= limit) {
      throw Error(Status::unsupported, "a tensor of " + std::to_string(n.count) +
                                           " elements is larger than one kernel can index (2^31)");
    }
  };
  bool is_mapped = false;
  for (const Root& root : region.roots) needs(root.node->dtype);
  for (const Expr& e : region.exprs) {
    needs(e.dtype);
    if (e.kind == ExprKind::generate && e.op != Op::constant) fits(*e.node);
    is_mapped |= e.addressing == Addressing::mapped;
  }
  for (const Operand& o : region.operands) {
    needs(o.node->dtype);
    is_mapped |= o.addressing == Addressing::mapped;
  }
  // Other views are never addressed by one index over all of their elements.
  for (const PathStep& step : region.paths) {
    if (is_mapped && step.view->op == Op::reshape) fits(*step.view);
  }
}

Lowering lower_part(const Region& region, const Target& target) {
  constexpr int64_t kBlock = 1024;  // of columns: the unit of work
  if (region.row_count * ((region.col_count + kBlock - 1) / kBlock) >=
      static_cast<int64_t>(target.plan->max_elements)) {
    throw Error(Status::unsupported, "a reduction of " + std::to_string(region.row_count) +
                                         " rows of " + std::to_string(region.col_count) +
                                         " elements is larger than one kernel can index");
  }
  switch (region.kind) {
    case RegionKind::pointwise:
      return lower_pointwise(region, target);
    case RegionKind::reduction:
    case RegionKind::row_program:
      return lower_reduction(region, target);
    case RegionKind::matmul:
      return lower_matmul(region, target);
    case RegionKind::overwrite:
      return lower_overwrite(region, target);
    case RegionKind::library:
      return lower_library(region, target);
  }
  throw Error(Status::internal, "a region of no kind");
}

}  // namespace

Target make_target(const plan::DevicePlan& plan) {
  Target t;
  t.plan = &plan;
  t.math.f64 = plan.has.fast_f64;
  t.math.exact_f32_div_sqrt = plan.has.native_div && plan.has.native_sqrt;
  t.math.subnormals_preserved = plan.has.f32_subnormals;
  t.math.fma_fused_f32 = plan.has.fused_fma;
  t.math.branches = plan.profile != plan::Profile::cpu;
  return t;
}

ir::Kernel legalised(ir::Kernel kernel, const plan::DevicePlan& plan) {
  const plan::Capabilities& has = plan.has;
  const ir::MatrixSides sides{plan.matrix_rows, plan.matrix_columns};
  if (ir::requirements(kernel).matrices) kernel = ir::tile_matrices(std::move(kernel), sides);
  if (!has.int64 && ir::requirements(kernel).int64) kernel = ir::legalize_int64(kernel);
  kernel = ir::expand_conversions(std::move(kernel),
                                  {has.native_bf16, has.native_f16, !has.f32_subnormals});
  const ir::Requirements needs = ir::requirements(kernel);
  const auto require = [&](bool needed, bool there, const char* capability) {
    if (needed && !there) {
      throw Error(Status::unsupported, "kernel '" + kernel.name + "' needs " + capability +
                                           ", which the device lacks or which is disabled");
    }
  };
  require(needs.f64, has.f64, "f64");
  require(needs.int64, has.int64, "int64");
  require(needs.matrices, has.coopmat, "coopmat");
  require(needs.f16, has.f16, "f16");
  require(needs.bf16, has.bf16, "bf16");
  require(needs.int8, has.int8, "int8");
  require(needs.packed_dot, has.packed_dot, "packed_dot");
  require(needs.subgroup_arithmetic, has.subgroup_arithmetic, "subgroup_arithmetic");
  require(needs.subgroup_shuffle, has.subgroup_shuffle, "subgroup_shuffle");
  require(needs.subgroup_ballot, has.subgroup_ballot, "subgroup_ballot");
  return ir::simplify(std::move(kernel));
}

std::array<uint32_t, 3> fold_groups(uint64_t groups, const plan::DevicePlan& plan) {
  // Rows of equal length: no more than one workgroup a row is idle.
  const uint64_t rows = (groups + plan.max_group_count - 1) / plan.max_group_count;
  return {static_cast<uint32_t>((groups + rows - 1) / rows), static_cast<uint32_t>(rows), 1};
}

ir::Value linear_group(ir::Builder& b) {
  return b.builtin(ir::Builtin::group_y) * b.builtin(ir::Builtin::groups_x) +
         b.builtin(ir::Builtin::group_x);
}

Lowering lower(const Region& region, const Target& target) {
  check(region, *target.plan);
  if (is_large(region, *target.plan)) return lower_in_parts(region, target, lower_part);
  return lower_part(region, target);
}

std::vector<Candidate> candidates(const Region& region, const Target& target) {
  if (region.kind == RegionKind::matmul) return candidates_of_product(region, target);
  if (region.kind != RegionKind::library) return {};
  const Op op = operation_of(*region.root).op;
  if (op == Op::attention) return candidates_of_attention(region, target);
  if (op == Op::attention_gradient) return candidates_of_attention_gradient(region, target);
  return {};
}

}  // namespace nxv::kernels

// Emits the expressions of a Region at given points of its spaces.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "graph/region.h"
#include "ir/ops/emit.h"
#include "kernels/common/gathered_faults.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/points.h"
#include "kernels/common/region_addresses.h"
#include "kernels/common/region_generators.h"

namespace nxv::kernels {

class RegionEmitter {
 public:
  // Declares the kernel's arguments; `words` of the dispatch beside those of the region.
  RegionEmitter(ir::Builder& builder, const Region& region, const ir::math::MathOptions& math,
                uint32_t words = 0, int workspaces = 0);
  // The same, with other options; the zero is there if expressions need it.
  RegionEmitter(ir::Builder& builder, const Region& region, const ir::math::MathOptions& math,
                uint32_t words, const ArgumentOptions& options);
  RegionEmitter(const RegionEmitter&) = delete;
  RegionEmitter& operator=(const RegionEmitter&) = delete;

  const KernelArguments& arguments() const { return arguments_; }
  ir::Value output(size_t root = 0) const { return arguments_.output(root); }
  ir::Value workspace(int i) const { return arguments_.workspace(i); }
  template <WordRecord R>
  WordValues<R> words_as() const {
    return arguments_.words_as<R>();
  }

  // Evaluates the expressions `wanted` names and what they need, of one level: row-level ones at
  // points.rows, element-level ones at points.cols. Values of earlier calls are kept until
  // forgotten; reductions and contractions must have been given their result by set().
  void evaluate(int wanted, const Points& points);
  // The same, an element at a time, in a loop over the points of the level of `wanted`: the code of
  // an element is there once. `use` gets the number of the point and the value, inside the loop;
  // nothing of the level is known behind it. What serves all points, and loads of whole groups,
  // come before the loop.
  void evaluate_in_turn(int wanted, const Points& points,
                        const std::function<void(ir::Value, const ir::Number&)>& use);
  // Of several expressions of the level: `use` finds their values at lane 0.
  void evaluate_in_turn(std::span<const int> wanted, Level level, const Points& points,
                        const std::function<void(ir::Value)>& use);
  // Value of an expression at a lane of its level; row-level values serve every column.
  const ir::Number& value(int expr, int lane) const;
  void set(int expr, ir::Number value);  // of a reduction, for points.rows[0]
  // Values from elsewhere, one for each lane of the points to come.
  void set(int expr, std::vector<ir::Number> lanes) { values_[expr] = std::move(lanes); }
  void forget(Level level);
  void forget_all();

  // Reductions in an order in which each needs only earlier ones.
  std::vector<int> reductions() const;
  bool depends_on_elements(int expr) const { return region_.exprs[expr].level == Level::element; }

 private:
  using Lanes = std::vector<ir::Number>;

  void make(int expr, const Points& points);
  // Makes what `wanted` needs and a loop over the points of `level` should not contain.
  void prepare(int wanted, Level level, const Points& points);
  bool comes_in_groups(const Expr& e, const Points& points) const;
  Lanes load(const Expr& e, const Points& points);
  Lanes generate(const Expr& e, const Points& points);
  // The condition, at a lane, under which `e` has no value.
  void fault(const Expr& e, ir::Value condition, const Points& points, int lane);

  ir::Builder& b_;
  const Region& region_;
  const ir::math::MathOptions& math_;
  const KernelArguments arguments_;
  RegionAddresses addresses_;
  const RegionGenerators generators_;
  std::optional<GatheredFaults> faults_;  // if the region may fault
  std::vector<Lanes> values_;             // by expression; empty: not evaluated
  bool in_turn_ = false;                  // inside of evaluate_in_turn
};

}  // namespace nxv::kernels

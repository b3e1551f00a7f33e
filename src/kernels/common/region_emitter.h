// Emits the expressions of a Region at given points of its spaces.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "graph/region.h"
#include "ir/emit.h"
#include "kernels/common/gathered_faults.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "plan/device_plan.h"

namespace nxv::kernels {

// Points at which expressions are evaluated together.
struct Points {
  std::vector<ir::Value> rows;  // one or kGroup linear row indices, all below the row count
  std::vector<ir::Value> cols;  // linear column indices of rows[0]: none, one or groups of kGroup
  // The values of `cols` where they are known: of fixed columns (see Region) all or none.
  std::vector<uint32_t> fixed_cols;
  // How far each point lies beyond its fixed column along the last axis; empty: not at all.
  std::vector<uint32_t> beyond;
  // The kGroup rows are one aligned group; its index.
  ir::Value row_group;
  // The elements at `cols` are aligned groups; their indices. Empty when they are not.
  std::vector<ir::Value> element_groups;
  ir::Value element_base;  // rows[0] * column count, when there are columns
  // The row count. Rows of row_group beyond it are not real: they repeat the last one in `rows`,
  // hold anything in loads of whole groups, and report no fault.
  ir::Value row_end;
  // The column count, where the root has elements for columns.
  ir::Value col_end;
  // When rows is one of row_group's: its number, which may lie beyond the end. Names faults.
  ir::Value real_row;
};

// Arithmetic instructions of an element of a level, by the op table.
int cost_of(const Region& region, Level level);

// From this cost on, kernels for CPUs compute the elements of a group in turn, by a loop, instead
// of each by a copy of the code. There the first run of a kernel takes as long as the kernel is:
// about 7 us an instruction with Mesa's lavapipe, in parts that no cache saves. Later runs of
// straight code are up to a sixth faster: it is worth 10 ms, not more.
inline constexpr int kHeavyCost = 150;
bool is_heavy(const Region& region, Level level, const plan::DevicePlan& plan);
// Loop iterations of a group of such elements, at most.
uint32_t iterations_in_turn(const Region& region);

class RegionEmitter {
 public:
  // Declares the kernel's arguments; `words` of the dispatch beside those of the region.
  RegionEmitter(ir::Builder& builder, const Region& region, const ir::math::MathOptions& math,
                uint32_t words = 0, int workspaces = 0);
  RegionEmitter(const RegionEmitter&) = delete;
  RegionEmitter& operator=(const RegionEmitter&) = delete;

  ir::Value output() const { return arguments_.output(); }
  ir::Value workspace(int i) const { return arguments_.workspace(i); }
  ir::Value extra_word(int i) const { return arguments_.word(i); }
  ir::Value extra_divide(ir::Value n, int i) const {
    return kernels::divide(n, arguments_.words().subspan(static_cast<size_t>(i), 3));
  }
  template <WordRecord R>
  WordValues<R> words_as() const {
    return arguments_.words_as<R>();
  }

  // Evaluates the expressions `wanted` names and what they need, of one level: row-level ones at
  // points.rows, element-level ones at points.cols. Values of earlier calls are kept until
  // forgotten; reductions must have been given their result by set().
  void evaluate(int wanted, const Points& points);
  // The same, an element at a time, in a loop over the points of the level of `wanted`: the code of
  // an element is there once. `use` gets the number of the point and the value, inside the loop;
  // nothing of the level is known behind it. What serves all points, and loads of whole groups,
  // come before the loop.
  void evaluate_in_turn(int wanted, const Points& points,
                        const std::function<void(ir::Value, const ir::Number&)>& use);
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
  // n / d and n % d for a divisor among the region's words; n < 2^31.
  ir::Value divide(ir::Value n, WordIndex i);
  ir::Value modulo(ir::Value n, WordIndex i);

  using Lanes = std::vector<ir::Number>;
  struct Coordinates {
    int path;
    int lane;
    Level level;
    std::vector<ir::Value> at;
    ir::Value inside;
  };

  void make(int expr, const Points& points);
  // Makes what `wanted` needs and a loop over the points of `level` should not contain.
  void prepare(int wanted, Level level, const Points& points);
  bool comes_in_groups(const Expr& e, const Points& points) const;
  Lanes load(const Expr& e, const Points& points);
  Lanes generate(const Expr& e, const Points& points);
  ir::Number generated(const Expr& e, ir::Value index);
  Lanes random_groups(const Expr& e, const Points& points);
  ir::Value index_of(Level level, Addressing addressing, WordIndex words, int path, size_t rank,
                     const Points& points, int lane);
  std::vector<ir::Value> unravel(ir::Value index, const Space& space, size_t first, size_t last);
  // The same of the columns, from dimension `first` on, at a lane.
  std::vector<ir::Value> unravel_column(const Space& space, size_t first, const Points& points,
                                        int lane);
  const Coordinates& coordinates(int path, Level level, const Points& points, int lane);
  void step(const PathStep& s, Coordinates& to, const std::vector<ir::Value>& from);
  int lanes(Level level, const Points& points) const;
  // An integer on its way into float arithmetic, as something no compiler can fold to a literal:
  // drivers get 0.0 * NaN and 0.0 / 0.0 wrong when they see the zero (x > x, say).
  ir::Number hide(ir::Number n);
  // The condition, at a lane, under which `e` has no value.
  void fault(const Expr& e, ir::Value condition, const Points& points, int lane);
  // Whether the steps of a path lead somewhere.
  ir::Value inside_path(int path, Level level, const Points& points, int lane);

  ir::Builder& b_;
  const Region& region_;
  const ir::math::MathOptions& math_;
  const KernelArguments arguments_;
  const std::span<const ir::Value> words_;  // of the region
  std::optional<GatheredFaults> faults_;    // if the region may fault
  std::vector<Lanes> values_;               // by expression; empty: not evaluated
  std::vector<Coordinates> coordinates_;
  bool in_turn_ = false;  // inside of evaluate_in_turn
};

}  // namespace nxv::kernels

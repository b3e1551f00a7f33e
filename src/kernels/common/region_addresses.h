// Where operands and generators of a region are read: from points of its spaces to indices.
#pragma once

#include <vector>

#include "graph/region.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/path_step.h"
#include "kernels/common/points.h"

namespace nxv::kernels {

// How an operand or a generator is addressed.
struct RegionAddress {
  explicit RegionAddress(const Operand& o)
      : level(o.level), addressing(o.addressing), words(o.words), path(o.path), node(*o.node) {}
  explicit RegionAddress(const Expr& generator)
      : level(generator.level),
        addressing(generator.addressing),
        words(generator.words),
        path(generator.path),
        node(*generator.node) {}

  Level level;
  Addressing addressing;
  WordIndex words;
  int path;
  const Node& node;
};

class RegionAddresses {
  struct Coordinates {
    int path;
    int lane;
    Level level;
    PathPoint point;
  };

 public:
  RegionAddresses(ir::Builder& b, const Region& region, const KernelArguments& arguments)
      : b_(b), region_(region), arguments_(arguments) {}

  // The index of the element that belongs to the point of a lane.
  ir::Value index(const RegionAddress& address, const Points& points, int lane);
  // Whether the last step of a path, or all of them, leads somewhere.
  ir::Value inside_step(int path, Level level, const Points& points, int lane);
  ir::Value inside_path(int path, Level level, const Points& points, int lane);

  // Coordinates are kept until they are forgotten, or, when a loop is left, those from before it
  // are put back.
  using Known = std::vector<Coordinates>;
  Known known() const { return known_; }
  void restore(Known known) { known_ = std::move(known); }
  void forget(Level level);
  void forget_all() { known_.clear(); }

 private:
  const PathPoint& coordinates(int path, Level level, const Points& points, int lane);
  PathPoint base(Level level, const Points& points, int lane);
  // Coordinates first .. last - 1 of a space from the linear index over them.
  std::vector<ir::Value> unravel(ir::Value index, const Space& space, size_t first, size_t last);
  // The same of the columns, from dimension `first` on, at a lane.
  std::vector<ir::Value> unravel_column(const Space& space, size_t first, const Points& points,
                                        int lane);
  ir::Value strided(const RegionAddress& address, const Points& points, int lane);
  ir::Value add_up(ir::Value index, const std::vector<ir::Value>& at, WordIndex strides) const;

  ir::Builder& b_;
  const Region& region_;
  const KernelArguments& arguments_;
  Known known_;
};

}  // namespace nxv::kernels

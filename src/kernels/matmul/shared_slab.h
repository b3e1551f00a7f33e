// One factor of a product on its way through shared memory.
//
// Slabs, `depth` steps along k, are kept as quads of four neighbouring rows (columns) of one step;
// there are two of each, so that one barrier a slab is enough: while one is multiplied the next is
// on its way from memory through registers. Beyond the end of k the slabs hold zeros; beyond the
// edges of C, copies of the last row or column.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/packed_factor.h"

namespace nxv::kernels {

class SharedSlab {
 public:
  // `extent`: rows or columns of the tile. `is_full`: nothing lies beyond an end.
  SharedSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand, FactorAccess access,
             PackedAccess packed_access, const char* name, const MatmulTile& tile, uint32_t extent,
             bool is_full);

  // The part of its team's slab that this invocation carries; `local`: its number in the team.
  // `free_end`: extent of the free dimension.
  void locate(ir::Value team, ir::Value local, ir::Value batch, ir::Value first,
              ir::Value free_end);
  // Loads this invocation's quads of the slab that starts at k.
  void load(ir::Value k);
  void store(uint32_t stage);
  // Four elements of a step, or words of four steps; `quad` is the invocation's first quad.
  std::array<ir::Value, kGroup> read(uint32_t stage, uint32_t step, ir::Value quad,
                                     uint32_t offset) const;

 private:
  struct Slot {
    ir::Value step, target;
    std::vector<Place> at;  // at k = 0: of the quad, or of each of its elements; or packed lines
  };

  bool by_groups() const { return access_.by_groups_along(FactorAccess::Unit::free); }
  ir::Value at_most(ir::Value v, ir::Value limit) const;

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const MatmulKernel::Operand& operand_;
  const FactorAccess access_;
  std::optional<PackedFactor> packed_;
  // Steps, or words of steps.
  const uint32_t depth_, quads_, stride_, threads_, teams_;
  const bool is_full_;
  const ir::Shared shared_;
  ir::Value first_;     // where the team's slabs begin
  ir::Value has_slot_;  // absent: every invocation of a team carries something
  std::vector<Slot> slots_;
  std::vector<ir::Value> loaded_;
};

}  // namespace nxv::kernels

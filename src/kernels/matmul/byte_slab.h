// A slab of 8-bit integers: lines of steps along k for each row of A (column of B), whatever the
// order in memory, since that is what units of integers load fast.
#pragma once

#include <vector>

#include "kernels/matmul/factor_slab.h"
#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/packed_factor.h"

namespace nxv::kernels {

class ByteSlab : public FactorSlab {
 public:
  // `extent`: rows or columns of the tile. `is_full`: nothing lies beyond an end.
  ByteSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand, PackedAccess access,
           const MatmulTile& tile, uint32_t extent, bool is_full);

  uint32_t size() const override { return kUnitSide * distance_; }
  void locate(ir::Value local, ir::Value batch, ir::Value first, ir::Value free_end,
              const std::function<ir::Value(ir::Value)>& scale_of) override;
  void load(ir::Value k) override;
  void keep() override { kept_ = loaded_; }
  void recall() override { loaded_ = kept_; }
  void store(uint32_t lower_scale) override;
  ir::Value matrix(ir::Type type, uint32_t plane, ir::Value free, uint32_t step) const override;

 private:
  // A chunk of a line, or of four.
  struct Slot {
    ir::Value target, step;
    PackedFactor::Lines lines;
  };

  ir::Builder& b_;
  PackedFactor factor_;
  const uint32_t threads_;
  const uint32_t together_;  // lines of a slot
  const uint32_t line_chunks_, distance_;
  const uint32_t slots_of_all_;
  std::vector<Slot> slots_;
  ir::Value has_slot_;                                 // absent: every invocation has
  std::vector<std::vector<ir::Value>> loaded_, kept_;  // by slot
};

}  // namespace nxv::kernels

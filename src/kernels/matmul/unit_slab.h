// A slab of f16, bf16 or f32: lines along k, one for each row of A (column of B), or a line for
// each step. Of f32 that is split there are two planes: the upper bits of all elements, and what
// remains of them; of f32 that is scaled, and of narrower factors, there are the upper bits alone.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "kernels/matmul/factor_slab.h"
#include "kernels/matmul/matmul_tile.h"

namespace nxv::kernels {

// Planes of a factor of `type`.
inline uint32_t planes_of(DType type, UnitFactors factors) {
  return factors == UnitFactors::split && type == DType::f32 ? 2 : 1;
}

class UnitSlab : public FactorSlab {
 public:
  // `extent`: rows or columns of the tile. `is_full`: nothing lies beyond an end.
  UnitSlab(const MatmulKernel& kernel, const MatmulKernel::Operand& operand, ChunkAccess access,
           const MatmulTile& tile, uint32_t extent, UnitFactors factors, bool is_full);

  uint32_t size() const override { return planes_ * plane_size(); }
  void locate(ir::Value local, ir::Value batch, ir::Value first, ir::Value free_end,
              const std::function<ir::Value(ir::Value)>& scale_of) override;
  void load(ir::Value k) override;
  void keep() override { kept_ = loaded_; }
  void recall() override { loaded_ = kept_; }
  void store(uint32_t lower_scale) override;
  void store_carefully() override;
  ir::Value matrix(ir::Type type, uint32_t plane, ir::Value free, uint32_t step) const override;

 private:
  struct Slot {
    ir::Value target, step, at;     // index of its first element at k = 0
    std::vector<Place> places;      // gathered: at k = 0, of the chunk or of each of its elements
    ir::Value skip;                 // or its distance from start_, which needs no registers
    std::vector<ir::Value> scales;  // one, or one for each element
  };
  struct Loaded {
    std::vector<ir::Value> values;  // a u32x4, two f32x4, four words, or one for each element
    std::vector<ir::Value> inside;  // none, one, or one for each element
  };

  uint32_t plane_size() const { return kUnitSide * distance_; }
  bool are_scaled() const { return are_f32(factors_); }
  bool are_halves() const { return operand_.dtype != DType::f32; }  // in memory
  ir::Value at_most(ir::Value v, ir::Value limit) const {
    return b_.binary(ir::Opcode::min, v, limit);
  }
  // The distance of element i of a chunk along the free dimension; the last one before the edge
  // stands for those beyond it.
  ir::Value beside(uint32_t i) const { return is_full_ ? b_.u32(i) : at_most(b_.u32(i), limit_); }

  void load_contiguous(ir::Value index, Loaded& loaded);
  void locate_gathered(Slot& slot, ir::Value batch, ir::Value free);
  void load_gathered(const Slot& slot, ir::Value step, ir::Value end, Loaded& loaded);
  // A chunk of neighbours in memory, which may begin before the first element of an axis or end
  // behind its last one. `inside`: whether it is any of k's; absent: it is.
  void load_run(const Place& place, ir::Value inside, Loaded& loaded);
  // Eight halves from the words that they lie in, of which the first may begin in the middle. No
  // word is loaded that holds none of them.
  void load_adjacent(const Slot& slot, ir::Value step, ir::Value end, Loaded& loaded);
  // The eight halves from element `first` on, of the words that they lie in.
  using AdjacentWords = std::array<ir::Value, kUnitWords + 1>;
  void push_halves(const AdjacentWords& words, ir::Value first, Loaded& loaded);
  // An f32, or the bits of an f16 or bf16.
  ir::Value load_one(ir::Value index) const;
  // What lies beyond the end of k is 0.
  ir::Value masked(const Loaded& loaded, size_t i, ir::Value v, ir::Value zero) const;
  ir::Value halves(const Loaded& loaded) const;
  // Elements as f32, those beyond the end 0; and on the scale of their lines.
  using Chunk = std::array<ir::Value, kChunk>;
  Chunk elements(const Loaded& loaded) const;
  Chunk scaled(const Chunk& elements, const std::vector<ir::Value>& scales) const;
  // The upper eleven bits of a scaled element, as f32. They are cut off in integers: compilers fold
  // x - f16(x) to 0, and pack_half rounds in either direction.
  ir::Value upper(ir::Value scaled) const;
  // The same, but keeps what is not finite, and leaves nothing of x as 0 unless x is.
  ir::Value upper_carefully(ir::Value x, ir::Value scaled) const;
  ir::Value packed(const Chunk& elements) const;

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const MatmulKernel::Operand& operand_;
  const ChunkAccess access_;
  const uint32_t depth_, threads_;
  const UnitFactors factors_;
  const uint32_t planes_;
  const bool is_full_;
  const uint32_t lines_, line_chunks_, distance_;
  ir::Value start_;  // index of the first element of the first slot
  // Elements between the first of every chunk along the free dimension and the edge.
  ir::Value limit_;
  std::vector<Slot> slots_;
  std::vector<Loaded> loaded_, kept_;
  // Of the steps of a gathered chunk: their parts of places, and whether they are before the end.
  std::vector<Place> depths_;
  std::vector<ir::Value> in_depth_;
};

}  // namespace nxv::kernels

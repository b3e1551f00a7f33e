// One factor of a product on its way through shared memory to matrix units.
//
// A slab has lines of 16-byte chunks. Sixteen lines are interleaved at an odd distance, so that
// neither the stores of chunks nor the loads of matrices meet in a bank: chunk c of line l lies at
// (l % 16) * distance + (l / 16) * chunks of a line + c.
#pragma once

#include <functional>

#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

inline constexpr uint32_t kUnitSide = ir::kMatrixSide;
inline constexpr uint32_t kUnitWords = 4;  // of a 16-byte element of shared memory
inline constexpr ir::Type kUnitWordType = ir::vec(ir::kU32, kUnitWords);

class FactorSlab {
 public:
  FactorSlab() = default;
  FactorSlab(const FactorSlab&) = delete;
  FactorSlab& operator=(const FactorSlab&) = delete;
  virtual ~FactorSlab() = default;

  virtual uint32_t size() const = 0;  // chunks
  // In shared memory, from chunk `first` on.
  void place(ir::Shared shared, uint32_t first) {
    shared_ = shared;
    first_ = first;
  }
  // The chunks that this invocation carries. `scale_of` gives the scale of a line, of f32.
  virtual void locate(ir::Value local, ir::Value batch, ir::Value first, ir::Value free_end,
                      const std::function<ir::Value(ir::Value)>& scale_of) = 0;
  // Loads this invocation's chunks of the slab that starts at k.
  virtual void load(ir::Value k) = 0;
  // What was loaded last is what the next store takes, then and whenever it is recalled, on another
  // way through the kernel.
  virtual void keep() = 0;
  virtual void recall() = 0;
  // `lower_scale`: the binary logarithm of that of lower pieces, of split f32.
  virtual void store(uint32_t lower_scale) = 0;
  // The same of scaled f32, of which some may not be finite.
  virtual void store_carefully() { store(0); }
  // The matrix at rows (columns) `free` and steps `step`, multiples of its sides.
  virtual ir::Value matrix(ir::Type type, uint32_t plane, ir::Value free, uint32_t step) const = 0;

 protected:
  ir::Shared shared_;
  uint32_t first_ = 0;
};

// A permutation of eight lines that keeps eight lanes' stores in different banks.
inline ir::Value spread_lines(ir::Value order, uint32_t line_chunks) {
  constexpr uint32_t kBanks = 8;
  if (line_chunks >= kBanks) return order;
  const uint32_t together = kBanks / line_chunks;
  return (order & ~7u) | ((order & (together - 1)) * line_chunks) | ((order & 7u) / together);
}

}  // namespace nxv::kernels

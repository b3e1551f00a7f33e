// Factors of 8-bit integers on their way from memory: words of four steps along k each, whatever
// the order in memory is.
#pragma once

#include <vector>

#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

// Steps along k in a word.
inline constexpr uint32_t kPacked = 4;

class PackedFactor {
 public:
  // `is_full`: nothing lies beyond an end.
  PackedFactor(const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
               PackedAccess access, bool is_full)
      : b_(kernel.b), kernel_(kernel), operand_(operand), access_(access), is_full_(is_full) {}

  // Whether lines come in fours.
  bool by_fours() const { return access_.unit == PackedAccess::Unit::lines; }

  void locate(ir::Value batch, ir::Value free_end);

  // Where lines are at k = 0: each of them, or their first.
  using Lines = std::vector<Place>;
  // Those from `first` on: four from a multiple of four on, or one if they do not come in fours.
  // The last before the edge stands for those beyond it.
  Lines lines(ir::Value first, uint32_t count) const;
  // Four steps from `step` on, a multiple of four, of each line. Those beyond the end of k are 0.
  std::vector<ir::Value> words(const Lines& lines, ir::Value step) const;
  // Sixteen steps of each line from a multiple of 16 on, a u32x4.
  std::vector<ir::Value> chunks(const Lines& lines, ir::Value step) const;

 private:
  ir::Value at_most(ir::Value v, ir::Value limit) const;
  // What a place holds, if it is one of memory and before the end of k, else 0: a word or a u32x4
  // that begins there.
  ir::Value load(const Place& place, ir::Value inside, ir::Type type) const;
  ir::Value byte(const Place& place, ir::Value inside) const;
  // Whether a step is before the end of k; absent: it is.
  ir::Value is_before_end(ir::Value step) const {
    return is_full_ ? ir::Value() : step < kernel_.k();
  }

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const MatmulKernel::Operand& operand_;
  const PackedAccess access_;
  const bool is_full_;
  Place base_;
  ir::Value free_end_;
};

}  // namespace nxv::kernels

#include "kernels/matmul/line_sums.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

LineVectors::LineVectors(const MatmulKernel& kernel, const LineLayout& layout)
    : b_(kernel.b),
      kernel_(kernel),
      layout_(layout),
      operand_(layout.tile.lines_are_rows() ? kernel.B : kernel.A) {}

Value LineVectors::count() const {
  return layout_.tile.lines_are_rows() ? kernel_.n() : kernel_.m();
}

void LineVectors::locate(Value batch) {
  at_.clear();
  for (uint32_t v = 0; v < layout_.tile.vectors(); ++v) {
    Value vector = b_.u32(v);
    if (!layout_.is_full) vector = b_.binary(Opcode::min, vector, count() - 1u);
    at_.push_back(operand_.at(batch) + vector * operand_.free_stride);
  }
}

Value LineVectors::element(Value at, Value k, bool may_pass_end) const {
  if (!may_pass_end) return kernel_.element(operand_, at + k * operand_.depth_stride)[0];
  const Value inside = b_.binary(Opcode::min, k, kernel_.k() - 1u);
  const Value x = kernel_.element(operand_, at + inside * operand_.depth_stride)[0];
  return b_.select(k < kernel_.k(), x, kernel_.zero());
}

Sum LineVectors::load(uint32_t vector, Value k, uint32_t steps, bool may_pass_end) const {
  const Value at = at_[vector];
  Sum loaded;
  if (!layout_.vector_groups || steps % kGroup != 0) {
    for (uint32_t i = 0; i < steps; ++i) loaded.push_back(element(at, k + i, may_pass_end));
    return loaded;
  }
  for (uint32_t i = 0; i < steps; i += kGroup) {
    const Value first = k + i;
    const Value inside =
        may_pass_end ? b_.binary(Opcode::min, first, (kernel_.k() - 1u) & ~3u) : first;
    const auto group = kernel_.group(operand_, at + inside);
    for (uint32_t j = 0; j < kGroup; ++j) {
      loaded.push_back(may_pass_end ? b_.select(first + j < kernel_.k(), group[j], kernel_.zero())
                                    : group[j]);
    }
  }
  return loaded;
}

}  // namespace nxv::kernels

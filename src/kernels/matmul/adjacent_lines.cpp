// Lanes read neighbouring lines of a step together. Many steps are loaded before the first is
// multiplied, so that enough loads are under way.
#include <bit>

#include "kernels/matmul/line_sums.h"

namespace nxv::kernels {
namespace {

using ir::Opcode;
using ir::Value;

// Steps that are multiplied with the same load of each vector, and those taken together where fewer
// than `depth` are left.
constexpr uint32_t kShortSteps = 4;

class AdjacentLines final : public LineSums {
 public:
  AdjacentLines(const MatmulKernel& kernel, const LineLayout& layout)
      : b_(kernel.b),
        kernel_(kernel),
        layout_(layout),
        operand_(line_operand(kernel, layout)),
        vectors_(kernel, layout) {}

  void locate(const Place& place) override {
    vectors_.locate(place.batch);
    lane_ = place.lane;
    const Value base = operand_.at(place.batch), last = line_count(kernel_, layout_) - 1u;
    at_.clear();
    const uint32_t adjacent = is_together() ? thread_lines() : 1;
    for (uint32_t i = 0; i < thread_lines(); i += adjacent) {
      Value at = place.first_line + line(i);
      if (!layout_.is_full) at = b_.binary(Opcode::min, at, last & ~(adjacent - 1));
      at_.push_back(base + at * operand_.free_stride);
    }
  }

  Value line(uint32_t i) const override {
    if (is_together()) return lane_ * thread_lines() + i;
    return i == 0 ? lane_ : lane_ + i * (layout_.tile.lines() / thread_lines());
  }

  void start(Value) override {}

  Sum block(Value begin, Value, Value) override {
    sums_ = kernel_.variables(Sum(layout_.tile.vectors() * thread_lines(), kernel_.zero()));
    Value from = layout_.whole_depth ? begin : b_.binary(Opcode::min, begin, kernel_.k());
    Value end = begin + kernel_.sums.block;
    if (!layout_.whole_depth) end = b_.binary(Opcode::min, end, kernel_.k());
    // Each pass takes what the longer steps of the one before left over.
    for (uint32_t count = layout_.tile.depth;; count = count > kShortSteps ? kShortSteps : 1) {
      const bool is_last = layout_.whole_depth || count == 1;
      const Value to = is_last ? end : end - ((end - from) & (count - 1));
      b_.for_range(from, to, b_.u32(count), [&](Value k) { steps(k, count); });
      if (is_last) break;
      from = to;
    }
    return MatmulKernel::read(sums_);
  }

 private:
  uint32_t thread_lines() const { return layout_.tile.thread_lines(); }
  bool is_together() const { return layout_.lines.aligned; }

  Sum load(Value k) const {
    const Value at_k = k * operand_.depth_stride;
    Sum lines;
    if (!is_together()) {
      for (const Value& at : at_) lines.push_back(kernel_.element(operand_, at + at_k)[0]);
      return lines;
    }
    const uint32_t count = thread_lines();
    const uint32_t bytes = count * static_cast<uint32_t>(storage_bytes(operand_.dtype));
    const uint32_t loads = std::max(bytes / 16, 1u), words = bytes / loads / 4;
    const Value first = (at_[0] + at_k) >> std::countr_zero(count / loads);
    std::vector<Value> loaded;
    for (uint32_t i = 0; i < loads; ++i) {
      const Value at = i == 0 ? first : first + i;
      const Value v =
          b_.load(operand_.buffer, at, words == 1 ? ir::kU32 : ir::vec(ir::kU32, words));
      for (uint32_t w = 0; w < words; ++w) loaded.push_back(words == 1 ? v : b_.extract(v, w));
    }
    for (const ir::Number& x : elements_in(loaded, operand_.dtype)) {
      lines.push_back(kernel_.number(x));
    }
    return lines;
  }

  void steps(Value k, uint32_t count) {
    std::vector<Sum> lines;
    for (uint32_t i = 0; i < count; ++i) lines.push_back(load(i == 0 ? k : k + i));
    Sum sums = MatmulKernel::read(sums_);
    const uint32_t together = count % kShortSteps == 0 ? kShortSteps : 1;
    for (uint32_t first = 0; first < count; first += together) {
      for (uint32_t v = 0; v < layout_.tile.vectors(); ++v) {
        const Sum vector = vectors_.load(v, first == 0 ? k : k + first, together, false);
        for (uint32_t i = 0; i < together; ++i) {
          for (uint32_t l = 0; l < thread_lines(); ++l) {
            Value& sum = sums[v * thread_lines() + l];
            sum = kernel_.multiply_add(vector[i], lines[first + i][l], sum);
          }
        }
      }
    }
    MatmulKernel::write(sums_, sums);
  }

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const LineLayout layout_;
  const MatmulKernel::Operand& operand_;
  LineVectors vectors_;
  Value lane_;
  std::vector<Value> at_;  // index at k = 0 of the first line, or of each line
  std::vector<ir::Var> sums_;
};

}  // namespace

std::unique_ptr<LineSums> adjacent_lines(const MatmulKernel& kernel, const LineLayout& layout) {
  return std::make_unique<AdjacentLines>(kernel, layout);
}

}  // namespace nxv::kernels

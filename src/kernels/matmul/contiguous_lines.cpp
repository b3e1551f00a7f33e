// A team carries slabs of `depth` steps of its lines into shared memory, neighbouring lanes reading
// neighbouring pieces of a line; then each invocation adds up lines of its own. While a slab is
// multiplied the next is on its way to registers. A piece is 16 bytes as they lie in memory or,
// where lines are not aligned, one element, converted.
#include <bit>

#include "kernels/matmul/line_sums.h"

namespace nxv::kernels {
namespace {

using ir::Opcode;
using ir::Value;

// Steps that are multiplied in one iteration, at least.
constexpr uint32_t kUnrolledSteps = 8;

class ContiguousLines final : public LineSums {
 public:
  ContiguousLines(const MatmulKernel& kernel, const LineLayout& layout)
      : b_(kernel.b),
        kernel_(kernel),
        layout_(layout),
        tile_(layout_.tile),
        operand_(line_operand(kernel, layout)),
        vectors_(kernel, layout),
        piece_(layout_.lines.aligned ? 16 / static_cast<uint32_t>(storage_bytes(operand_.dtype))
                                     : 1),
        pieces_(tile_.depth / piece_),
        // An odd distance between lines spreads what lanes read together over the banks.
        stride_(pieces_ | 1u),
        lanes_(tile_.team_threads()),
        piece_type_(layout_.lines.aligned ? ir::vec(ir::kU32, 4) : kernel.type),
        slab_(b_.shared("line_slab", piece_type_, tile_.teams * tile_.lines() * stride_)) {}

  void locate(const Place& place) override {
    vectors_.locate(place.batch);
    lane_ = place.lane;
    const Value base = operand_.at(place.batch), last = line_count(kernel_, layout_) - 1u;
    team_slab_ = place.team * (tile_.lines() * stride_);
    slots_.clear();
    for (uint32_t s = 0; s < tile_.thread_lines() * pieces_; ++s) {
      const Value index = s == 0 ? lane_ : lane_ + s * lanes_;
      const Value line = index / pieces_, piece = index - line * pieces_;
      Value at = place.first_line + line;
      if (!layout_.is_full) at = b_.binary(Opcode::min, at, last);
      slots_.push_back(
          {base + at * operand_.free_stride, piece * piece_, team_slab_ + line * stride_ + piece});
    }
  }

  Value line(uint32_t i) const override { return i == 0 ? lane_ : lane_ + i * lanes_; }

  void start(Value begin) override {
    loaded_.clear();
    for (const Value& v : load(begin)) loaded_.push_back(b_.var(v));
  }

  Sum block(Value begin, Value span, Value then) override {
    sums_ = kernel_.variables(Sum(tile_.vectors() * tile_.thread_lines(), kernel_.zero()));
    b_.for_range(b_.u32(0), span, b_.u32(tile_.depth), [&](Value offset) {
      for (size_t i = 0; i < slots_.size(); ++i) {
        b_.shared_store(slab_, slots_[i].target, loaded_[i].get());
      }
      b_.barrier();
      const Value next = offset + tile_.depth;
      const auto coming = load(b_.select(next < span, begin + next, then));
      multiply(begin + offset);
      for (size_t i = 0; i < coming.size(); ++i) loaded_[i].set(coming[i]);
      b_.barrier();
    });
    return MatmulKernel::read(sums_);
  }

 private:
  struct Slot {
    Value at;     // index of the line's first element
    Value first;  // step of the piece in the slab
    Value target;
  };

  std::vector<Value> load(Value k) const {
    const Value end = kernel_.k();
    std::vector<Value> pieces;
    for (const Slot& slot : slots_) {
      const Value step = k + slot.first;
      const Value inside = b_.binary(Opcode::min, step, end - piece_);
      const Value at = slot.at + inside;
      Value piece;
      if (layout_.lines.aligned) {
        piece = b_.load(operand_.buffer, at >> std::countr_zero(piece_), piece_type_);
      } else {
        piece = kernel_.element(operand_, at)[0];
      }
      if (!layout_.whole_depth) piece = zero_unless(step < end, piece);
      pieces.push_back(piece);
    }
    return pieces;
  }

  Value zero_unless(Value condition, Value piece) const {
    if (!layout_.lines.aligned) return b_.select(condition, piece, kernel_.zero());
    std::vector<Value> words;
    for (int i = 0; i < 4; ++i) {
      words.push_back(b_.select(condition, b_.extract(piece, i), b_.u32(0)));
    }
    return b_.pack(words);
  }

  // The elements of a piece, as numbers to multiply.
  void append_elements(Sum& elements, Value piece) const {
    if (!layout_.lines.aligned) return elements.push_back(piece);
    std::vector<Value> words;
    for (int i = 0; i < 4; ++i) words.push_back(b_.extract(piece, i));
    for (const ir::Number& x : elements_in(words, operand_.dtype)) {
      elements.push_back(kernel_.number(x));
    }
  }

  // Adds up the slab in shared memory, which begins at k.
  void multiply(Value k) {
    const uint32_t together = std::min(pieces_, std::max(1u, kUnrolledSteps / piece_));
    b_.for_range(b_.u32(0), b_.u32(pieces_), b_.u32(together), [&](Value piece) {
      std::vector<Sum> lines(tile_.thread_lines());
      for (uint32_t i = 0; i < lines.size(); ++i) {
        const Value start = team_slab_ + line(i) * stride_ + piece;
        for (uint32_t p = 0; p < together; ++p) {
          append_elements(lines[i], b_.shared_load(slab_, p == 0 ? start : start + p));
        }
      }
      const uint32_t steps = together * piece_;
      Sum sums = MatmulKernel::read(sums_);
      for (uint32_t v = 0; v < tile_.vectors(); ++v) {
        const Sum vector = vectors_.load(v, k + piece * piece_, steps, !layout_.whole_depth);
        for (uint32_t step = 0; step < steps; ++step) {
          for (uint32_t i = 0; i < lines.size(); ++i) {
            Value& sum = sums[v * lines.size() + i];
            sum = kernel_.multiply_add(vector[step], lines[i][step], sum);
          }
        }
      }
      MatmulKernel::write(sums_, sums);
    });
  }

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const LineLayout layout_;
  const MatmulTile& tile_;
  const MatmulKernel::Operand& operand_;
  LineVectors vectors_;
  const uint32_t piece_, pieces_;  // elements of a piece; pieces of a line in a slab
  const uint32_t stride_, lanes_;
  const ir::Type piece_type_;
  const ir::Shared slab_;
  Value lane_, team_slab_;
  std::vector<Slot> slots_;
  std::vector<ir::Var> loaded_, sums_;
};

}  // namespace

std::unique_ptr<LineSums> contiguous_lines(const MatmulKernel& kernel, const LineLayout& layout) {
  return std::make_unique<ContiguousLines>(kernel, layout);
}

}  // namespace nxv::kernels

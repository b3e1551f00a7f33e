// Lanes read neighbouring lines of a step together. Many steps are loaded before the first is
// multiplied, so that enough loads are under way. One vector goes through shared memory, a block
// for each team; several are loaded as they are multiplied.
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
        vectors_(kernel, layout) {
    if (!layout.shared_vector) return;
    vector_ = b_.shared("vector", ir::vec(kernel.type, kGroup), layout.tile.teams * groups());
  }

  void locate(const Place& place) override {
    vectors_.locate(place.batch);
    lane_ = place.lane;
    team_groups_ = place.team * groups();
    const Value base = operand_.at(place.batch), last = line_count(kernel_, layout_) - 1u;
    at_.clear();
    const uint32_t adjacent = is_together() ? thread_lines() : 1;
    for (uint32_t i = 0; i < thread_lines(); i += adjacent) {
      Value at = place.first_line + line(i);
      if (!layout_.is_full) at = b_.binary(Opcode::min, at, last & ~(adjacent - 1));
      at_.push_back(base + at * operand_.free_stride);
    }
    if (!is_together()) return;
    const auto shift = static_cast<uint32_t>(std::countr_zero(load_lines()));
    first_load_ = at_[0] >> shift;
    load_stride_ = operand_.depth_stride >> shift;
  }

  Value line(uint32_t i) const override {
    if (is_together()) return lane_ * thread_lines() + i;
    return i == 0 ? lane_ : lane_ + i * (layout_.tile.lines() / thread_lines());
  }

  void start(Value) override {}

  Sum block(Value begin, Value, Value) override {
    sums_ = kernel_.variables(Sum(layout_.tile.vectors() * thread_lines(), kernel_.zero()));
    if (layout_.shared_vector && layout_.tile.depth == kernel_.sums.block) {
      const std::vector<Sum> vector = load_vector(begin),
                             lines = load_steps(begin, layout_.tile.depth);
      share(vector);
      multiply(begin, team_groups_, lines);
      return MatmulKernel::read(sums_);
    }
    if (layout_.shared_vector) share(load_vector(begin));
    Value from = layout_.whole_depth ? begin : b_.binary(Opcode::min, begin, kernel_.k());
    Value end = begin + kernel_.sums.block;
    if (!layout_.whole_depth) end = b_.binary(Opcode::min, end, kernel_.k());
    // Each pass takes what the longer steps of the one before left over.
    for (uint32_t count = layout_.tile.depth;; count = count > kShortSteps ? kShortSteps : 1) {
      const bool is_last = layout_.whole_depth || count == 1;
      const Value to = is_last ? end : end - ((end - from) & (count - 1));
      b_.for_range(from, to, b_.u32(count), [&](Value k) {
        const Value group = team_groups_ + ((k - begin) >> 2);
        multiply(k, group, load_steps(k, count));
      });
      if (is_last) break;
      from = to;
    }
    return MatmulKernel::read(sums_);
  }

 private:
  uint32_t thread_lines() const { return layout_.tile.thread_lines(); }
  bool is_together() const { return layout_.lines.aligned; }

  // Lines whose elements of a step are loaded at once: at most 16 bytes.
  uint32_t load_lines() const {
    const uint32_t most = 16 / static_cast<uint32_t>(storage_bytes(operand_.dtype));
    return std::min(thread_lines(), most);
  }

  // Where the elements of a step begin: in loads where they are taken together.
  Value place_of(Value k) const {
    return is_together() ? first_load_ + k * load_stride_ : k * operand_.depth_stride;
  }
  Value next_place(Value place) const {
    return place + (is_together() ? load_stride_ : operand_.depth_stride);
  }

  Sum load(Value place) const {
    Sum lines;
    if (!is_together()) {
      for (const Value& at : at_) lines.push_back(kernel_.element(operand_, at + place)[0]);
      return lines;
    }
    const auto bytes = load_lines() * static_cast<uint32_t>(storage_bytes(operand_.dtype));
    const uint32_t words = bytes / 4;
    std::vector<Value> loaded;
    for (uint32_t i = 0; i < thread_lines() / load_lines(); ++i) {
      const Value at = i == 0 ? place : place + i;
      const Value v =
          b_.load(operand_.buffer, at, words == 1 ? ir::kU32 : ir::vec(ir::kU32, words));
      for (uint32_t w = 0; w < words; ++w) loaded.push_back(words == 1 ? v : b_.extract(v, w));
    }
    for (const ir::Number& x : elements_in(loaded, operand_.dtype)) {
      lines.push_back(kernel_.number(x));
    }
    return lines;
  }

  std::vector<Sum> load_steps(Value k, uint32_t count) const {
    std::vector<Sum> lines;
    Value place = place_of(k);
    for (uint32_t i = 0; i < count; ++i) {
      if (i > 0) place = next_place(place);
      lines.push_back(load(place));
    }
    return lines;
  }

  // ---- One vector in shared memory

  uint32_t groups() const { return kernel_.sums.block / kGroup; }  // of a team

  // This invocation's groups of its team's block; of those beyond the end, the last one.
  std::vector<Sum> load_vector(Value begin) const {
    const uint32_t lanes = layout_.tile.team_threads();
    std::vector<Sum> loaded;
    for (uint32_t g = 0; g < groups(); g += lanes) {
      Value group = g == 0 ? lane_ : lane_ + g;
      if (g + lanes > groups()) group = b_.binary(Opcode::min, group, b_.u32(groups() - 1));
      loaded.push_back(vectors_.load(0, begin + group * kGroup, kGroup, false));
    }
    return loaded;
  }

  // Leaves them to the team.
  void share(const std::vector<Sum>& loaded) const {
    const uint32_t lanes = layout_.tile.team_threads();
    for (uint32_t i = 0; i < loaded.size(); ++i) {
      const Value group = i == 0 ? lane_ : lane_ + i * lanes;
      const auto put = [&] { b_.shared_store(vector_, team_groups_ + group, b_.pack(loaded[i])); };
      (i + 1) * lanes > groups() ? b_.if_(group < groups(), put) : put();
    }
    b_.barrier();
  }

  Sum shared_steps(Value group) const {
    const Value four = b_.shared_load(vector_, group);
    Sum steps;
    for (int i = 0; i < kGroup; ++i) steps.push_back(b_.extract(four, i));
    return steps;
  }

  // Adds up steps from k on; where a vector is shared, from a group of it on.
  void multiply(Value k, Value group, const std::vector<Sum>& lines) {
    Sum sums = MatmulKernel::read(sums_);
    const auto count = static_cast<uint32_t>(lines.size());
    const uint32_t together = count % kShortSteps == 0 ? kShortSteps : 1;
    for (uint32_t first = 0; first < count; first += together) {
      for (uint32_t v = 0; v < layout_.tile.vectors(); ++v) {
        const Sum vector = layout_.shared_vector
                               ? shared_steps(first == 0 ? group : group + first / kGroup)
                               : vectors_.load(v, first == 0 ? k : k + first, together, false);
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
  ir::Shared vector_;  // [team][group]
  Value lane_, team_groups_;
  std::vector<Value> at_;  // index at k = 0 of the first line, or of each line
  Value first_load_, load_stride_;
  std::vector<ir::Var> sums_;
};

}  // namespace

std::unique_ptr<LineSums> adjacent_lines(const MatmulKernel& kernel, const LineLayout& layout) {
  return std::make_unique<AdjacentLines>(kernel, layout);
}

}  // namespace nxv::kernels

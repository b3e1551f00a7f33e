// The elements of neighbouring lines of a factor (rows of A, columns of B), by a workgroup that
// measures them: several invocations a line, adjacent ones along k where elements are adjacent
// along k, else along the lines.
#pragma once

#include <functional>
#include <vector>

#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

// Lines, fewer of which leave most of a device idle while it measures them, and steps along k, more
// of which take one workgroup long.
inline constexpr uint64_t kFewMeasured = 1024, kLongMeasured = 4096;

// Of a workgroup, at a time. Each of its invocations has several such lines of gathered factors,
// for which it finds a step's place once.
inline constexpr uint32_t kMeasuredLines = 32, kGatheredLines = 4;

// The bits of a group of elements, as f32.
ir::Value group_bits(const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
                     ir::Value group);

// Elements that each invocation has of a line of k which so many share, four at a time; 0 where it
// cannot keep them of `times` lines.
uint32_t kept_elements(uint64_t k, uint32_t sharers, uint32_t times);

class LineWalk {
 public:
  // Of a workgroup at a time. All are powers of two.
  struct Share {
    uint32_t workgroup;
    uint32_t lines;      // side by side,
    uint32_t times = 1;  // and so often again, by the same invocations
    bool whole_groups;   // K is a multiple of four
    uint32_t loads = 4;  // under way at once
    // Elements of a line that an invocation has, where they are so few that it keeps them for all
    // visits; 0: each visit loads them again.
    uint32_t kept = 0;
    ir::Type type = ir::kU32;  // of what invocations combine
    // Whether those of a line along k are lanes of a subgroup, side by side, that can shuffle.
    bool shuffles = false;
  };
  LineWalk(const MatmulKernel& kernel, const Share& share);

  // The lines of one of the `groups` that each batch of a factor has.
  void locate(const MatmulKernel::Operand& operand, const FactorAccess& access, ir::Value group,
              ir::Value groups, ir::Value extent);
  size_t lines() const { return lines_.size(); }  // of this invocation
  ir::Value batch() const { return batch_; }
  ir::Value line(size_t i) const { return frees_[i]; }  // the last one stands for those beyond it
  ir::Value first() const { return first_; }            // line of the workgroup,
  ir::Value place(size_t i) const { return lines_[i] - first_; }
  ir::Value exists(size_t i) const { return lines_[i] < extent_; }
  // Whether this invocation speaks for its lines; and for one that exists.
  ir::Value speaks() const { return segment_ == 0u; }
  ir::Value answers(size_t i) const { return speaks() & exists(i); }

  // The magnitudes, as bits, of this invocation's part of each of its lines; those beyond the end
  // are elements that others visit too, and not `inside`.
  using Visit = std::function<void(size_t line, ir::Value bits, ir::Value inside)>;
  void each_element(const Visit& visit);
  // Of all invocations of a line, for each of them; and of all of the workgroup.
  ir::Value combined(ir::Value part, ir::Opcode op) const;
  ir::Value combined_of_all(ir::Value part, ir::Opcode op) const;

 private:
  uint32_t folded_segments() const { return segments_ > 8 ? 8 : 1; }
  void combine(ir::Value part, ir::Opcode op, bool along_k) const;
  void fold(ir::Shared from, uint32_t segments, ir::Shared to, uint32_t fewer, ir::Opcode op,
            bool along_k) const;
  // Of each line, and of each of `steps` that begin there.
  struct Loaded {
    std::vector<ir::Value> values, inside;
  };
  Loaded load_steps(ir::Value begin, uint32_t steps) const;
  void visit_each(const Loaded& loaded, const Visit& visit) const;
  ir::Value load(const Place& place) const;
  ir::Value shuffled(ir::Value v, uint32_t mask) const;

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const Share share_;
  const uint32_t segments_;  // invocations of a line
  const ir::Shared partial_, folded_, result_;
  const ir::Value local_;
  const MatmulKernel::Operand* operand_ = nullptr;
  bool by_groups_ = false, along_k_ = false;
  ir::Value first_, line_, segment_, batch_, extent_;
  std::vector<ir::Value> lines_, frees_;
  std::vector<Place> at_;
  Loaded kept_;  // of the lines of this invocation, once they are visited
};

}  // namespace nxv::kernels

// The sums of one block of steps along k, of the lines of an invocation with all vectors.
#pragma once

#include <memory>

#include "kernels/matmul/matmul_lines.h"

namespace nxv::kernels {

// The few vectors. All invocations of a team read the same elements at a time.
class LineVectors {
 public:
  LineVectors(const MatmulKernel& kernel, const LineLayout& layout);
  ir::Value count() const;
  void locate(ir::Value batch);
  // `steps` elements of a vector from k on, which is a multiple of `steps`. Steps beyond the end of
  // k have zeros if `may_pass_end`.
  Sum load(uint32_t vector, ir::Value k, uint32_t steps, bool may_pass_end) const;

 private:
  ir::Value element(ir::Value at, ir::Value k, bool may_pass_end) const;

  ir::Builder& b_;
  const MatmulKernel& kernel_;
  const LineLayout layout_;
  const MatmulKernel::Operand& operand_;
  std::vector<ir::Value> at_;  // index of each vector at k = 0
};

class LineSums {
 public:
  struct Place {
    ir::Value team, lane, batch, first_line;
  };
  virtual ~LineSums() = default;
  virtual void locate(const Place& place) = 0;
  // The invocation's i-th line in the tile.
  virtual ir::Value line(uint32_t i) const = 0;
  // Before the first block, which begins there.
  virtual void start(ir::Value begin) = 0;
  // [vector][line of the invocation]. `span`: steps that the longest block of any team has; `then`:
  // where the team's next block begins, which may lie beyond the end of k as `begin` may.
  virtual Sum block(ir::Value begin, ir::Value span, ir::Value then) = 0;
};

// Where lines are neighbours in memory: each invocation reads its own, straight from memory.
std::unique_ptr<LineSums> adjacent_lines(const MatmulKernel&, const LineLayout&);
// Where the elements of a line are: teams read them together, and they pass through shared memory.
std::unique_ptr<LineSums> contiguous_lines(const MatmulKernel&, const LineLayout&);

// Of the factor whose lines they are.
inline const MatmulKernel::Operand& line_operand(const MatmulKernel& kernel,
                                                 const LineLayout& layout) {
  return layout.tile.lines_are_rows() ? kernel.A : kernel.B;
}
inline ir::Value line_count(const MatmulKernel& kernel, const LineLayout& layout) {
  return layout.tile.lines_are_rows() ? kernel.m() : kernel.n();
}

}  // namespace nxv::kernels

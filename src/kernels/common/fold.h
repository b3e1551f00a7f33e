// Folds: the accumulators of reductions and the one association tree they all follow.
//
// The tree is a function of the length alone, so that the same values give the same bits however a
// kernel is laid out. Elements form blocks of 1 024. In a block, element i belongs to accumulator
// (i / 4) % 32, which takes its elements in order; the 32 accumulators are then combined in
// adjacent pairs, five times. The results of the blocks are the elements of the next level, folded
// by the same tree, until one is left. Accumulators start from the identity, and the identity may
// be combined anywhere without a trace.
#pragma once

#include <functional>
#include <vector>

#include "ir/ops/number.h"
#include "ops/op_table.h"

namespace nxv::kernels {

inline constexpr uint32_t kFoldBlock = 1024;
inline constexpr uint32_t kFoldAccumulators = 32;
inline constexpr uint32_t kFoldStride = kFoldBlock / 8;  // between two groups of an accumulator

// The parts of one accumulator. Floats of up to 32 bits sum in f64, or in a pair of f32 with a
// plain sum beside it that knows about infinities, NaN and zeros; complex numbers have such parts
// twice; max and min carry the index of what they chose, because of equal zeros the first one
// stays.
using Accumulator = std::vector<ir::Value>;

class Fold {
 public:
  // Of a reduction `op` over values of type `input` into type `output`.
  Fold(ir::Builder& builder, Op op, DType input, DType output, const ir::math::MathOptions& math);

  Accumulator identity() const;
  // Takes in element `index` (u32), a number of the input type.
  Accumulator insert(const Accumulator& to, const ir::Number& x, ir::Value index) const;
  Accumulator combine(const Accumulator& left, const Accumulator& right) const;
  // By the tree, those of a row of at most 128 elements.
  Accumulator combine_pairwise(std::vector<Accumulator> level) const;
  ir::Number result(const Accumulator& a) const;

  // A stored accumulator takes 8 bytes a part.
  static int part_count(Op op, DType input, DType output, const ir::math::MathOptions& math);
  const std::vector<ir::Type>& parts() const { return parts_; }
  void store(ir::Value buffer, ir::Value index, const Accumulator& a) const;
  Accumulator load(ir::Value buffer, ir::Value index) const;

  Accumulator select(ir::Value condition, const Accumulator& a, const Accumulator& b) const;
  std::vector<ir::Var> variables(const Accumulator& initial) const;
  static Accumulator read(const std::vector<ir::Var>& variables);
  static void write(const std::vector<ir::Var>& variables, const Accumulator& a);
  // Combines the accumulators of lanes l and l ^ mask; all of them get the same bits.
  Accumulator exchange(const Accumulator& a, uint32_t mask) const;

 private:
  enum class Kind : uint8_t { integer, plain, pair, extreme, logical };
  // Of real numbers, and of complex ones.
  Accumulator add(const Accumulator& a, const Accumulator& b) const;
  Accumulator multiply(const Accumulator& a, const Accumulator& b) const;
  Accumulator multiply_complex(const Accumulator& a, const Accumulator& b) const;
  ir::Value rounded(std::span<const ir::Value> real) const;

  ir::Builder& b_;
  Op op_;
  DType output_;
  ir::math::MathOptions math_;
  Kind kind_;
  std::vector<ir::Type> parts_;
};

// Combines accumulators that are pushed in order by the pairwise tree, in constant space: a binary
// counter whose digit k holds a finished subtree of 2^k leaves. At most 2^levels pushes.
class PairwiseTree {
 public:
  PairwiseTree(const Fold& fold, int levels);
  void reset() const;
  void push(const Accumulator& leaf) const;
  Accumulator finish() const;

 private:
  const Fold& fold_;
  ir::Builder& b_;
  ir::Var count_;  // pushes so far
  std::vector<std::vector<ir::Var>> digits_;
};

// Accumulators that the subgroups of a workgroup leave to each other.
class SharedAccumulators {
 public:
  SharedAccumulators(const Fold& fold, uint32_t count);
  void store(ir::Value index, const Accumulator& a) const;
  Accumulator load(ir::Value index) const;

 private:
  ir::Builder& b_;
  std::vector<ir::Shared> parts_;
};

}  // namespace nxv::kernels

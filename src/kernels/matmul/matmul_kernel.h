// What the kernels of matrix products share: arguments, reading of operands, order of additions.
//
// Every element of C is added up in the same order whichever kernel computes it: the products are
// added in order of k (floats by fma) in blocks of `Accumulation::block` steps, each starting from
// +0; then the sums of the blocks are added in order to a total that starts from +0. Steps beyond
// the end that add 0 * 0 therefore leave no trace. Integers are added modulo 2^width, where order
// cannot show.
#pragma once

#include <array>
#include <vector>

#include "graph/region_words.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_emitter.h"
#include "kernels/matmul/factor_place.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

// The parts of an accumulator: one, or two for complex numbers.
using Sum = std::vector<ir::Value>;

class MatmulKernel {
  // What the members below are made of.
  const Region& region_;
  const int sum_;  // expression
  const ir::math::MathOptions math_;
  RegionEmitter emitter_;

 public:
  // Declares the arguments; `words` of the dispatch beside those of the region.
  MatmulKernel(ir::Builder& builder, const Region& region, const Target& target,
               const Accumulation& sums, uint32_t words, int workspaces = 0);
  MatmulKernel(const MatmulKernel&) = delete;
  MatmulKernel& operator=(const MatmulKernel&) = delete;

  using Operand = FactorOperand;

  ir::Builder& b;
  const KernelArguments& arguments;
  const WordValues<ProductWords> size;
  const DType dtype;  // of the sums that the region's expressions see
  const Accumulation sums;
  const ir::Type type;  // of one part of a sum
  const Operand A, B;
  const int workspaces;

  // Results, of the region's roots; C where the sum is the only one.
  size_t results() const { return region_.roots.size(); }
  ir::Value result(size_t root) const { return arguments.output(root); }
  DType result_type(size_t root) const { return region_.roots[root].node->dtype; }
  ir::Value m() const { return size[&ProductWords::m]; }
  ir::Value n() const { return size[&ProductWords::n]; }
  ir::Value k() const { return size[&ProductWords::k]; }
  ir::Value workspace(int i) const { return arguments.workspace(i); }
  ir::Value last_workspace() const { return arguments.workspace(workspaces - 1); }

  // A real number as one to multiply.
  ir::Value number(const ir::Number& x) const;
  // An element of an operand as a number to multiply; one part only for real types.
  Sum element(const Operand& operand, ir::Value index) const;
  Sum element(const Operand& operand, const Place& place) const;
  // Four elements that start a group; real types only.
  std::array<ir::Value, kGroup> group(const Operand& operand, ir::Value index) const;

  ir::Value zero() const;  // that arithmetic may use
  Sum zero_sum() const { return Sum(is_complex(dtype) ? 2 : 1, zero()); }
  ir::Value multiply_add(ir::Value x, ir::Value y, ir::Value sum) const;
  // Of an element of A and one of B.
  Sum multiply_add(const Sum& left, const Sum& right, const Sum& sum) const;
  // A is what the graph calls B^T, and the other way round. Sums of several products for each step
  // along k add those in the order of the graph's product.
  bool is_transposed() const { return region_.exprs[static_cast<size_t>(sum_)].is_transposed; }
  // Of 8-bit integers: x * y of four steps in a word each, added to the bits of a sum.
  ir::Value add_dot(ir::Value x, ir::Value y, ir::Value sum) const;
  // The sum of products of 8-bit integers whose 32 bits these are (has_word_sums), of type `type`.
  ir::Value sum_of_word(ir::Value bits) const;
  static Sum add(const Sum& x, const Sum& y);
  ir::Number number(const Sum& total) const;
  // What each root makes of the sums of one element of the product, or of four that start a group;
  // `index` is that of the first. All is read before it returns: a result may lie where an operand
  // does (is_read_in_place).
  std::vector<std::vector<ir::Number>> finished(std::vector<ir::Number> sums, ir::Value index);
  // The type that a sum has in a workspace: at least a word.
  DType stored_sum() const;

  std::vector<ir::Var> variables(const Sum& initial) const;
  static Sum read(const std::vector<ir::Var>& variables);
  static void write(const std::vector<ir::Var>& variables, const Sum& values);
};

}  // namespace nxv::kernels

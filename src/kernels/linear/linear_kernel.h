// What the kernels of linear algebra share: a working type, arithmetic on its numbers, sums over a
// workgroup, and the list of steps that an operation consists of.
//
// Matrices are worked on in workspaces, dense and row-major, one after the other, in f64 (or pairs
// of it) where the device has it at a useful rate. A result is rounded once, when it is stored. A
// decomposition is a sequence of steps, each a dispatch; sizes and the number of the step are
// words, so that a step is one kernel for all sizes. Of small matrices a dispatch takes many steps,
// an invocation a matrix (add_lone); there cholesky, lu and eigh round every operation, as Nx's own
// definitions do, and so give the digits of its other backends.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// For results of type t: f32, f64, c64 or c128.
DType working_type(DType t, const Target& target);
// Largest relative error of one operation in the working type.
double unit_roundoff(DType working);
// Invocations that share a matrix or a row of it: a power of two.
uint32_t lanes_of(const Target& target, uint32_t most = 64);

// A divisor among a step's words takes three of them.
inline constexpr int kDivisorWords = 3;
void push_divisor(std::vector<uint32_t>& words, uint64_t d);
// A real number as a word, and as a number of the kernel.
uint32_t float_word(double v);

// What works on a matrix: lanes of a workgroup, or an invocation by itself.
enum class Worker : uint8_t { lanes, invocation };

// When numbers are rounded to the type of the result: as they are stored there, or after each
// operation, products before they are added.
enum class Rounding : uint8_t { of_results, of_operations };

class LinearKernel {
 public:
  LinearKernel(const std::string& name, uint32_t lanes, const Region& region, const Target& target,
               int workspaces, int words, Worker worker = Worker::lanes,
               Rounding rounding = Rounding::of_results);

  ir::Builder b;
  const DType type;     // working type
  const ir::Type part;  // of one part of it
  const Worker worker;
  const Rounding rounding;
  const uint32_t lanes;  // that work together
  const KernelArguments arguments;
  const ir::Value local;  // lane among them
  const ir::Value zero;   // of one part, for arithmetic

  ir::Value word(int i) const { return arguments.words()[static_cast<size_t>(i)]; }
  ir::Value workspace(int i) const { return arguments.workspace(i); }
  // n / d for the divisor at words i, i + 1, i + 2.
  ir::Value divide(ir::Value n, int i);
  ir::Value number(double v) { return b.number(part, v); }
  ir::Value real_word(int i) { return ir::widen(b.bitcast(word(i), ir::kF32), part); }

  // One invocation for each index below count; one workgroup; the lanes of a workgroup in turns.
  void each(ir::Value count, const std::function<void(ir::Value)>& body);
  void each_group(ir::Value count, const std::function<void(ir::Value)>& body);
  void share(ir::Value begin, ir::Value end, const std::function<void(ir::Value)>& body);
  ir::Kernel finish() { return b.finish(); }

  // Numbers of the working type.
  bool is_complex() const { return nxv::is_complex(type); }
  ir::Number real(ir::Value re) const { return {type, re, is_complex() ? zero : ir::Value()}; }
  ir::Number load(ir::Value buffer, ir::Value index) { return load_element(buffer, index, type); }
  ir::Value load_real(ir::Value buffer, ir::Value index) { return b.load(buffer, index, part); }
  void store(ir::Value buffer, ir::Value index, const ir::Number& x) {
    store_element(buffer, index, x);
  }
  // An element of an operand or of the output, which have types of their own.
  ir::Number load_operand(int operand, ir::Value index);
  void store_output(ir::Value index, const ir::Number& x);

  // The result of an operation, which those below apply themselves.
  ir::Value rounded(ir::Value x) const;
  ir::Number rounded(const ir::Number& x) const;
  double roundoff() const { return unit_roundoff(rounds() ? out_ : type); }

  ir::Number conjugate(const ir::Number& x) const;
  ir::Number multiply(const ir::Number& x, const ir::Number& y) const;
  ir::Number scale(const ir::Number& x, ir::Value factor) const;
  ir::Number subtract(const ir::Number& x, const ir::Number& y) const;
  // sum + x * y of a sum that is rounded later, where all operations are
  ir::Number accumulate(const ir::Number& sum, const ir::Number& x, const ir::Number& y) const;
  // sum + x * y, sum - x * y
  ir::Number add_product(const ir::Number& sum, const ir::Number& x, const ir::Number& y) const;
  ir::Number subtract_product(const ir::Number& sum, const ir::Number& x,
                              const ir::Number& y) const;
  ir::Number divide(const ir::Number& x, const ir::Number& y);
  ir::Number select(ir::Value condition, const ir::Number& yes, const ir::Number& no);
  ir::Value divide(ir::Value x, ir::Value y) const { return rounded(ir::math::div(x, y, math_)); }
  ir::Value sqrt(ir::Value x) const { return rounded(ir::math::sqrt(x, math_)); }
  ir::Value squared(const ir::Number& x) const;  // |x|^2
  ir::Value magnitude(const ir::Number& x);      // |x|, without overflow
  ir::Value is_zero(const ir::Number& x);

  // initial + the sum of terms at begin, begin + step, .. below end, each added by `add`. Blocks of
  // terms are added up first, so that errors do not grow with their number.
  using Add = std::function<ir::Number(const ir::Number& sum, ir::Value i)>;
  ir::Number add_up(const ir::Number& initial, ir::Value begin, ir::Value end, uint32_t step,
                    const Add& add);
  // How many terms take no more than this many iterations.
  static uint64_t terms_within(uint64_t iterations);

  // A variable of the working type.
  class Variable {
   public:
    Variable(ir::Builder& b, const ir::Number& initial);
    ir::Number get() const;
    void set(const ir::Number& x) const;

   private:
    DType type_;
    ir::Var re_, im_;
  };
  Variable variable(const ir::Number& initial) { return {b, initial}; }
  Variable zero_variable() { return {b, real(zero)}; }

  // Folds a value of each lane over the lanes that are equal modulo `apart`, for all of them, in an
  // order that the number of lanes alone decides. In uniform control flow, and not in a loop.
  using Combine = std::function<ir::Value(ir::Value, ir::Value)>;
  ir::Value fold_over_lanes(ir::Value value, const Combine& combine, uint32_t apart = 1);
  ir::Value sum_over_lanes(ir::Value value, uint32_t apart = 1);
  ir::Value max_over_lanes(ir::Value value);

 private:
  bool rounds() const { return rounding == Rounding::of_operations; }

  const DType out_;
  const uint32_t workgroup_;
  std::vector<DType> operand_types_;
  const ir::math::MathOptions math_;
  int folds_ = 0;
};

struct Step {
  std::string key;      // what the kernel's code depends on beyond region and device
  uint64_t groups = 1;  // workgroups
  std::vector<uint32_t> words;
  std::vector<Use> workspaces;
  bool reads_operands = false, writes_output = false;
  std::function<ir::Kernel(const Region&)> generate;
};

// Collects the steps of an operation.
class Steps {
 public:
  Steps(const Region& region, const Target& target)
      : target(target), working(working_type(region.root->dtype, target)), region_(region) {}

  const Target target;
  const DType working;
  // Matrices of this size are left to an invocation each.
  bool are_lone(uint64_t rows, uint64_t columns) const {
    return std::max(rows, columns) <= target.plan->lone_matrix;
  }
  Rounding rounding(uint64_t rows, uint64_t columns) const {
    return are_lone(rows, columns) ? Rounding::of_operations : Rounding::of_results;
  }
  // The working type has more precision and range than the result.
  bool widens() const { return working != region_.root->dtype; }

  // Workspaces of `elements` numbers.
  int numbers(uint64_t elements) { return workspace(elements, working); }
  int reals(uint64_t elements) { return workspace(elements, to_real(working)); }
  int indices(uint64_t elements) { return workspace(elements, DType::u32); }
  void add(Step step);
  // One invocation, in workgroups of `lanes`, for each of `count` indices: groups it takes.
  static uint64_t groups(uint64_t count, uint32_t lanes) { return (count + lanes - 1) / lanes; }
  Lowering take() { return std::move(lowering_); }

 private:
  int workspace(uint64_t elements, DType type);

  const Region& region_;
  Lowering lowering_;
};

// Steps begin .. end - 1 of all matrices in one dispatch. `body` emits one of them for one matrix,
// as an invocation by itself; the kernel's words are kLoneWords, then `words`.
enum LoneWord { kLoneBatch, kLoneBegin, kLoneEnd, kLoneWords };
using LoneBody = std::function<void(LinearKernel& k, ir::Value matrix, ir::Value step)>;
void add_lone(Steps& steps, const std::string& key, uint64_t batch, uint64_t begin, uint64_t end,
              const std::vector<uint64_t>& words, const std::vector<Use>& workspaces,
              const LoneBody& body, Rounding rounding = Rounding::of_results);

// How many matrices a tensor with `matrix_axes` trailing axes of its own holds.
uint64_t batch_of(const Shape& shape, size_t matrix_axes = 2);

// Where the elements of matrices lie in an operand or in the output: element (r, c) of matrix i at
// first + i * batch_stride + r * row_stride + c * column_stride. Strides may wrap below zero.
struct MatrixView {
  uint64_t batch, rows, columns;
  uint64_t batch_stride, row_stride, column_stride;
  uint64_t first = 0;
};
// The whole view to a workspace of dense matrices, and back to the output.
void add_load(Steps& steps, int operand, const MatrixView& view, int to);
void add_store(Steps& steps, const MatrixView& view, int from);

}  // namespace nxv::kernels

// What the kernels of linear algebra compute with: a working type, arithmetic on its numbers, sums
// over a workgroup.
//
// Matrices are worked on in workspaces, dense and row-major, one after the other, in f64 (or pairs
// of it) where the device has it at a useful rate. A result is rounded once, when it is stored;
// but of small matrices cholesky, lu and eigh round every operation, as Nx's own definitions do,
// and so give the digits of its other backends.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// For results of type t: f32, f64, c64 or c128.
DType working_type(DType t, const Target& target);
// Largest relative error of one operation in the working type.
double unit_roundoff(DType working);
// Invocations of a workgroup, at most so many: a power of two.
uint32_t lanes_of(const Target& target, uint32_t most);

// What takes an item of a step.
enum class Worker : uint8_t {
  invocation,  // one of many that are at the same matrix
  workgroup,   // its lanes share the item
  lone,        // an invocation that has the matrix to itself
};

// When numbers are rounded to the type of the result: as they are stored there, or after each
// operation, products before they are added.
enum class Rounding : uint8_t { of_results, of_operations };

// Lanes of a workgroup: usually at most kLanes, and kManyLanes where they go over whole columns.
inline constexpr uint32_t kLanes = 64, kManyLanes = 256;

struct StepOptions {
  std::string_view kernel;  // its name
  int workspaces = 0;
  Worker worker = Worker::invocation;
  Rounding rounding = Rounding::of_results;
  uint32_t most_lanes = kLanes;
};

// The first word of a step.
struct StepWords {
  uint32_t items = 0;
};

class LinearKernel {
 public:
  // `words` of the step's own.
  LinearKernel(const StepOptions& options, const Region& region, const Target& target,
               uint32_t words);

  const uint32_t workgroup;
  ir::Builder b;
  const DType type;     // working type
  const ir::Type part;  // of one part of it
  const Worker worker;
  const Rounding rounding;
  const uint32_t lanes;  // that share an item
  const KernelArguments arguments;
  const ir::Value local;  // lane among them
  const ir::Value zero;   // of one part, for arithmetic

  ir::Value workspace(int i) const { return arguments.workspace(i); }
  ir::Value number(double v) { return b.number(part, v); }

  // Each item, by its worker; indices by the lanes that share an item, in turns.
  void each_item(const std::function<void(ir::Value)>& body);
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
  std::vector<DType> operand_types_;
  const ir::math::MathOptions math_;
  int folds_ = 0;
};

// Numbers of the working type that a workgroup shares.
class SharedNumbers {
 public:
  SharedNumbers(LinearKernel& k, const std::string& name, uint32_t count);
  ir::Number load(ir::Value index) const;
  void store(ir::Value index, const ir::Number& x) const;

 private:
  LinearKernel& k_;
  ir::Shared re_, im_;
};

}  // namespace nxv::kernels

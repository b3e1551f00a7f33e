// Measures the functions of ir/math against MPFR.
//
// Points run through a kernel that the caller executes (the KernelIR interpreter, or a device);
// the exact result is computed in MPFR, and the error counted in units in the last place of the
// result's type at the exact result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/math/math.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

// A function of ir/math and what it promises, in ULP, per way of computing it.
struct MathFunction {
  std::string_view name;
  ir::Value (*unary)(ir::Value, const ir::math::MathOptions&);
  ir::Value (*binary)(ir::Value, ir::Value, const ir::math::MathOptions&);
  double bound_f32_through_f64, bound_f32, bound_f64;
  double low, high;  // the interval that half of the points come from

  double bound(ir::Type t, const ir::math::MathOptions& options) const {
    return t == ir::kF64 ? bound_f64 : options.f64 ? bound_f32_through_f64 : bound_f32;
  }
};
std::span<const MathFunction> math_functions();
const MathFunction& math_function(std::string_view name);

// Arguments, each exactly a number of the type; b is empty for unary functions.
struct Points {
  std::vector<double> a, b;
};
// Special values and their neighbours (pairs of them for two arguments), then random ones: uniform
// in the function's interval, log-uniform, random bit patterns.
Points sample(const MathFunction& f, ir::Type type, size_t count, uint64_t seed);

// out[i] = f(a[i], b[i]); buffers "a", "b" (binary functions), "out", then the u32 "count"; one
// invocation an element, 256 in a workgroup.
ir::Kernel elementwise_kernel(const MathFunction& f, ir::Type type,
                              const ir::math::MathOptions& options);
// Runs such a kernel over `count` elements; the last buffer is the result's.
using Evaluator = std::function<void(const ir::Kernel& kernel, uint32_t count,
                                     std::span<std::vector<std::byte>> buffers)>;
Evaluator interpreter_evaluator(const InterpreterOptions& options = {});

// The values of f at the points.
std::vector<double> evaluate(const MathFunction& f, ir::Type type,
                             const ir::math::MathOptions& options, const Points& points,
                             const Evaluator& evaluator);

struct Accuracy {
  size_t points = 0, correctly_rounded = 0;
  double max_ulp = 0, worst_a = 0, worst_b = 0, worst_result = 0;
  // NaN, infinities and zeros (with their signs) that are not what they should be.
  size_t wrong_specials = 0;
  double special_a = 0, special_b = 0, special_result = 0;  // the first of them
  size_t flushed = 0;       // points left out because the device may flush there
  size_t instructions = 0;  // of the function, constants not counted

  double share() const {
    return points ? static_cast<double>(correctly_rounded) / static_cast<double>(points) : 1;
  }
};
// `flushes`: the evaluator flushes f32 subnormals; points where that may show are left out.
Accuracy measure(const MathFunction& f, ir::Type type, const ir::math::MathOptions& options,
                 const Points& points, const Evaluator& evaluator, bool flushes = false);

}  // namespace nxv::testing

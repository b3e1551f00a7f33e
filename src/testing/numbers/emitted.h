// One elementwise operation of ir/ops, run by the KernelIR interpreter.
#pragma once

#include <complex>
#include <vector>

#include "base/scalar.h"
#include "ir/math/math.h"
#include "ops/op_table.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

struct EmittingDevice {
  ir::math::MathOptions math;
  InterpreterOptions interpreter;
  bool has_int64 = true;  // else the kernel is legalised
};

using Elements = std::vector<Scalar>;  // all of one real type, or c64

// The operation of each element, of as many numbers as there are operands: as the kernel's numbers
// of type `out`, which is not a 64-bit type. The operation must not fault.
std::vector<std::complex<double>> emitted(const EmittingDevice& device, Op op, DType out,
                                          const std::vector<Elements>& operands);

}  // namespace nxv::testing

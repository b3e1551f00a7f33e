// The specification in code: evaluates graphs on the host, one operation at a time, as plainly as
// possible.
//
// Integers are exact and wrap to the output type; reals are computed in double, complex numbers in
// std::complex<double>, and rounded once to the output type. Reductions and dots accumulate in
// double, or modulo 2^64. What has no value (integer division by zero, negative shift amounts and
// negative integer exponents) throws an Error of the fault's status.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/layout.h"
#include "base/scalar.h"
#include "graph/node.h"

namespace nxv {

// A value on the host: elements in row-major order, storage_bytes(dtype) bytes each.
struct HostTensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;

  HostTensor() = default;
  // All zeros.
  HostTensor(DType dtype, Shape shape);
  HostTensor(DType dtype, Shape shape, std::span<const Scalar> elements);

  int64_t count() const { return element_count(shape); }
  Scalar at(int64_t i) const { return load_scalar(dtype, bytes.data(), i); }
  // The scalar must be of the tensor's type.
  void set(int64_t i, const Scalar& s) { store_scalar(s, bytes.data(), i); }
};

// For graphs that no engine runs: their nodes are destroyed where they are released.
std::shared_ptr<Graveyard> host_graveyard();

HostTensor reference_evaluate(const Node& node);
// Evaluates shared sub-expressions once.
std::vector<HostTensor> reference_evaluate(std::span<const NodeRef> roots);
std::vector<HostTensor> reference_call(const Function& function,
                                       std::span<const HostTensor> arguments);

// The value of one node, given those of its inputs.
using NodeEvaluator = std::function<HostTensor(const Node&, std::span<const HostTensor* const>)>;
// The same with another evaluator of nodes; loops and branches are run here, on the host.
std::vector<HostTensor> call_by_nodes(const Function& function,
                                      std::span<const HostTensor> arguments,
                                      const NodeEvaluator& evaluate);

}  // namespace nxv

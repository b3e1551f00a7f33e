// Values of which one element has none, and what may become of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/build.h"

namespace nxv {

// Elementwise operations that may fault, for some types.
std::vector<Op> faulting_ops();

// s32 values of 1 to 7 by an operation that faults at element `bad` of the shape, for no element if
// that is negative. For bounded_index: a take. The host does not know the operands. Throws
// Error(internal) for an operation without a case.
NodeRef faulty(const GraveyardRef& owner, Op op, const Shape& shape, int64_t bad);

// What reads the rows of a matrix.
struct FaultReader {
  std::string name;
  std::function<NodeRef(const NodeRef& x)> build;
  // Whether its result has an element for each row; otherwise it has one for each element.
  bool is_row = true;
};
const std::vector<FaultReader>& fault_readers();

}  // namespace nxv

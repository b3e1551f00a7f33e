// The elements of buffers and shared arrays that an instruction accesses, checked.
#pragma once

#include <cstddef>

#include "testing/interpreter/execution.h"

namespace nxv::testing {

// An element of a buffer, of the instruction's type; its operands are buffer, index, ...
struct BufferElement {
  uint32_t param;
  size_t offset, size;  // bytes
  std::byte* at;
};
BufferElement buffer_element(Execution& s, uint32_t invocation);

// An element of a shared array, whose index is the first operand.
struct SharedPlace {
  uint64_t* lanes;
  SharedElement& element;
};
SharedPlace shared_place(Execution& s, uint32_t invocation);

}  // namespace nxv::testing

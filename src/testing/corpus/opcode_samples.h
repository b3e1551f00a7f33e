// Small kernels around each row of the opcode table: one for every type that the row admits, of the
// result and of each operand.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ir/kernel.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

// A workgroup of 32 that executes the opcode and leaves what it did in its buffers. Its inputs are
// such that nothing it does is undefined.
struct OpcodeSample {
  std::string name;  // as the instruction reads
  ir::Kernel kernel;
  uint32_t inst = 0;  // the instruction that the sample is of
  // By param: the bytes of a buffer, or the lanes of a number, each in 8 bytes.
  std::vector<std::vector<std::byte>> arguments;
};

// Generated for subgroups of the size, or of any if it is 0.
std::vector<OpcodeSample> opcode_samples(ir::Opcode op, uint32_t subgroup_size = 32);

// What the interpreter leaves in the buffers that the kernel writes: the sample's kernel or another
// form of it, whose numbers may be of other types of the same bytes.
std::vector<std::byte> run_sample(const OpcodeSample& sample, const ir::Kernel& kernel,
                                  const InterpreterOptions& options = {});

// The types of KernelIR.
std::vector<ir::Type> all_types();

}  // namespace nxv::testing

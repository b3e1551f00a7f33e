// A dispatch in the interpreter.
#pragma once

#include "kernels/common/arguments.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

// `kernel` is the one of the dispatch. Raises an Error, as run() does, when its parameters are not
// those that the dispatch passes.
void run_dispatch(const kernels::Launch& d, const ir::Kernel& kernel,
                  const kernels::LaunchBuffers<Argument>& buffers,
                  std::span<const uint32_t> region_words, const InterpreterOptions& options = {});

}  // namespace nxv::testing

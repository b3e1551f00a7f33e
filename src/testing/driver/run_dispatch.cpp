#include "testing/driver/run_dispatch.h"

#include <vector>

namespace nxv::testing {

void run_dispatch(const kernels::Launch& d, const ir::Kernel& kernel,
                  const kernels::LaunchBuffers<Argument>& buffers,
                  std::span<const uint32_t> region_words, const InterpreterOptions& options) {
  std::vector<Argument> arguments;
  kernels::pack_arguments(
      d, buffers, region_words,
      [&](const Argument& buffer, uint64_t offset, bool, bool) {
        arguments.push_back(buffer.from(offset));
      },
      [&](std::span<const uint32_t> words) {
        for (uint32_t w : words) arguments.push_back(Argument::number(w));
      });
  // The rest are zeros that kernels hide from compilers.
  while (arguments.size() < kernel.params.size()) arguments.push_back(Argument::number(0U));
  run(kernel, {d.groups[0], d.groups[1], d.groups[2]}, arguments, options);
}

}  // namespace nxv::testing

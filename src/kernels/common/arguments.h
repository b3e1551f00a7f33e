// What a dispatch passes to its kernel, in the order in which the kernel declares its arguments
// (kernel_arguments.h): for devices, the interpreter and tests alike.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/lowering.h"

namespace nxv::kernels {

// What stands for the buffers of a dispatch: blocks, spans of bytes.
template <typename Buffer>
struct LaunchBuffers {
  std::span<const Buffer> operands;
  std::span<const Buffer> outputs;     // of each root
  std::optional<Buffer> fault;         // if the region can fault
  std::span<const Buffer> workspaces;  // of the lowering
};

// Calls take_buffer(buffer, is_read, is_written) for each buffer, then take_words for each run of
// words. Parameters that are left are zero.
template <typename Buffer, typename TakeBuffer, typename TakeWords>
void pack_arguments(const Launch& d, const LaunchBuffers<Buffer>& buffers,
                    std::span<const uint32_t> region_words, TakeBuffer&& take_buffer,
                    TakeWords&& take_words) {
  for (const Buffer& operand : buffers.operands) take_buffer(operand, d.reads_operands, false);
  for (const Buffer& output : buffers.outputs) {
    take_buffer(output, d.reads_output, d.writes_output);
  }
  if (buffers.fault) take_buffer(*buffers.fault, true, true);
  for (const Use& use : d.workspaces) {
    take_buffer(buffers.workspaces[static_cast<size_t>(use.workspace)], use.is_read,
                use.is_written);
  }
  take_words(region_words);
  take_words(std::span<const uint32_t>(d.words));
}

}  // namespace nxv::kernels

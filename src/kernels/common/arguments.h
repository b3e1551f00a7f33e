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

// Calls take_buffer(buffer, offset, is_read, is_written) for each buffer, then take_words for each
// run of words. Parameters that are left are zero.
template <typename Buffer, typename TakeBuffer, typename TakeWords>
void pack_arguments(const Launch& d, const LaunchBuffers<Buffer>& buffers,
                    std::span<const uint32_t> region_words, TakeBuffer&& take_buffer,
                    TakeWords&& take_words) {
  const auto offset_of = [](const std::vector<uint64_t>& offsets, size_t i) {
    return offsets.empty() ? 0 : offsets[i];
  };
  for (size_t i = 0; i < buffers.operands.size(); ++i) {
    take_buffer(buffers.operands[i], offset_of(d.operand_offsets, i), d.reads_operands, false);
  }
  for (size_t i = 0; i < buffers.outputs.size(); ++i) {
    take_buffer(buffers.outputs[i], offset_of(d.output_offsets, i), d.reads_output,
                d.writes_output);
  }
  if (buffers.fault) take_buffer(*buffers.fault, 0, true, true);
  for (size_t i = 0; i < d.workspaces.size(); ++i) {
    const Use& use = d.workspaces[i];
    take_buffer(buffers.workspaces[static_cast<size_t>(use.workspace)],
                offset_of(d.workspace_offsets, i), use.is_read, use.is_written);
  }
  if (d.patches.empty()) {
    take_words(region_words);
  } else {
    std::vector<uint32_t> words(region_words.begin(), region_words.end());
    for (const Launch::Patch& patch : d.patches) words[patch.at] = patch.word;
    take_words(std::span<const uint32_t>(words));
  }
  take_words(std::span<const uint32_t>(d.words));
}

}  // namespace nxv::kernels

// A dispatch as the queue takes it.
#pragma once

#include <vector>

#include "kernels/common/arguments.h"
#include "vulkan/queue.h"

namespace nxv::runtime {

class PackedDispatch {
 public:
  // What was packed before is forgotten; capacity is kept. The kernel is ready.
  void pack(const kernels::Launch& d, const vulkan::Pipeline& kernel,
            const kernels::LaunchBuffers<vulkan::Block*>& buffers,
            std::span<const uint32_t> region_words);
  // Groups come from there, with those that were packed as bounds.
  void take_groups_from(vulkan::Block& block, uint64_t offset);
  // Refers to this.
  vulkan::Dispatch get() const;

 private:
  const vulkan::Pipeline* kernel_ = nullptr;
  std::array<uint32_t, 3> groups_ = {1, 1, 1};
  uint64_t work_ = 0;
  vulkan::Block* indirect_ = nullptr;
  uint64_t indirect_offset_ = 0;
  std::vector<std::byte> parameters_;
  std::vector<vulkan::Block*> buffers_;
  std::vector<vulkan::Access> reads_, writes_;
};

}  // namespace nxv::runtime

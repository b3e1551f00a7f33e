#include "runtime/packed_dispatch.h"

namespace nxv::runtime {

void PackedDispatch::pack(const kernels::Launch& d, const vulkan::Pipeline& kernel,
                          const kernels::LaunchBuffers<vulkan::Block*>& buffers,
                          std::span<const uint32_t> region_words) {
  kernel_ = &kernel;
  groups_ = d.groups;
  work_ = d.work;
  indirect_ = nullptr;
  parameters_.clear();
  buffers_.clear();
  reads_.clear();
  writes_.clear();
  const auto append = [&](std::span<const std::byte> bytes) {
    parameters_.insert(parameters_.end(), bytes.begin(), bytes.end());
  };
  pack_arguments(
      d, buffers, region_words,
      [&](vulkan::Block* block, uint64_t offset, bool is_read, bool is_written) {
        const uint64_t address = block->address() + offset;
        append(std::as_bytes(std::span(&address, 1)));
        buffers_.push_back(block);
        if (is_read) reads_.emplace_back(*block);
        if (is_written) writes_.emplace_back(*block);
      },
      [&](std::span<const uint32_t> words) { append(std::as_bytes(words)); });
  parameters_.resize(kernel.parameter_bytes());
}

void PackedDispatch::take_groups_from(vulkan::Block& block, uint64_t offset) {
  indirect_ = &block;
  indirect_offset_ = offset;
  reads_.emplace_back(block, offset, offset + sizeof groups_);
}

vulkan::Dispatch PackedDispatch::get() const {
  vulkan::Dispatch d;
  d.kernel = kernel_;
  d.parameters = parameters_;
  d.buffers = buffers_;
  d.groups = groups_;
  d.reads = reads_;
  d.writes = writes_;
  d.work = work_;
  d.indirect = indirect_;
  d.indirect_offset = indirect_offset_;
  return d;
}

}  // namespace nxv::runtime

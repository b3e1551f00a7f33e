#include "vulkan/command_times.h"

#include <algorithm>

namespace nxv::vulkan {

void CommandTimes::start(bool on) {
  is_on_ = on;
  label_ = 0;
  last_tick_.reset();
  clock_ = 0;
}

void CommandTimes::begin(CommandSlot& slot, const char* name) {
  if (!is_on_) return;
  const auto query = static_cast<uint32_t>(2 * slot.timed.size());
  slot.timed.push_back({name, 0, 0, label_, slot.epoch});
  vk_.CmdWriteTimestamp(slot.buffer, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, slot.queries, query);
}

void CommandTimes::end(CommandSlot& slot) {
  if (!is_on_) return;
  const auto query = static_cast<uint32_t>(2 * slot.timed.size() - 1);
  vk_.CmdWriteTimestamp(slot.buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot.queries, query);
}

void CommandTimes::collect(CommandSlot& slot) noexcept {
  if (slot.timed.empty()) return;
  try {
    read(slot);
  } catch (const std::exception&) {
    // Of a lost device everybody else learns, too.
  }
  slot.timed.clear();
}

void CommandTimes::read(CommandSlot& slot) {
  std::vector<uint64_t> ticks(2 * slot.timed.size());
  checked(vk_.GetQueryPoolResults, context_.device, slot.queries, 0u,
          static_cast<uint32_t>(ticks.size()), ticks.size() * sizeof(uint64_t),
          static_cast<void*>(ticks.data()), VkDeviceSize{sizeof(uint64_t)},
          VkQueryResultFlags{VK_QUERY_RESULT_64_BIT});
  const double period = context_.snapshot.limits.timestamp_period_ns;
  // Clocks of few bits begin again; one that seems to have gone back has not moved.
  const uint32_t bits = std::clamp(context_.snapshot.limits.timestamp_bits, 1u, 64u);
  const uint64_t mask = ~uint64_t{0} >> (64 - bits);
  const auto since = [&](uint64_t from, uint64_t to) {
    const uint64_t elapsed = (to - from) & mask;
    return elapsed > mask / 2 ? 0 : static_cast<double>(elapsed) * period;
  };
  for (size_t i = 0; i < slot.timed.size(); ++i) {
    const uint64_t begin = ticks[2 * i];
    clock_ += since(last_tick_.value_or(begin), begin);
    last_tick_ = begin;
    KernelTime& time = times_.emplace_back(std::move(slot.timed[i]));
    time.begin = clock_;
    time.nanoseconds = since(begin, ticks[2 * i + 1]);
  }
}

}  // namespace nxv::vulkan

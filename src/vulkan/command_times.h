// Private to src/vulkan. When commands began and how long they took, by the device's clock.
#pragma once

#include <optional>
#include <vector>

#include "vulkan/command_slot.h"

namespace nxv::vulkan {

class CommandTimes {
 public:
  static constexpr uint32_t kMost = 1024;  // timed commands in a command buffer

  explicit CommandTimes(const Context& context) : context_(context), vk_(context.vk()) {}

  bool is_on() const { return is_on_; }
  void start(bool on);
  void set_label(uint32_t label) { label_ = label; }
  // Around each command.
  void begin(CommandSlot& slot, const char* name);
  void end(CommandSlot& slot);
  // Of a slot whose epoch has completed. What the driver, or the host, has no memory for is left
  // out.
  void collect(CommandSlot& slot) noexcept;
  // What was collected since the last call.
  std::vector<KernelTime> take() { return std::exchange(times_, {}); }

 private:
  void read(CommandSlot& slot);

  const Context& context_;
  const Functions& vk_;
  bool is_on_ = false;
  uint32_t label_ = 0;
  std::vector<KernelTime> times_;
  std::optional<uint64_t> last_tick_;
  double clock_ = 0;  // nanoseconds from the first reading to the last
};

}  // namespace nxv::vulkan

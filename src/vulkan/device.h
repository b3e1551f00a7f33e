// A Vulkan device opened for compute, and what belongs to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plan/device_plan.h"
#include "plan/snapshot.h"
#include "vulkan/kernel_cache.h"
#include "vulkan/memory.h"
#include "vulkan/queue.h"
#include "vulkan/transfer.h"

namespace nxv::vulkan {

struct DeviceOptions {
  // An index into enumerate_devices(), part of a name, or "cpu"; empty prefers discrete over
  // integrated over virtual over CPU devices.
  std::string select;
  plan::PlanOptions plan;
  bool validation = false;     // enable the validation layers; an error when they are not installed
  bool check_hazards = false;  // prove every barrier (HazardChecker)
  // Ask the driver what it made of each kernel (Pipeline::executables), where it says.
  bool statistics = false;
  std::string cache_folder;  // of persisted pipelines; empty keeps none
  // Tests: called with the name of each Vulkan call that can fail; a negative VkResult is returned
  // to us instead of making the call. Must be safe to call on any thread.
  std::function<int(const char* call)> inject;
  // Tools: changes what the driver reported before the plan is made of it. A device that lacks what
  // the plan then relies on does not open.
  std::function<void(plan::Snapshot&)> amend;

  // NXV_DEVICE, NXV_VALIDATION, NXV_CHECK_HAZARDS, NXV_CACHE_DIR and the plan's variables.
  static DeviceOptions from_environment();
};

// Snapshots of all devices in the driver's order, those below the floor included. Throws
// Error(no_device) without a Vulkan loader.
std::vector<plan::Snapshot> enumerate_devices();

// Index of the device that DeviceOptions::select means: of several that match, the first of the
// preferred kind. Throws Error(no_device) when none does.
size_t choose_device(const std::vector<plan::Snapshot>& devices, const std::string& select);
// The same of enumerate_devices().
size_t find_device(const std::string& select);

class Device {
 public:
  // Throws Error(no_device) when there is no loader, no device, none that matches, or one below
  // the floor.
  static std::unique_ptr<Device> open(
      const DeviceOptions& options = DeviceOptions::from_environment());
  // Waits for work in flight. Blocks may outlive the device; their memory does not.
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const plan::Snapshot& snapshot() const;
  // Made of the snapshot before probes; what this layer uses of it does not depend on them.
  const plan::DevicePlan& plan() const;
  MemoryPool& memory();
  Queue& queue();
  KernelCache& kernels();
  Transfers& transfers();
  // Warnings and errors of the validation layers so far; they are printed to stderr.
  uint64_t validation_messages() const;

 private:
  struct Impl;
  explicit Device(const DeviceOptions& options);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nxv::vulkan

#include "vulkan/device.h"

#include "base/env.h"
#include "vulkan/context.h"

namespace nxv::vulkan {

// Members are destroyed in reverse order: the queue first, which waits for the device.
struct Device::Impl {
  explicit Impl(const DeviceOptions& options)
      : context(Context::open(options)),
        memory(
            *context, context->plan, [this] { return queue.completed(); },
            [this] {
              if (const Failure f = queue.wait(queue.submit())) throw_failure(f);
            }),
        kernels(*context, context->plan, options.cache_folder),
        queue(*context, memory, context->plan, options.check_hazards),
        transfers(memory, queue, context->plan) {}

  std::unique_ptr<Context> context;
  MemoryPool memory;
  KernelCache kernels;
  Queue queue;
  Transfers transfers;
};

DeviceOptions DeviceOptions::from_environment() {
  DeviceOptions o;
  o.select = env::get("NXV_DEVICE").value_or("");
  o.plan = plan::PlanOptions::from_environment();
  o.validation = env::flag("NXV_VALIDATION");
  o.check_hazards = env::flag("NXV_CHECK_HAZARDS");
  o.cache_folder = env::cache_folder();
  return o;
}

std::vector<plan::Snapshot> enumerate_devices() {
  const auto instance = Instance::open(false, {});
  std::vector<plan::Snapshot> all;
  for (VkPhysicalDevice d : physical_devices(*instance)) all.push_back(take_snapshot(*instance, d));
  return all;
}

size_t find_device(const std::string& select) { return choose_device(enumerate_devices(), select); }

std::unique_ptr<Device> Device::open(const DeviceOptions& options) {
  return std::unique_ptr<Device>(new Device(options));
}

Device::Device(const DeviceOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Device::~Device() = default;

const plan::Snapshot& Device::snapshot() const { return impl_->context->snapshot; }
const plan::DevicePlan& Device::plan() const { return impl_->context->plan; }
MemoryPool& Device::memory() { return impl_->memory; }
Queue& Device::queue() { return impl_->queue; }
KernelCache& Device::kernels() { return impl_->kernels; }
Transfers& Device::transfers() { return impl_->transfers; }
uint64_t Device::validation_messages() const { return impl_->context->instance->messages.load(); }

}  // namespace nxv::vulkan

// KernelCache: structural key -> pipeline. Each key is generated and compiled once, on threads of
// ours, however many callers ask for it; the driver's own cache is kept on disk between runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "plan/device_plan.h"
#include "vulkan/executables.h"

namespace nxv::vulkan {

struct Context;
class KernelCache;

// Buffers that one kernel can read through texel views: the least that Vulkan promises.
inline constexpr uint32_t kMaxTexelBuffers = 16;

// A buffer that a kernel reads through a uniform texel view: 16-byte texels, of the whole piece of
// memory that its block lies in.
struct TexelBuffer {
  uint32_t buffer = 0;  // counts the kernel's buffers in the order of their parameters
  // Where in the parameters its address would stand: the kernel finds the block's first texel
  // there, as a 32-bit number.
  uint32_t offset = 0;
};

// A compute shader ready for the driver: entry point "main", parameters by push constants (or,
// beyond the plan's push_bytes, an 8-byte address of them), the i-th of `texels` at binding i of
// set 0, no other descriptors.
struct ShaderModule {
  std::string name;  // shown by the profiler and in errors
  std::vector<uint32_t> words;
  uint32_t push_bytes = 0;
  uint32_t parameter_bytes =
      0;  // as the kernel reads them, in push constants or behind the address
  uint32_t local_size[3] = {1, 1, 1};
  uint32_t required_subgroup_size = 0;  // 0: the driver chooses
  uint32_t shared_bytes = 0;
  std::vector<TexelBuffer> texels;
};

// A kernel that was requested. Lives as long as its cache, so work in flight needs no reference.
class Pipeline {
 public:
  const std::string& key() const { return key_; }
  bool ready() const { return state_.load(std::memory_order_acquire) != 0; }
  // Waits for the compilation; throws its Error if it failed. Again on every call, but where there
  // was no memory for it: that is tried anew, on this thread, by one thread at a time.
  const Pipeline& get() const;
  // Waits; ok or what went wrong.
  const Failure& wait() const;
  // Once ready: the device or its driver does not take the kernel, which another may replace.
  bool is_refused() const { return is_refused_; }
  // To be called for want of memory by whoever asked for it and goes on without it: waits, and
  // drops what it would be generated of.
  void give_up() const noexcept;
  // Has to be asked for once more: was given up, or the driver refused it, which it may not do
  // another time. What breaks a limit of the device stays refused.
  bool is_unmade() const {
    if (!ready() || can_be_made()) return false;
    const Status status = failure_.status;
    return status == Status::alloc_failed || (is_refused_ && status != Status::unsupported);
  }

  // What follows is valid once get() has returned.
  const std::string& name() const { return name_; }
  uint32_t push_bytes() const { return push_bytes_; }
  uint32_t parameter_bytes() const { return parameter_bytes_; }
  uint32_t local_size() const { return local_size_; }  // invocations of a workgroup
  uint64_t pipeline() const { return pipeline_; }      // a VkPipeline
  std::span<const TexelBuffer> texels() const { return texels_; }
  bool was_cached() const { return was_cached_; }
  double milliseconds() const { return milliseconds_; }
  // Empty, unless DeviceOptions::statistics asked the driver, and it says.
  const std::vector<Executable>& executables() const { return executables_; }

 private:
  friend class KernelCache;
  bool can_be_made() const { return !module_.words.empty() || generate_; }

  std::atomic<int> state_{0};
  KernelCache* cache_ = nullptr;
  std::string key_;
  std::string name_;
  Failure failure_;
  bool is_refused_ = false;
  // What it is made of, as long as it is not made: what generates it, then what was generated.
  mutable std::function<ShaderModule()> generate_;
  ShaderModule module_;
  uint32_t push_bytes_ = 0;
  uint32_t parameter_bytes_ = 0;
  uint32_t local_size_ = 0;
  uint64_t pipeline_ = 0;
  std::vector<TexelBuffer> texels_;
  std::vector<Executable> executables_;
  bool was_cached_ = false;
  double milliseconds_ = 0;
};

struct KernelStats {
  uint64_t requests = 0;
  uint64_t hits = 0;      // requests for a key that was there
  uint64_t compiled = 0;  // pipelines created
  uint64_t failed = 0;
  uint64_t module_hits = 0;  // not generated: their SPIR-V was kept from an earlier run
  uint64_t driver_hits = 0;  // created from the driver's cache (VkPipelineCreationFeedback)
  double milliseconds = 0;   // spent in generating and compiling, summed over threads
};

class KernelCache {
 public:
  // `folder` holds the persisted caches; empty keeps none.
  KernelCache(Context& context, const plan::DevicePlan& plan, const std::string& folder);
  ~KernelCache();
  KernelCache(const KernelCache&) = delete;
  KernelCache& operator=(const KernelCache&) = delete;

  // The kernel of `key`, compiled in the background; `generate` runs on a thread of the cache, at
  // most once per key, but for kernels that are unmade, and where there was no memory: then also in
  // Pipeline::get, until it is made. Any thread; returns at once.
  const Pipeline& request(std::string_view key, std::function<ShaderModule()> generate);
  // The kernel of `key` if it was requested before.
  const Pipeline* find(std::string_view key) const;
  KernelStats stats() const;
  // From now on SPIR-V is kept between runs, for `identity`: all that it depends on besides keys.
  // Before the first request that it is for.
  void keep_modules(const std::string& identity);
  // Writes the caches to disk now; false when there is no folder or it cannot be written.
  bool save();

 private:
  friend class Pipeline;
  struct Impl;
  void make_again(std::string_view key);

  std::unique_ptr<Impl> impl_;
};

}  // namespace nxv::vulkan

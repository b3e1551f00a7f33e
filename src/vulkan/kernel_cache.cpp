#include "vulkan/kernel_cache.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/thread.h"
#include "vulkan/driver_cache.h"
#include "vulkan/module_cache.h"

namespace nxv::vulkan {
namespace {

// Of compiling that a process which ends would lose: worth a write of the driver's cache, at once
// or once no kernel is being made.
constexpr double kMuchCompiling = 5000, kSomeCompiling = 200;  // milliseconds

int compiler_threads() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) - 1, 2, 8);
}

// Throws what the driver might not notice: some crash later instead.
void check_module(const ShaderModule& m, const plan::DevicePlan& plan) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Status::unsupported, "kernel '" + m.name + "' " + why);
  };
  if (m.shared_bytes > plan.shared_memory_bytes) {
    refuse("needs " + std::to_string(m.shared_bytes) + " bytes of shared memory; the limit is " +
           std::to_string(plan.shared_memory_bytes));
  }
  if (m.push_bytes > plan.push_bytes) {
    refuse("takes " + std::to_string(m.push_bytes) + " bytes of push constants; the limit is " +
           std::to_string(plan.push_bytes));
  }
  if (!m.texels.empty() && (!plan.has.texel_loads || m.texels.size() > kMaxTexelBuffers)) {
    refuse("reads " + std::to_string(m.texels.size()) +
           " buffers through texel views; the limit is " +
           std::to_string(plan.has.texel_loads ? kMaxTexelBuffers : 0));
  }
  const uint64_t invocations = uint64_t{m.local_size[0]} * m.local_size[1] * m.local_size[2];
  if (invocations == 0 || invocations > plan.max_workgroup_invocations) {
    refuse("has workgroups of " + std::to_string(invocations) + " invocations; the limit is " +
           std::to_string(plan.max_workgroup_invocations));
  }
  if (m.required_subgroup_size != 0 && !plan.can_demand(m.required_subgroup_size)) {
    refuse("needs subgroups of " + std::to_string(m.required_subgroup_size) +
           "; the device lets kernels demand " + std::to_string(plan.min_subgroup_size) + " to " +
           std::to_string(plan.max_subgroup_size));
  }
}

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};

}  // namespace

struct KernelCache::Impl {
  Impl(Context& c, const plan::DevicePlan& p, const std::string& folder)
      : context(c),
        plan(p),
        cache_folder(folder),
        driver(c, folder),
        pool("nxv-compile", compiler_threads()) {}

  void compile(Pipeline& kernel) noexcept;
  void make(Pipeline& kernel);
  Failure try_to_make(Pipeline& kernel) noexcept;
  ShaderModule module_of(const Pipeline& kernel);
  bool save() noexcept;
  void save_some(bool driver_too, bool is_last) noexcept;
  VkPipeline create(const ShaderModule& m, bool& was_cached) const;

  Context& context;
  const plan::DevicePlan& plan;
  const std::string cache_folder;
  DriverCache driver;
  std::unique_ptr<ModuleCache> modules;  // none before keep_modules
  std::atomic<bool> closing{false};
  mutable std::mutex mutex;
  std::unordered_map<std::string, std::unique_ptr<Pipeline>, TextHash, std::equal_to<>> kernels;
  KernelStats stats;
  double unsaved = 0;  // milliseconds of compiling since the driver's cache was saved
  ThreadPool pool;     // last: its threads use all of the above
};

VkPipeline KernelCache::Impl::create(const ShaderModule& m, bool& was_cached) const {
  const Functions& vk = context.vk();
  VkShaderModuleCreateInfo code{};
  code.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  code.codeSize = m.words.size() * sizeof(uint32_t);
  code.pCode = m.words.data();
  VkShaderModule shader = VK_NULL_HANDLE;
  vulkan::create(vk.CreateShaderModule, shader, context.device, &code, nullptr);

  VkPipelineCreationFeedback whole{};
  VkPipelineCreationFeedback stage{};
  VkPipelineCreationFeedbackCreateInfo feedback{};
  feedback.sType = VK_STRUCTURE_TYPE_PIPELINE_CREATION_FEEDBACK_CREATE_INFO;
  feedback.pPipelineCreationFeedback = &whole;
  feedback.pipelineStageCreationFeedbackCount = 1;
  feedback.pPipelineStageCreationFeedbacks = &stage;
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup{};
  subgroup.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO;
  subgroup.requiredSubgroupSize = m.required_subgroup_size;
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.layout = context.layout;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = shader;
  info.stage.pName = "main";
  if (context.snapshot.features.pipeline_creation_feedback) info.pNext = &feedback;
  info.flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;
  if (context.has_statistics) info.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR;
  if (m.required_subgroup_size != 0 && plan.has.subgroup_size_control) {
    info.stage.pNext = &subgroup;
    // Lanes are then numbered along x without gaps.
    if (m.local_size[0] % m.required_subgroup_size == 0) {
      info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    }
  }
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result =
      vk.CreateComputePipelines(context.device, driver.handle(), 1, &info, nullptr, &pipeline);
  vk.DestroyShaderModule(context.device, shader, nullptr);
  if (result < 0) {
    throw Error(status_of(result), "the driver could not compile kernel '" + m.name +
                                       "': " + result_name(result) + " on " +
                                       context.snapshot.name + " (" + context.snapshot.driver_name +
                                       ' ' + context.snapshot.driver_info + ")");
  }
  constexpr VkPipelineCreationFeedbackFlags kHit =
      VK_PIPELINE_CREATION_FEEDBACK_VALID_BIT |
      VK_PIPELINE_CREATION_FEEDBACK_APPLICATION_PIPELINE_CACHE_HIT_BIT;
  was_cached = (whole.flags & kHit) == kHit;
  return pipeline;
}

ShaderModule KernelCache::Impl::module_of(const Pipeline& kernel) {
  if (modules) {
    if (std::optional<ShaderModule> kept = modules->find(kernel.key_)) {
      const std::lock_guard lock(mutex);
      ++stats.module_hits;
      return *std::move(kept);
    }
  }
  ShaderModule made;
  try {
    made = kernel.generate_();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(Status::internal, std::string("generating a kernel failed: ") + e.what());
  }
  if (modules) modules->add(kernel.key_, made);
  return made;
}

bool KernelCache::Impl::save() noexcept {
  try {
    const bool kept = !modules || modules->save();
    {
      const std::lock_guard lock(mutex);
      unsaved = 0;
    }
    return driver.save() && kept;
  } catch (const std::exception&) {
    return false;
  }
}

// What cannot be saved now is saved later, or made again.
void KernelCache::Impl::save_some(bool driver_too, bool is_last) noexcept {
  try {
    if (driver_too) driver.save();
    if (modules && modules->has_news() && is_last) modules->save();
  } catch (const std::exception&) {
    // Nobody is told: nothing is lost but time.
  }
}

void KernelCache::Impl::make(Pipeline& kernel) {
  if (closing) throw Error(Status::device_lost, "the device was closed before this was compiled");
  if (kernel.module_.words.empty()) {
    ShaderModule m = module_of(kernel);
    kernel.name_ = m.name;
    kernel.texels_ = m.texels;
    kernel.module_ = std::move(m);
  }
  const ShaderModule& m = kernel.module_;
  kernel.is_refused_ = true;  // by whatever throws from here on
  check_module(m, plan);
  kernel.push_bytes_ = m.push_bytes;
  kernel.parameter_bytes_ = m.parameter_bytes;
  kernel.local_size_ = m.local_size[0] * m.local_size[1] * m.local_size[2];
  kernel.pipeline_ = reinterpret_cast<uint64_t>(create(m, kernel.was_cached_));
  kernel.is_refused_ = false;
  try {
    kernel.executables_ = executables_of(context, kernel.pipeline_);
  } catch (const std::exception&) {
    // They are for people alone.
  }
}

// Keeps what the kernel can be made of only where another attempt may succeed: what generates it,
// or what was generated.
Failure KernelCache::Impl::try_to_make(Pipeline& kernel) noexcept {
  Failure failure;
  try {
    make(kernel);
  } catch (...) {
    failure = current_failure();
  }
  const bool may_pass = failure.status == Status::alloc_failed;
  kernel.is_refused_ &= !may_pass && failure.status != Status::device_lost;
  if (!may_pass) kernel.module_ = {};
  if (!may_pass || !kernel.module_.words.empty()) kernel.generate_ = nullptr;
  return failure;
}

void KernelCache::Impl::compile(Pipeline& kernel) noexcept {
  const auto start = std::chrono::steady_clock::now();
  kernel.failure_ = try_to_make(kernel);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  kernel.milliseconds_ = took.count();
  const bool is_last = pool.is_last_job();
  bool is_worth_saving = false;
  {
    const std::lock_guard lock(mutex);
    stats.milliseconds += took.count();
    if (kernel.failure_) {
      ++stats.failed;
    } else {
      ++stats.compiled;
      stats.driver_hits += kernel.was_cached_;
      if (!kernel.was_cached_) unsaved += took.count();
      is_worth_saving = unsaved >= (is_last ? kSomeCompiling : kMuchCompiling);
      if (is_worth_saving) unsaved = 0;
    }
  }
  // Whoever waits may count on it that what the generator of a kernel that was made holds is given
  // up.
  kernel.state_.store(1, std::memory_order_release);
  kernel.state_.notify_all();
  save_some(is_worth_saving, is_last);
}

const Failure& Pipeline::wait() const {
  state_.wait(0, std::memory_order_acquire);
  return failure_;
}

const Pipeline& Pipeline::get() const {
  const Failure& failure = wait();
  if (failure && can_be_made()) cache_->make_again(key_);
  if (failure) throw_failure(failure);
  return *this;
}

void Pipeline::give_up() const noexcept {
  wait();
  generate_ = nullptr;
}

void KernelCache::make_again(std::string_view key) {
  Pipeline* kernel = nullptr;
  {
    const std::lock_guard lock(impl_->mutex);
    kernel = impl_->kernels.find(key)->second.get();
  }
  kernel->failure_ = impl_->try_to_make(*kernel);
  const std::lock_guard lock(impl_->mutex);
  if (!kernel->failure_) ++impl_->stats.compiled;
}

KernelCache::KernelCache(Context& context, const plan::DevicePlan& plan, const std::string& folder)
    : impl_(std::make_unique<Impl>(context, plan, folder)) {}

KernelCache::~KernelCache() {
  impl_->closing = true;
  impl_->pool.wait_idle();
  if (impl_->unsaved > 0) save();  // news of modules, too
  const Context& c = impl_->context;
  for (const auto& [key, kernel] : impl_->kernels) {
    if (kernel->pipeline_ != 0) {
      c.vk().DestroyPipeline(c.device, reinterpret_cast<VkPipeline>(kernel->pipeline_), nullptr);
    }
  }
}

const Pipeline& KernelCache::request(std::string_view key, std::function<ShaderModule()> generate) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.mutex);
  ++impl.stats.requests;
  auto found = impl.kernels.find(key);
  if (found != impl.kernels.end() && !found->second->is_unmade()) {
    ++impl.stats.hits;
    return *found->second;
  }
  if (found == impl.kernels.end()) {
    auto made = std::make_unique<Pipeline>();
    made->cache_ = this;
    made->key_ = key;
    made->failure_ = {Status::alloc_failed, "host memory is exhausted"};
    made->state_ = 1;
    found = impl.kernels.emplace(std::string(key), std::move(made)).first;
  }
  // Unmade it stays, when there is no memory for the job.
  Pipeline& kernel = *found->second;
  kernel.generate_ = std::move(generate);
  kernel.state_ = 0;
  try {
    impl.pool.submit([&impl, &kernel] { impl.compile(kernel); });
  } catch (...) {
    kernel.generate_ = nullptr;
    kernel.state_ = 1;
    throw;
  }
  return kernel;
}

const Pipeline* KernelCache::find(std::string_view key) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->kernels.find(key);
  return found == impl_->kernels.end() ? nullptr : found->second.get();
}

KernelStats KernelCache::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

void KernelCache::keep_modules(const std::string& identity) {
  impl_->modules = std::make_unique<ModuleCache>(impl_->cache_folder, identity);
}

bool KernelCache::save() { return impl_->save(); }

}  // namespace nxv::vulkan

// Profiles of an engine.
#include "runtime/engine.h"

namespace nxv::runtime {

void Engine::begin_profile() {
  call([this](Executor& executor, vulkan::Device& device) {
    if (profiler_) {
      throw Error(Status::invalid_argument, "there is a profile of this device; end it first");
    }
    auto profiler = std::make_unique<Profiler>(device);
    executor.profile(profiler.get());
    const std::lock_guard lock(profile_mutex_);
    profiler_ = std::move(profiler);
  });
}

std::unique_ptr<Profiler> Engine::drop_profiler() {
  executor_->profile(nullptr);
  const std::lock_guard lock(profile_mutex_);
  return std::move(profiler_);
}

Profile Engine::end_profile() {
  Profile profile;
  call([&](Executor&, vulkan::Device&) {
    const std::unique_ptr<Profiler> profiler = drop_profiler();
    if (!profiler) throw Error(Status::invalid_argument, "there is no profile; begin one first");
    profile = profiler->finish();
  });
  return profile;
}

void Engine::mark_phase(const std::string& name) {
  const std::lock_guard lock(profile_mutex_);
  if (profiler_) profiler_->mark(name);
}

}  // namespace nxv::runtime

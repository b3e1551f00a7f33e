// Profiler: measures what an engine does, from its making to `finish`. The engine's thread only,
// but for `mark`. Whoever may be measured holds a pointer to it, null when nobody measures.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/profile.h"
#include "runtime/program.h"
#include "vulkan/device.h"

namespace nxv::runtime {

class Profiler {
 public:
  // Waits for what the device was given before.
  explicit Profiler(vulkan::Device& device);
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  void enter(Phase phase);
  void leave();
  // Commands that follow belong to this step, or to none.
  void step(const Program::Step& step);
  void no_step() { device_.queue().set_label(0); }
  // Steps that follow belong to a call of the Function of this name, or to none.
  void source(const std::string& name) { source_ = name; }
  // Any thread: what the caller does from now on.
  void mark(std::string phase);
  // Waits for the device. Throws when that is lost.
  Profile finish();

 private:
  using Clock = std::chrono::steady_clock;
  struct Open {
    Phase phase{};
    double begin = 0;
    double inside = 0;     // time of phases inside
    double submitted = 0;  // time of submissions before, and of those in phases inside
  };

  double now() const { return since(Clock::now()); }
  double since(Clock::time_point t) const {
    return std::chrono::duration<double, std::nano>(t - start_).count();
  }
  double submitting() const {
    return std::chrono::duration<double, std::nano>(device_.queue().submitting()).count();
  }
  void add_span(std::vector<Profile::HostSpan>& spans, const char* name, double begin, double end);
  void collect();

  vulkan::Device& device_;
  Clock::time_point start_;
  Profile profile_;
  std::vector<Open> open_;
  std::string source_;
  // Holds the steps' summaries, so that none of them is taken for another one.
  std::map<std::pair<std::shared_ptr<const StepSummary>, std::string>, uint32_t> labels_;
  uint64_t steps_ = 0;
  std::deque<vulkan::SubmissionTime> submissions_;  // of epochs without a command so far
  double covered_ = 0;  // end of the last command, by the device's clock
  double offset_ = 0;   // of the device's clock to ours
  bool has_offset_ = false;

  std::mutex mutex_;  // of the caller's spans
};

class InPhase {
 public:
  InPhase(Profiler* profiler, Phase phase) : profiler_(profiler) {
    if (profiler_) profiler_->enter(phase);
  }
  InPhase(const InPhase&) = delete;
  InPhase& operator=(const InPhase&) = delete;
  ~InPhase() {
    if (profiler_) profiler_->leave();
  }

 private:
  Profiler* const profiler_;
};

}  // namespace nxv::runtime

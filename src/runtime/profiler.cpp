#include "runtime/profiler.h"

#include <algorithm>

namespace nxv::runtime {
namespace {

constexpr size_t kMostSpans = 1 << 18;
constexpr uint64_t kStepsACollection = 4096;

std::string name_of(const StepSummary& summary) {
  std::string text(name(summary.kind));
  text += ": " + names_of(summary) + " ->";
  for (size_t r = 0; r < summary.shapes.size(); ++r) {
    text += (r == 0 ? " " : ", ") + std::string(name(summary.dtypes[r]));
    text += to_string(summary.shapes[r]);
  }
  return text;
}

}  // namespace

Profiler::Profiler(vulkan::Device& device) : device_(device) {
  vulkan::Queue& queue = device.queue();
  const Failure failure = queue.wait(queue.submit());
  if (failure) throw_failure(failure);
  queue.take_profile();
  queue.set_profiling(true);
  profile_.device = device.snapshot().name;
  profile_.has_device_times = device.plan().has.timestamps;
  profile_.work.emplace_back().name = "copies, fills and other commands";
  start_ = Clock::now();
}

Profiler::~Profiler() {
  try {
    device_.queue().set_profiling(false);
  } catch (const Error&) {
    // The queue has failed, and keeps its failure.
  }
}

void Profiler::enter(Phase phase) { open_.push_back({phase, now(), 0, submitting()}); }

void Profiler::leave() {
  const Open phase = open_.back();
  open_.pop_back();
  const double end = now(), total = end - phase.begin;
  const double submitted = submitting() - phase.submitted;
  profile_.phases[static_cast<int>(phase.phase)] += total - phase.inside - submitted;
  if (!open_.empty()) {
    open_.back().inside += total;
    // They are part of that total.
    open_.back().submitted += submitting() - phase.submitted;
  }
  add_span(profile_.engine_spans, name(phase.phase), phase.begin, end);
}

void Profiler::add_span(std::vector<Profile::HostSpan>& spans, const char* name, double begin,
                        double end) {
  if (spans.size() < kMostSpans) {
    spans.push_back({name, begin, end});
  } else {
    ++profile_.left_out;
  }
}

void Profiler::step(const Program::Step& step) {
  const auto [at, is_new] =
      labels_.try_emplace({step.summary, source_}, static_cast<uint32_t>(profile_.work.size()));
  if (is_new) {
    Profile::Work& work = profile_.work.emplace_back();
    work.name = name_of(*step.summary);
    work.source = source_;
    work.number = step.number;
    work.summary = *step.summary;
    for (const kernels::Launch& launch : step.lowering.launches) {
      work.bytes += step.bytes_read(launch) + step.bytes_written(launch);
    }
  }
  ++profile_.work[at->second].runs;
  device_.queue().set_label(at->second);
  if (++steps_ % kStepsACollection == 0) collect();
}

void Profiler::mark(std::string phase) {
  const double at = now();
  const std::lock_guard lock(mutex_);
  if (!profile_.caller.empty()) profile_.caller.back().end = at;
  if (profile_.caller.size() < kMostSpans) profile_.caller.push_back({std::move(phase), at, at});
}

void Profiler::collect() {
  const std::vector<vulkan::KernelTime> times = device_.queue().take_profile();
  for (const vulkan::SubmissionTime& s : device_.queue().take_submissions()) {
    ++profile_.submissions;
    add_span(profile_.engine_spans, name(Phase::submit), since(s.begin), since(s.end));
    submissions_.push_back(s);
  }
  for (const vulkan::KernelTime& t : times) {
    while (!submissions_.empty() && submissions_.front().epoch < t.epoch) submissions_.pop_front();
    if (!submissions_.empty() && submissions_.front().epoch == t.epoch) {
      const double least = since(submissions_.front().begin) - t.begin;
      offset_ = has_offset_ ? std::max(offset_, least) : least;
      has_offset_ = true;
      submissions_.pop_front();
    }
    Profile::Work& work = profile_.work[t.label];
    const double end = t.begin + t.nanoseconds;
    ++work.commands;
    work.device += std::max(0.0, end - std::max(t.begin, covered_));
    covered_ = std::max(covered_, end);
    if (profile_.device_spans.size() < kMostSpans) {
      profile_.device_spans.push_back({t.label, t.name, t.begin, end});
    } else {
      ++profile_.left_out;
    }
  }
  profile_.commands += times.size();
}

Profile Profiler::finish() {
  vulkan::Queue& queue = device_.queue();
  {
    const InPhase waiting(this, Phase::wait);
    const Failure failure = queue.wait(queue.submit());
    if (failure) throw_failure(failure);
  }
  profile_.phases[static_cast<int>(Phase::submit)] = submitting();
  profile_.wall = now();
  collect();
  const std::lock_guard lock(mutex_);
  if (!profile_.caller.empty()) profile_.caller.back().end = profile_.wall;
  for (Profile::DeviceSpan& span : profile_.device_spans) {
    span.begin += offset_;
    span.end += offset_;
  }
  const auto by_begin = [](const auto& a, const auto& b) { return a.begin < b.begin; };
  std::stable_sort(profile_.engine_spans.begin(), profile_.engine_spans.end(), by_begin);
  return std::move(profile_);
}

}  // namespace nxv::runtime

// What a profile found, as plain data, and the two ways to read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/step_summary.h"

namespace nxv::runtime {

// What the engine's thread does. In the order in which they are listed.
enum class Phase : uint8_t {
  schedule,  // from graphs to Programs
  compile,   // waits for kernels
  upload,    // writes to the device's memory
  record,    // commands
  submit,
  wait,  // for the device
};
inline constexpr int kPhases = 6;
const char* name(Phase phase);

// Times are in nanoseconds since the profile began, by the host's clock.
struct Profile {
  // A region of a program, or what is none (a copy, a fill of a fault slot).
  struct Work {
    std::string name;    // operations and results
    std::string source;  // of the Function whose call ran it; may be empty
    int number = 0;      // of the step in its program, as `explain` counts; 0: no step
    StepSummary summary;
    uint64_t runs = 0;      // of the step: rounds of loops that were recorded ahead count
    uint64_t bytes = 0;     // that a run reads and writes
    uint64_t commands = 0;  // that the device ran
    double device = 0;      // a command's time counts from the end of those before it on
  };
  struct DeviceSpan {
    uint32_t work = 0;  // index
    std::string kernel;
    double begin = 0, end = 0;
  };
  struct HostSpan {
    std::string name;
    double begin = 0, end = 0;
  };

  std::string device;  // its name
  double wall = 0;     // from begin to end; at the end the device has finished
  bool has_device_times = false;
  uint64_t commands = 0, submissions = 0;
  double phases[kPhases] = {};   // of the engine's thread, each without those inside of it
  std::vector<HostSpan> caller;  // as the caller named them, one after the other
  std::vector<Work> work;        // the first is what is no step
  // In the order in which they began; of long profiles the first ones.
  std::vector<DeviceSpan> device_spans;
  std::vector<HostSpan> engine_spans;
  uint64_t left_out = 0;  // spans

  double device_time() const;
};

// Tables of phases and of work, what took longest first.
std::string to_text(const Profile& profile);

// Trace Event Format, JSON object form, for chrome://tracing and ui.perfetto.dev: threads "caller",
// "engine" and "device". The clocks of host and device are laid beside each other such that nothing
// runs before it was submitted.
std::string to_trace(const Profile& profile);

}  // namespace nxv::runtime

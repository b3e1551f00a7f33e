// What is right and what is wrong with this machine, as far as this library is concerned: for
// people who wonder why something is slow or does not run, and for their reports.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/installation.h"
#include "plan/device_plan.h"
#include "runtime/trials.h"
#include "vulkan/drivers.h"

namespace nxv::runtime {

struct CacheFolder {
  std::string path;     // empty: nothing is kept
  std::string refusal;  // why nothing can be written to it
  uint64_t files = 0, bytes = 0;
};

// Where a capability is off.
struct Missing {
  std::string_view capability;
  std::string why;
};

struct Findings {
  std::string version, identity, system;
  std::vector<std::pair<std::string, std::string>> environment;  // variables that are set
  CacheFolder cache;
  vulkan::Loader loader;
  std::vector<vulkan::Driver> drivers;
  std::vector<installation::DeviceFile> files;
  std::vector<plan::Snapshot> devices;
  std::string devices_failure;  // why they cannot be listed
  int chosen = -1;              // of the devices; -1: none
  std::string chosen_failure;   // why none is, or why it does not open
  bool is_open = false;
  plan::Snapshot device;  // as opened: with what its probes found
  plan::DevicePlan plan;
  std::vector<std::string> probe_failures;
  std::vector<Missing> missing;
  std::vector<Trial> trials;
  std::vector<Speed> speeds;
};

// Prints a section as soon as it is known, so that a driver which crashes leaves what went before.
// `select` as in vulkan::DeviceOptions; empty: NXV_DEVICE. Throws nothing of what is wrong here.
Findings examine(const std::string& select, const std::function<void(std::string_view)>& print);

// Why each capability that is off is off.
std::vector<Missing> missing_capabilities(const plan::Snapshot& device,
                                          const plan::PlanOptions& options);

// What to do, the gravest first.
struct Advice {
  bool is_grave = false;  // nothing runs, or not rightly
  std::string text;
};
std::vector<Advice> advice_for(const Findings& findings);
// Whether all is well: nothing grave.
bool is_well(const Findings& findings);

// All sections, and the advice.
std::string to_text(const Findings& findings);

}  // namespace nxv::runtime

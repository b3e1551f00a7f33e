#include "vulkan/pace.h"

#include <algorithm>

namespace nxv::vulkan {
namespace {

// What Tuning::submit_work is taken to need.
constexpr double kSecondsOfSubmitWork = 0.01;
// Of a kernel that was not measured, at the assumed speed: a device may be a hundred times slower
// than others of its kind.
constexpr double kTrusted = 0.004;

}  // namespace

Pace::Pace(const plan::DevicePlan& plan)
    : plan_(plan),
      assumed_(kSecondsOfSubmitWork * plan.slowness /
               static_cast<double>(plan.tuning.submit_work)) {}

double Pace::seconds(const Pipeline* kernel, uint64_t work) const {
  const auto known = kernels_.find(kernel);
  const double mean = work_ > 0 ? seconds_ / work_ : 0;
  const double each = known != kernels_.end() ? known->second : std::max(assumed_, mean);
  return each * static_cast<double>(work);
}

double Pace::most(const Pipeline* kernel) const {
  return kernels_.contains(kernel) ? plan_.tuning.submit_seconds : kTrusted;
}

void Pace::measured(const Pipeline& kernel, uint64_t work, double seconds) {
  if (work == 0) return;
  seconds *= plan_.slowness;
  kernels_[&kernel] = seconds / static_cast<double>(work);
  work_ += static_cast<double>(work);
  seconds_ += seconds;
}

}  // namespace nxv::vulkan

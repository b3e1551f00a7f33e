// What is asked of a driver that did not compile a kernel.
#pragma once

#include "plan/device_plan.h"

namespace nxv::plan {

// The plan of the same device for kernels of few registers, invocations and bytes of shared memory,
// without subgroups and matrix units. They have the same bits, but where matrix units would have
// added up.
DevicePlan plainer(DevicePlan plan);

}  // namespace nxv::plan

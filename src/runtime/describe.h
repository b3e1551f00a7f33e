// Text for people: what a device is, and what evaluating a value would run.
#pragma once

#include <string>

#include "runtime/engine.h"

namespace nxv::runtime {

// Device, driver, plan, capabilities, limits, probes and memory.
std::string describe(Engine& engine);
// Regions, why they were cut, and each kernel as KernelIR.
std::string explain(Engine& engine, const NodeRef& node);

}  // namespace nxv::runtime

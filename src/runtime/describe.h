// Text for people: what a device is, and what evaluating a value would run.
#pragma once

#include <string>

#include "runtime/engine.h"

namespace nxv::runtime {

// Device, driver, plan, capabilities, limits, probes and memory.
std::string describe(Engine& engine);

struct ExplainOptions {
  bool ir = false;  // with the KernelIR of each kernel as it runs: legalised and simplified
};
// Regions, why they were cut, and their dispatches: those of one kernel and grid in one line, with
// how often they come, in the order of the first.
std::string explain(Engine& engine, const NodeRef& node, const ExplainOptions& options = {});

}  // namespace nxv::runtime

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

enum class ExplainFormat : uint8_t { text, svg };
struct FunctionExplainOptions {
  ExplainFormat format = ExplainFormat::text;
  std::string name = {};            // the title
  std::vector<int> arguments = {};  // what they are called by, one for each; empty: 0, 1, ...
};
// What a call of the function runs: steps and their kernels, loops and branches inside of others,
// bytes, FLOPs (runtime/step_summary.h), temporaries and arguments that are written over. Makes its
// program and waits for its kernels if it has not been called yet.
std::string explain(Engine& engine, const Function& function,
                    const FunctionExplainOptions& options = {});

}  // namespace nxv::runtime

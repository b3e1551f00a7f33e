// Evaluates nodes as the runtime does, with the KernelIR interpreter in the device's place: for
// kernels of devices that are not there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "graph/node.h"
#include "kernels/kernel_ledger.h"
#include "kernels/lowering.h"
#include "plan/device_plan.h"
#include "schedule/partition.h"
#include "testing/interpreter/interpreter.h"
#include "testing/reference/reference.h"

namespace nxv::testing {

class InterpretedDevice {
 public:
  explicit InterpretedDevice(const plan::DevicePlan& plan,
                             const InterpreterOptions& interpreter = {},
                             const schedule::Options& schedule = {});
  InterpretedDevice(const InterpretedDevice&) = delete;
  InterpretedDevice& operator=(const InterpretedDevice&) = delete;

  // Stores the node and what it needs; throws the Error of a fault that a kernel reports.
  HostTensor evaluate(const NodeRef& node) { return evaluate(std::span(&node, 1)).front(); }
  // All by one schedule.
  std::vector<HostTensor> evaluate(std::span<const NodeRef> nodes);

  // How regions are lowered, unless as the runtime does it.
  using Lower = std::function<kernels::Lowering(const Region&, const kernels::Target&)>;
  void set_lower(Lower lower) { lower_ = std::move(lower); }

  const plan::DevicePlan& plan() const { return plan_; }
  int dispatches() const { return dispatches_; }
  const std::set<std::string>& kernels() const { return kernels_; }  // names of those that ran
  // Of all kernels run, each validated as SPIR-V: the complaints.
  const std::string& invalid() const { return invalid_; }

 private:
  void run(const Region& region);

  const plan::DevicePlan plan_;
  const InterpreterOptions interpreter_;
  schedule::Options schedule_;
  const kernels::Target target_;
  Lower lower_;
  int dispatches_ = 0;
  std::string invalid_;
  kernels::KernelLedger ledger_;
  std::set<std::string> keys_;
  std::set<std::string> kernels_;
};

}  // namespace nxv::testing

// Every kernel of the corpus, compiled by a device's driver and never run.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "compiled_kernel.h"
#include "kernels/lowering.h"
#include "schedule/partition.h"
#include "testing/corpus/corpus.h"
#include "vulkan/device.h"

namespace nxv::tools {

class Survey {
 public:
  using Report = std::function<void(const CompiledKernel&)>;

  // `before` is told of a kernel that is about to be compiled, which a driver may not survive, and
  // `after` what came of it. Kernels of one machine code are compiled once.
  Survey(const vulkan::DeviceOptions& options, Report before, Report after);
  ~Survey();

  const plan::Snapshot& snapshot() const { return snapshot_; }
  const plan::DevicePlan& plan() const { return plan_; }
  // Kernels whose own name or whose graph's contains one of the parts; none: all.
  void compile(const std::vector<testing::CorpusGraph>& graphs,
               const std::vector<std::string>& parts = {});
  // Graphs that the device cannot compute, without f64 say, and why.
  const std::map<std::string, std::string>& refused() const { return refused_; }

 private:
  void open();
  void compile(const std::string& graph, std::span<Node* const> roots);
  void compile(const std::string& graph, const Region& region,
               const std::vector<kernels::Launch>& launches);
  void compile(CompiledKernel kernel, const vulkan::ShaderModule& module);
  bool is_asked_for(const std::string& kernel, const std::string& graph) const;

  vulkan::DeviceOptions options_;
  Report before_, after_;
  std::unique_ptr<vulkan::Device> device_;
  int compiled_ = 0;  // since the device was opened
  plan::Snapshot snapshot_;
  plan::DevicePlan plan_;
  kernels::Target target_;
  schedule::Options cuts_;
  std::vector<std::string> parts_;
  std::set<std::string> seen_;  // keys of launches, and machine code
  std::map<std::string, std::string> refused_;
};

}  // namespace nxv::tools

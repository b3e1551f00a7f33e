// Evaluates nodes on a device: schedules, finds or makes kernels, records dispatches. Runs on the
// engine's thread only.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/counter.h"
#include "kernels/kernel_ledger.h"
#include "kernels/lowering.h"
#include "runtime/kernel_dump.h"
#include "runtime/packed_dispatch.h"
#include "runtime/program.h"
#include "runtime/storage.h"
#include "schedule/schedule.h"
#include "schedule/structure.h"
#include "spirv/translate.h"
#include "vulkan/device.h"

namespace nxv::runtime {

// Any thread may read these.
struct ExecutorStats {
  Counter evaluations;
  Counter schedules;  // made anew
  Counter dispatches;
  Counter donations;  // results in the storage of an operand
  Counter bytes_read, bytes_written;
};

struct ExecutorOptions {
  schedule::Options schedule;
  // Every kernel is generated wherever it is asked for, and compared with the first one of its key.
  std::shared_ptr<kernels::KernelLedger> ledger;
  std::shared_ptr<const KernelDump> dump;
};

class Executor {
 public:
  Executor(vulkan::Device& device, const plan::DevicePlan& plan, const ExecutorOptions& options);

  // Makes `node` stored. Throws what went wrong; the node then stays pending, or is failed.
  void evaluate(const NodeRef& node);
  // Storage for host bytes in device layout.
  void upload(Node& node, std::span<const std::byte> stored);

  const ExecutorStats& stats() const { return stats_; }
  const kernels::Target& target() const { return target_; }
  const schedule::Options& options() const { return options_.schedule; }
  // SPIR-V of a kernel, legalised for this device.
  vulkan::Module compile(const ir::Kernel& kernel) const;

 private:
  struct SignatureHash {
    size_t operator()(const std::vector<uint64_t>& signature) const;
  };

  Program& find_or_make_program(const NodeRef& root);
  Program schedule(const NodeRef& root);
  CompiledKernel& request(const kernels::Dispatch& dispatch, const Region& region);
  void run(const Program& program);
  void run(const Program::Step& step, Node* donor);
  void drop_inputs(const Program& program);
  void count_expiring(const Program& program);
  bool is_expiring(Position position) const;
  Node* find_donor(const Program::Step& step) const;
  void drop_last_read(const Program::Step& step);
  vulkan::BlockRef allocate(uint64_t bytes);
  Node& node(Position position) const { return *graph_.nodes[static_cast<size_t>(position)]; }

  vulkan::Device& device_;
  const plan::DevicePlan& plan_;
  kernels::Target target_;
  const ExecutorOptions options_;
  spirv::Options spirv_options_;
  std::unordered_map<std::string, CompiledKernel> kernels_;
  std::unordered_map<std::vector<uint64_t>, Program, SignatureHash> programs_;
  size_t kept_steps_ = 0;
  // Of the evaluation at hand.
  schedule::Structure graph_;
  Program unkept_;                  // when the graph has no signature
  std::vector<uint32_t> expiring_;  // references to each node that go with this evaluation
  // Of the step being recorded; they keep their capacity.
  std::vector<vulkan::Block*> operands_, workspaces_;
  std::vector<uint32_t> words_, scalars_;
  PackedDispatch packed_;
  ExecutorStats stats_;
};

}  // namespace nxv::runtime

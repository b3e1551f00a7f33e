// Makes Programs, of graphs and of Functions, and has their kernels made. The engine's thread only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/counter.h"
#include "kernels/kernel_ledger.h"
#include "runtime/kernel_dump.h"
#include "runtime/profiler.h"
#include "runtime/program.h"
#include "spirv/translate.h"
#include "vulkan/device.h"

namespace nxv::runtime {

struct ExecutorOptions {
  schedule::Options schedule;
  // Every kernel is generated wherever it is asked for, and compared with the first one of its key.
  std::shared_ptr<kernels::KernelLedger> ledger;
  std::shared_ptr<const KernelDump> dump;
  bool plans_temporaries = true;  // else each has a block of its own
  // In Functions, where fusion is on and it pays (graph/recognised_attention.h).
  bool recognises_attention = true;
};

// How graphs are cut for the device, where options leave it open.
schedule::Options cuts_for(const plan::DevicePlan& plan, schedule::Options options = {});

// Which of some values are numbers (DeviceStorage::is_number).
using Numbers = std::vector<bool>;

// What a loop or a branch calls, with those of the arguments that are numbers: condition and body
// of a loop, the body alone where the host counts its rounds; what a branch chooses among.
struct FunctionCall {
  const Function* function;
  Numbers known;
};
std::vector<FunctionCall> calls_of(const Program::Step& step);

class ProgramMaker {
 public:
  ProgramMaker(vulkan::Device& device, const plan::DevicePlan& plan,
               const ExecutorOptions& options);

  // What stores the roots, and overwrites nothing of `kept`. `graph` was read of them. The program
  // is given up when this throws.
  void make(Program& program, const schedule::Structure& graph, std::span<Node* const> roots,
            const schedule::Options& cuts, std::span<const Position> kept = {});
  // Of calls in which the parameters that `known` tells are numbers; none: all are stored. Kept
  // with the Function. Kernels of what it calls are asked for before any is waited for, so that
  // they compile in parallel; all are ready afterwards. Throws what went wrong with one.
  const Program& of(const Function& function, const Numbers& known = {});

  void profile(Profiler* profiler) { profiler_ = profiler; }
  const kernels::Target& target() const { return target_; }
  const schedule::Options& options() const { return options_.schedule; }
  // Of graphs of values, whose constants the host can put into memory; those of Functions are part
  // of them.
  schedule::Options options_of_values() const {
    schedule::Options options = options_.schedule;
    options.supplied_elements = plan_.tuning.apart_elements;
    return options;
  }
  // With plainer kernels in place of those that the driver refused.
  kernels::Lowering lowered(const Region& region) const;
  // Whether kernels have been refused, since it was last asked, that plainer ones can replace:
  // programs are then to be made anew.
  bool gives_way();
  const Counter& schedules() const { return schedules_; }
  // Of a program that is not run, or whose run has failed: waits for its kernels, and drops what
  // those are generated of that there was no memory for. Whether there are such: they have to be
  // asked for again, by a program that is made anew.
  static bool give_up(const Program& program) noexcept;
  // A kernel that belongs to no region.
  const vulkan::Pipeline& request(const std::string& key, ir::Kernel (*generate)());
  // SPIR-V of a kernel, legalised for this device.
  vulkan::ShaderModule compile(const ir::Kernel& kernel) const;

 private:
  const Program& ask_for(const Function& function, const Numbers& known);
  // Forgets programs that never ran, of the function and of those that it calls.
  void forget(const Function& function, const Numbers& known);
  void make(Program& program, const Function& function, const Numbers& known);
  // Gives the Function's programs, and those of what they call, up, and forgets those that have
  // kernels which could not be made.
  void forget_unmade(const Function& function) noexcept;
  void forget_called(const Program& program) noexcept;
  // Nodes for what a Function answers, fewer than it was written with.
  std::vector<NodeRef> rewritten(std::span<const NodeRef> values) const;
  const vulkan::Pipeline& request(const kernels::Launch& dispatch, const Region& region);

  vulkan::Device& device_;
  const plan::DevicePlan& plan_;
  Profiler* profiler_ = nullptr;
  kernels::Target target_;
  const plan::DevicePlan plainer_plan_;
  kernels::Target plainer_target_;
  std::unordered_set<std::string> given_up_;  // keys of kernels that were refused
  ExecutorOptions options_;
  spirv::Options spirv_options_;
  std::unordered_map<std::string, const vulkan::Pipeline*> kernels_;
  Counter schedules_;
};

}  // namespace nxv::runtime

// Evaluates nodes on a device and calls Functions: finds or makes Programs and runs them. Runs on
// the engine's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/counter.h"
#include "runtime/frame.h"
#include "runtime/profiler.h"
#include "runtime/program_maker.h"
#include "runtime/program_store.h"
#include "runtime/recorder.h"

namespace nxv::runtime {

class Speculation;

// Why values are evaluated: somebody wants them, or the graph below them has become too deep.
enum class Purpose : uint8_t { answer, depth };

class Executor {
 public:
  Executor(vulkan::Device& device, const plan::DevicePlan& plan, const ExecutorOptions& options);

  // Makes each node stored, all by one Program. Throws what went wrong; those not yet stored then
  // stay pending, or are failed.
  void evaluate(std::span<const NodeRef> nodes, Purpose purpose = Purpose::answer);
  void evaluate(const NodeRef& node) { evaluate(std::span(&node, 1)); }
  // Stores the results of a call, nodes that hold no value yet. Arguments that nothing but
  // `arguments` refers to may be written over, and are then consumed. Throws what went wrong; no
  // result is then stored.
  void call(const Function& function, std::span<const NodeRef> arguments,
            std::span<const NodeRef> results);
  // Submits what was recorded. Waits when the device is far behind.
  void keep_pace();
  // Gives up programs that nobody can ask for again.
  void forget_unused() noexcept { programs_.forget_unused(); }
  // Gives up memory that only saves work.
  void trim() { recorder_.trim(); }

  // Called where a loop or a branch waits for an epoch of the device, before it does: may run other
  // work meanwhile, aside.
  using Waiting = std::function<void(uint64_t epoch)>;
  void while_waiting(Waiting waiting) { waiting_ = std::move(waiting); }
  // What evaluates and calls in there; it waits for nothing.
  void aside(const std::function<void()>& work);
  // Whether these may be evaluated, or called with, aside: no loop or branch is among what is
  // pending of them, or in the Function, and nothing of them is being computed or waits to be. If
  // not, they wait as well: what is computed first never depends on timing.
  bool can_run_aside(std::span<const NodeRef> nodes, const Function* function = nullptr);
  // Nothing is being computed, and nothing waits.
  void forget_what_waits() { under_way_.reset(); }

  // Storage for host bytes in device layout.
  void upload(Node& node, std::span<const std::byte> stored);

  // Any thread may read these.
  const Counter& evaluations() const { return evaluations_; }
  const Counter& schedules() const { return maker_.schedules(); }
  const RecorderStats& stats() const { return recorder_.stats(); }
  const kernels::Target& target() const { return maker_.target(); }
  const schedule::Options& options() const { return maker_.options(); }
  ProgramMaker& programs() { return maker_; }
  // Who is told what is done from now on, until null is given.
  void profile(Profiler* profiler);
  // SPIR-V of a kernel, legalised for this device.
  vulkan::ShaderModule compile(const ir::Kernel& kernel) const { return maker_.compile(kernel); }

 private:
  void evaluate_once(std::span<const NodeRef> nodes, Purpose purpose);
  std::shared_ptr<const Program> find_or_make_program(std::span<Node* const> roots,
                                                      Purpose purpose);
  const Program& program_of(const Function& function, std::span<const NodeRef> arguments,
                            Numbers& numbers);
  static void drop_inputs(const Program& program, const Frame& frame);

  // Of the evaluation at hand.
  void run(const Program& program);
  // `drops`: values give up their storage with their last read, unless somebody may ask for them.
  void run(const Program& program, Frame& frame, bool donates, bool drops);
  // The results of a call: numbers where the host knows them.
  std::vector<StorageRef> run(const Function& function, std::vector<StorageRef> arguments);
  std::vector<StorageRef> run(const Program& program, std::vector<StorageRef> arguments);
  // The value in memory.
  StorageRef in_memory(StorageRef value);
  StorageRef in_memory(const Node& constant);
  void run_control(const Program::Step& step, Frame& frame, bool donates);
  std::vector<StorageRef> run_loop(const Program::Control& loop, std::vector<StorageRef> state);
  std::vector<StorageRef> run_branch(const Program::Control& branch,
                                     std::vector<StorageRef> inputs);
  // The node, once small data of it is on the device.
  Node& stored(Node& node);
  bool follow(const LoopCounter& counter, const Function& body, std::vector<StorageRef>& state);
  std::vector<StorageRef> speculate(const Program& round, StorageRef holds,
                                    std::vector<StorageRef> state);
  // Before the device is waited for in a loop or a branch: does other work until the epoch is over.
  void wait(uint64_t epoch);
  // keep_pace() between the rounds of a loop.
  void pace_rounds();
  // Waits for a scalar. Throws the fault that it depends on.
  bool is_true(DeviceStorage& scalar, DType type);
  // Throws the first fault that the value depends on; forgets those that did not happen.
  void check_faults(DeviceStorage& storage);

  // Rounds of a loop beyond which the device starts on them and the host keeps its distance.
  static constexpr int kRoundsASubmission = 64;

  vulkan::Device& device_;
  Profiler* profiler_ = nullptr;
  ProgramMaker maker_;
  Recorder recorder_;
  Speculation* speculation_ = nullptr;  // that what is recorded is part of
  ProgramStore programs_;
  // Of the evaluation at hand.
  schedule::Structure graph_;
  bool is_evaluating_ = false;
  std::optional<std::unordered_set<const Node*>> under_way_;  // once somebody asks
  Waiting waiting_;
  Counter evaluations_;
};

}  // namespace nxv::runtime

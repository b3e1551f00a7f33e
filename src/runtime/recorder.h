// Records what a step of a program does on the device's queue. The engine's thread only.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/counter.h"
#include "runtime/frame.h"
#include "runtime/packed_dispatch.h"
#include "runtime/profiler.h"
#include "vulkan/device.h"

namespace nxv::runtime {

// Any thread may read these.
struct RecorderStats {
  Counter dispatches;
  Counter donations;  // results in the storage of an operand
  Counter bytes_read, bytes_written;
};

using FaultSlots = std::unordered_map<const Program::Step*, FaultSlotRef>;

// Of rounds of a loop that are recorded before it is known whether they will be run (Speculation):
// dispatches take their groups from a gate, and all rounds report their faults to the same slots.
struct Gated {
  vulkan::Block* groups = nullptr;  // three numbers for each launch of the program
  FaultSlots* slots = nullptr;
};

class Recorder {
 public:
  explicit Recorder(vulkan::Device& device) : device_(device), fault_sets_(device) {}

  // The kernels of a step whose operands are stored; its roots are, afterwards. With `donates`,
  // each may take over an operand's storage.
  // Operands that have given their storage are failed when this throws, if they may have been
  // written over.
  void kernels(const Program::Step& step, Frame& frame, bool donates);

  // The block of the steps from this one on, where there is room for one.
  void begin_stretch(const Program::Step& step, Frame& frame);

  // What follows is recorded so; answers how it was before.
  Gated gate(const Gated& gated) { return std::exchange(gated_, gated); }
  void profile(Profiler* profiler) { profiler_ = profiler; }
  void trim() { fault_sets_.forget(); }
  // One dispatch of a kernel that is no step's.
  void dispatch(const vulkan::Dispatch& d);

  const RecorderStats& stats() const { return stats_; }

 private:
  // The commands of a step, and its results.
  void record(const Program::Step& step, Frame& frame, std::span<vulkan::BlockRef> values,
              const FaultSlotRef& slot, const kernels::LaunchBuffers<vulkan::Block*>& buffers);
  // `slot`: of the step, or null.
  Faults faults_of(const Program::Step& step, const Program::Output& output, const Frame& frame,
                   const FaultSlotRef& slot);
  void copy_target(vulkan::Block& from, vulkan::Block& to, const Program::Output& output);
  // Of each output, the operand whose storage it takes over, by its index, or -1.
  void choose_donors(const Program::Step& step, const Frame& frame);
  FaultSlotRef make_slot(const Program::Step& step);
  vulkan::BlockRef allocate(uint64_t bytes, const Program::Place& place, const Frame& frame);

  vulkan::Device& device_;
  FaultSets fault_sets_;
  Gated gated_;
  Profiler* profiler_ = nullptr;
  // Of the step being recorded; they keep their capacity.
  std::vector<vulkan::Block*> operands_, outputs_, workspaces_;
  std::vector<int> donors_;
  std::vector<uint32_t> words_, scalars_;
  PackedDispatch packed_;
  RecorderStats stats_;
};

}  // namespace nxv::runtime

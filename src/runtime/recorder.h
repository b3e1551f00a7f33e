// Records what a step of a program does on the device's queue. The engine's thread only.
#pragma once

#include <span>
#include <vector>

#include "base/counter.h"
#include "runtime/frame.h"
#include "runtime/packed_dispatch.h"
#include "vulkan/device.h"

namespace nxv::runtime {

// Any thread may read these.
struct RecorderStats {
  Counter dispatches;
  Counter donations;  // results in the storage of an operand
  Counter bytes_read, bytes_written;
};

class Recorder {
 public:
  explicit Recorder(vulkan::Device& device) : device_(device) {}

  // The kernels of a step whose operands are stored; its root is, afterwards. With `donates`, the
  // root may take over an operand's storage.
  void kernels(const Program::Step& step, Frame& frame, bool donates);

  const RecorderStats& stats() const { return stats_; }

 private:
  // What operands share is kept once, or the list would double with every value read twice.
  static Faults faults_of(const Program::Step& step, const Frame& frame);
  vulkan::BlockRef allocate(uint64_t bytes) { return device_.memory().allocate(bytes); }

  vulkan::Device& device_;
  // Of the step being recorded; they keep their capacity.
  std::vector<vulkan::Block*> operands_, workspaces_;
  std::vector<uint32_t> words_, scalars_;
  PackedDispatch packed_;
  RecorderStats stats_;
};

}  // namespace nxv::runtime

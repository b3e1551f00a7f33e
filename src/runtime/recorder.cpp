#include "runtime/recorder.h"

#include <algorithm>
#include <array>

#include "graph/fault.h"
#include "schedule/scalars.h"

namespace nxv::runtime {

namespace {

constexpr uint64_t kGroupsBytes = 3 * sizeof(uint32_t);
constexpr int kCallsWithoutBlock = 64;

}  // namespace

Faults Recorder::faults_of(const Program::Step& step, const Program::Output& output,
                           const Frame& frame, const FaultSlotRef& slot) {
  Faults faults;
  for (int operand : output.operands) {
    faults = fault_sets_.unite(faults, frame.storage(step.operands[operand]).faults);
  }
  return slot ? fault_sets_.add(faults, slot) : faults;
}

FaultSlotRef Recorder::make_slot(const Program::Step& step) {
  FaultSlotRef unshared;
  FaultSlotRef& slot = gated_.slots ? (*gated_.slots)[&step] : unshared;
  if (!slot) {
    slot = std::make_shared<FaultSlot>();
    const uint64_t bytes = (step.faults.size() + 3) / 4 * 16;
    slot->block = device_.memory().allocate(bytes);
    slot->ops = step.faults;
    slot->shape = step.outputs[0].shape;
    slot->is_shared = gated_.slots != nullptr;
    device_.queue().fill(*slot->block, 0, bytes, kNoFault);
  }
  return slot;
}

void Recorder::dispatch(const vulkan::Dispatch& d) {
  device_.queue().dispatch(d);
  ++stats_.dispatches;
}

// Also in rounds of a loop that will not be run: nobody reads it then.
void Recorder::copy_target(vulkan::Block& from, vulkan::Block& to, const Program::Output& output) {
  device_.queue().copy(from, 0, to, 0, (output.bytes + 3) / 4 * 4);
  stats_.bytes_read += output.bytes;
  stats_.bytes_written += output.bytes;
}

// Where there is no room for all temporaries together, there may be for each. To look for room
// costs what the pool has cached: that is done in some calls only.
void Recorder::begin_stretch(const Program::Step& step, Frame& frame) {
  frame.temporaries = {};
  if (step.block_bytes == 0) return;
  if (step.calls_without_block > 0) {
    --step.calls_without_block;
    return;
  }
  frame.temporaries = device_.memory().try_allocate(step.block_bytes);
  if (!frame.temporaries) step.calls_without_block = kCallsWithoutBlock;
}

vulkan::BlockRef Recorder::allocate(uint64_t bytes, const Program::Place& place,
                                    const Frame& frame) {
  if (!place || !frame.temporaries) return device_.memory().allocate(bytes);
  return device_.memory().part(frame.temporaries, *place, bytes);
}

void Recorder::choose_donors(const Program::Step& step, const Frame& frame) {
  for (size_t r = 0; r < step.outputs.size(); ++r) {
    for (int i : step.outputs[r].donors) {
      const bool is_taken = std::find(donors_.begin(), donors_.end(), i) != donors_.end();
      if (is_taken || !frame.is_expiring(step.operands[i])) continue;
      donors_[r] = i;
      break;
    }
  }
}

void Recorder::record(const Program::Step& step, Frame& frame, std::span<vulkan::BlockRef> values,
                      const FaultSlotRef& slot,
                      const kernels::LaunchBuffers<vulkan::Block*>& buffers) {
  if (step.lowering.target && donors_[0] < 0) {
    copy_target(*operands_[static_cast<size_t>(*step.lowering.target)], *outputs_[0],
                step.outputs[0]);
  }
  for (size_t i = 0; i < step.lowering.launches.size(); ++i) {
    const kernels::Launch& d = step.lowering.launches[i];
    const vulkan::Pipeline& kernel = *step.kernels[i];
    if (!kernel.ready()) {
      device_.queue().submit();  // the device need not wait for the compiler
      const InPhase compiling(profiler_, Phase::compile);
      kernel.wait();
    }
    kernel.get();
    packed_.pack(d, kernel, buffers, words_);
    if (gated_.groups) {
      packed_.take_groups_from(*gated_.groups, kGroupsBytes * (step.first_launch + i));
    }
    dispatch(packed_.get());
    stats_.bytes_read += step.bytes_read(d);
    stats_.bytes_written += step.bytes_written(d);
  }
  for (size_t r = 0; r < step.outputs.size(); ++r) {
    const Program::Output& output = step.outputs[r];
    auto storage =
        std::make_shared<DeviceStorage>(std::move(values[r]), faults_of(step, output, frame, slot));
    storage->known = output.known;
    if (const Node* root = frame.node(output.root)) storage->known = integer_constant(*root);
    frame.store(output.root, std::move(storage));
  }
}

void Recorder::kernels(const Program::Step& step, Frame& frame, bool donates) {
  if (profiler_) profiler_->step(step);
  donors_.assign(step.outputs.size(), -1);
  if (donates) choose_donors(step, frame);
  std::array<vulkan::BlockRef, kMaxRegionBuffers> values;  // of each output
  for (size_t r = 0; r < step.outputs.size(); ++r) {
    const Program::Output& output = step.outputs[r];
    values[r] = donors_[r] >= 0 ? frame.storage(step.operands[donors_[r]]).block
                                : allocate(output.allocation, output.place, frame);
  }
  std::vector<vulkan::BlockRef> workspaces;
  for (size_t w = 0; w < step.lowering.workspaces.size(); ++w) {
    const Program::Place place = step.workspaces.empty() ? Program::Place() : step.workspaces[w];
    workspaces.push_back(allocate(step.lowering.workspaces[w], place, frame));
  }

  FaultSlotRef slot;
  if (!step.faults.empty()) slot = make_slot(step);

  operands_.clear();
  outputs_.clear();
  workspaces_.clear();
  for (Position operand : step.operands) {
    operands_.push_back(frame.storage(operand).block.get());
  }
  for (size_t r = 0; r < step.outputs.size(); ++r) outputs_.push_back(values[r].get());
  for (const vulkan::BlockRef& workspace : workspaces) workspaces_.push_back(workspace.get());
  words_ = step.words;
  for (const Program::Scalars& s : step.scalars) {
    if (const Node* node = frame.node(s.node)) {
      schedule::write_scalars(*node, s.words, words_, scalars_);
    } else {
      schedule::write_scalar(*frame.number(s.node), s.words, words_, scalars_);
    }
  }
  kernels::LaunchBuffers<vulkan::Block*> buffers{operands_, outputs_, {}, workspaces_};
  if (slot) buffers.fault = slot->block.get();

  const uint64_t before = stats_.dispatches;
  try {
    record(step, frame, values, slot, buffers);
  } catch (...) {
    const bool is_written = stats_.dispatches != before;
    const Failure failure = current_failure();
    for (int donor : donors_) {
      if (donor >= 0 && is_written) frame.lose(step.operands[donor], failure);
    }
    throw;
  }
  if (profiler_) profiler_->no_step();
  for (size_t r = 0; r < donors_.size(); ++r) {
    if (donors_[r] < 0) continue;
    ++stats_.donations;
    frame.hand_over(step.operands[donors_[r]], step.outputs[r].root);
  }
}

}  // namespace nxv::runtime

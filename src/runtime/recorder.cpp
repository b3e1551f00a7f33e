#include "runtime/recorder.h"

#include <algorithm>
#include <unordered_set>

#include "graph/fault.h"
#include "schedule/scalars.h"

namespace nxv::runtime {

namespace {

constexpr uint64_t kGroupsBytes = 3 * sizeof(uint32_t);

}  // namespace

Faults Recorder::faults_of(const Program::Step& step, const Frame& frame) {
  Faults faults;
  std::unordered_set<const FaultSlot*> known;
  for (Position operand : step.operands) {
    for (const auto& slot : frame.storage(operand).faults) {
      const bool is_clear = slot->is_clear.load(std::memory_order_acquire);
      if (!is_clear && known.insert(slot.get()).second) faults.push_back(slot);
    }
  }
  return faults;
}

std::shared_ptr<FaultSlot> Recorder::make_slot(const Program::Step& step) {
  std::shared_ptr<FaultSlot> unshared;
  std::shared_ptr<FaultSlot>& slot = speculation_ ? speculation_->slots[&step] : unshared;
  if (!slot) {
    slot = std::make_shared<FaultSlot>();
    const uint64_t bytes = (step.faults.size() + 3) / 4 * 16;
    slot->block = allocate(bytes);
    slot->ops = step.faults;
    slot->shape = step.output.shape;
    device_.queue().fill(*slot->block, 0, bytes, kNoFault);
  }
  return slot;
}

void Recorder::dispatch(const vulkan::Dispatch& d) {
  device_.queue().dispatch(d);
  ++stats_.dispatches;
}

void Recorder::kernels(const Program::Step& step, Frame& frame, bool donates) {
  const auto donor = std::find_if(step.donors.begin(), step.donors.end(), [&](int i) {
    return donates && frame.is_expiring(step.operands[i]);
  });
  const bool has_donor = donor != step.donors.end();
  vulkan::BlockRef output =
      has_donor ? frame.storage(step.operands[*donor]).block : allocate(step.output.allocation);
  std::vector<vulkan::BlockRef> workspaces;
  for (uint64_t bytes : step.lowering.workspaces) workspaces.push_back(allocate(bytes));

  Faults faults = faults_of(step, frame);
  vulkan::BlockRef fault;
  if (!step.faults.empty()) {
    std::shared_ptr<FaultSlot> slot = make_slot(step);
    fault = slot->block;
    const bool is_new = std::find(faults.begin(), faults.end(), slot) == faults.end();
    if (is_new) faults.push_back(std::move(slot));
  }

  operands_.clear();
  workspaces_.clear();
  for (Position operand : step.operands) {
    operands_.push_back(frame.storage(operand).block.get());
  }
  for (const vulkan::BlockRef& workspace : workspaces) workspaces_.push_back(workspace.get());
  words_ = step.words;
  for (const Program::Scalars& s : step.scalars) {
    scalars_.clear();
    schedule::append_scalars(*frame.node(s.node), scalars_);
    std::copy(scalars_.begin(), scalars_.end(), words_.begin() + s.words);
  }
  kernels::DispatchBuffers<vulkan::Block*> buffers{operands_, output.get(), {}, workspaces_};
  if (fault) buffers.fault = fault.get();

  for (size_t i = 0; i < step.lowering.dispatches.size(); ++i) {
    const kernels::Dispatch& d = step.lowering.dispatches[i];
    const vulkan::Kernel& kernel = *step.kernels[i];
    if (!kernel.ready()) device_.queue().submit();  // the device need not wait for the compiler
    kernel.get();
    packed_.pack(d, kernel, buffers, words_);
    if (speculation_) {
      packed_.take_groups_from(*speculation_->groups, kGroupsBytes * speculation_->next++);
    }
    dispatch(packed_.get());
    if (d.reads_operands) stats_.bytes_read += step.operand_bytes;
    if (d.writes_output) stats_.bytes_written += step.output.bytes;
  }
  if (has_donor) {
    ++stats_.donations;
    frame.consume(step.operands[*donor]);
  }
  auto storage = std::make_shared<DeviceStorage>(std::move(output), std::move(faults));
  storage->known = step.known;
  if (const Node* root = frame.node(step.root)) storage->known = integer_constant(*root);
  frame.store(step.root, std::move(storage));
}

}  // namespace nxv::runtime

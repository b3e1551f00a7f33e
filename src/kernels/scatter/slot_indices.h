// The slots that the updates of a scatter name: an operand with an integer of any type for each.
#pragma once

#include <functional>
#include <vector>

#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "plan/device_plan.h"

namespace nxv::kernels {

class SlotIndices {
 public:
  SlotIndices(const KernelArguments& arguments, int operand, DType type, ir::Value slots)
      : arguments_(arguments), operand_(operand), type_(type), slots_(slots) {}

  // Slots from `begin` on, below `end`.
  struct Range {
    ir::Value begin, end;
  };

  // The slot of an update; the last one for an index that names none.
  ir::Value slot(ir::Value update) const;
  // The same; an index that names none is a fault.
  ir::Value checked_slot(ir::Value update) const;
  // Calls `use` with the slot of an update; an index that names none is a fault.
  void at(ir::Value update, const std::function<void(ir::Value slot)>& use) const;

  struct Update {
    ir::Value number, slot;
    ir::Value is_taken;  // below `updates`, with a slot of the range
  };
  // So many updates: first, first + stride, .. Invocations that begin side by side so access
  // neighbours, and several accesses of one overlap. An update that names no slot at all is a
  // fault.
  std::vector<Update> take(ir::Value first, ir::Value stride, uint32_t count, ir::Value updates,
                           const Range& range) const;

 private:
  struct Place {
    ir::Value slot, inside;  // the last slot unless the index names one
  };
  Place find(ir::Value update) const;
  // As an unsigned number: negative indices are huge.
  static ir::Value position(const ir::Number& index);

  const KernelArguments& arguments_;
  int operand_;
  DType type_;
  ir::Value slots_;  // how many there are
};

// Calls `use` with the slots of each pass over the updates (Tuning::scatter_slots).
void each_pass(uint64_t slots, const plan::DevicePlan& plan,
               const std::function<void(uint32_t begin, uint32_t end)>& use);

}  // namespace nxv::kernels

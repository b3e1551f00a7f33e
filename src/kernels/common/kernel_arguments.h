// The arguments of a kernel of a library operation, in the order in which Dispatch passes them: the
// operands, the output, the fault slot (if the region can fail), the workspaces that the dispatch
// names, the dispatch's words.
#pragma once

#include <string>
#include <vector>

#include "graph/region.h"
#include "ir/builder.h"

namespace nxv::kernels {

class KernelArguments {
 public:
  KernelArguments(ir::Builder& b, const Region& region, int workspaces, int words)
      : region_(region) {
    for (size_t i = 0; i < region.operands.size(); ++i) {
      operands_.push_back(b.buffer("in" + std::to_string(i), ir::Access::read));
    }
    output = b.buffer("out", ir::Access::read_write);
    if (region.can_fault()) fault_ = b.buffer("fault", ir::Access::read_write);
    for (int i = 0; i < workspaces; ++i) {
      workspaces_.push_back(b.buffer("work" + std::to_string(i), ir::Access::read_write));
    }
    for (int i = 0; i < words; ++i) words_.push_back(b.param("w" + std::to_string(i), ir::kU32));
    zero = b.param("zero", ir::kU32);
  }

  ir::Value operand(int i) const { return operands_[i]; }
  ir::Value workspace(int i) const { return workspaces_[i]; }
  ir::Value word(int i) const { return words_[i]; }

  // Reports a fault of the operation, or of one of its function, at the position if the condition
  // holds.
  void fault(ir::Value condition, ir::Value position) const {
    fault(region_.root->op, condition, position);
  }
  void fault(Op op, ir::Value condition, ir::Value position) const {
    ir::Builder& b = position.builder();
    b.if_(condition, [&] {
      b.atomic(ir::Opcode::atomic_min, fault_, b.u32(region_.fault_word(op)), position);
    });
  }

  ir::Value output;
  ir::Value zero;  // 0, as something that no compiler can fold

 private:
  const Region& region_;
  ir::Value fault_;
  std::vector<ir::Value> operands_, workspaces_, words_;
};

}  // namespace nxv::kernels

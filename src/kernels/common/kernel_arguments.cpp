#include "kernels/common/kernel_arguments.h"

namespace nxv::kernels {

KernelArguments::KernelArguments(ir::Builder& b, const Region& region, uint32_t words,
                                 const ArgumentOptions& options)
    : region_(region), region_count_(region.words.size()) {
  bool is_apart = options.overlap != Overlap::any;  // the output, from all operands
  for (size_t i = 0; i < region.operands.size(); ++i) {
    const bool in_place = options.overlap == Overlap::in_place && is_read_in_place(region, i);
    const bool is_restrict = options.overlap != Overlap::any && !in_place;
    is_apart &= !in_place;
    operands_.push_back(b.buffer("in" + std::to_string(i), ir::Access::read, is_restrict));
  }
  output_ = b.buffer("out", options.reads_output ? ir::Access::read_write : ir::Access::write,
                     is_apart && !options.reads_output);
  if (region.can_fault()) fault_ = b.buffer("fault", ir::Access::read_write);
  for (int i = 0; i < options.workspaces; ++i) {
    workspaces_.push_back(b.buffer("work" + std::to_string(i), ir::Access::read_write));
  }
  const size_t count = region_count_ + words;
  for (size_t i = 0; i < count; ++i) {
    words_.push_back(b.param("w" + std::to_string(i), ir::kU32));
  }
  if (options.has_zero) zero_ = b.param("zero", ir::kU32);
}

ir::Number KernelArguments::hidden(ir::Number n) const {
  if (is_integer(n.dtype)) n.re = n.re + n.re.builder().convert(zero_, n.re.type());
  return n;
}

void KernelArguments::fault(Op op, ir::Value condition, ir::Value position) const {
  ir::Builder& b = position.builder();
  b.if_(condition,
        [&] { b.atomic(ir::Opcode::atomic_min, fault_, b.u32(region_.fault_word(op)), position); });
}

}  // namespace nxv::kernels

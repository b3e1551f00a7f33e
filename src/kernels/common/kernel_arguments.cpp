#include "kernels/common/kernel_arguments.h"

namespace nxv::kernels {

KernelArguments::KernelArguments(ir::Builder& b, const Region& region, uint32_t words,
                                 const ArgumentOptions& options)
    : region_(region), region_count_(region.words.size()) {
  const bool may_be_apart = options.overlap != Overlap::any;
  std::vector<bool> is_apart(region.roots.size(), may_be_apart);  // an output, from all operands
  for (size_t i = 0; i < region.operands.size(); ++i) {
    bool in_place = false;
    for (size_t r = 0; r < region.roots.size() && options.overlap == Overlap::in_place; ++r) {
      if (!is_read_in_place(region, i, r)) continue;
      in_place = true;
      is_apart[r] = false;
    }
    operands_.push_back(
        b.buffer("in" + std::to_string(i), ir::Access::read, may_be_apart && !in_place));
  }
  for (size_t r = 0; r < region.roots.size(); ++r) {
    outputs_.push_back(b.buffer(r == 0 ? "out" : "out" + std::to_string(r),
                                options.reads_output ? ir::Access::read_write : ir::Access::write,
                                is_apart[r] && !options.reads_output));
  }
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

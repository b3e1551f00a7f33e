// Dispatches of one invocation an item, for operations of many simple steps.
#pragma once

#include "kernels/common/kernel_arguments.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

struct ItemStep {
  std::string name;  // the kernel's, and what tells its key from those of other steps
  uint64_t items = 0;
  std::vector<int> workspaces;
  std::vector<uint32_t> words;
  // What an invocation does for an item. On a CPU an invocation takes up to a thousand of them,
  // unless the body has loops of its own.
  std::function<void(ir::Builder&, const KernelArguments&, ir::Value item)> body;
  bool has_loops = false;
  // Mostly there is nothing to do: a GPU's invocation takes several items, too.
  bool is_rare = false;
  // Not 0: workgroups of so many invocations, each of which runs the body once, also beyond the
  // last item. The body may have barriers.
  uint32_t shared_workgroup = 0;
};

// The words of the step, in its body.
ir::Value step_word(const KernelArguments& arguments, int i);
// item / d, for the words of a divisor that begin at step word i; item < 2^31.
ir::Value step_divide(const KernelArguments& arguments, ir::Value item, int i);

// What it touches is the caller's to say.
Dispatch make_dispatch(const Region& region, const Target& target, ItemStep step);

// Zeros in the first words of a workspace, or of the output.
inline constexpr int kOutput = -1;
Dispatch fill_zeros(const Region& region, const Target& target, int buffer, uint64_t words);

}  // namespace nxv::kernels

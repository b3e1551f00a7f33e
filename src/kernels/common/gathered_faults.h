// Faults as the invocations of a kernel meet them, reported when the builder finishes the kernel,
// however its generator comes to do so. Atomic operations are slow on CPUs even where no invocation
// needs them: an invocation remembers where each operation faulted first, and reports once.
#pragma once

#include <vector>

#include "graph/region.h"
#include "ir/builder.h"

namespace nxv::kernels {

class GatheredFaults {
 public:
  // From here on; `slot` is the fault slot (graph/fault.h). Outlives the builder's finish().
  GatheredFaults(ir::Builder& builder, const Region& region, ir::Value slot);
  GatheredFaults(const GatheredFaults&) = delete;
  GatheredFaults& operator=(const GatheredFaults&) = delete;

  // `op` faults at the position if the condition holds.
  void add(Op op, ir::Value condition, ir::Value position) const;

 private:
  void report() const;

  ir::Builder& b_;
  const Region& region_;
  const ir::Value slot_;
  std::vector<ir::Var> first_;  // of each of Region::faults
};

}  // namespace nxv::kernels

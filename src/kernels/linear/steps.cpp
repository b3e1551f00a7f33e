#include "kernels/linear/steps.h"

#include <string>

#include "base/error.h"
#include "kernels/common/divide_up.h"

namespace nxv::kernels {

using ir::Value;

void each_step(LinearKernel& k, const WordValues<StepRange>& range,
               const std::function<void(Value matrix, Value step)>& body) {
  k.each_item([&](Value matrix) {
    k.b.for_range(range[&StepRange::begin], range[&StepRange::end], k.b.u32(1),
                  [&](Value step) { body(matrix, step); });
  });
}

int Steps::workspace(uint64_t elements, DType type) {
  return lowering_.add_workspace(elements * static_cast<uint64_t>(storage_bytes(type)));
}

void Steps::add(Launch d, const StepOptions& options, uint64_t items, Touched touched) {
  if (touched.workspaces.size() != static_cast<size_t>(options.workspaces)) {
    throw Error(Status::internal, "a step takes " + std::to_string(options.workspaces) +
                                      " workspaces: " + std::string(options.kernel));
  }
  const uint64_t groups = options.worker == Worker::workgroup
                              ? items
                              : divide_up(items, lanes_of(target, options.most_lanes));
  d.groups = fold_groups(groups, *target.plan);
  d.workspaces = std::move(touched.workspaces);
  d.reads_operands = touched.reads_operands;
  d.writes_output = touched.writes_output;
  d.work = groups * 256;
  lowering_.add(std::move(d));
}

uint64_t batch_of(const Shape& shape) {
  uint64_t batch = 1;
  for (size_t i = 0; i + 2 < shape.size(); ++i) batch *= static_cast<uint64_t>(shape[i]);
  return batch;
}

}  // namespace nxv::kernels

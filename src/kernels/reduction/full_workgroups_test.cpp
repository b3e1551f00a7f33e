// Kernels over rows fill every known GPU: none falls to a lane a row for want of subgroups.
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/build.h"
#include "kernels/lowering.h"
#include "schedule/schedule.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"

namespace nxv::kernels {
namespace {

NodeRef over_rows(Op op, const NodeRef& x) { return reduce(op, x, Axes{1}, true); }

NodeRef softmax(const NodeRef& x) {
  const NodeRef e =
      elementwise(Op::exp, {elementwise(Op::subtract, {x, over_rows(Op::reduce_max, x)})});
  return elementwise(Op::divide, {e, over_rows(Op::sum, e)});
}

NodeRef sum(const NodeRef& x) { return reduce(Op::sum, x, Axes{1}, false); }

// Workgroups and invocations of one, of the dispatch that reads the rows.
void expect_full(const plan::Snapshot& device, const NodeRef& root) {
  const plan::DevicePlan plan = plan::make_plan(device);
  const Target target = make_target(plan);
  const auto steps = schedule::make_schedule(root, {});
  ASSERT_EQ(steps.size(), 1u);
  const Launch d = lower(steps[0].region, target).launches.at(0);
  const ir::Kernel kernel = d.generate(steps[0].region);
  SCOPED_TRACE(kernel.name);
  EXPECT_GE(d.groups[0] * d.groups[1], 64u);
  EXPECT_GE(kernel.local_size, 128u);
  EXPECT_LE(kernel.local_size, plan.max_workgroup_invocations);
  EXPECT_LE(kernel.shared_bytes(), plan.shared_memory_bytes);
  if (kernel.subgroup_size == 0) return;
  EXPECT_TRUE(plan.can_demand(kernel.subgroup_size));
  EXPECT_EQ(kernel.local_size % kernel.subgroup_size, 0u);
  EXPECT_LE(kernel.local_size, plan.max_row_workgroup);
}

TEST(RowKernels, FillEveryGpu) {
  std::vector<plan::Snapshot> devices = nxv::testing::known_devices();
  devices.push_back(nxv::testing::common_gpu());
  devices.push_back(nxv::testing::bare_gpu());
  const auto owner = host_graveyard();
  for (const plan::Snapshot& device : devices) {
    if (device.type == plan::DeviceType::cpu) continue;  // a subgroup a workgroup, see Tuning
    SCOPED_TRACE(device.name);
    for (const Shape& shape : {Shape{64, 16384}, Shape{1024, 1024}}) {
      SCOPED_TRACE(to_string(shape));
      const HostTensor zeros(DType::f32, shape);
      const NodeRef x = host_value(owner, DType::f32, shape, zeros.bytes);
      expect_full(device, softmax(x));
      expect_full(device, sum(x));
    }
  }
}

}  // namespace
}  // namespace nxv::kernels

// A capability that a plan enables is one that something uses: switched off, a kernel is another,
// or is refused.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "kernels/lowering.h"
#include "runtime/module.h"
#include "schedule/schedule.h"
#include "spirv/translate.h"
#include "testing/corpus/kernel_cases.h"
#include "testing/corpus/opcode_samples.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/snapshots.h"

namespace nxv::runtime {
namespace {

// Those that the runtime uses without kernels, and where.
const std::map<std::string_view, std::string_view> kHostUsers = {
    {"timestamps", "Queue::take_profile"},
};

// All that a device is given for a kernel; or why it is refused.
std::string made(const ir::Kernel& kernel, const plan::DevicePlan& plan) {
  try {
    const ir::Kernel legal = kernels::legalised(kernel, plan);
    const vulkan::ShaderModule m = make_module(legal, spirv_options(plan));
    return std::string(reinterpret_cast<const char*>(m.words.data()), m.words.size() * 4) +
           std::to_string(m.required_subgroup_size) + ' ' + std::to_string(m.texels.size());
  } catch (const Error& e) {
    return e.what();
  }
}

std::string made(const NodeRef& root, const plan::DevicePlan& plan) {
  if (!root->is_pending()) return "";
  const kernels::Target target = kernels::make_target(plan);
  std::string all;
  try {
    for (const schedule::Item& s : schedule::make_schedule(root, {})) {
      if (s.is_alias) continue;
      for (const kernels::Launch& d : kernels::lower(s.region, target).launches) {
        all += made(d.generate(s.region), plan);
      }
    }
  } catch (const Error& e) {
    all += e.what();
  }
  return all;
}

bool changes_a_kernel(const plan::DevicePlan& with, const plan::DevicePlan& without) {
  for (const testing::KernelCase& c : testing::kernel_cases()) {
    for (const NodeRef& root : c.build(host_graveyard())) {
      if (made(root, with) != made(root, without)) return true;
    }
  }
  // Opcodes that no family of kernels has a use for as yet.
  for (int op = 0; op < ir::kOpcodeCount; ++op) {
    const auto opcode = static_cast<ir::Opcode>(op);
    for (const testing::OpcodeSample& s : testing::opcode_samples(opcode, with.subgroup_size)) {
      if (made(s.kernel, with) != made(s.kernel, without)) return true;
    }
  }
  return false;
}

TEST(Capabilities, EachHasAUser) {
  for (const plan::CapabilityInfo& c : plan::capability_table()) {
    if (kHostUsers.count(c.name) != 0) continue;
    SCOPED_TRACE(c.name);
    bool is_enabled = false, is_used = false;
    for (const plan::Snapshot& device : {testing::common_gpu(), testing::rdna3(), testing::h200(),
                                         testing::skylake(), testing::lavapipe_22()}) {
      const plan::DevicePlan with = plan::make_plan(device);
      if (is_used || !(with.has.*c.flag)) continue;
      is_enabled = true;
      plan::PlanOptions options;
      options.disable = {std::string(c.name)};
      is_used = changes_a_kernel(with, plan::make_plan(device, options));
    }
    EXPECT_TRUE(is_enabled) << "no known device has it";
    EXPECT_TRUE(is_used) << "nothing changes without it";
  }
}

}  // namespace
}  // namespace nxv::runtime

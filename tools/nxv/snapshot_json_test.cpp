#include "snapshot_json.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "plan/device_plan.h"
#include "testing/driver/snapshots.h"

namespace nxv::tools {
namespace {

using nlohmann::json;
using plan::Snapshot;

std::string message_of(const json& changes) {
  try {
    amended(testing::common_gpu(), changes);
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::invalid_argument);
    return e.what();
  }
  return "";
}

// What is printed of one device and put over another leaves nothing of the other.
TEST(SnapshotJson, HoldsAllOfASnapshot) {
  for (const Snapshot& device : testing::known_devices()) {
    const json printed = json::parse(to_json(device).dump());
    const Snapshot other = amended(testing::bare_gpu(), printed);
    EXPECT_EQ(to_json(other), printed);
    const plan::DevicePlan a = plan::make_plan(device), b = plan::make_plan(other);
    EXPECT_EQ(a.has, b.has) << device.name;
    EXPECT_EQ(a.profile, b.profile) << device.name;
    EXPECT_EQ(a.row_subgroup_size, b.row_subgroup_size) << device.name;
    EXPECT_EQ(a.matrix_shapes.size(), b.matrix_shapes.size()) << device.name;
    EXPECT_EQ(a.memory_budget, b.memory_budget) << device.name;
    EXPECT_EQ(device.probes, other.probes) << device.name;
  }
}

TEST(SnapshotJson, ChangesWhatItIsToldTo) {
  const Snapshot before = testing::common_gpu();
  const Snapshot after = amended(before, json::parse(R"({
    "type": "integrated",
    "limits": {"shared_memory_bytes": 16384},
    "matrix_shapes": [{"m": 8, "n": 16, "k": 16, "a": "bf16", "b": "bf16", "accumulator": "f32"}]
  })"));
  EXPECT_EQ(after.type, plan::DeviceType::integrated);
  EXPECT_EQ(after.limits.shared_memory_bytes, 16384u);
  EXPECT_EQ(after.limits.max_workgroup_invocations, before.limits.max_workgroup_invocations);
  ASSERT_EQ(after.matrix_shapes.size(), 1u);
  EXPECT_EQ(after.matrix_shapes[0].n, 16u);
  EXPECT_EQ(after.matrix_shapes[0].a, plan::MatrixType::bf16);
}

TEST(SnapshotJson, ErrorsNameTheMember) {
  EXPECT_NE(message_of({{"probe", {{"done", true}}}}).find("'probe'"), std::string::npos);
  EXPECT_NE(message_of({{"limits", {{"shared", 1}}}}).find("'limits.shared'"), std::string::npos);
  EXPECT_NE(message_of({{"limits", 3}}).find("limits"), std::string::npos);
  EXPECT_NE(message_of({{"limits", {{"cores", "many"}}}}), "");
  EXPECT_NE(message_of({{"limits", {{"cores", 1.5}}}}).find("'limits.cores'"), std::string::npos);
  EXPECT_NE(message_of({{"heaps", {1e300}}}).find("'heaps'"), std::string::npos);
  EXPECT_NE(message_of({{"limits", {{"cores", uint64_t{1} << 40}}}}).find("cores"),
            std::string::npos);
  EXPECT_NE(message_of({{"type", "abacus"}}).find("abacus"), std::string::npos);
  EXPECT_NE(message_of(json::array()), "");
  EXPECT_NE(message_of(3), "");
}

}  // namespace
}  // namespace nxv::tools

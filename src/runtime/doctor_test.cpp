// What the doctor says of machines in each state, made up and real.
#include "runtime/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/driver/snapshots.h"

namespace nxv::runtime {
namespace {

using nxv::testing::apple_m1;
using nxv::testing::lavapipe_25;
using nxv::testing::rdna3;

// A machine where all is well with some devices, the first of which is open.
Findings machine(std::vector<plan::Snapshot> devices) {
  Findings f;
  f.version = "1.2.3";
  f.cache = {"/home/user/.cache/nxv", "", 2, 3 << 20};
  f.loader = {"libvulkan.so.1", "", 1u << 22 | 3 << 12};
  for (size_t i = 0; i < devices.size(); ++i) {
    f.drivers.push_back({"/usr/share/vulkan/icd.d/some.json", "libvulkan_some.so", 1, ""});
  }
  f.devices = std::move(devices);
  if (f.devices.empty()) return f;
  f.chosen = 0;
  if (!plan::missing_requirements(f.devices[0]).empty()) return f;
  f.is_open = true;
  f.device = f.devices[0];
  f.plan = plan::make_plan(f.device);
  f.missing = missing_capabilities(f.device, {});
  f.trials = {{"arithmetic", true, "all"}};
  f.speeds = {{"memory", "GB/s", 900, 960, 0.6}};
  return f;
}

// Whether the advice has such a text, gravely or not.
bool says(const Findings& f, std::string_view text, bool is_grave) {
  const std::vector<Advice> all = advice_for(f);
  return std::any_of(all.begin(), all.end(), [&](const Advice& a) {
    return a.is_grave == is_grave && a.text.find(text) != std::string::npos;
  });
}

TEST(Doctor, SaysNothingWhereAllIsWell) {
  const Findings f = machine({rdna3()});
  EXPECT_TRUE(advice_for(f).empty()) << to_text(f);
  EXPECT_TRUE(is_well(f));
  EXPECT_NE(to_text(f).find("Nothing: all is well."), std::string::npos);
}

TEST(Doctor, WithoutALoaderNamesPackages) {
  Findings f = machine({});
  f.loader = {"", "libvulkan.so.1: cannot open shared object file", 0};
  EXPECT_TRUE(says(f, "libvulkan1", true));
  EXPECT_FALSE(says(f, "mesa-vulkan-drivers", true)) << "one thing after the other";
  EXPECT_FALSE(is_well(f));
  EXPECT_NE(to_text(f).find("cannot open shared object file"), std::string::npos);
}

TEST(Doctor, WithoutADriverNamesPackagesOrTheVariableThatHidesThem) {
  Findings f = machine({});
  EXPECT_TRUE(says(f, "mesa-vulkan-drivers", true));
  f.environment = {{"VK_DRIVER_FILES", "/nowhere.json"}};
  EXPECT_TRUE(says(f, "VK_DRIVER_FILES", true));
  EXPECT_FALSE(says(f, "mesa-vulkan-drivers", true));
}

TEST(Doctor, ADriverThatCannotBeUsedIsShownWithItsReason) {
  Findings f = machine({rdna3()});
  f.drivers.push_back({"/etc/vulkan/icd.d/x.json", "libx.so", 0, "libx.so: wrong ELF class"});
  f.drivers.push_back({"/etc/vulkan/icd.d/y.json", "", 0, "the manifest names no library"});
  EXPECT_NE(to_text(f).find("wrong ELF class; /etc/vulkan/icd.d/x.json"), std::string::npos);
  EXPECT_TRUE(says(f, "/etc/vulkan/icd.d/y.json", false));
  EXPECT_TRUE(is_well(f));
}

TEST(Doctor, ADeviceBelowTheFloorIsRefusedByWhatItLacks) {
  plan::Snapshot old = rdna3();
  old.api_version = 1u << 22 | 1 << 12;
  const Findings f = machine({old});
  EXPECT_NE(to_text(f).find("lacks Vulkan 1.2 (it has 1.1)"), std::string::npos) << to_text(f);
  EXPECT_TRUE(says(f, "newer driver", true));
  EXPECT_FALSE(is_well(f));
  Findings both = machine({rdna3(), old});
  EXPECT_TRUE(says(both, "newer driver", false));
  EXPECT_TRUE(is_well(both));
}

TEST(Doctor, SeveralDevices) {
  const Findings f = machine({rdna3(), lavapipe_25()});
  EXPECT_TRUE(says(f, "NXV_DEVICE", false));
  const std::string text = to_text(f);
  EXPECT_NE(text.find("0, chosen"), std::string::npos);
  EXPECT_NE(text.find("llvmpipe"), std::string::npos);
  EXPECT_TRUE(says(machine({lavapipe_25(), rdna3()}), "though there is a GPU", false));
}

TEST(Doctor, ACpuAlone) {
  const Findings f = machine({lavapipe_25()});
  EXPECT_TRUE(says(f, "on the CPU", false));
  EXPECT_TRUE(is_well(f));
}

TEST(Doctor, ACacheThatCannotBeWritten) {
  Findings f = machine({rdna3()});
  f.cache.refusal = "Permission denied";
  EXPECT_TRUE(says(f, "NXV_CACHE_DIR", false));
  EXPECT_NE(to_text(f).find("!! cache of kernels"), std::string::npos);
  EXPECT_TRUE(is_well(f));
}

TEST(Doctor, FilesThatThisUserMayNotOpen) {
  Findings f = machine({});
  f.files = {{"/dev/dri/renderD128", "Permission denied: it is for the group 'render'"}};
  EXPECT_TRUE(says(f, "'render'", true));
  Findings g = machine({lavapipe_25()});
  g.files = f.files;
  EXPECT_TRUE(says(g, "'render'", false));
}

TEST(Doctor, WrongResultsAreGraveAndSlowOnesAreNot) {
  Findings f = machine({rdna3()});
  f.speeds[0].measured = 100;
  EXPECT_TRUE(says(f, "slower than it should be (memory)", false));
  EXPECT_TRUE(is_well(f));
  f.trials[0] = {"arithmetic", false, "1 and 1 is 3"};
  EXPECT_TRUE(says(f, "1 and 1 is 3", true));
  EXPECT_TRUE(advice_for(f)[0].is_grave) << "the gravest first";
  EXPECT_FALSE(is_well(f));
}

TEST(Doctor, ReasonsOfWhatIsOff) {
  plan::Snapshot device = rdna3();
  device.features.f64 = false;
  device.probes.f32_sqrt_exact = false;
  plan::PlanOptions options;
  options.disable = {"int64"};
  const auto reason = [&](std::string_view name) -> std::string {
    for (const Missing& m : missing_capabilities(device, options)) {
      if (m.capability == name) return m.why;
    }
    return "on";
  };
  EXPECT_EQ(reason("int64"), "NXV_DISABLE");
  EXPECT_NE(reason("f64").find("does not offer"), std::string::npos);
  EXPECT_NE(reason("native_sqrt").find("trial"), std::string::npos);
  EXPECT_EQ(reason("subgroup_shuffle"), "on");
}

TEST(Doctor, SubsetsOfVulkanAreNamed) {
  EXPECT_NE(to_text(machine({apple_m1()})).find("without pointPolygons, triangleFans"),
            std::string::npos);
}

TEST(Doctor, ManifestsOfDrivers) {
  const std::string_view json =
      R"({"file_format_version": "1.0.1", "ICD": {"library_path" : "C:\\drv\/a.dll", "x": "y"}})";
  EXPECT_EQ(vulkan::member_of_manifest(json, "library_path"), R"(C:\drv/a.dll)");
  EXPECT_EQ(vulkan::member_of_manifest(json, "api_version"), "");
  EXPECT_EQ(vulkan::member_of_manifest("", "library_path"), "");
  EXPECT_EQ(vulkan::member_of_manifest("{\"library_path\"", "library_path"), "");
}

// This machine, whatever it is: what is printed is the report, and a device that opens is right.
TEST(Doctor, ExaminesThisMachine) {
  std::string printed;
  const Findings f = examine("", [&](std::string_view section) { printed += section; });
  EXPECT_EQ(printed, to_text(f));
  if (!f.is_open) GTEST_SKIP() << printed;
  EXPECT_TRUE(is_well(f)) << printed;
  EXPECT_EQ(f.trials.size(), 3u);
  for (const Speed& s : f.speeds) EXPECT_GT(s.measured, 0) << s.name;
}

TEST(Doctor, ADeviceThatIsNotThere) {
  const Findings f = examine("no such device", [](std::string_view) {});
  EXPECT_FALSE(is_well(f));
  if (f.devices.empty()) GTEST_SKIP() << "no Vulkan device";
  EXPECT_NE(f.chosen_failure.find("no such device"), std::string::npos);
}

}  // namespace
}  // namespace nxv::runtime

#include "compiled_kernel.h"

#include <gtest/gtest.h>

namespace nxv::tools {
namespace {

using Statistics = std::vector<vulkan::Statistic>;

CompiledKernel kernel(std::vector<Statistics> executables, double seconds = 0.1) {
  CompiledKernel k;
  k.name = "matmul_shared";
  k.graph = "product f32";
  k.seconds = seconds;
  for (Statistics& s : executables) k.executables.push_back({"main", 32, std::move(s)});
  return k;
}

TEST(CompiledKernel, DriversHaveNamesOfTheirOwn) {
  struct Case {
    Statistics statistics;
    double registers, spills, occupancy;
  };
  for (const Case& c :
       {Case{{{"SGPRs", 40},
              {"VGPRs", 96},
              {"Spilled SGPRs", 2},
              {"Spilled VGPRs", 5},
              {"Subgroups per SIMD", 10}},
             96,
             5,
             10},  // RADV
        Case{{{"Registers used", 12}, {"STP Count", 3}, {"Max Waves Per Core", 6}}, 12, 3, 6},
        Case{{{"Thread Count", 4}, {"TMU Spills", 1}, {"Spill Size", 64}}, -1, 1, 4},
        Case{{{"Max live registers", 80}, {"Spill Count", 0}, {"Fill Count", 0}}, 80, 0, -1},
        Case{{{"Register Count", 168}, {"Binary Size", 4096}}, 168, -1, -1}}) {
    const Resources r = resources_of(kernel({c.statistics}).executables);
    EXPECT_EQ(r.registers.value_or(-1), c.registers);
    EXPECT_EQ(r.spills.value_or(-1), c.spills);
    EXPECT_EQ(r.occupancy.value_or(-1), c.occupancy);
  }
}

TEST(CompiledKernel, TheWorstOfSeveralExecutablesCounts) {
  const CompiledKernel k =
      kernel({{{"VGPRs", 64}, {"Spilled VGPRs", 0}, {"Subgroups per SIMD", 8}},
              {{"VGPRs", 32}, {"Spilled VGPRs", 3}, {"Subgroups per SIMD", 16}}});
  const Resources r = resources_of(k.executables);
  EXPECT_EQ(r.registers, 64);
  EXPECT_EQ(r.spills, 3);
  EXPECT_EQ(r.occupancy, 8);
}

TEST(CompiledKernel, FaultsAreFailuresSpillsAndLongTimes) {
  const Bounds bounds;
  EXPECT_EQ(fault_of(kernel({}), bounds), "") << "a driver that says nothing";
  EXPECT_EQ(fault_of(kernel({{{"Spill Count", 0}}}), bounds), "");
  EXPECT_EQ(fault_of(kernel({{{"Spill Count", 1}}}), bounds), "spills");
  EXPECT_EQ(fault_of(kernel({}, 1.5), bounds), "took 1.50 s");
  EXPECT_EQ(fault_of(kernel({{{"Spill Count", 1}}}, 2), bounds), "spills, took 2.00 s");
  CompiledKernel failed = kernel({});
  failed.error = "the driver could not";
  EXPECT_EQ(fault_of(failed, bounds), "the driver could not");
}

TEST(CompiledKernel, SomeMaySpillAndTakeTheirTimeButNotFail) {
  EXPECT_EQ(fault_of(kernel({}, 2), Bounds{1, {"matmul_shared product"}}), "");
  EXPECT_NE(fault_of(kernel({}, 2), Bounds{1, {"matmul_shared conv"}}), "");
  const Bounds bounds{1, {"matmul"}};
  EXPECT_EQ(fault_of(kernel({{{"Spill Count", 1}}}, 2), bounds), "");
  CompiledKernel failed = kernel({});
  failed.error = "the driver could not";
  EXPECT_NE(fault_of(failed, bounds), "");

  Summary s;
  EXPECT_FALSE(s.is_good()) << "nothing was compiled";
  s.add(kernel({}, 0.5), bounds);
  s.add(kernel({{{"Spill Count", 1}}}, 2), bounds);
  EXPECT_TRUE(s.is_good());
  EXPECT_EQ(s.kernels, 2);
  EXPECT_EQ(s.excepted, 1);
  EXPECT_EQ(s.slowest, 2);
  for (const CompiledKernel& bad : {failed, kernel({{{"Spill Count", 1}}})}) {
    Summary t;
    t.add(bad, Bounds{});
    EXPECT_FALSE(t.is_good());
  }
}

TEST(CompiledKernel, JsonHasWhatTheDriverSaid) {
  const nlohmann::json made = to_json(kernel({{{"VGPRs", 64}, {"Branches", 5}}}, 3), Bounds{});
  EXPECT_EQ(made["registers"], 64);
  EXPECT_FALSE(made.contains("spills")) << "it did not say";
  EXPECT_EQ(made["executables"][0]["statistics"]["Branches"], 5);
  EXPECT_EQ(made["fault"], "took 3.00 s");
}

}  // namespace
}  // namespace nxv::tools

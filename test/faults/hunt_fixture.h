// What the tests of both nets share: a folder for caches, and counts that are printed.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "hunt.h"

namespace nxv::faults {

// The parameter is a scenario.
class HuntFixture : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("nxv_faults_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // `stride` is that of the net, or that of a sample.
  template <typename KindOfNet>
  void hunt_with(const char* name, int stride) {
    const Scenario& scenario = scenarios()[GetParam()];
    KindOfNet net(folder_.string());
    const Tally tally = hunt(net, scenario, stride);
    if (!tally.has_device) GTEST_SKIP() << "no Vulkan device here";
    std::printf("%s, %s: %d cases, %d fired, %d answered an error, %zu failures\n", name,
                scenario.name, tally.cases, tally.fired, tally.answered, tally.failures.size());
    EXPECT_GT(tally.fired, 0);
    for (const std::string& failure : tally.failures) ADD_FAILURE() << failure;
  }

 private:
  std::filesystem::path folder_;
};

inline std::string name_of_scenario(const ::testing::TestParamInfo<size_t>& info) {
  return scenarios()[info.param].name;
}

}  // namespace nxv::faults

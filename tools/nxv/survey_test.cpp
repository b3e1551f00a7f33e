#include "survey.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"
#include "graph/build.h"
#include "testing/driver/fake_driver.h"

namespace nxv::tools {
namespace {

using testing::CorpusGraph;

NodeRef values(const GraveyardRef& owner, DType type, const Shape& shape) {
  std::vector<std::byte> bytes(static_cast<size_t>(element_count(shape)) *
                               static_cast<size_t>(storage_bytes(type)));
  return host_value(owner, type, shape, std::move(bytes));
}

// A sum, the same one again, another one, and one that needs f64.
std::vector<CorpusGraph> graphs() {
  const auto sum_of = [](DType type) {
    return [type](const GraveyardRef& owner) {
      return std::vector{reduce(Op::sum, values(owner, type, {5, 300}), Axes{1}, false)};
    };
  };
  return {{"first", sum_of(DType::f32)},
          {"second", sum_of(DType::f32)},
          {"third", sum_of(DType::f16)},
          {"wide", sum_of(DType::f64)}};
}

struct Told {
  std::vector<std::string> before;
  std::vector<CompiledKernel> after;
  std::unique_ptr<Survey> survey;  // none without a device
};

Told survey_of(const vulkan::DeviceOptions& options, const std::vector<std::string>& parts = {}) {
  Told told;
  try {
    told.survey = std::make_unique<Survey>(
        options, [&](const CompiledKernel& k) { told.before.push_back(k.graph); },
        [&](const CompiledKernel& k) {
          told.after.push_back(k);
          EXPECT_EQ(told.before.size(), told.after.size()) << "in turn";
        });
  } catch (const Error& e) {
    if (e.status() != Status::no_device) throw;
    return told;
  }
  told.survey->compile(graphs(), parts);
  return told;
}

std::vector<std::string> graphs_of(const Told& told) {
  std::vector<std::string> names;
  for (const CompiledKernel& k : told.after) {
    EXPECT_EQ(k.error, "");
    EXPECT_GT(k.instructions, 0u);
    EXPECT_GT(k.invocations, 0u);
    EXPECT_LT(k.seconds, 60);
    if (k.graph.find("probe") == std::string::npos) names.push_back(k.graph);
  }
  return names;
}

vulkan::DeviceOptions options() {
  vulkan::DeviceOptions o = vulkan::DeviceOptions::from_environment();
  o.plan.disable = {"f64"};
  return o;
}

TEST(Survey, CompilesEachKernelOnce) {
  const Told told = survey_of(options());
  if (!told.survey) GTEST_SKIP() << "no Vulkan device";
  EXPECT_EQ(graphs_of(told), (std::vector<std::string>{"first", "third"}));
  ASSERT_EQ(told.survey->refused().size(), 1u);
  EXPECT_NE(told.survey->refused().at("wide").find("f64"), std::string::npos);
}

TEST(Survey, CompilesWhatItIsAskedFor) {
  const Told one = survey_of(options(), {"third"});
  if (!one.survey) GTEST_SKIP() << "no Vulkan device";
  EXPECT_EQ(graphs_of(one), std::vector<std::string>{"third"});
  EXPECT_EQ(graphs_of(survey_of(options(), {"reduction"})).size(), 2u);
  EXPECT_EQ(graphs_of(survey_of(options(), {"no such kernel"})).size(), 0u);
}

TEST(Survey, TellsWhatTheDriverCannotCompile) {
  testing::FakeDriver driver;
  vulkan::DeviceOptions o = options();
  o.inject = driver.hook();
  driver.fail_call("vkCreateComputePipelines", 0, testing::kOutOfDeviceMemory);
  const Told told = survey_of(o, {"first"});
  if (!told.survey) GTEST_SKIP() << "no Vulkan device";
  ASSERT_EQ(told.after.size(), 1u);
  EXPECT_NE(told.after[0].error.find("reduction"), std::string::npos) << told.after[0].error;
}

}  // namespace
}  // namespace nxv::tools

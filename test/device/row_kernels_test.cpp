// Kernels over rows on whatever device is there: by teams of the device's subgroups, by invocations
// that meet in shared memory, and as on a CPU, they give the same bits.
#include <random>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

std::vector<float> normal(int64_t count) {
  std::mt19937 random(11);
  std::normal_distribution<float> distribution;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = distribution(random);
  return values;
}

NodeRef over_rows(Op op, const NodeRef& x) { return reduce(op, x, Axes{1}, true); }

// Of the rows: their sums, products and softmax.
std::vector<std::vector<std::byte>> results(Engine& engine, const Shape& shape) {
  const NodeRef x = tensor(engine, shape, normal(element_count(shape)));
  const NodeRef e =
      elementwise(Op::exp, {elementwise(Op::subtract, {x, over_rows(Op::reduce_max, x)})});
  std::vector<std::vector<std::byte>> all;
  for (const NodeRef& node : {over_rows(Op::sum, x), over_rows(Op::product, cast(x, DType::s32)),
                              elementwise(Op::divide, {e, over_rows(Op::sum, e)})}) {
    Answer answer = read(engine, node);
    EXPECT_FALSE(answer.failure) << answer.failure.message;
    all.push_back(std::move(answer.bytes));
  }
  return all;
}

std::shared_ptr<Engine> opened(plan::Profile profile, std::vector<std::string> disable) {
  EngineOptions options = test_options();
  options.device.plan.profile = profile;
  for (std::string& name : disable) options.device.plan.disable.push_back(std::move(name));
  return open_or_null(options);
}

TEST(RowKernels, SameBitsHoweverLanesMeet) {
  const auto alone = opened(plan::Profile::cpu, {});
  if (!alone) GTEST_SKIP() << "no Vulkan device here";
  const auto teams = opened(plan::Profile::discrete, {});
  const auto meeting = opened(plan::Profile::discrete, {"subgroup_shuffle", "subgroup_arithmetic"});
  EXPECT_EQ(meeting->plan().row_subgroup_size, 0u);
  for (const Shape& shape : {Shape{33, 700}, Shape{7, 1024}, Shape{5, 5003}, Shape{2, 40000}}) {
    SCOPED_TRACE(to_string(shape));
    const auto want = results(*alone, shape);
    EXPECT_EQ(results(*teams, shape), want);
    EXPECT_EQ(results(*meeting, shape), want);
  }
}

}  // namespace
}  // namespace nxv::runtime

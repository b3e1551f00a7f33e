// Kernels over rows on whatever device is there: by teams of the device's subgroups, by invocations
// that meet in shared memory, and as on a CPU, they give the same bits.
#include <algorithm>
#include <random>
#include <tuple>

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
  for (const Shape& shape :
       {Shape{33, 700}, Shape{7, 1024}, Shape{5, 5003}, Shape{2, 40000}, Shape{1, 3},
        Shape{200000, 3}, Shape{70001, 10}, Shape{40000, 31}, Shape{300001, 1}}) {
    SCOPED_TRACE(to_string(shape));
    const auto want = results(*alone, shape);
    EXPECT_EQ(results(*teams, shape), want);
    EXPECT_EQ(results(*meeting, shape), want);
  }
}

// Short rows whose elements a workgroup stores together, and what belongs to the rows beside them;
// written over what they are made of.
TEST(RowKernels, ShortRowsOfElementsBesideTheirSums) {
  const auto alone = opened(plan::Profile::cpu, {}), together = opened(plan::Profile::discrete, {});
  if (!alone) GTEST_SKIP() << "no Vulkan device here";
  const auto results = [](Engine& engine, const Shape& shape) {
    NodeRef x = tensor(engine, shape, normal(element_count(shape)));
    const NodeRef sum = over_rows(Op::sum, elementwise(Op::multiply, {x, x}));
    NodeRef scaled = elementwise(Op::divide, {x, sum}), halved = elementwise(Op::negate, {x});
    x = {};
    engine.evaluate({sum, scaled, halved});
    return std::tuple{elements<float>(engine, sum), elements<float>(engine, scaled),
                      elements<float>(engine, halved)};
  };
  for (const Shape& shape : {Shape{65, 3}, Shape{100003, 5}, Shape{20000, 30}}) {
    SCOPED_TRACE(to_string(shape));
    EXPECT_EQ(results(*together, shape), results(*alone, shape));
  }
}

// Words of narrow results, whose rows are not a multiple of four, and a single row with its
// elements.
TEST(RowKernels, NarrowResultsBesideWideOnes) {
  for (const auto& disable :
       {std::vector<std::string>{},
        std::vector<std::string>{"subgroup_shuffle", "subgroup_arithmetic"}}) {
    for (const plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
      const auto engine = opened(profile, disable);
      if (!engine) GTEST_SKIP() << "no Vulkan device here";
      for (const Shape& shape : {Shape{1, 5}, Shape{1, 64}, Shape{1, 1000}, Shape{6, 70}}) {
        SCOPED_TRACE(to_string(shape));
        const std::vector<float> x = normal(element_count(shape));
        const NodeRef y =
            elementwise(Op::multiply, {tensor(*engine, shape, x), tensor<float>(*engine, {}, {2})});
        const NodeRef most = reduce(Op::reduce_max, y, Axes{1}, false);
        const NodeRef are_low = elementwise(Op::less, {y, tensor<float>(*engine, {}, {5})});
        const NodeRef low = reduce(Op::all, are_low, Axes{1}, false);
        engine->evaluate({y, most, low, are_low});
        const auto columns = static_cast<size_t>(shape[1]);
        const auto ys = elements<float>(*engine, y), mosts = elements<float>(*engine, most);
        const auto lows = elements<uint8_t>(*engine, low);
        const auto each = elements<uint8_t>(*engine, are_low);
        for (size_t row = 0; row < mosts.size(); ++row) {
          const auto begin = x.begin() + static_cast<std::ptrdiff_t>(row * columns);
          const float top = 2 * *std::max_element(begin, begin + shape[1]);
          EXPECT_EQ(mosts[row], top);
          EXPECT_EQ(lows[row], top < 5 ? 1 : 0);
        }
        for (size_t i = 0; i < x.size(); ++i) {
          EXPECT_EQ(ys[i], 2 * x[i]);
          EXPECT_EQ(each[i], ys[i] < 5 ? 1 : 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace nxv::runtime

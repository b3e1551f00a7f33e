// Profiles: times are there, add up to no more than has passed, and belong to what was run.
#include "runtime/profile.h"

#include <nlohmann/json.hpp>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

using Nodes = std::vector<NodeRef>;

class Profiles : public testing::Test {
 protected:
  void SetUp() override { open(test_options()); }
  void open(const EngineOptions& options) {
    engine_ = open_or_null(options);
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }

  // A function of a product and of a row program, called three times.
  Profile profiled() {
    const NodeRef x = parameter(engine_->graveyard(), DType::f32, {64, 64});
    const NodeRef e = elementwise(Op::exp, {matmul(x, x)});
    const NodeRef total = reduce(Op::sum, e, Axes{1}, true);
    const FunctionRef f =
        std::make_shared<const Function>(Nodes{x}, Nodes{elementwise(Op::divide, {e, total})});
    f->name = "my function";
    NodeRef v = tensor(*engine_, {64, 64}, std::vector<float>(64 * 64, 0.01F));
    elements<float>(*engine_, v);
    engine_->begin_profile();
    engine_->mark_phase("build");
    for (int i = 0; i < 3; ++i) v = engine_->invoke(f, {v})[0];
    engine_->mark_phase("wait");
    elements<float>(*engine_, v);
    return engine_->end_profile();
  }

  static const Profile::Work* work_of(const Profile& p, Op op) {
    for (const Profile::Work& w : p.work) {
      const auto& ops = w.summary.ops;
      if (w.number > 0 && std::find(ops.begin(), ops.end(), op) != ops.end()) return &w;
    }
    return nullptr;
  }

  std::shared_ptr<Engine> engine_;
};

TEST_F(Profiles, TimesAreThereAndAddUp) {
  const Profile p = profiled();
  if (!p.has_device_times) GTEST_SKIP() << "no timestamps";
  const Profile::Work *product = work_of(p, Op::dot), *rows = work_of(p, Op::exp);
  ASSERT_TRUE(product && rows);
  for (const Profile::Work* w : {product, rows}) {
    EXPECT_GT(w->device, 0);
    EXPECT_EQ(w->runs, 3U);
    EXPECT_GE(w->commands, 3U);
    EXPECT_EQ(w->source, "my function");
  }
  EXPECT_EQ(product->summary.flops, 2 * 64 * 64 * 64U);
  EXPECT_EQ(product->bytes, 3 * 64 * 64 * 4U);
  EXPECT_LE(p.device_time(), p.wall);
  EXPECT_GT(p.submissions, 0U);
  double host = 0;
  for (double phase : p.phases) {
    EXPECT_GE(phase, 0);
    host += phase;
  }
  EXPECT_LE(host, p.wall);
  for (Phase phase : {Phase::schedule, Phase::compile, Phase::record, Phase::submit, Phase::wait}) {
    EXPECT_GT(p.phases[static_cast<int>(phase)], 0) << name(phase);
  }
  ASSERT_EQ(p.caller.size(), 2U);
  EXPECT_EQ(p.caller[0].name, "build");
  EXPECT_EQ(p.caller[0].end, p.caller[1].begin);
  EXPECT_EQ(p.caller[1].end, p.wall);
  for (const Profile::DeviceSpan& s : p.device_spans) {
    EXPECT_LE(s.begin, s.end);
    EXPECT_GE(s.begin, 0);
  }
}

TEST_F(Profiles, PhasesInsideOfOthersCountOnce) {
  const Profile p = profiled();
  std::vector<double> ends;  // of the spans around
  for (const Profile::HostSpan& s : p.engine_spans) {
    EXPECT_LE(s.begin, s.end);
    while (!ends.empty() && ends.back() <= s.begin) ends.pop_back();
    ends.push_back(s.end);
    if (ends.size() > 1) {
      EXPECT_LE(s.end, ends[ends.size() - 2]) << s.name;
    }
  }
  EXPECT_EQ(p.left_out, 0U);
}

TEST_F(Profiles, TracesAreJson) {
  const Profile p = profiled();
  const auto trace = nlohmann::json::parse(to_trace(p));
  EXPECT_EQ(trace["otherData"]["device_times"], p.has_device_times);
  int threads[4] = {};
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const int thread = event["tid"];
    ASSERT_TRUE(thread >= 1 && thread <= 3);
    ++threads[thread];
    EXPECT_GE(event["ts"].get<double>(), 0);
    EXPECT_GE(event["dur"].get<double>(), 0);
    if (thread == 3 && event["args"].contains("step")) {
      EXPECT_EQ(event["args"]["source"], "my function");
    }
  }
  EXPECT_EQ(threads[1], 2);
  EXPECT_EQ(threads[2], static_cast<int>(p.engine_spans.size()));
  EXPECT_EQ(threads[3], static_cast<int>(p.commands));
}

TEST_F(Profiles, DevicesWithoutTimestampsHaveNoDeviceTimes) {
  EngineOptions options = test_options();
  options.device.plan.disable = {"timestamps"};
  ASSERT_NO_FATAL_FAILURE(open(options));
  const Profile p = profiled();
  EXPECT_FALSE(p.has_device_times);
  EXPECT_EQ(p.device_time(), 0);
  EXPECT_TRUE(p.device_spans.empty());
  EXPECT_GT(p.submissions, 0U);
  ASSERT_TRUE(work_of(p, Op::exp));
  EXPECT_EQ(work_of(p, Op::exp)->runs, 3U);
  EXPECT_NE(to_text(p).find("the device has no timestamps"), std::string::npos);
  EXPECT_FALSE(nlohmann::json::parse(to_trace(p))["otherData"]["device_times"].get<bool>());
}

TEST_F(Profiles, ThereIsOneAtATime) {
  EXPECT_THROW(engine_->end_profile(), Error);
  engine_->mark_phase("nobody listens");
  engine_->begin_profile();
  EXPECT_THROW(engine_->begin_profile(), Error);
  EXPECT_EQ(engine_->end_profile().commands, 0U);
  engine_->begin_profile();
  engine_->close();  // with it
  EXPECT_THROW(engine_->end_profile(), Error);
}

// What ran before and after is not part of it, and costs nothing then.
TEST_F(Profiles, HaveABeginningAndAnEnd) {
  profiled();
  const NodeRef x = filled(*engine_, 100, 1);
  elements<float>(*engine_, elementwise(Op::sin, {x}));
  engine_->begin_profile();
  elements<float>(*engine_, elementwise(Op::cos, {x}));
  const Profile p = engine_->end_profile();
  elements<float>(*engine_, elementwise(Op::tan, {x}));
  EXPECT_TRUE(work_of(p, Op::cos));
  EXPECT_FALSE(work_of(p, Op::sin));
  EXPECT_FALSE(work_of(p, Op::dot));
  EXPECT_EQ(work_of(p, Op::cos)->source, "");
}

}  // namespace
}  // namespace nxv::runtime

// Random graphs on the device: fused and one operation at a time give the same bits, and each
// operation what the reference makes of the same operands.
#include "testing/random_graph.h"

#include <gtest/gtest.h>

#include <set>

#include "runtime/engine_fixture_test.h"
#include "testing/graph_check.h"
#include "testing/spirv_validate.h"

namespace nxv::runtime {
namespace {

using Types = std::vector<DType>;

// Complex numbers are not among them; every seed takes the next row.
const std::vector<Types>& type_sets() {
  static const std::vector<Types> sets = {
      {DType::f32, DType::s32, DType::u8},
      {DType::f32},
      {DType::f16, DType::bf16, DType::f32},
      {DType::s8, DType::u16, DType::s16, DType::u32},
      {DType::f64, DType::s64},
      {DType::f32, DType::s32, DType::u8},
      {DType::u64, DType::s64, DType::s32, DType::u8},
      {DType::u2, DType::u4, DType::s2, DType::s4, DType::f8_e4m3fn, DType::f8_e5m2},
      {DType::f32, DType::f64, DType::f16, DType::s32, DType::s64, DType::u8, DType::u64}};
  return sets;
}

class Pair {
 public:
  Pair() {
    EngineOptions options = test_options();
    options.schedule.large_bytes = 0;
    fused_ = open_or_null(options);
    if (!fused_) return;
    options.schedule.fuse = options.schedule.donate = false;
    apart_ = open_or_null(options);
    const plan::DevicePlan& plan = fused_->plan();
    agreement_.wide_products = agreement_.exact_integers = plan.has.fast_f64;
    agreement_.keeps_subnormals = plan.has.f32_subnormals;
  }
  bool is_open() const { return fused_ != nullptr; }

  void check(uint64_t seed) {
    RandomGraphOptions options;
    options.dtypes = type_sets()[seed % type_sets().size()];
    options.ops = real_ops();
    options.size = 4 + static_cast<int>(seed / 7 % 21);
    options.max_elements = seed % 5 == 0 ? 4096 : 300;

    validate(random_graph(fused_->graveyard(), seed, options));
    const auto evaluator = [](Engine& engine) {
      return GraphEvaluator{engine.graveyard(), [&](std::span<const NodeRef> nodes) {
                              std::vector<std::future<Answer>> answers;
                              for (const NodeRef& n : nodes) {
                                answers.push_back(read_later(engine, n));
                              }
                              std::vector<HostTensor> values;
                              for (size_t i = 0; i < nodes.size(); ++i) {
                                values.push_back(tensor_of(*nodes[i], answers[i].get()));
                              }
                              return values;
                            }};
    };
    EXPECT_EQ(check_random_graph(seed, options, evaluator(*fused_), evaluator(*apart_), agreement_),
              "");
  }

  void check(uint64_t first, uint64_t end) {
    for (uint64_t seed = first; seed < end; ++seed) check(seed);
    const Counters fused = fused_->counters(), apart = apart_->counters();
    std::cout << end - first << " graphs: " << fused.dispatches << " dispatches of "
              << fused.kernels_compiled << " kernels fused, " << apart.dispatches << " of "
              << apart.kernels_compiled << " apart, " << donations() << " results in place, "
              << valid_.size() << " modules valid\n";
  }

 private:
  // Every kernel of the schedule, once.
  void validate(const std::vector<NodeRef>& roots) {
    fused_->call([&](Executor& executor, vulkan::Device&) {
      for (const NodeRef& root : roots) {
        if (root->op == Op::data) continue;
        for (const schedule::Step& step : schedule::make_schedule(root, executor.options())) {
          if (step.is_alias) continue;
          for (const auto& dispatch : kernels::lower(step.region, executor.target()).dispatches) {
            if (!valid_.insert(dispatch.key).second) continue;
            const vulkan::Module module = executor.compile(dispatch.generate(step.region));
            EXPECT_EQ(testing::validate_spirv(module.words), "");
          }
        }
      }
    });
  }

  uint64_t donations() {
    uint64_t n = 0;
    fused_->call([&](Executor& executor, vulkan::Device&) { n = executor.stats().donations; });
    return n;
  }

  std::shared_ptr<Engine> fused_, apart_;
  AgreementOptions agreement_;
  std::set<std::string> valid_;
};

TEST(RandomGraph, FusedIsBitwiseUnfusedAndRight) {
  Pair engines;
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  engines.check(0, 200);
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(RandomGraph, DISABLED_LongFusedIsBitwiseUnfusedAndRight) {
  Pair engines;
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  engines.check(10000, 12000);
}

}  // namespace
}  // namespace nxv::runtime

// Random graphs on the device: fused and one operation at a time give the same bits, and each
// operation what the reference makes of the same operands.
#include "testing/random_graph.h"

#include <gtest/gtest.h>

#include <set>
#include <unordered_map>

#include "runtime/engine_fixture_test.h"
#include "testing/agreement.h"
#include "testing/spirv_validate.h"

namespace nxv::runtime {
namespace {

// Inputs before their readers.
void collect(const NodeRef& node, std::set<const Node*>& seen, std::vector<NodeRef>& order) {
  if (!seen.insert(node.get()).second) return;
  for (const NodeRef& input : node->inputs) collect(input, seen, order);
  order.push_back(node);
}

std::vector<NodeRef> nodes_of(const std::vector<NodeRef>& roots) {
  std::set<const Node*> seen;
  std::vector<NodeRef> order;
  for (const NodeRef& root : roots) collect(root, seen, order);
  return order;
}

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

std::vector<Op> real_ops() {
  std::vector<Op> ops;
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (op != Op::conjugate && op != Op::real && op != Op::imag) ops.push_back(op);
  }
  return ops;
}

class Pair {
 public:
  Pair() : fused_(open_or_null(test_options())) {
    if (!fused_) return;
    EngineOptions options = test_options();
    options.schedule.fuse = false;
    apart_ = open_or_null(options);
    const plan::DevicePlan& plan = fused_->plan();
    agreement_.wide_products = plan.has.fast_f64;
    agreement_.keeps_subnormals = plan.has.f32_subnormals;
  }
  bool is_open() const { return fused_ != nullptr; }

  void check(uint64_t seed) {
    RandomGraphOptions options;
    options.dtypes = type_sets()[seed % type_sets().size()];
    options.ops = real_ops();
    options.size = 4 + static_cast<int>(seed / 7 % 21);
    options.max_elements = seed % 5 == 0 ? 4096 : 300;

    const auto fused_roots = random_graph(fused_->graveyard(), seed, options);
    const auto fused_nodes = nodes_of(fused_roots);
    const auto apart_nodes = nodes_of(random_graph(apart_->graveyard(), seed, options));
    ASSERT_EQ(fused_nodes.size(), apart_nodes.size());
    validate(random_graph(fused_->graveyard(), seed, options));

    std::vector<std::future<Answer>> fused, apart;
    for (const NodeRef& root : fused_roots) fused.push_back(read_later(*fused_, root));
    for (const NodeRef& node : apart_nodes) apart.push_back(read_later(*apart_, node));

    std::unordered_map<const Node*, HostTensor> values;
    const auto graph = nodes_of(random_graph(std::make_shared<Graveyard>(), seed, options));
    for (size_t i = 0; i < apart_nodes.size(); ++i) {
      const Answer answer = apart[i].get();
      ASSERT_FALSE(answer.failure) << answer.failure.message;
      HostTensor got(graph[i]->dtype, graph[i]->shape);
      got.bytes = answer.bytes;
      if (graph[i]->op != Op::data) {
        std::vector<HostTensor> inputs;
        for (const NodeRef& input : graph[i]->inputs) inputs.push_back(values.at(input.get()));
        EXPECT_EQ(disagreement(*graph[i], inputs, got, agreement_), "");
      }
      values.emplace(graph[i].get(), std::move(got));
    }
    for (size_t i = 0; i < fused_roots.size(); ++i) {
      const Answer answer = fused[i].get();
      ASSERT_FALSE(answer.failure) << answer.failure.message;
      for (size_t n = 0; n < graph.size(); ++n) {
        if (fused_nodes[n].get() != fused_roots[i].get()) continue;
        HostTensor got(graph[n]->dtype, graph[n]->shape);
        got.bytes = answer.bytes;
        EXPECT_EQ(difference(got, values.at(graph[n].get())), "")
            << name(graph[n]->op) << ", fused and one operation at a time";
      }
    }
  }

  void check(uint64_t first, uint64_t end) {
    for (uint64_t seed = first; seed < end && !::testing::Test::HasFatalFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      check(seed);
    }
    const Counters fused = fused_->counters(), apart = apart_->counters();
    std::cout << end - first << " graphs: " << fused.dispatches << " dispatches of "
              << fused.kernels_compiled << " kernels fused, " << apart.dispatches << " of "
              << apart.kernels_compiled << " apart, " << valid_.size() << " modules valid\n";
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

// Operations one at a time on random operands: shapes of ranks 0 to 6, types, values, options. The
// device agrees with the reference evaluator, fused and not.
#include "testing/random_call.h"

#include <gtest/gtest.h>

#include "runtime/engine_fixture_test.h"
#include "testing/dice.h"
#include "testing/graph_check.h"

namespace nxv::runtime {
namespace {

GraphEvaluator evaluator(Engine& engine) {
  return {engine.graveyard(), [&](std::span<const NodeRef> nodes) {
            std::vector<std::future<Answer>> answers;
            for (const NodeRef& n : nodes) answers.push_back(read_later(engine, n));
            std::vector<HostTensor> values;
            for (size_t i = 0; i < nodes.size(); ++i) {
              values.push_back(tensor_of(*nodes[i], answers[i].get()));
            }
            return values;
          }};
}

// One operation of the table, in a graph as small as its operands allow.
std::vector<NodeRef> table_call(const GraveyardRef& owner, Op op, uint64_t seed) {
  RandomGraphOptions options;
  options.ops = {op};
  options.size = 1;
  options.max_rank = 6;
  options.max_elements = 400;
  options.dtypes = {DType::f32, DType::s32, DType::u8,  DType::f64, DType::s64,
                    DType::f16, DType::u64, DType::s16, DType::bf16};
  return random_graph(owner, seed, options);
}

void check_calls(uint64_t first, uint64_t count) {
  const auto fused = open_or_null(test_options());
  if (!fused) GTEST_SKIP() << "no Vulkan device here";
  EngineOptions apart_options = test_options();
  apart_options.schedule.fuse = false;
  const auto apart = open_or_null(apart_options);
  const plan::DevicePlan& plan = fused->plan();
  AgreementOptions agreement;
  agreement.wide_products = agreement.exact_integers = plan.has.fast_f64;
  agreement.keeps_subnormals = plan.has.f32_subnormals;

  const std::vector<std::string> names = random_call_names();
  std::vector<Op> ops;
  for (const Op op : real_ops()) {
    if (info(op).fusion != Fusion::leaf && info(op).fusion != Fusion::library) ops.push_back(op);
  }
  const auto kinds = static_cast<int64_t>(names.size() + ops.size());
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const auto kind = static_cast<size_t>(Dice(seed).below(kinds));
    const std::string name =
        kind < names.size() ? names[kind] : std::string(nxv::name(ops[kind - names.size()]));
    const std::string label = name + ", seed " + std::to_string(seed);
    const GraphBuilder build = [&](const GraveyardRef& owner) {
      return kind < names.size() ? random_call(owner, name, seed)
                                 : table_call(owner, ops[kind - names.size()], seed);
    };
    try {
      EXPECT_EQ(check_graph(label, build, evaluator(*fused), evaluator(*apart), agreement), "");
    } catch (const Error& e) {
      ADD_FAILURE() << label << ": " << e.what();
    }
  }
}

TEST(RandomCall, AgreesWithTheReference) { check_calls(0, 1000); }

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(RandomCall, DISABLED_LongAgreesWithTheReference) { check_calls(100000, 20000); }

}  // namespace
}  // namespace nxv::runtime

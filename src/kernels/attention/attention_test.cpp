// Attention on devices that are not there, beside the reference and beside what it is composed of.
#include <gtest/gtest.h>

#include <cmath>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/dice.h"
#include "testing/random/graph_check.h"
#include "testing/random/random_call.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;
using Options = std::vector<library::Option>;

HostTensor noise(DType type, Shape shape, uint64_t seed) {
  Dice dice(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    double sum = 0;
    for (int k = 0; k < 4; ++k) sum += static_cast<double>(dice.between(-10000, 10000)) / 10000;
    t.set(i, make_scalar(type, sum));
  }
  return t;
}

NodeRef value(const GraveyardRef& owner, const HostTensor& t) {
  return host_value(owner, t.dtype, t.shape, t.bytes);
}

// ||a - exact|| / ||exact||
double error_of(const HostTensor& a, const HostTensor& exact) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    const double x = to_double(a.at(i)), y = to_double(exact.at(i));
    error += (x - y) * (x - y);
    norm += y * y;
  }
  return std::sqrt(error / norm);
}

struct Inputs {
  HostTensor q, k, v;
  Inputs(DType type, int64_t heads, int64_t kv_heads, int64_t queries, int64_t keys, int64_t width,
         int64_t value_width)
      : q(noise(type, {2, heads, queries, width}, 1)),
        k(noise(type, {2, kv_heads, keys, width}, 2)),
        v(noise(type, {2, kv_heads, keys, value_width}, 3)) {}
  std::vector<NodeRef> nodes(const GraveyardRef& owner) const {
    return {value(owner, q), value(owner, k), value(owner, v)};
  }
};

plan::DevicePlan unit_plan(uint32_t subgroup) {
  return plan_with([&](plan::Snapshot& s) {
    using plan::MatrixType;
    s.features.cooperative_matrix = s.features.bfloat16 = true;
    s.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                       {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32}};
    s.probes.matrix_units_exact = true;
    s.probes.matrix_elements_exact = s.probes.matrix_chains_exact = true;
    s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = subgroup;
  });
}

// softmax(scale Q K^T) V as nodes of its own, each rounded to the type of the scores.
NodeRef composed(const GraveyardRef& owner, const Inputs& inputs, DType scores, bool is_causal) {
  const Shape &q = inputs.q.shape, &v = inputs.v.shape;
  const int64_t group = q[1] / v[1];
  const auto repeated = [&](const HostTensor& t) {
    const Shape& s = t.shape;
    const NodeRef x = cast(value(owner, t), scores);
    return reshape(broadcast(x, {s[0], s[1], group, s[2], s[3]}, {0, 1, 3, 4}),
                   {s[0], q[1], s[2], s[3]});
  };
  const auto number = [&](double x) { return constant(owner, make_scalar(scores, x), {}); };
  NodeRef s =
      matmul(cast(value(owner, inputs.q), scores), transpose(repeated(inputs.k), {0, 1, 3, 2}));
  s = elementwise(Op::multiply, {s, number(1 / std::sqrt(static_cast<double>(q[3])))});
  if (is_causal) {
    const Shape square = {q[2], v[2]};
    const NodeRef offset = constant(owner, make_scalar(DType::s32, v[2] - q[2]), {});
    const NodeRef row = elementwise(Op::add, {iota(owner, DType::s32, square, 0), offset});
    const NodeRef sees = elementwise(Op::less_equal, {iota(owner, DType::s32, square, 1), row});
    s = elementwise(Op::select, {broadcast(sees, s->shape), s, number(-INFINITY)});
  }
  const NodeRef largest = reduce(Op::reduce_max, s, Axes{3}, true);
  const NodeRef e = elementwise(Op::exp, {elementwise(Op::subtract, {s, largest})});
  const NodeRef p = elementwise(Op::divide, {e, reduce(Op::sum, e, Axes{3}, true)});
  return cast(matmul(p, repeated(inputs.v)), scores == DType::f64 ? scores : inputs.q.dtype);
}

TEST(Attention, AsAccurateAsWhatItIsComposedOf) {
  const std::pair<const char*, plan::DevicePlan> devices[] = {
      {"discrete", discrete_plan()},
      {"no f64", plan_with([](plan::Snapshot& s) { s.features.f64 = false; })},
      {"matrix units", unit_plan(32)}};
  for (const auto& [label, plan] : devices) {
    for (DType type : {DType::f32, DType::f16, DType::bf16}) {
      for (bool is_causal : {false, true}) {
        const Inputs inputs(type, 4, 2, 70, 130, 64, 40);
        const auto owner = host_graveyard();
        const HostTensor exact =
            reference_evaluate(*composed(owner, inputs, DType::f64, is_causal));
        InterpretedDevice device(plan);
        const Options options = {{"causal", {is_causal}, {}}};
        const HostTensor fused =
            device.evaluate(library::call("attention", inputs.nodes(owner), options)[0]);
        const HostTensor apart = device.evaluate(composed(owner, inputs, DType::f32, is_causal));
        EXPECT_LE(error_of(fused, exact), 2 * error_of(apart, exact))
            << name(type) << (is_causal ? " causal" : "") << ", " << label;
        EXPECT_EQ(device.invalid(), "");
      }
    }
  }
}

// Sizes that matrix units take, and what stands at their edges.
TEST(Attention, MatrixUnits) {
  struct Case {
    int64_t queries, keys, width, value_width;
    bool is_causal;
    int64_t window;
    bool has_bias, has_sinks;
    double scale = 0.125;
  };
  // Of larger scales maxima grow by much after the first block of keys, or weights are infinite.
  const Case cases[] = {
      {150, 150, 64, 64, true, 0, false, false},   {40, 100, 64, 40, false, 0, true, false},
      {33, 70, 24, 128, true, 20, false, true},    {20, 35, 96, 256, false, 9, false, false, 3},
      {35, 280, 16, 32, false, 0, false, true, 2}, {40, 90, 64, 16, true, 0, false, false, 40}};
  struct Device {
    uint32_t subgroup;
    bool has_chains;
    uint32_t shared_bytes;
  };
  for (const Device& d : {Device{16, true, 49152}, Device{32, true, 49152}, Device{64, true, 49152},
                          Device{16, false, 49152}, Device{32, false, 49152},
                          Device{64, false, 49152}, Device{32, true, 16384}}) {
    plan::DevicePlan plan = unit_plan(d.subgroup);
    plan.has.matrix_chains = d.has_chains;
    plan.shared_memory_bytes = d.shared_bytes;
    // Workgroups of one subgroup, and of several.
    if (d.subgroup != 64) plan.tuning.busy_tiles = 1;
    InterpretedDevice device(plan);
    for (DType type : {DType::f16, DType::bf16}) {
      for (const Case& c : cases) {
        SCOPED_TRACE(std::string(name(type)) + " of " + std::to_string(c.width) +
                     ", subgroups of " + std::to_string(d.subgroup));
        const Inputs inputs(type, 2, 1, c.queries, c.keys, c.width, c.value_width);
        const auto owner = host_graveyard();
        auto operands = inputs.nodes(owner);
        Options options = {
            {"causal", {c.is_causal}, {}}, {"statistics", {1}, {}}, {"scale", {}, {c.scale}}};
        if (c.window > 0) options.push_back({"window", {c.window}, {}});
        if (c.has_bias) {
          operands.push_back(value(owner, noise(DType::f32, {c.queries, 1}, 5)));
          options.push_back({"bias", {1}, {}});
        }
        if (c.has_sinks) {
          operands.push_back(value(owner, noise(DType::f32, {2}, 6)));
          options.push_back({"sinks", {1}, {}});
        }
        const auto results = library::call("attention", operands, options);
        const std::vector<HostTensor> want = reference_evaluate(results);
        const std::vector<HostTensor> got = device.evaluate(results);
        EXPECT_LE(error_of(got[0], want[0]), type == DType::f16 ? 1e-3 : 8e-3);
        EXPECT_LE(error_of(got[1], want[1]), 1e-5);
      }
    }
    EXPECT_TRUE(device.kernels().contains("attention_units"));
    EXPECT_FALSE(device.kernels().contains("attention_shared"));
    EXPECT_EQ(device.invalid(), "");
  }
}

// Of so many keys that heads are taken by threes: the last of four is alone.
TEST(Attention, HeadsThatCachesDoNotHoldTogether) {
  const Inputs inputs(DType::bf16, 2, 2, 150, 70000, 16, 16);
  const auto owner = host_graveyard();
  const auto results = library::call("attention", inputs.nodes(owner),
                                     Options{{"causal", {1}, {}}, {"window", {40}, {}}});
  plan::DevicePlan plan = unit_plan(32);
  plan.tuning.busy_tiles = 1;
  InterpretedDevice device(plan);
  const HostTensor want = reference_evaluate(*results[0]);
  EXPECT_LE(error_of(device.evaluate(results[0]), want), 8e-3);
  EXPECT_TRUE(device.kernels().contains("attention_units"));
}

// Few queries over so many keys that their products had better be on matrix units.
TEST(Attention, PartsOnMatrixUnits) {
  struct Case {
    int64_t queries, heads, kv_heads, keys, width, value_width;
    bool is_causal, has_sinks, has_bias;
    int64_t window = 0;
  };
  const Case cases[] = {{1, 4, 1, 1100, 128, 64, false, true, false},
                        {5, 3, 1, 1030, 24, 128, true, false, true, 300},
                        {2, 2, 2, 9000, 16, 16, true, false, false}};
  for (uint32_t subgroup : {16u, 32u, 64u}) {
    plan::DevicePlan plan = unit_plan(subgroup);
    plan.has.matrix_chains = subgroup != 64;
    InterpretedDevice device(plan);
    for (DType type : {DType::f16, DType::bf16}) {
      for (const Case& c : cases) {
        SCOPED_TRACE(std::string(name(type)) + " over " + std::to_string(c.keys) +
                     ", subgroups of " + std::to_string(subgroup));
        const Inputs inputs(type, c.heads, c.kv_heads, c.queries, c.keys, c.width, c.value_width);
        const auto owner = host_graveyard();
        auto operands = inputs.nodes(owner);
        Options options = {{"causal", {c.is_causal}, {}}, {"statistics", {1}, {}}};
        if (c.window > 0) options.push_back({"window", {c.window}, {}});
        if (c.has_bias) {
          operands.push_back(value(owner, noise(DType::f32, {c.heads, 1, c.keys}, 5)));
          options.push_back({"bias", {1}, {}});
        }
        if (c.has_sinks) {
          operands.push_back(value(owner, noise(DType::f32, {c.heads}, 6)));
          options.push_back({"sinks", {1}, {}});
        }
        const auto results = library::call("attention", operands, options);
        const std::vector<HostTensor> want = reference_evaluate(results);
        const std::vector<HostTensor> got = device.evaluate(results);
        EXPECT_LE(error_of(got[0], want[0]), type == DType::f16 ? 1e-3 : 8e-3);
        EXPECT_LE(error_of(got[1], want[1]), 1e-5);
      }
    }
    EXPECT_TRUE(device.kernels().contains("attention_unit_parts"));
    EXPECT_FALSE(device.kernels().contains("attention_parts"));
    EXPECT_EQ(device.invalid(), "");
  }
}

// Few queries over many keys, which are split into parts.
TEST(Attention, Parts) {
  struct Case {
    int64_t queries, heads, kv_heads, keys, width, value_width;
    bool is_causal, has_sinks, has_lengths, has_bias;
  };
  const Case cases[] = {{1, 8, 2, 300, 64, 64, false, false, false, false},
                        {3, 5, 1, 200, 24, 40, true, true, false, true},
                        {1, 2, 2, 700, 128, 256, true, false, true, false},
                        {2, 6, 3, 130, 256, 8, false, true, true, false}};
  for (const plan::DevicePlan& plan : {discrete_plan(), plan_of_subgroups(64)}) {
    InterpretedDevice device(plan);
    for (DType type : {DType::f32, DType::bf16, DType::f16}) {
      for (const Case& c : cases) {
        SCOPED_TRACE(std::string(name(type)) + " over " + std::to_string(c.keys));
        const Inputs inputs(type, c.heads, c.kv_heads, c.queries, c.keys, c.width, c.value_width);
        const auto owner = host_graveyard();
        auto operands = inputs.nodes(owner);
        Options options = {{"causal", {c.is_causal}, {}}, {"statistics", {1}, {}}};
        if (c.has_bias) {
          operands.push_back(value(owner, noise(DType::f32, {c.heads, 1, c.keys}, 5)));
          options.push_back({"bias", {1}, {}});
        }
        if (c.has_lengths) {
          const Scalar lengths[] = {make_scalar(DType::s32, int64_t{100}),
                                    make_scalar(DType::s32, int64_t{0})};
          operands.push_back(value(owner, HostTensor(DType::s32, {2}, lengths)));
          options.push_back({"lengths", {1}, {}});
        }
        if (c.has_sinks) {
          operands.push_back(value(owner, noise(DType::f32, {c.heads}, 6)));
          options.push_back({"sinks", {1}, {}});
        }
        const auto results = library::call("attention", operands, options);
        const std::vector<HostTensor> want = reference_evaluate(results);
        const std::vector<HostTensor> got = device.evaluate(results);
        const double tolerance = type == DType::f32 ? 5e-7 : type == DType::f16 ? 5e-4 : 4e-3;
        EXPECT_LE(error_of(got[0], want[0]), tolerance);
        for (int64_t i = 0; i < want[1].count(); ++i) {
          const double exact = to_double(want[1].at(i));
          if (std::isinf(exact)) {
            EXPECT_EQ(to_double(got[1].at(i)), exact);
          } else {
            EXPECT_NEAR(to_double(got[1].at(i)), exact, 1e-5);
          }
        }
      }
    }
    EXPECT_TRUE(device.kernels().contains("attention_parts"));
    EXPECT_FALSE(device.kernels().contains("attention_shared"));
    EXPECT_EQ(device.invalid(), "");
  }
}

TEST(Attention, RowsThatSeeNoKeyAreZero) {
  const Inputs inputs(DType::f32, 2, 1, 5, 3, 8, 4);
  for (const plan::DevicePlan& plan : {discrete_plan(), cpu_plan()}) {
    const auto owner = host_graveyard();
    InterpretedDevice device(plan);
    const auto results = library::call("attention", inputs.nodes(owner),
                                       Options{{"causal", {1}, {}}, {"statistics", {1}, {}}});
    const auto values = device.evaluate(results);
    for (int64_t i = 0; i < 2 * 2 * 5; ++i) {
      // The offset is -2: the first two queries come before all keys.
      const bool sees = i % 5 >= 2;
      EXPECT_EQ(std::isfinite(to_double(values[1].at(i))), sees) << i;
      if (!sees) {
        EXPECT_EQ(to_double(values[0].at(4 * i)), 0) << i;
      }
    }
    const HostTensor want = reference_evaluate(*results[0]);
    for (int64_t i = 0; i < want.count(); ++i) {
      EXPECT_NEAR(to_double(values[0].at(i)), to_double(want.at(i)), 1e-6);
    }
  }
}

TEST(Attention, AgreesWithTheReference) {
  for (const AbsentDevice& d : absent_devices()) {
    InterpretedDevice fused(d.plan, d.interpreter), apart(d.plan, d.interpreter);
    const auto evaluator = [](InterpretedDevice& device) {
      return GraphEvaluator{host_graveyard(),
                            [&](std::span<const NodeRef> nodes) { return device.evaluate(nodes); }};
    };
    for (uint64_t seed = 0; seed < 12; ++seed) {
      EXPECT_EQ(check_graph(
                    "seed " + std::to_string(seed),
                    [&](const GraveyardRef& owner) {
                      return random_call_of(owner, "attention", seed).results;
                    },
                    evaluator(fused), evaluator(apart), agreement_of(d.plan)),
                "")
          << d.name;
    }
    EXPECT_EQ(fused.invalid(), "") << d.name;
  }
}

}  // namespace
}  // namespace nxv::kernels

// Gradients of attention: the reference beside finite differences, devices that are not there
// beside the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/build.h"
#include "kernels/attention/attention_gradient.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/dice.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;
using Options = std::vector<library::Option>;

HostTensor noise(DType type, Shape shape, uint64_t seed) {
  Dice dice(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    t.set(i, make_scalar(type, static_cast<double>(dice.between(-512, 512)) / 256));
  }
  return t;
}

struct Case {
  DType type = DType::f32;
  int64_t heads = 2, kv_heads = 1, queries = 9, keys = 13, width = 8, value_width = 4;
  Options options = {};
  bool has_mask = false, has_bias = false, has_sinks = false, has_lengths = false;
  bool heads_inside = false;

  Shape shape(int64_t heads_of, int64_t length, int64_t columns) const {
    return heads_inside ? Shape{2, length, heads_of, columns} : Shape{2, heads_of, length, columns};
  }
  // Queries, keys, values and the others.
  std::vector<HostTensor> operands() const {
    std::vector<HostTensor> all = {noise(type, shape(heads, queries, width), 1),
                                   noise(type, shape(kv_heads, keys, width), 2),
                                   noise(type, shape(kv_heads, keys, value_width), 3)};
    if (has_mask) all.push_back(noise(DType::u8, {queries, keys}, 4));
    if (has_bias) all.push_back(noise(DType::f32, {heads, 1, keys}, 5));
    if (has_lengths) {
      const Scalar lengths[] = {make_scalar(DType::s32, keys), make_scalar(DType::s32, keys / 2)};
      all.push_back(HostTensor(DType::s32, {2}, lengths));
    }
    if (has_sinks) all.push_back(noise(DType::f32, {heads}, 6));
    return all;
  }
  Options all_options() const {
    Options all = options;
    if (has_mask) all.push_back({"mask", {1}, {}});
    if (has_bias) all.push_back({"bias", {1}, {}});
    if (has_lengths) all.push_back({"lengths", {1}, {}});
    if (has_sinks) all.push_back({"sinks", {1}, {}});
    if (heads_inside) all.push_back({"heads_axis", {2}, {}});
    return all;
  }
};

std::vector<Case> cases() {
  std::vector<Case> all(10);
  all[1].options = {{"causal", {1}, {}}, {"soft_cap", {}, {2.5}}};
  all[1].has_sinks = true;
  all[2].options = {{"window", {4}, {}}};
  all[2].heads_inside = all[2].has_mask = all[2].has_bias = true;
  all[3] = {DType::bf16, 4, 2, 40, 70, 40, 70, {{"causal", {1}, {}}, {"window", {35}, {}}}};
  all[3].has_lengths = true;
  all[4] = {DType::f16, 2, 2, 33, 20, 5, 3, {{"causal", {1}, {}}, {"offset", {-3}, {}}}};
  all[5] = {DType::f32, 3, 1, 1, 64, 64, 64};
  all[6].has_mask = true;
  all[6].options = {{"masked", {}, {-3.0}}};
  // That matrix units take.
  all[7] = {DType::f16, 4, 2, 70, 90, 64, 40, {{"causal", {1}, {}}}};
  all[8] = {DType::bf16, 2, 1, 40, 33, 24, 128, {{"window", {20}, {}}, {"soft_cap", {}, {3.0}}}};
  all[8].has_mask = all[8].has_sinks = all[8].has_lengths = true;
  all[9] = {DType::bf16, 2, 2, 33, 70, 96, 16};
  all[9].has_lengths = all[9].heads_inside = true;
  return all;
}

std::vector<NodeRef> nodes(const GraveyardRef& owner, const std::vector<HostTensor>& tensors) {
  std::vector<NodeRef> all;
  for (const HostTensor& t : tensors) all.push_back(host_value(owner, t.dtype, t.shape, t.bytes));
  return all;
}

// What attention answers, and a gradient, behind its operands.
std::vector<HostTensor> with_results(const Case& c, std::vector<HostTensor> operands) {
  const auto owner = host_graveyard();
  Options options = c.all_options();
  options.push_back({"statistics", {1}, {}});
  const auto results =
      reference_evaluate(library::call("attention", nodes(owner, operands), options));
  operands.insert(operands.end(), results.begin(), results.end());
  operands.push_back(noise(c.type, results[0].shape, 7));
  return operands;
}

double loss(const Case& c, const std::vector<HostTensor>& operands, const HostTensor& gradient) {
  const auto owner = host_graveyard();
  NodeRef node = library::call("attention", nodes(owner, operands), c.all_options())[0];
  node = make_node(owner, node->op, DType::f64, node->shape, node->inputs, node->attributes);
  const HostTensor result = reference_evaluate(*node);
  double sum = 0;
  for (int64_t i = 0; i < result.count(); ++i) {
    sum += to_double(result.at(i)) * to_double(gradient.at(i));
  }
  return sum;
}

TEST(AttentionGradient, TheReferenceIsADerivative) {
  for (const Case& c : cases()) {
    if (c.type != DType::f32) continue;
    const std::vector<HostTensor> operands = c.operands(), all = with_results(c, operands);
    const auto owner = host_graveyard();
    const auto gradients =
        reference_evaluate(library::call("attention_gradient", nodes(owner, all), c.all_options()));
    constexpr double kStep = 0x1p-9;
    for (size_t x = 0; x < 3; ++x) {
      for (int64_t i = 0; i < operands[x].count(); i += 37) {
        auto above = operands, below = operands;
        const double at = to_double(operands[x].at(i));
        above[x].set(i, make_scalar(DType::f32, at + kStep));
        below[x].set(i, make_scalar(DType::f32, at - kStep));
        const double slope = (loss(c, above, all.back()) - loss(c, below, all.back())) / 2 / kStep;
        EXPECT_NEAR(to_double(gradients[x].at(i)), slope, 1e-4 * (1 + std::fabs(slope)))
            << "operand " << x << ", element " << i;
      }
    }
  }
}

TEST(AttentionGradient, AgreesWithTheReference) {
  std::vector<AbsentDevice> devices = absent_devices();
  for (size_t i = 0, count = devices.size(); i < count; ++i) {
    if (!devices[i].plan.has.coopmat) continue;
    AbsentDevice d = devices[i];
    d.name += ", workgroups of several";
    d.plan.tuning.busy_tiles = 1;
    devices.push_back(d);
    d.name += ", without chains";
    d.plan.has.matrix_chains = false;
    devices.push_back(d);
  }
  for (const AbsentDevice& d : devices) {
    InterpretedDevice device(d.plan, d.interpreter);
    size_t number = 0;
    for (const Case& c : cases()) {
      SCOPED_TRACE(d.name + ", case " + std::to_string(number++));
      const auto owner = host_graveyard();
      const auto results = library::call(
          "attention_gradient", nodes(owner, with_results(c, c.operands())), c.all_options());
      const std::vector<HostTensor> want = reference_evaluate(results);
      const std::vector<HostTensor> got = device.evaluate(results);
      const double tolerance = c.type == DType::f32 ? 2e-6 : c.type == DType::f16 ? 1e-3 : 8e-3;
      for (size_t i = 0; i < 3; ++i) {
        ASSERT_EQ(got[i].shape, c.operands()[i].shape);
        ASSERT_EQ(got[i].dtype, c.type);
        double error = 0, norm = 0;
        for (int64_t e = 0; e < got[i].count(); ++e) {
          const double x = to_double(got[i].at(e)), y = to_double(want[i].at(e));
          error += (x - y) * (x - y);
          norm += y * y;
        }
        EXPECT_LE(std::sqrt(error), tolerance * std::sqrt(norm)) << "gradient " << i;
      }
    }
    EXPECT_EQ(device.invalid(), "") << d.name;
    // Rows of matrices are found by lanes, one each.
    const bool has_units = d.plan.has.coopmat && d.plan.matrix_subgroup_size >= ir::kMatrixSide;
    for (const char* kernel :
         {"attention_gradient_queries_units", "attention_gradient_keys_units"}) {
      EXPECT_EQ(device.kernels().contains(kernel), has_units) << d.name;
    }
  }
}

// One that nobody reads is not computed.
TEST(AttentionGradient, OfQueriesAlone) {
  const Case c = cases()[1];
  const auto owner = host_graveyard();
  const auto results = library::call("attention_gradient",
                                     nodes(owner, with_results(c, c.operands())), c.all_options());
  InterpretedDevice device(discrete_plan());
  const HostTensor want = reference_evaluate(*results[0]);
  const HostTensor got = device.evaluate(results[0]);
  for (int64_t i = 0; i < got.count(); ++i) {
    EXPECT_NEAR(to_double(got.at(i)), to_double(want.at(i)), 1e-5);
  }
  EXPECT_TRUE(device.kernels().contains("attention_gradient_queries"));
  EXPECT_FALSE(device.kernels().contains("attention_gradient_keys"));
}

// Weights of a row of which all is masked are uniform, however low its scores are.
TEST(AttentionGradient, OfARowThatSeesNothing) {
  constexpr int64_t kKeys = 13;
  const std::vector<HostTensor> operands = {
      noise(DType::f32, {1, 1, 1, 8}, 1), noise(DType::f32, {1, 1, kKeys, 8}, 2),
      noise(DType::f32, {1, 1, kKeys, 4}, 3), HostTensor(DType::u8, {1, kKeys})};
  const Options options = {{"mask", {1}, {}}, {"masked", {}, {-1e9}}};
  Options forward = options;
  forward.push_back({"statistics", {1}, {}});
  const auto owner = host_graveyard();
  std::vector<HostTensor> all = operands;
  const auto results =
      reference_evaluate(library::call("attention", nodes(owner, operands), forward));
  all.insert(all.end(), results.begin(), results.end());
  all.push_back(noise(DType::f32, results[0].shape, 7));
  const auto gradients =
      reference_evaluate(library::call("attention_gradient", nodes(owner, all), options));
  for (int64_t i = 0; i < gradients[2].count(); ++i) {
    EXPECT_NEAR(to_double(gradients[2].at(i)), to_double(all.back().at(i % 4)) / kKeys, 3e-4);
  }
  for (int64_t i = 0; i < gradients[0].count(); ++i) EXPECT_EQ(to_double(gradients[0].at(i)), 0);
}

TEST(AttentionGradient, WhereItPays) {
  const auto pays = [](const plan::DevicePlan& plan, DType type, int64_t length, int64_t width,
                       bool is_causal = false) {
    AttentionSizes s;
    s.batch = 4;
    s.heads = s.kv_heads = 12;
    s.queries = s.keys = length;
    s.width = s.value_width = width;
    return attention_gradients_pay(plan, type, s, is_causal);
  };
  const plan::DevicePlan gpu = discrete_plan(), cpu = cpu_plan();
  plan::DevicePlan units = gpu;
  units.has.coopmat = true;
  EXPECT_TRUE(pays(gpu, DType::bf16, 512, 64));
  EXPECT_TRUE(pays(units, DType::bf16, 512, 64));
  EXPECT_FALSE(pays(cpu, DType::bf16, 512, 64));
  // Columns that matrix units do not read.
  EXPECT_FALSE(pays(units, DType::bf16, 512, 20));
  EXPECT_TRUE(pays(gpu, DType::bf16, 512, 20));
  // Products of f32 are on matrix units, but for scores that no memory holds.
  EXPECT_FALSE(pays(gpu, DType::f32, 512, 64));
  EXPECT_TRUE(pays(gpu, DType::f32, 512, 64, true));
  EXPECT_FALSE(pays(cpu, DType::f32, 512, 64, true));
  EXPECT_TRUE(pays(gpu, DType::f32, 65536, 64));
}

}  // namespace
}  // namespace nxv::kernels

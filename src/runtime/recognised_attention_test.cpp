// Definitions whose attention is one operation are as accurate as they are written out.
#include <algorithm>
#include <cmath>
#include <functional>

#include "graph/function.h"
#include "runtime/attention_definitions_test.h"

namespace nxv::runtime {
namespace {

struct Definition {
  std::vector<std::pair<DType, Shape>> parameters;
  std::function<NodeRef(const Nodes&)> body;
  uint64_t dispatches;  // where attention is one operation
};

Definition causal_heads(DType type) {
  return {{{type, {2, 40, 96}}}, [](const Nodes& p) { return causal_attention(p[0]); }, 1};
}

// A token's queries in groups over a cache that is filled up to a position: the mask, how many keys
// are seen, and the rows of both groups.
Definition cached(DType type) {
  return {
      {{type, {1, 2, 4, 16}}, {type, {1, 2, 200, 16}}, {type, {1, 2, 200, 16}}, {DType::s32, {}}},
      [type](const Nodes& p) {
        const NodeRef product = dot(p[0], p[1], {{3}, {3}, {0, 1}, {0, 1}});
        const NodeRef s = cast(product, merge(type, DType::f32));
        const NodeRef seen = op(Op::less_equal, counted(s, 3), p[3]);
        const NodeRef w =
            softmax(elementwise(Op::select, {seen, op(Op::divide, s, num(s, 4)), num(s, -1e30)}));
        return dot(cast(w, type), p[2], {{3}, {2}, {0, 1}, {0, 1}});
      },
      3};
}

NodeRef argument(Engine& engine, DType type, const Shape& shape, int seed, int32_t position) {
  if (type == DType::s32) return tensor<int32_t>(engine, shape, {position});
  std::vector<float> numbers(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = static_cast<float>(std::sin(static_cast<double>(i * i % 1009 + i) + seed));
  }
  return cast(tensor(engine, shape, numbers), type);
}

struct Run {
  HostTensor result;
  uint64_t dispatches = 0;
};
Run run(Engine& engine, const Definition& d, int32_t position) {
  Nodes parameters, arguments;
  for (const auto& [type, shape] : d.parameters) {
    parameters.push_back(parameter(engine.graveyard(), type, shape));
    arguments.push_back(
        argument(engine, type, shape, static_cast<int>(arguments.size()), position));
    value(engine, arguments.back());
  }
  const auto f = std::make_shared<const Function>(parameters, Nodes{d.body(parameters)});
  value(engine, engine.invoke(f, arguments)[0]);
  const auto before = engine.counters().dispatches;
  Run r;
  r.result = value(engine, engine.invoke(f, arguments)[0]);
  r.dispatches = engine.counters().dispatches - before;
  return r;
}

// In f64, of the arguments that `d` has.
HostTensor exact(Engine& engine, const Definition& d, const Definition& wide, int32_t position) {
  Nodes parameters;
  std::vector<HostTensor> arguments;
  for (const auto& [type, shape] : wide.parameters) {
    const size_t i = parameters.size();
    const NodeRef given =
        argument(engine, d.parameters[i].first, shape, static_cast<int>(i), position);
    parameters.push_back(parameter(engine.graveyard(), type, shape));
    const HostTensor narrow = value(engine, given);
    arguments.push_back(reference_evaluate(
        *cast(host_value(host_graveyard(), given->dtype, shape, narrow.bytes), type)));
  }
  return reference_call(Function(parameters, {wide.body(parameters)}), arguments)[0];
}

double largest_error(const HostTensor& got, const HostTensor& expected) {
  double largest = 0;
  for (int64_t i = 0; i < expected.count(); ++i) {
    const double error = std::abs(to_double(got.at(i)) - to_double(expected.at(i)));
    if (std::isnan(error)) return error;
    largest = std::max(largest, error);
  }
  return largest;
}

void expect_accurate(const std::function<Definition(DType)>& of, DType type, int32_t position = 0) {
  NXV_OPEN_OR_SKIP(plain, options(false));
  NXV_OPEN_OR_SKIP(engine, options(true));
  const Definition d = of(type);
  const HostTensor expected = exact(*plain, d, of(DType::f64), position);
  const Run written = run(*plain, d, position), got = run(*engine, d, position);
  EXPECT_EQ(got.dispatches, d.dispatches);
  const double error = largest_error(got.result, expected);
  EXPECT_LE(error, 2 * largest_error(written.result, expected) + 1e-7);
  EXPECT_LE(error, type == DType::f32 ? 1e-6 : type == DType::f16 ? 2e-3 : 1e-2);
}

TEST(RecognisedAttention, CausalHeads) {
  expect_accurate(causal_heads, DType::bf16);
  expect_accurate(causal_heads, DType::f16);
}

TEST(RecognisedAttention, CachesFilledUpToAPosition) {
  for (int32_t position : {0, 130, 199, 500}) {
    expect_accurate(cached, DType::bf16, position);
    expect_accurate(cached, DType::f32, position);
  }
  // Nothing is seen: weights are uniform.
  expect_accurate(cached, DType::f32, -1);
}

TEST(RecognisedAttention, ADeviceThatSharesDearlyKeepsProducts) {
  EngineOptions cpu = options(true);
  cpu.device.plan.profile = plan::Profile::cpu;
  NXV_OPEN_OR_SKIP(engine, cpu);
  EngineOptions off = options(false);
  off.device.plan.profile = plan::Profile::cpu;
  NXV_OPEN_OR_SKIP(plain, off);
  const Definition d = causal_heads(DType::bf16);
  EXPECT_EQ(run(*engine, d, 0).result.bytes, run(*plain, d, 0).result.bytes);
}

}  // namespace
}  // namespace nxv::runtime

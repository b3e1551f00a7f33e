// Definitions whose attention and its gradients are operations are as accurate as they are written
// out.
#include <algorithm>
#include <cmath>
#include <functional>

#include "graph/function.h"
#include "runtime/attention_definitions_test.h"
#include "testing/graph/written_gradients.h"

namespace nxv::runtime {
namespace {

// What is differentiated, of parameters of a type and others, which have no gradients.
struct Model {
  std::vector<Shape> parameters;
  Shape others;
  std::function<NodeRef(const Nodes& parameters, const NodeRef& others)> body;
};

Model causal_heads() {
  return {
      {{2, 40, 96}}, {1}, [](const Nodes& p, const NodeRef&) { return causal_attention(p[0]); }};
}

// Cross attention of two heads over padded keys, hidden by a bias, with scaled queries and weights
// that are powers times reciprocals, as Bumblebee's models are.
Model padded_keys() {
  return {{{2, 24, 2, 16}, {2, 40, 2, 16}, {2, 40, 2, 16}},
          {2, 1, 1, 40},
          [](const Nodes& p, const NodeRef& others) {
            const NodeRef q = op(Op::divide, p[0], num(p[0], 3));
            const NodeRef s = dot(q, p[1], {{3}, {3}, {0, 2}, {0, 2}});
            const NodeRef seen = op(Op::greater, others, num(others, -0.5));
            const NodeRef hidden = elementwise(Op::select, {seen, num(s, 0), num(s, -1e10)});
            const NodeRef e = powers(op(Op::add, s, hidden));
            const NodeRef w = op(Op::multiply, op(Op::divide, num(s, 1), rows(Op::sum, e)), e);
            return transpose(dot(w, p[2], {{3}, {1}, {0, 1}, {0, 2}}), {0, 2, 1, 3});
          }};
}

// Two groups of heads; scores of a wider type, masked by numbers that hide all of some rows.
Model groups() {
  return {{{1, 2, 3, 20, 16}, {1, 2, 30, 16}, {1, 2, 30, 8}},
          {1, 1, 1, 20, 30},
          [](const Nodes& p, const NodeRef& others) {
            const DType wide = merge(p[0]->dtype, DType::f32);
            const NodeRef s = cast(dot(p[0], p[1], {{4}, {3}, {0, 1}, {0, 1}}), wide);
            const NodeRef row = iota(s->shared_graveyard(), DType::s32, others->shape, 3);
            const NodeRef drawn = op(Op::greater, others, num(others, 0.3));
            const NodeRef any = op(Op::greater, row, num(row, 4));
            const NodeRef seen = broadcast(op(Op::logical_and, drawn, any), s->shape);
            const NodeRef scores =
                elementwise(Op::select, {seen, op(Op::divide, s, num(s, 4)), num(s, -1e9)});
            const NodeRef w = cast(softmax(scores), p[0]->dtype);
            return dot(w, p[2], {{4}, {2}, {0, 1}, {0, 1}});
          }};
}

struct Types {
  DType factors, gradient;
  double size = 1;  // of the gradient's elements
};

// Of parameter i.
std::vector<float> noise(const Function& f, size_t i, const Types& types) {
  std::vector<float> numbers(static_cast<size_t>(f.parameters[i]->count));
  const double size = i + 1 == f.parameters.size() ? types.size : 1;
  for (size_t k = 0; k < numbers.size(); ++k) {
    const double angle = static_cast<double>(k * k % 1009 + k + i);
    numbers[k] = static_cast<float>(size * std::sin(angle));
  }
  return numbers;
}

// The result's gradient last.
FunctionRef written(const GraveyardRef& yard, const Model& model, const Types& types) {
  Nodes parameters;
  for (const Shape& shape : model.parameters)
    parameters.push_back(parameter(yard, types.factors, shape));
  const NodeRef others = parameter(yard, DType::f32, model.others);
  const NodeRef result = model.body(parameters, others);
  const NodeRef g = parameter(yard, types.gradient, result->shape);
  Nodes results = written_gradients(result, g, parameters);
  results.push_back(result);
  parameters.push_back(others);
  parameters.push_back(g);
  return std::make_shared<const Function>(std::move(parameters), std::move(results));
}

// Of a type, as an engine has them.
Nodes arguments(Engine& engine, const Function& f, const Types& types) {
  Nodes all;
  for (const NodeRef& p : f.parameters) {
    all.push_back(cast(tensor(engine, p->shape, noise(f, all.size(), types)), p->dtype));
    value(engine, all.back());
  }
  return all;
}

struct Outcome {
  std::vector<HostTensor> results;
  uint64_t dispatches = 0;
};
Outcome run(Engine& engine, const Model& model, const Types& types) {
  const FunctionRef f = written(engine.graveyard(), model, types);
  const Nodes given = arguments(engine, *f, types);
  value(engine, engine.invoke(f, given)[0]);
  const auto before = engine.counters().dispatches;
  Outcome r;
  const Nodes results = engine.invoke(f, given);
  for (const NodeRef& x : results) r.results.push_back(value(engine, x));
  r.dispatches = engine.counters().dispatches - before;
  return r;
}

// In f64, of the numbers that arguments of the types are.
std::vector<HostTensor> exact(const Model& model, const Types& types, double moved = 0) {
  const auto yard = host_graveyard();
  const FunctionRef narrow = written(yard, model, types);
  const FunctionRef wide = written(yard, model, {DType::f64, DType::f64});
  std::vector<HostTensor> given;
  for (size_t i = 0; i < narrow->parameters.size(); ++i) {
    const Node& p = *narrow->parameters[i];
    const std::vector<float> numbers = noise(*narrow, i, types);
    HostTensor x{wide->parameters[i]->dtype, p.shape, {}};
    x.bytes.resize(static_cast<size_t>(p.count * storage_bytes(x.dtype)));
    const bool moves = i + 2 < narrow->parameters.size();
    for (int64_t k = 0; k < p.count; ++k) {
      const Scalar v = make_scalar(p.dtype, static_cast<double>(numbers[static_cast<size_t>(k)]));
      const double by = moves ? moved * std::cos(static_cast<double>(k)) : 0;
      store_scalar(make_scalar(x.dtype, to_double(v) + by), x.bytes.data(), k);
    }
    given.push_back(std::move(x));
  }
  return reference_call(*wide, given);
}

double error(const HostTensor& got, const HostTensor& expected) {
  double squares = 0;
  for (int64_t i = 0; i < expected.count(); ++i) {
    const double d = to_double(got.at(i)) - to_double(expected.at(i));
    squares += d * d;
  }
  return std::sqrt(squares / static_cast<double>(expected.count()));
}

void expect_accurate(const Model& model, const Types& types) {
  NXV_OPEN_OR_SKIP(plain, options(false));
  NXV_OPEN_OR_SKIP(engine, options(true));
  const auto expected = exact(model, types);
  const Outcome composed = run(*plain, model, types);
  const Outcome got = run(*engine, model, types);
  EXPECT_LT(got.dispatches, composed.dispatches);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double e = error(got.results[i], expected[i]);
    EXPECT_LE(e, 2 * error(composed.results[i], expected[i])) << "result " << i;
    const double size = i + 1 < expected.size() ? types.size : 1;
    const double most = types.factors == DType::bf16  ? 2e-3
                        : types.factors == DType::f16 ? 3e-4
                                                      : 1e-6;
    EXPECT_LE(e, most * size) << "result " << i;
  }
}

void expect_same(const Model& model, const Types& types) {
  NXV_OPEN_OR_SKIP(plain, options(false));
  NXV_OPEN_OR_SKIP(engine, options(true));
  const Outcome a = run(*plain, model, types), b = run(*engine, model, types);
  for (size_t i = 0; i < a.results.size(); ++i) EXPECT_EQ(a.results[i].bytes, b.results[i].bytes);
}

TEST(RecognisedGradient, CausalHeads) {
  expect_accurate(causal_heads(), {DType::bf16, DType::f32});
  expect_accurate(causal_heads(), {DType::bf16, DType::bf16});
  expect_accurate(causal_heads(), {DType::f16, DType::f16});
  expect_accurate(causal_heads(), {DType::f32, DType::f32});
  // Of sizes that f16 does not have.
  expect_accurate(causal_heads(), {DType::f16, DType::f32, 1e-9});
  expect_accurate(causal_heads(), {DType::f16, DType::f32, 1e6});
}

TEST(RecognisedGradient, PaddedKeys) {
  expect_accurate(padded_keys(), {DType::bf16, DType::f32});
  expect_accurate(padded_keys(), {DType::f16, DType::f16});
}

TEST(RecognisedGradient, GroupsWithRowsThatSeeNothing) {
  expect_accurate(groups(), {DType::bf16, DType::bf16});
  expect_accurate(groups(), {DType::f16, DType::f16});
}

// What is never rounded as it is written would be.
TEST(RecognisedGradient, WideGradientsOfWideWeightsStay) {
  expect_same(groups(), {DType::bf16, DType::f32});
  expect_same(padded_keys(), {DType::f32, DType::f32});
}

// The change of the loss, the sum of results times their gradient, along a direction.
TEST(RecognisedGradient, FollowsDifferences) {
  NXV_OPEN_OR_SKIP(engine, options(true));
  const Types types = {DType::bf16, DType::bf16};
  for (const Model& model : {causal_heads(), padded_keys(), groups()}) {
    const Outcome got = run(*engine, model, types);
    const FunctionRef f = written(host_graveyard(), model, types);
    const std::vector<float> g = noise(*f, f->parameters.size() - 1, types);
    const auto loss = [&](double moved) {
      const HostTensor result = exact(model, types, moved).back();
      double sum = 0;
      for (int64_t i = 0; i < result.count(); ++i) {
        const auto by = static_cast<double>(g[static_cast<size_t>(i)]);
        sum += to_double(result.at(i)) * to_double(make_scalar(types.gradient, by));
      }
      return sum;
    };
    double change = 0, size = 0;
    for (size_t p = 0; p < model.parameters.size(); ++p) {
      for (int64_t k = 0; k < got.results[p].count(); ++k) {
        const double v = to_double(got.results[p].at(k));
        change += v * std::cos(static_cast<double>(k));
        size += v * v;
      }
    }
    EXPECT_NEAR(change, (loss(1e-4) - loss(-1e-4)) / 2e-4, 0.02 * std::sqrt(size));
  }
}

}  // namespace
}  // namespace nxv::runtime

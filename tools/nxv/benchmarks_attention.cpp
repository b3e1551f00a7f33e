// Attention: of a layer of a transformer, with gradients, and of one query over a long cache.
#include <algorithm>
#include <array>
#include <cmath>

#include "benchmarks.h"
#include "library/registry.h"
#include "plan/device_plan.h"

namespace nxv::tools {
namespace {

struct Sizes {
  int64_t batch, heads, kv_heads, queries, keys, width;
  bool is_causal;

  std::string text() const {
    std::string s;
    for (int64_t n : {batch, heads, queries, keys, width})
      s += (s.empty() ? "" : "x") + std::to_string(n);
    return s + (is_causal ? " causal" : "");
  }
  // Of both products, of the scores that are seen.
  double flops() const {
    const double scores = static_cast<double>(batch * heads * queries) * static_cast<double>(keys);
    return 4 * scores * static_cast<double>(width) / (is_causal ? 2 : 1);
  }
};

bool is_cpu(Bench& bench) { return bench.is_cpu(); }

struct Inputs {
  NodeRef q, k, v, gradient;
  Inputs(Bench& bench, const Sizes& s) {
    const auto factor = [&](int64_t heads, int64_t length) {
      const NodeRef x = cast(bench.session.normal({s.batch, heads, length, s.width}), DType::bf16);
      bench.session.evaluate(x);
      return x;
    };
    q = factor(s.heads, s.queries);
    k = factor(s.kv_heads, s.keys);
    v = factor(s.kv_heads, s.keys);
    gradient = factor(s.heads, s.queries);
  }
};

std::vector<NodeRef> attend(const Inputs& x, const Sizes& s, bool statistics) {
  return library::call("attention", std::array{x.q, x.k, x.v},
                       std::vector<library::Option>{{"causal", {s.is_causal}, {}},
                                                    {"statistics", {statistics}, {}}});
}

std::vector<NodeRef> differentiate(const Inputs& x, const Sizes& s) {
  const auto results = attend(x, s, true);
  return library::call("attention_gradient",
                       std::array{x.q, x.k, x.v, results[0], results[1], x.gradient},
                       std::vector<library::Option>{{"causal", {s.is_causal}, {}}});
}

// So many rows of a head of the last entry of the batch.
std::vector<float> rows(Bench& bench, const NodeRef& x, int64_t head, int64_t row, int64_t count) {
  const std::array starts = {x->shape[0] - 1, head, row, int64_t{0}};
  const std::array lengths = {int64_t{1}, int64_t{1}, count, x->shape[3]};
  return bench.session.floats(
      cast(slice(x, starts, lengths, std::array<int64_t, 4>{1, 1, 1, 1}), DType::f32));
}

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// A row of the result and of the gradient of the queries.
struct Row {
  std::vector<double> result, gradient;
};
Row expected(Bench& bench, const Inputs& x, const Sizes& s, int64_t head, int64_t row) {
  const int64_t kv_head = head / (s.heads / s.kv_heads), w = s.width;
  const int64_t seen = s.is_causal ? row + s.keys - s.queries + 1 : s.keys;
  const auto q = rows(bench, x.q, head, row, 1), g = rows(bench, x.gradient, head, row, 1);
  const auto k = rows(bench, x.k, kv_head, 0, seen), v = rows(bench, x.v, kv_head, 0, seen);
  std::vector<double> p(static_cast<size_t>(seen));
  const double scale = 1 / std::sqrt(static_cast<double>(w));
  for (int64_t i = 0; i < seen; ++i) p[i] = scale * dot(q.data(), &k[i * w], w);
  const double largest = *std::max_element(p.begin(), p.end());
  double sum = 0, delta = 0;
  for (double& e : p) sum += e = std::exp(e - largest);
  Row out{std::vector<double>(w), std::vector<double>(w)};
  for (int64_t i = 0; i < seen; ++i) {
    for (int64_t c = 0; c < w; ++c) out.result[c] += p[i] / sum * v[i * w + c];
    delta += p[i] / sum * dot(g.data(), &v[i * w], w);
  }
  for (int64_t i = 0; i < seen; ++i) {
    const double change = p[i] / sum * (dot(g.data(), &v[i * w], w) - delta) * scale;
    for (int64_t c = 0; c < w; ++c) out.gradient[c] += change * k[i * w + c];
  }
  return out;
}

double error_of(const std::vector<float>& got, const std::vector<double>& want) {
  double largest = 0;
  for (double v : want) largest = std::max(largest, std::fabs(v));
  ErrorBound error(largest);
  for (size_t i = 0; i < want.size(); ++i) error.add(got[i], want[i]);
  return error.largest();
}

Sizes layer(Bench& bench) {
  if (is_cpu(bench)) return {1, 2, 2, 256, 256, 64, true};
  return {16, 12, 12, 1024, 1024, 64, true};
}

constexpr double kBound = 0.02;  // bf16, and weights of it

}  // namespace

Measurements attention_benchmark(Bench& bench) {
  const Sizes s = layer(bench);
  const Inputs x(bench, s);
  Measurement m{"attention bf16", s.text()};
  m.unit = Unit::flops;
  m.amount = s.flops();
  m.bound = kBound;
  bench.time(m, [&] { return attend(x, s, false)[0]; });
  for (int64_t row : {int64_t{0}, int64_t{8}, s.queries / 3, s.queries / 2, s.queries - 1}) {
    const Row want = expected(bench, x, s, s.heads - 1, row);
    m.error =
        std::max(m.error, error_of(rows(bench, bench.value, s.heads - 1, row, 1), want.result));
  }
  return {m};
}

// Forward and backward, 3.5 times the operations: five products beside the two. What is timed also
// adds up each gradient.
Measurements attention_gradient_benchmark(Bench& bench) {
  const Sizes s = layer(bench);
  const Inputs x(bench, s);
  Measurement m{"attention and gradients bf16", s.text()};
  m.unit = Unit::flops;
  m.amount = 3.5 * s.flops();
  m.bound = kBound;
  bench.time(m, [&] {
    NodeRef sum;
    for (const NodeRef& gradient : differentiate(x, s)) {
      const NodeRef part = reduce(Op::sum, gradient, std::nullopt, false);
      sum = sum ? elementwise(Op::add, {sum, part}) : part;
    }
    return sum;
  });
  const NodeRef of_queries = differentiate(x, s)[0];
  bench.session.evaluate(of_queries);
  for (int64_t row : {int64_t{8}, s.queries / 3, s.queries / 2, s.queries - 1}) {
    const Row want = expected(bench, x, s, s.heads - 1, row);
    m.error =
        std::max(m.error, error_of(rows(bench, of_queries, s.heads - 1, row, 1), want.gradient));
  }
  return {m};
}

Measurements decode_benchmark(Bench& bench) {
  const Sizes s{1, 32, 8, 1, is_cpu(bench) ? 2048 : 32768, 128, false};
  const Inputs x(bench, s);
  Measurement m{"attention of one query bf16", s.text()};
  m.amount = 2.0 * 2 * static_cast<double>(s.kv_heads * s.keys * s.width);
  m.bound = kBound;
  bench.time(m, [&] { return attend(x, s, false)[0]; });
  for (int64_t head : {int64_t{0}, s.heads - 1}) {
    const Row want = expected(bench, x, s, head, 0);
    m.error = std::max(m.error, error_of(rows(bench, bench.value, head, 0, 1), want.result));
  }
  return {m};
}

}  // namespace nxv::tools

// What passes between host and device, and what a dispatch costs.
#include <array>
#include <cmath>
#include <future>

#include "benchmarks.h"
#include "graph/build.h"

namespace nxv::tools {
namespace {

constexpr double kFloat = sizeof(float);

constexpr int64_t kSmall = 1024;  // elements

Measurement upload_of(Bench& bench, const char* name, int64_t n, int times) {
  std::vector<float> data(static_cast<size_t>(n));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i % 8191);
  Measurement m{name, std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n) * times;
  std::vector<NodeRef> values;
  bench.time_host(m, [&] {
    values.clear();
    std::promise<void> released;
    int left = times;  // the engine's thread alone counts
    for (int i = 0; i < times; ++i) {
      values.push_back(
          bench.session.engine().upload(DType::f32, {n}, std::as_bytes(std::span(data)), [&] {
            if (--left == 0) released.set_value();
          }));
      if (times > 1) bench.session.engine().evaluate(values.back());
    }
    bench.session.evaluate(values.back());
    released.get_future().wait();
  });
  ErrorBound error;
  const auto got = bench.session.floats(values.back());
  for (size_t i = 0; i < data.size(); ++i) error.add(got[i], data[i]);
  m.error = error.largest();
  return m;
}

// The receiver's copy is part of a download.
Measurement download_of(Bench& bench, const char* name, int64_t n, int times) {
  std::vector<NodeRef> values;
  for (int i = 0; i < times; ++i) {
    values.push_back(iota(bench.session.owner(), DType::f32, {n / kSmall, kSmall}, 1));
    bench.session.evaluate(values.back());
  }
  Measurement m{name, std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n) * times;
  std::vector<std::byte> copy(static_cast<size_t>(n) * sizeof(float));
  double last = 0;
  bench.time_host(m, [&] {
    for (const NodeRef& x : values) {
      std::promise<Failure> done;
      bench.session.engine().read(x, -1,
                                  [&](const Failure& failure, std::span<const std::byte> bytes) {
                                    std::memcpy(copy.data(), bytes.data(), bytes.size());
                                    done.set_value(failure);
                                  });
      if (const Failure f = done.get_future().get()) throw_failure(f);
    }
    float value = 0;
    std::memcpy(&value, copy.data() + copy.size() - sizeof value, sizeof value);
    last = value;
  });
  ErrorBound error;
  error.add(last, kSmall - 1);
  m.error = error.largest();
  return m;
}

}  // namespace

// Operations that cannot fuse: each needs the whole of the one before.
Measurements dependent_products(Bench& bench) {
  constexpr int64_t kSide = 32;
  constexpr int kSteps = 1000;
  const NodeRef raw = bench.session.uniform({kSide, kSide}, 0.5, 1.5);
  // Rows that add up to 1 keep the products in range.
  const NodeRef x = elementwise(Op::divide, {raw, reduce(Op::sum, raw, Axes{1}, true)});
  bench.session.evaluate(x);
  Measurement m{"1000 matmuls in a row", matrix(kSide, kSide)};
  m.unit = Unit::seconds;
  m.kernels = kSteps;
  std::vector<float> got;
  bench.time_host(m, [&] {
    NodeRef y = x;
    for (int i = 0; i < kSteps; ++i) {
      y = matmul(y, x);
      bench.session.engine().admit(y);
    }
    got = bench.session.floats(y);
  });
  const auto host = bench.session.floats(x);
  std::vector<double> y(host.begin(), host.end()), next(y.size());
  for (int step = 0; step < kSteps; ++step) {
    for (size_t i = 0; i < kSide; ++i) {
      for (size_t j = 0; j < kSide; ++j) {
        double sum = 0;
        for (size_t k = 0; k < kSide; ++k) sum += y[i * kSide + k] * host[k * kSide + j];
        next[i * kSide + j] = sum;
      }
    }
    y.swap(next);
  }
  ErrorBound error;
  for (size_t i = 0; i < y.size(); ++i) error.add(got[i], y[i]);
  m.error = error.largest();
  m.bound = 1e-3;  // a thousand roundings
  return {m};
}

// Of all elements, of a sixteenth of them, and of a thousand small values one after the other.
Measurements upload(Bench& bench) {
  const int64_t n = bench.options.elements;
  return {upload_of(bench, "upload", n, 1), upload_of(bench, "upload", n / 16, 1),
          upload_of(bench, "1000 uploads", kSmall, 1000)};
}

Measurements download(Bench& bench) {
  const int64_t n = bench.options.elements;
  return {download_of(bench, "download", n, 1), download_of(bench, "download", n / 16, 1),
          download_of(bench, "1000 downloads", kSmall, 1000)};
}

// From building a node to its value on the host, nothing else under way.
Measurements latency(Bench& bench) {
  Measurements all;
  for (const int64_t n : {int64_t{1}, kSmall}) {
    const NodeRef x = bench.session.uniform({n}), y = bench.session.uniform({n});
    Measurement m{"add and read", std::to_string(n)};
    m.unit = Unit::seconds;
    m.kernels = 1;
    std::vector<float> got;
    bench.time_host(m, [&] { got = bench.session.floats(elementwise(Op::add, {x, y})); });
    const auto a = bench.session.floats(x), b = bench.session.floats(y);
    ErrorBound error;
    for (size_t i = 0; i < got.size(); ++i) error.add(got[i], a[i] + b[i]);
    m.error = error.largest();
    all.push_back(m);
  }
  return all;
}

}  // namespace nxv::tools

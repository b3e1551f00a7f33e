// Errors of matrix products of f32, by precision, beside those of a chain of multiplications and
// additions.
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

#include "commands.h"
#include "graph/build.h"
#include "session.h"

namespace nxv::tools {
namespace {

constexpr size_t kSamples = 512;

// An element of line i of a factor.
struct Numbers {
  const char* name;
  std::function<double(std::mt19937& random, int64_t line)> draw;
};

double uniform(std::mt19937& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}
// Times a power of two, up to 2^spread and down to its reciprocal.
double spread(std::mt19937& random, int spread) {
  const int exponent = static_cast<int>(random() % static_cast<uint32_t>(2 * spread + 1)) - spread;
  return std::ldexp(uniform(random, -0.5, 0.5), exponent);
}

std::vector<Numbers> kinds_of_numbers() {
  return {
      {"-0.5 .. 0.5", [](auto& r, int64_t) { return uniform(r, -0.5, 0.5); }},
      {"0 .. 1", [](auto& r, int64_t) { return uniform(r, 0, 1); }},
      {"normal", [](auto& r, int64_t) { return std::normal_distribution<double>()(r); }},
      {"times 2^-6 .. 2^6", [](auto& r, int64_t) { return spread(r, 6); }},
      {"times 2^-20 .. 2^20", [](auto& r, int64_t) { return spread(r, 20); }},
      {"lines times 2^-50 .. 2^50",
       [](auto& r, int64_t line) {
         return std::ldexp(uniform(r, -0.5, 0.5), static_cast<int>(line % 101) - 50);
       }},
  };
}

struct Errors {
  double chain = 0, accurate = 0, fast = 0;
};

// ||error|| / ||product|| over outputs spread over [n, n], each on the scale of its factors' lines.
Errors errors_of(Session& session, const Numbers& numbers, int64_t n) {
  std::mt19937 random(1);
  const auto size = static_cast<size_t>(n);
  // The lines of both factors lie side by side.
  const auto factor = [&] {
    std::vector<float> values(size * size);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(numbers.draw(random, static_cast<int64_t>(i / size)));
    }
    return values;
  };
  const std::vector<float> a = factor(), b = factor();
  const auto upload = [&](const std::vector<float>& values) {
    return session.engine().upload(DType::f32, {n, n}, std::as_bytes(std::span(values)), [] {});
  };
  const NodeRef x = upload(a), y = transpose(upload(b), {1, 0});
  const auto accurate = session.floats(matmul(x, y)),
             fast = session.floats(matmul(x, y, Precision::fast));
  Errors sums;
  double norm = 0;
  for (size_t s = 0; s < kSamples; ++s) {
    const size_t row = s * 0x9e3779b1 % size, column = (s * 0x85ebca6b + size - 1) % size;
    double exact = 0, of_row = 0, of_column = 0;
    float chain = 0;
    for (size_t k = 0; k < size; ++k) {
      const float u = a[row * size + k], v = b[column * size + k];
      exact += static_cast<double>(u) * v;
      chain = std::fma(u, v, chain);
      of_row += static_cast<double>(u) * u;
      of_column += static_cast<double>(v) * v;
    }
    const double scale = 1 / std::sqrt(of_row * of_column);
    const auto add = [&](double& sum, double got) { sum += std::pow((got - exact) * scale, 2); };
    add(sums.chain, chain);
    add(sums.accurate, accurate[row * size + column]);
    add(sums.fast, fast[row * size + column]);
    norm += std::pow(exact * scale, 2);
  }
  const auto relative = [&](double sum) { return std::sqrt(sum / norm); };
  return {relative(sums.chain), relative(sums.accurate), relative(sums.fast)};
}

}  // namespace

int run_product_accuracy(const AccuracyOptions& options) {
  Session session(options.device);
  const plan::DevicePlan& plan = session.engine().plan();
  const plan::Snapshot& device = session.engine().snapshot();
  std::printf("%s%s, %s %s%s\n", options.markdown ? "## " : "", device.name.c_str(),
              device.driver_name.c_str(), device.driver_info.c_str(), options.markdown ? "\n" : "");
  if (options.markdown) {
    std::printf(
        "| elements | n | chain of fma | accurate | fast |\n| --- | --- | --- | --- | --- |\n");
  } else {
    std::printf("%-28s %6s %14s %10s %10s\n", "elements", "n", "chain of fma", "accurate", "fast");
  }
  int failures = 0;
  const std::vector<int64_t> sizes = plan.profile == plan::Profile::cpu
                                         ? std::vector<int64_t>{512}
                                         : std::vector<int64_t>{1024, 4096};
  for (const Numbers& numbers : kinds_of_numbers()) {
    for (int64_t n : sizes) {
      const Errors e = errors_of(session, numbers, n);
      std::printf(options.markdown ? "| %s | %lld | %.1e | %.1e | %.1e |\n"
                                   : "%-28s %6lld %14.1e %10.1e %10.1e\n",
                  numbers.name, static_cast<long long>(n), e.chain, e.accurate, e.fast);
      std::fflush(stdout);
      failures += !(e.accurate <= 2 * e.chain && e.fast <= 4e-4);
    }
  }
  std::printf("%s%d outside of their bounds\n", options.markdown ? "\n" : "", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace nxv::tools

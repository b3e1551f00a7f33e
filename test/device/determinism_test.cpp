// The same graph of the same values has the same bits, however often it is evaluated and whatever
// else the device does meanwhile.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <random>
#include <string>
#include <thread>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

using library::Option;

NodeRef call(const char* name, std::vector<NodeRef> operands, std::vector<Option> options = {}) {
  return library::call(name, operands, options)[0];
}

// Of all magnitudes: another order of a sum is another sum.
NodeRef noise(Engine& engine, const Shape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& v : values) v = std::ldexp(normal(random), static_cast<int>(random() % 24) - 12);
  return tensor(engine, shape, values);
}

// Few places for many updates.
NodeRef places(Engine& engine, int64_t count, int64_t below, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> values(static_cast<size_t>(count));
  for (int32_t& v : values) v = static_cast<int32_t>(random() % static_cast<uint32_t>(below));
  return tensor(engine, {count, 1}, values);
}

// Builds a graph of values that are there.
struct Case {
  std::string name;
  std::function<NodeRef()> build;
};

std::vector<Case> cases(Engine& engine) {
  const NodeRef updates = noise(engine, {20000}, 1), at = places(engine, 20000, 700, 2);
  const NodeRef zeros = noise(engine, {700}, 3);
  const NodeRef long_rows = noise(engine, {3, 30000}, 4), columns = noise(engine, {5000, 17}, 5);
  const NodeRef a = noise(engine, {120, 300}, 6), b = noise(engine, {300, 90}, 7);
  const NodeRef line = noise(engine, {1, 3000}, 8), tall = noise(engine, {3000, 40}, 9);
  const NodeRef queries = noise(engine, {1, 4, 70, 32}, 10),
                keys = noise(engine, {1, 2, 90, 32}, 11),
                values = noise(engine, {1, 2, 90, 32}, 12);
  std::vector<Case> list = {
      {"scattered sums",
       [=] {
         return call("indexed_add", {zeros, at, updates});
       }},
      {"scattered values",
       [=] {
         return call("indexed_put", {zeros, at, updates});
       }},
      {"sums of long rows", [=] { return reduce(Op::sum, long_rows, Axes{1}, false); }},
      {"a sum of all", [=] { return reduce(Op::sum, long_rows, std::nullopt, false); }},
      {"sums of columns", [=] { return reduce(Op::sum, columns, Axes{0}, false); }},
      {"running sums",
       [=] {
         return call("cumulative_sum", {long_rows}, {{"axis", {1}, {}}});
       }},
      {"a product", [=] { return matmul(a, b); }},
      {"a fast product", [=] { return matmul(a, b, Precision::fast); }},
      {"a row times a matrix", [=] { return matmul(line, tall); }},
      {"a sort",
       [=] {
         return call("sort", {long_rows}, {{"axis", {1}, {}}});
       }},
      {"an argsort",
       [=] {
         return call("argsort", {long_rows}, {{"axis", {1}, {}}});
       }},
      {"attention",
       [=] {
         return call("attention", {queries, keys, values}, {{"causal", {1}, {}}});
       }},
  };
  return list;
}

// Others that have the device compute, until the end.
class Load {
 public:
  explicit Load(Engine& engine) {
    for (uint32_t n = 0; n < 2; ++n) {
      threads_.emplace_back([this, &engine, n] {
        const NodeRef x = noise(engine, {40000}, 100 + n);
        for (int64_t i = 1; !is_over_; ++i) {
          const NodeRef step = constant(engine.graveyard(), make_scalar(DType::f32, i), {});
          const NodeRef y = elementwise(Op::multiply, {x, step});
          if (read(engine, reduce(Op::sum, y, std::nullopt, false)).failure) failures_++;
        }
      });
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() { stop(); }

  int failures() {
    stop();
    return failures_;
  }

 private:
  void stop() {
    is_over_ = true;
    for (std::thread& t : threads_) {
      if (t.joinable()) t.join();
    }
  }

  std::atomic<bool> is_over_{false};
  std::atomic<int> failures_{0};
  std::vector<std::thread> threads_;
};

void check(int repetitions) {
  NXV_OPEN_OR_SKIP(engine);
  const std::vector<Case> all = cases(*engine);
  std::vector<HostTensor> alone;
  for (const Case& c : all) alone.push_back(value(*engine, c.build()));
  Load load(*engine);
  std::vector<int> others(all.size());
  for (int i = 0; i < repetitions; ++i) {
    // All of a round are under way together.
    std::vector<NodeRef> nodes;
    std::vector<std::future<Answer>> answers;
    for (const Case& c : all) {
      nodes.push_back(c.build());
      answers.push_back(read_later(*engine, nodes.back()));
    }
    for (size_t n = 0; n < all.size(); ++n) {
      others[n] += tensor_of(*nodes[n], answers[n].get()).bytes != alone[n].bytes;
    }
  }
  EXPECT_EQ(load.failures(), 0);
  for (size_t n = 0; n < all.size(); ++n) {
    EXPECT_EQ(others[n], 0) << all[n].name << ": times of " << repetitions << " that bits differ";
  }
}

TEST(Determinism, BitsAreTheSameUnderLoad) { check(20); }

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(Determinism, DISABLED_LongBitsAreTheSameUnderLoad) { check(1000); }

}  // namespace
}  // namespace nxv::runtime

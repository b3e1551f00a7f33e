#include "runtime/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "testing/driver/engine_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

NodeRef add(const NodeRef& a, const NodeRef& b) { return elementwise(Op::add, {a, b}); }
NodeRef number(Engine& e, double v) {
  return constant(e.graveyard(), make_scalar(DType::f32, v), {});
}
NodeRef softmax(const NodeRef& x) {
  const NodeRef shifted = elementwise(Op::subtract, {x, reduce(Op::reduce_max, x, Axes{-1}, true)});
  const NodeRef powers = elementwise(Op::exp, {shifted});
  return elementwise(Op::divide, {powers, reduce(Op::sum, powers, Axes{-1}, true)});
}

TEST(Engine, AddsAndReads) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef a = vector<float>(*engine, {1, 2, 3, 4});
  EXPECT_EQ(elements<float>(*engine, add(a, a)), (std::vector<float>{2, 4, 6, 8}));
  const NodeRef x = vector<float>(*engine, {1, -1, 0}), zero = vector<float>(*engine, {0, 0, 0});
  const auto q = elements<float>(*engine, elementwise(Op::divide, {x, zero}));
  EXPECT_EQ(q[0], INFINITY);
  EXPECT_EQ(q[1], -INFINITY);
  EXPECT_TRUE(std::isnan(q[2]));
}

// Large enough for several workgroups, and for uploads that are not copied at once.
TEST(Engine, ProgramsOfRealSizeAgreeWithTheReference) {
  NXV_OPEN_OR_SKIP(engine);
  const int64_t rows = 300, columns = 257;
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i)) * 9;
  const NodeRef x = tensor(*engine, {rows, columns}, values);
  const auto got = elements<float>(*engine, softmax(x));
  double worst = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = &values[static_cast<size_t>(r * columns)];
    double sum = 0;
    const double top = *std::max_element(row, row + columns);
    for (int64_t c = 0; c < columns; ++c) sum += std::exp(row[c] - top);
    for (int64_t c = 0; c < columns; ++c) {
      const double want = std::exp(row[c] - top) / sum;
      worst = std::max(worst, std::fabs(got[static_cast<size_t>(r * columns + c)] / want - 1));
    }
  }
  // The difference to the maximum is rounded to f32 before its exponential is taken.
  EXPECT_LT(worst, 2e-6);

  const NodeRef total = reduce(Op::sum, x, {}, false);
  double sum = 0;
  for (float v : values) sum += v;
  EXPECT_NEAR(elements<float>(*engine, total)[0], sum, std::fabs(sum) * 1e-7 + 1e-6);
}

TEST(Engine, ReadsTheFirstElements) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = add(filled(*engine, 1000, 1), filled(*engine, 1000, 2));
  std::promise<size_t> size;
  engine->read(x, 3,
               [&](const Failure&, std::span<const std::byte> b) { size.set_value(b.size()); });
  EXPECT_EQ(size.get_future().get(), 12u);
}

TEST(Engine, ChainIsOneDispatchThoughAllIsReferenced) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef a = filled(*engine, 1 << 16, 1), b = filled(*engine, 1 << 16, 2);
  elements<float>(*engine, a);
  std::vector<NodeRef> held;
  NodeRef x = a;
  for (int i = 0; i < 8; ++i)
    held.push_back(x = elementwise(i % 2 ? Op::multiply : Op::add, {x, b}));
  const Counters before = engine->counters();
  EXPECT_EQ(elements<float>(*engine, x)[0], 76);
  const Counters after = engine->counters();
  EXPECT_EQ(after.dispatches - before.dispatches, 1u);
  EXPECT_EQ(after.bytes_read - before.bytes_read, 2u * (1 << 18));
  EXPECT_EQ(after.bytes_written - before.bytes_written, 1u << 18);
  // What was not asked for was not stored, and can still be read.
  EXPECT_TRUE(held[3]->is_pending());
  EXPECT_EQ(elements<float>(*engine, held[3])[0], 16);
}

TEST(Engine, OneAnswerForEachReadOfManyThreads) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef shared = filled(*engine, 1000, 1);
  const uint64_t made = engine->counters().kernels_compiled;  // most of them by probes
  constexpr int kThreads = 100, kEach = 10;
  std::atomic<int> answers{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const NodeRef x = add(add(shared, number(*engine, t)), number(*engine, i));
        std::promise<void> done;
        engine->read(x, -1, [&](const Failure& f, std::span<const std::byte> bytes) {
          float first = 0;
          if (!f) std::memcpy(&first, bytes.data(), sizeof first);
          wrong += f || first != static_cast<float>(1 + t + i);
          ++answers;
          done.set_value();
        });
        done.get_future().wait();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(answers, kThreads * kEach);
  EXPECT_EQ(wrong, 0);
  const Counters c = engine->counters();
  EXPECT_LT(c.kernels_compiled, made + 10) << "scalars and threads make no kernels";
}

// Requests in flight together give each other neither other cuts nor other kernels.
TEST(Engine, RequestsDoNotChangeEachOthersKernels) {
  const auto run = [](bool together) -> std::optional<Counters> {
    const auto engine = open_or_null();
    if (!engine) return std::nullopt;
    const Counters before = engine->counters();
    const NodeRef x = tensor(*engine, {8, 16}, std::vector<float>(128, 2));
    const NodeRef a = softmax(add(x, x));
    const NodeRef b = reduce(Op::sum, elementwise(Op::sqrt, {add(x, x)}), Axes{0}, false);
    if (together) {
      auto first = read_later(*engine, a), second = read_later(*engine, b);
      first.get();
      second.get();
    } else {
      read(*engine, a);
      read(*engine, b);
    }
    Counters after = engine->counters();
    after.dispatches -= before.dispatches;
    after.kernels_compiled -= before.kernels_compiled;
    return after;
  };
  const auto together = run(true), apart = run(false);
  if (!together) GTEST_SKIP() << "no Vulkan device here";
  EXPECT_EQ(together->dispatches, apart->dispatches);
  EXPECT_EQ(together->kernels_compiled, apart->kernels_compiled);
}

TEST(Engine, GrowingShapesCompileNothingNew) {
  NXV_OPEN_OR_SKIP(engine);
  const auto run = [&](int64_t n) {
    const NodeRef x = tensor(*engine, {n, 12}, std::vector<float>(static_cast<size_t>(n * 12), 1));
    read(*engine, softmax(add(x, x)));
  };
  run(4);
  const uint64_t compiled = engine->counters().kernels_compiled;
  for (int64_t n = 8; n < 200; n += 12) run(n);
  EXPECT_EQ(engine->counters().kernels_compiled, compiled);
}

// ---- Faults ----

TEST(Engine, FaultsFailTheirNodeAndItsDependentsOnly) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector<int32_t>(*engine, {6, 7, 8}), bad = vector<int32_t>(*engine, {1, 0, 2}),
                good = vector<int32_t>(*engine, {1, 2, 2});
  const NodeRef wrong = elementwise(Op::quotient, {x, bad});
  const NodeRef right = elementwise(Op::quotient, {x, good});
  auto first = read_later(*engine, wrong), second = read_later(*engine, right);
  const Answer answer = first.get();
  EXPECT_EQ(answer.failure.status, Status::arithmetic);
  EXPECT_NE(answer.failure.message.str().find("quotient"), std::string::npos)
      << answer.failure.message;
  EXPECT_NE(answer.failure.message.str().find("element 1"), std::string::npos)
      << answer.failure.message;
  EXPECT_FALSE(second.get().failure);
  EXPECT_EQ(elements<int32_t>(*engine, right), (std::vector<int32_t>{6, 3, 4}));

  EXPECT_EQ(status_of(*engine, reduce(Op::sum, wrong, {}, false)), Status::arithmetic);
  const NodeRef reshaped = reshape(wrong, {3, 1});
  EXPECT_EQ(status_of(*engine, reshaped), Status::arithmetic);
  EXPECT_EQ(elements<int32_t>(*engine, add(right, x)), (std::vector<int32_t>{12, 10, 12}));
  EXPECT_EQ(status_of(*engine, wrong), Status::arithmetic) << "again";
}

// Each sum reads the one before it twice.
TEST(Engine, FaultsOfSharedAncestorsAreKeptOnce) {
  NXV_OPEN_OR_SKIP(engine);
  NodeRef x = elementwise(Op::quotient,
                          {vector<int32_t>(*engine, {6, 3}), vector<int32_t>(*engine, {2, 1})});
  for (int i = 0; i < 40; ++i) x = add(x, reverse(x, {0}));
  EXPECT_EQ(elements<int32_t>(*engine, x), (std::vector<int32_t>{0, 0}));
}

TEST(Engine, ShiftsAndPowersFaultToo) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector<int32_t>(*engine, {6, 7}), minus = vector<int32_t>(*engine, {1, -1});
  for (Op op : {Op::left_shift, Op::right_shift}) {
    EXPECT_EQ(status_of(*engine, elementwise(op, {x, minus})), Status::negative_shift) << name(op);
  }
  EXPECT_EQ(status_of(*engine, elementwise(Op::pow, {x, minus})), Status::arithmetic);
  const NodeRef zero = vector<int32_t>(*engine, {0, 1});
  EXPECT_EQ(status_of(*engine, elementwise(Op::remainder, {x, zero})), Status::arithmetic);
  const NodeRef f = vector<float>(*engine, {1, 2}), fz = vector<float>(*engine, {0, 0});
  EXPECT_EQ(status_of(*engine, elementwise(Op::remainder, {f, fz})), Status::ok);
}

// Some drivers round no f64 beyond 2^24.
TEST(Engine, LargeF64HaveFractions) {
  NXV_OPEN_OR_SKIP(engine);
  if (!engine->plan().has.f64) GTEST_SKIP() << "no f64 here";
  const std::vector<double> values = {704637452.5, -704637452.5, 0x1p40 + 0.75, -0x1p51 - 0.5};
  const NodeRef x = vector(*engine, values);
  const auto results = [&](const NodeRef& node) { return elements<double>(*engine, node); };
  std::vector<double> floors, ceilings, rounded, remainders;
  for (double v : values) {
    floors.push_back(std::floor(v));
    ceilings.push_back(std::ceil(v));
    rounded.push_back(std::round(v));
    remainders.push_back(std::fmod(std::ldexp(v, 60), 2.75));
  }
  EXPECT_EQ(results(elementwise(Op::floor, {x})), floors);
  EXPECT_EQ(results(elementwise(Op::ceil, {x})), ceilings);
  EXPECT_EQ(results(elementwise(Op::round, {x})), rounded);
  const NodeRef scaled = elementwise(Op::multiply, {x, vector<double>(*engine, {0x1p60})});
  EXPECT_EQ(results(elementwise(Op::remainder, {scaled, vector<double>(*engine, {2.75})})),
            remainders);
  EXPECT_EQ(results(elementwise(Op::pow, {vector<double>(*engine, {-1}),
                                          vector<double>(*engine, {1409274905})}))[0],
            -1);
}

// The result's type, s64, does not hold all numbers of u64: what operations do depends on the
// operands' own values.
TEST(Engine, UnsignedNumbersBesideSignedOnes) {
  NXV_OPEN_OR_SKIP(engine);
  const auto unsigned_numbers = [&](const std::vector<int64_t>& list) {
    return bitcast(vector(*engine, list), DType::u64);
  };
  const NodeRef u = unsigned_numbers({-1, -1, 5, -9}), s = vector<int64_t>(*engine, {3, -3, -7, 2});
  const auto results = [&](Op op, const NodeRef& a, const NodeRef& b) {
    const NodeRef node = elementwise(op, {a, b});
    EXPECT_EQ(node->dtype, DType::s64);
    return elements<int64_t>(*engine, node);
  };
  using List = std::vector<int64_t>;
  const int64_t third = static_cast<int64_t>(~uint64_t{0} / 3);
  const int64_t half = static_cast<int64_t>((~uint64_t{0} - 8) / 2);
  EXPECT_EQ(results(Op::max, u, s), (List{-1, -1, 5, -9}));
  EXPECT_EQ(results(Op::min, u, s), (List{3, -3, -7, 2}));
  EXPECT_EQ(results(Op::min, s, u), (List{3, -3, -7, 2}));
  EXPECT_EQ(results(Op::quotient, u, s), (List{third, -third, 0, half}));
  EXPECT_EQ(results(Op::remainder, u, s), (List{0, 0, 5, 1}));
  EXPECT_EQ(results(Op::quotient, s, u), (List{0, 0, -1, 0}));
  EXPECT_EQ(results(Op::remainder, s, u), (List{3, -3, -2, 2}));
  const NodeRef low = vector<int64_t>(*engine, {0}), high = vector<int64_t>(*engine, {100});
  EXPECT_EQ(elements<int64_t>(*engine, elementwise(Op::clip, {u, low, high})),
            (List{100, 100, 5, 100}));
  // An exponent beyond 2^63 is not negative.
  EXPECT_EQ(results(Op::pow, vector<int64_t>(*engine, {-1}), unsigned_numbers({-1}))[0], -1);
}

// ---- Two engines, closing ----

TEST(Engine, CloseAnswersEveryReadOnce) {
  NXV_OPEN_OR_SKIP(engine);
  std::atomic<int> answers{0};
  constexpr int kThreads = 8, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const NodeRef x = add(filled(*engine, 100, 1), number(*engine, i));
        engine->read(x, -1, [&](const Failure&, std::span<const std::byte>) { ++answers; });
      }
    });
  }
  engine->close();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(answers, kThreads * kEach);

  const NodeRef late = add(filled(*engine, 4, 1), filled(*engine, 4, 1));
  EXPECT_EQ(status_of(*engine, late), Status::device_lost);
  EXPECT_THROW(engine->memory(), Error);
  engine->close();
}

TEST(Engine, OpensAgainInTheSameProcess) {
  for (int i = 0; i < 3; ++i) {
    NXV_OPEN_OR_SKIP(engine);
    const NodeRef x = filled(*engine, 5, 2);
    EXPECT_EQ(elements<float>(*engine, add(x, x))[4], 4);
  }
}

TEST(Engine, TwoEnginesAtOnce) {
  NXV_OPEN_OR_SKIP(first);
  NXV_OPEN_OR_SKIP(second);
  const NodeRef a = filled(*first, 5, 2), b = filled(*second, 5, 3);
  EXPECT_THROW(add(a, b), Error);
  first->close();
  EXPECT_EQ(elements<float>(*second, add(b, b))[0], 6);
}

TEST(Engine, TensorsOutliveTheirEngine) {
  NodeRef x;
  {
    NXV_OPEN_OR_SKIP(engine);
    x = add(filled(*engine, 100000, 2), number(*engine, 1));
    read(*engine, x);
  }
  EXPECT_EQ(x->state(), State::stored);
}

// ---- Forced fallbacks ----

class Disabled : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(Disabled, ResultsStay) {
  EngineOptions options = test_options();
  options.device.plan.disable = GetParam();
  const auto engine = open_or_null(options);
  if (!engine) GTEST_SKIP() << "no Vulkan device here";
  std::vector<float> values(3 * 700);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 97) / 16 - 3;
  const NodeRef x = tensor(*engine, {3, 700}, values);
  const auto sums = elements<float>(*engine, reduce(Op::sum, x, Axes{1}, false));
  for (size_t r = 0; r < 3; ++r) {
    double want = 0;
    for (size_t c = 0; c < 700; ++c) want += values[r * 700 + c];
    EXPECT_EQ(sums[r], static_cast<float>(want));
  }
  const auto parts = elements<float>(*engine, reduce(Op::sum, softmax(x), Axes{1}, false));
  for (float p : parts) EXPECT_NEAR(p, 1, 1e-6);

  const NodeRef big = vector<int64_t>(*engine, {int64_t{1} << 40, -5, 7}),
                three = vector<int64_t>(*engine, {3, 3, 3});
  EXPECT_EQ(elements<int64_t>(*engine, elementwise(Op::quotient, {big, three})),
            (std::vector<int64_t>{(int64_t{1} << 40) / 3, -1, 2}));
  EXPECT_EQ(elements<int64_t>(
                *engine, reduce(Op::sum, elementwise(Op::multiply, {big, three}), {}, false))[0],
            3 * (int64_t{1} << 40) + 6);
}

INSTANTIATE_TEST_SUITE_P(Capabilities, Disabled,
                         ::testing::Values(std::vector<std::string>{"f64"},
                                           std::vector<std::string>{"int64"},
                                           std::vector<std::string>{"subgroup_shuffle"},
                                           std::vector<std::string>{"texel_loads"},
                                           std::vector<std::string>{"f64", "int64", "native_div",
                                                                    "native_sqrt",
                                                                    "subgroup_shuffle"}));

TEST(Engine, MissingCapabilitiesAreNamed) {
  EngineOptions options = test_options();
  options.device.plan.disable = {"f64"};
  NXV_OPEN_OR_SKIP(engine, options);
  const NodeRef x = vector<double>(*engine, {1, 2});
  const Answer answer = read(*engine, add(x, x));
  EXPECT_EQ(answer.failure.status, Status::unsupported);
  EXPECT_NE(answer.failure.message.str().find("f64"), std::string::npos);
  EXPECT_EQ(elements<float>(*engine, add(filled(*engine, 3, 1), filled(*engine, 3, 1)))[0], 2);
}

TEST(Engine, ValidationLayersHaveNothingToSay) {
  EngineOptions options = test_options();
  options.device.validation = true;
  std::shared_ptr<Engine> engine;
  try {
    engine = Engine::open(options);
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const NodeRef x = tensor(*engine, {30, 40}, std::vector<float>(1200, 1));
  read(*engine, softmax(x));
  read(*engine, matmul(x, transpose(x, {1, 0})));
  read(*engine, reduce(Op::sum, filled(*engine, 300000, 1), {}, false));
  read(*engine, cast(x, DType::f16));
  const NodeRef i = vector<int64_t>(*engine, {1, 2, 3});
  read(*engine, elementwise(Op::quotient, {i, i}));
  engine->trim();
  EXPECT_EQ(engine->counters().validation_messages, 0u);
}

}  // namespace
}  // namespace nxv::runtime

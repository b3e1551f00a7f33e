// Sines and cosines of several numbers, which share a branch.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ir/math/math.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir::math {
namespace {

constexpr MathOptions kOptions = {.branches = true};

struct Computed {
  std::vector<float> values;
  size_t branches = 0;
};

// `together` at a time, by as many invocations as it takes.
Computed computed(bool sine, const std::vector<float>& xs, uint32_t together) {
  const auto count = static_cast<uint32_t>(xs.size());
  Builder b("sines", count / together);
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
  const Value first = b.builtin(Builtin::local_index) * together;
  std::vector<Value> group;
  for (uint32_t i = 0; i < together; ++i) group.push_back(b.load(in, first + i, kF32));
  const std::vector<Value> results =
      together == 1 ? std::vector{sine ? sin(group[0], kOptions) : cos(group[0], kOptions)}
                    : (sine ? sin(group, kOptions) : cos(group, kOptions));
  for (uint32_t i = 0; i < together; ++i) b.store(out, first + i, results[i]);
  const Kernel kernel = b.finish();
  Computed c{std::vector<float>(xs.size()), 0};
  for (const Inst& inst : kernel.body) c.branches += inst.op == Opcode::if_begin;
  using testing::Argument;
  const std::vector<Argument> arguments = {Argument::buffer(xs), Argument::buffer(c.values)};
  testing::run(kernel, {}, arguments);
  return c;
}

// Each place of a group has small, large and special numbers beside all kinds of others.
std::vector<float> numbers() {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> kinds = {0.0F,          -0.0F,  1e-45F,  -1e-40F,     2e-5F, -3e-5F,
                                    0.5F,          -1.5F,  3.1415F, -1048575.9F, 1e6F,  1048577.0F,
                                    -3e7F,         1e20F,  3.4e38F, -3.4e38F,    kInf,  -kInf,
                                    std::nanf(""), 710.0F, 11.0F,   78539.8F,    2e6F,  0.785398F};
  std::vector<float> all;
  for (uint32_t i = 0; i < 480; ++i) all.push_back(kinds[(i * i + i / 24) % kinds.size()]);
  return all;
}

TEST(Trig, NumbersThatShareABranchHaveTheirOwnBits) {
  const std::vector<float> xs = numbers();
  for (bool sine : {true, false}) {
    const Computed alone = computed(sine, xs, 1), four = computed(sine, xs, 4);
    EXPECT_EQ(alone.branches, 1U);
    EXPECT_EQ(four.branches, 1U);
    for (size_t i = 0; i < xs.size(); ++i) {
      const float got = four.values[i];
      EXPECT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(alone.values[i])) << xs[i];
      const double want = sine ? std::sin(double{xs[i]}) : std::cos(double{xs[i]});
      const auto rounded = static_cast<float>(want);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got)) << xs[i];
        continue;
      }
      EXPECT_EQ(std::signbit(got), std::signbit(rounded)) << xs[i];
      const double ulp = std::nextafter(std::fabs(rounded), 2.0F) - std::fabs(rounded);
      EXPECT_LE(std::fabs(got - want), 0.51 * ulp) << xs[i];
    }
  }
}

}  // namespace
}  // namespace nxv::ir::math

// Windows, extremes and folds on the device: sizes that no other test reaches.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

using library::Option;

NodeRef call(std::string_view name, const std::vector<NodeRef>& operands,
             const std::vector<Option>& options) {
  return library::call(name, operands, options)[0];
}

std::vector<int32_t> noise(int64_t count, int32_t bound, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> list(static_cast<size_t>(count));
  for (int32_t& v : list) v = static_cast<int32_t>(random() % static_cast<uint32_t>(bound));
  return list;
}

// One window has more elements than an invocation may loop over.
TEST(Windows, OfManyElements) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kCount = 41000, kWindow = 40000, kLow = 3;
  const auto x = noise(kCount, 1000, 1);
  const auto got = elements<int32_t>(
      *engine, call("window_sum", {vector(*engine, x)},
                    {{"window", {kWindow}, {}}, {"low", {kLow}, {}}, {"strides", {100}, {}}}));
  ASSERT_EQ(got.size(), 11U);
  for (size_t i = 0; i < got.size(); ++i) {
    const int64_t first = static_cast<int64_t>(i) * 100 - kLow;
    int64_t sum = 0;
    for (int64_t k = std::max<int64_t>(first, 0); k < first + kWindow; ++k) sum += x[k];
    EXPECT_EQ(got[i], static_cast<int32_t>(sum)) << i;
  }
}

TEST(Windows, WhatTheyRepeatIsComputedOnce) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = filled(*engine, 100, 0.0F);
  const auto kernels = [&](std::vector<int64_t> window, std::vector<int64_t> strides) {
    const uint64_t before = engine->counters().dispatches;
    value(*engine, call("window_sum", {elementwise(Op::exp, {x})},
                        {{"window", window, {}}, {"strides", strides, {}}}));
    return engine->counters().dispatches - before;
  };
  EXPECT_EQ(kernels({3}, {1}), 2U);
  EXPECT_EQ(kernels({2}, {2}), 1U);
}

TEST(Extremes, OfLongVectors) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr size_t kCount = 200003;
  std::vector<float> x(kCount, 1.0F);
  const auto position = [&](bool high) {
    const NodeRef node = call("argmax", {vector(*engine, x)}, {{"tie_high", {high ? 1 : 0}, {}}});
    return elements<int32_t>(*engine, node)[0];
  };
  x[70000] = x[150000] = 2.0F;
  EXPECT_EQ(position(false), 70000);
  EXPECT_EQ(position(true), 150000);
  x[5] = x[199999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(position(false), 199999);
  EXPECT_EQ(position(true), 199999);
}

// More columns than an invocation may loop over; results that share words.
TEST(Folds, OfManyElements) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kRows = 5, kColumns = 70001;
  const auto x = noise(kRows * kColumns, 1 << 30, 2);
  for (const DType type : {DType::u8, DType::u16, DType::s32, DType::s64}) {
    const NodeRef p = parameter(engine->graveyard(), type);
    const NodeRef acc = parameter(engine->graveyard(), type);
    const NodeRef three = constant(engine->graveyard(), make_scalar(type, int64_t{3}), {});
    const NodeRef body = elementwise(Op::add, {elementwise(Op::multiply, {acc, three}), p});
    const NodeRef start = constant(engine->graveyard(), make_scalar(type, int64_t{7}), {});
    const HostTensor got =
        value(*engine, call("reduce", {tensor(*engine, {kRows, kColumns}, x), start, p, acc, body},
                            {{"axes", {1}, {}}}));
    for (int64_t row = 0; row < kRows; ++row) {
      uint64_t want = 7;
      for (int64_t i = 0; i < kColumns; ++i) {
        want = want * 3 + static_cast<uint64_t>(x[row * kColumns + i]);
      }
      EXPECT_EQ(got.at(row), make_scalar(type, want)) << name(type) << " row " << row;
    }
  }
}

TEST(Folds, FunctionsReadScalarsBesideTheirParameters) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector<float>(*engine, {1, 2, 3, 4, 5, 6});
  const NodeRef scale = reduce(Op::sum, vector<float>(*engine, {0.5, 1.5}), {}, false);
  const NodeRef p = parameter(engine->graveyard(), DType::f32);
  const NodeRef acc = parameter(engine->graveyard(), DType::f32);
  const NodeRef body = elementwise(Op::select, {elementwise(Op::greater, {p, scale}),
                                                elementwise(Op::multiply, {p, scale}), acc});
  const NodeRef node =
      call("window_reduce", {x, scale, p, acc, body}, {{"window", {2}, {}}, {"strides", {2}, {}}});
  EXPECT_EQ(elements<float>(*engine, node), (std::vector<float>{2, 8, 12}));
}

TEST(Folds, FaultsOfTheFunction) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef p = parameter(engine->graveyard(), DType::s32);
  const NodeRef acc = parameter(engine->graveyard(), DType::s32);
  const NodeRef body = elementwise(Op::quotient, {acc, p});
  const NodeRef start = constant(engine->graveyard(), make_scalar(DType::s32, int64_t{100}), {});
  const auto fold = [&](const std::vector<int32_t>& x) {
    return call("reduce", {vector(*engine, x), start, p, acc, body}, {});
  };
  EXPECT_EQ(elements<int32_t>(*engine, fold({2, 5})), std::vector<int32_t>{10});
  EXPECT_EQ(status_of(*engine, fold({2, 0})), Status::arithmetic);
}

TEST(Folds, ParametersHaveNoValue) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef p = parameter(engine->graveyard(), DType::s32);
  EXPECT_EQ(status_of(*engine, elementwise(Op::negate, {p})), Status::invalid_argument);
}

// Patches of 302 MB: made in two pieces, with the same results as each batch entry alone.
TEST(Convolution, InPieces) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kBatch = 8, kLength = int64_t{1} << 20, kWindow = 9;
  std::vector<float> x(static_cast<size_t>(kBatch * kLength));
  std::mt19937 random(3);
  for (float& v : x) v = static_cast<float>(static_cast<int32_t>(random() % 17) - 8);
  const std::vector<float> kernel = {1, -2, 3, -4, 5, -6, 7, -8, 9};
  const NodeRef y = call(
      "conv", {tensor(*engine, {kBatch, 1, kLength}, x), tensor(*engine, {1, 1, kWindow}, kernel)},
      {{"low", {4}, {}}, {"high", {4}, {}}});
  ASSERT_EQ(y->shape, (Shape{kBatch, 1, kLength}));
  const auto got = elements<float>(*engine, y);
  for (int64_t i = 0; i < kBatch * kLength; i += 9973) {
    float want = 0;
    for (int64_t k = 0; k < kWindow; ++k) {
      const int64_t at = i % kLength + k - 4;
      if (at >= 0 && at < kLength) want += kernel[k] * x[i - i % kLength + at];
    }
    ASSERT_EQ(got[i], want) << i;
  }
}

}  // namespace
}  // namespace nxv::runtime

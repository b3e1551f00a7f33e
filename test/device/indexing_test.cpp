// Indexing on the device: what only data can show, many duplicates, bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

NodeRef call(const char* name, std::vector<NodeRef> operands,
             std::vector<library::Option> options = {}) {
  return library::call(name, operands, options)[0];
}

// Values that the host does not know.
NodeRef computed(const NodeRef& x) { return elementwise(Op::bitwise_or, {x, x}); }

std::vector<float> ramp(size_t n) {
  std::vector<float> list(n);
  std::iota(list.begin(), list.end(), 0.0F);
  return list;
}

TEST(IndexingDevice, AnIndexOutOfBoundsFailsItsValueAlone) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector(*engine, ramp(10));
  for (const int32_t bad : {-1, 10, std::numeric_limits<int32_t>::min()}) {
    const NodeRef indices = computed(vector(*engine, std::vector<int32_t>{3, 9, bad, 0}));
    const NodeRef taken = call("take", {x, indices});
    const Answer answer = read(*engine, elementwise(Op::add, {taken, taken}));
    EXPECT_EQ(answer.failure.status, Status::out_of_bounds);
    EXPECT_NE(answer.failure.message.str().find("index is out of bounds"), std::string::npos);
    EXPECT_NE(answer.failure.message.str().find("element 2"), std::string::npos)
        << answer.failure.message;
  }
  const NodeRef wide = computed(vector(*engine, std::vector<int64_t>{3, int64_t{1} << 32, 1}));
  EXPECT_EQ(status_of(*engine, call("take", {x, wide})), Status::out_of_bounds);
  const NodeRef good = computed(vector(*engine, std::vector<int64_t>{3, 9, 0}));
  EXPECT_EQ(elements<float>(*engine, call("take", {x, good})), (std::vector<float>{3, 9, 0}));
}

TEST(IndexingDevice, ScattersFailWithTheirIndices) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector(*engine, ramp(10));
  const NodeRef indices = computed(tensor(*engine, {2, 1}, std::vector<int32_t>{3, 10}));
  const NodeRef updates = vector(*engine, ramp(2));
  for (const char* name : {"indexed_add", "indexed_put"}) {
    EXPECT_EQ(status_of(*engine, call(name, {x, indices, updates})), Status::out_of_bounds) << name;
  }
}

// Beyond what the host keeps of an upload.
TEST(IndexingDevice, ManyIndices) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr size_t kCount = 70001;
  std::mt19937 random(3);
  std::vector<int32_t> order(kCount);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random);
  const NodeRef x = vector(*engine, ramp(kCount));
  const NodeRef indices = vector(*engine, order);
  const NodeRef taken = call("take", {x, indices});
  std::vector<float> want(order.begin(), order.end());
  EXPECT_EQ(elements<float>(*engine, taken), want);
  // A permutation's put undoes its take.
  const NodeRef tuples = reshape(indices, {static_cast<int64_t>(kCount), 1});
  EXPECT_EQ(
      elements<float>(*engine, call("indexed_put", {filled(*engine, kCount, -1), tuples, taken})),
      ramp(kCount));
}

TEST(IndexingDevice, TheLastOfManyUpdatesStays) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kCount = 200000;
  std::mt19937 random(4);
  std::vector<int32_t> slots(kCount);
  std::vector<float> want(100, -1);
  for (size_t i = 0; i < kCount; ++i) {
    slots[i] = static_cast<int32_t>(random() % 99);
    want[static_cast<size_t>(slots[i])] = static_cast<float>(i);
  }
  const NodeRef put =
      call("indexed_put", {filled(*engine, 100, -1), tensor(*engine, {kCount, 1}, slots),
                           vector(*engine, ramp(kCount))});
  EXPECT_EQ(elements<float>(*engine, put), want);
}

// All updates into one place, in one of several, and spread out.
TEST(IndexingDevice, SumsOfManyUpdates) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kCount = int64_t{1} << 20;
  for (const int32_t places : {1, 100, 1 << 18}) {
    std::mt19937 random(5);
    std::vector<int32_t> slots(kCount);
    std::vector<float> updates(kCount);
    std::vector<double> sums(static_cast<size_t>(places), 0.25), sizes(sums);
    for (size_t i = 0; i < kCount; ++i) {
      slots[i] = static_cast<int32_t>(random()) & 0x7fffffff;
      slots[i] %= places;
      updates[i] = std::ldexp(static_cast<float>(random() % 4001) - 2000, -11);
      sums[static_cast<size_t>(slots[i])] += updates[i];
      sizes[static_cast<size_t>(slots[i])] += std::fabs(updates[i]);
    }
    const auto run = [&] {
      return elements<float>(*engine, call("indexed_add", {filled(*engine, places, 0.25F),
                                                           tensor(*engine, {kCount, 1}, slots),
                                                           vector(*engine, updates)}));
    };
    const std::vector<float> got = run();
    for (size_t i = 0; i < sums.size(); ++i) {
      ASSERT_EQ(got[i], static_cast<float>(sums[i])) << i << " of " << places;
    }
    EXPECT_EQ(run(), got);
  }
}

// Rounding shows the order of the terms; it is that of the updates whatever the run.
TEST(IndexingDevice, SameInputSameBits) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr int64_t kCount = 30000;
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  std::vector<int32_t> slots(kCount);
  std::vector<double> updates(2 * kCount);
  for (int32_t& s : slots) {
    s = static_cast<int32_t>(random() % 4000);
    if (random() % 3 == 0) s = 17;
  }
  for (double& u : updates) u = std::ldexp(normal(random), static_cast<int>(random() % 40));
  const auto run = [&] {
    return elements<double>(
        *engine, call("indexed_add", {tensor(*engine, {4000, 2}, std::vector<double>(8000, 1e-3)),
                                      tensor(*engine, {kCount, 1}, slots),
                                      tensor(*engine, {kCount, 2}, updates)}));
  };
  const std::vector<double> got = run();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(), got);
}

TEST(IndexingDevice, WhatIsNotUpdatedKeepsItsBits) {
  NXV_OPEN_OR_SKIP(engine);
  std::vector<float> x(64, -0.0F);
  x[1] = std::numeric_limits<float>::denorm_min();
  x[2] = std::numeric_limits<float>::quiet_NaN();
  const auto bits = [](const std::vector<float>& v) {
    std::vector<uint32_t> words(v.size());
    std::memcpy(words.data(), v.data(), v.size() * 4);
    return words;
  };
  for (const int64_t n : {2, 40}) {
    const NodeRef indices =
        tensor(*engine, {n, 1}, std::vector<int32_t>(static_cast<size_t>(n), 5));
    const NodeRef updates = filled(*engine, n, 1);
    std::vector<float> want = x;
    want[5] = static_cast<float>(n);
    EXPECT_EQ(
        bits(elements<float>(*engine, call("indexed_add", {vector(*engine, x), indices, updates}))),
        bits(want));
    want[5] = 1;
    EXPECT_EQ(
        bits(elements<float>(*engine, call("indexed_put", {vector(*engine, x), indices, updates}))),
        bits(want));
  }
}

TEST(IndexingDevice, DynamicSlices) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = tensor(*engine, {30, 20}, ramp(600));
  const library::Option lengths{"lengths", {10, 12}, {}}, strides{"strides", {3, 5}, {}};
  for (const int64_t start : {-5, 0, 7, 19, 1000}) {
    const auto scalar = [&](int64_t v) { return tensor(*engine, {}, std::vector<int64_t>{v}); };
    const NodeRef known = call("slice_at", {x, scalar(start), scalar(4)}, {lengths, strides});
    const NodeRef dynamic =
        call("slice_at", {x, computed(scalar(start)), computed(scalar(4))}, {lengths, strides});
    EXPECT_EQ(elements<float>(*engine, dynamic), elements<float>(*engine, known)) << start;
    const NodeRef part = filled(*engine, 60, -1);
    const auto put = [&](const NodeRef& at) {
      return elements<float>(*engine, call("put_slice", {x, reshape(part, {5, 12}), at, at}));
    };
    EXPECT_EQ(put(computed(scalar(start))), put(scalar(start))) << start;
  }
}

// NaN keeps its sign and payload on its way into an integer.
TEST(IndexingDevice, BitcastOfEveryPattern) {
  NXV_OPEN_OR_SKIP(engine);
  for (const DType type : {DType::f8_e5m2, DType::f8_e4m3fn, DType::bf16, DType::f16}) {
    const DType same = bits(type) == 8 ? DType::u8 : DType::u16;
    HostTensor t(type, {int64_t{1} << bits(type)});
    HostTensor want(same, t.shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      t.set(i, {type, static_cast<uint64_t>(i), 0});
      want.set(i, make_scalar(same, i));
    }
    const auto upload = [&](const HostTensor& host) {
      auto kept = std::make_shared<std::vector<std::byte>>(host.bytes);
      return engine->upload(host.dtype, host.shape, *kept, [kept] {});
    };
    EXPECT_EQ(difference(value(*engine, bitcast(upload(t), same)), want), "") << name(type);
    EXPECT_EQ(difference(value(*engine, bitcast(upload(want), type)), t), "") << name(type);
  }
}

}  // namespace
}  // namespace nxv::runtime

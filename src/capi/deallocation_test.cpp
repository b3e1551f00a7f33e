// Deallocation takes one tensor. What was built of it keeps its value.
#include <atomic>
#include <thread>

#include "capi/fixture_test.h"

namespace {

using Floats = std::vector<float>;

class Deallocation : public CApi {
 protected:
  nxv_tensor* reshape(nxv_tensor* t, const std::vector<int64_t>& shape) {
    return build([&](nxv_tensor** out) {
      return nxv_reshape(t, static_cast<int>(shape.size()), shape.data(), out);
    });
  }
  nxv_tensor* slice(nxv_tensor* t, int64_t start, int64_t length) {
    return build([&](nxv_tensor** out) { return nxv_slice(t, &start, &length, nullptr, out); });
  }
  nxv_tensor* sum(nxv_tensor* t) {
    return build(
        [&](nxv_tensor** out) { return nxv_reduce(nxv_op_find("sum"), t, -1, nullptr, 0, out); });
  }
  uint64_t in_use() {
    EXPECT_EQ(nxv_trim(engine_), NXV_OK);
    nxv_memory_stats stats{};
    EXPECT_EQ(nxv_memory_stats_get(engine_, &stats), NXV_OK);
    return stats.in_use;
  }
};

TEST_F(Deallocation, LeavesWhatWasBuiltOfIt) {
  for (const bool is_stored : {false, true}) {
    nxv_tensor* x = apply("add", {iota({4}), vector({1, 1, 1, 1})});
    nxv_tensor* twice = apply("multiply", {x, vector({2, 2, 2, 2})});
    nxv_tensor *square = reshape(x, {2, 2}), *end = slice(x, 2, 2), *total = sum(x);
    nxv_tensor* same = build([&](nxv_tensor** out) { return nxv_squeeze(x, 0, nullptr, out); });
    if (is_stored) {
      ASSERT_EQ(nxv_wait(x), NXV_OK);
    }
    ASSERT_EQ(nxv_deallocate(x), NXV_OK);
    EXPECT_EQ(read(twice), (Floats{2, 4, 6, 8}));
    EXPECT_EQ(read(square), (Floats{1, 2, 3, 4}));
    EXPECT_EQ(read(end), (Floats{3, 4}));
    EXPECT_EQ(read(total), (Floats{10}));
    EXPECT_EQ(read(same), (Floats{1, 2, 3, 4}));
    // An alias that is stored shares the storage; each has to be deallocated by itself.
    ASSERT_EQ(nxv_deallocate(square), NXV_OK);
    EXPECT_EQ(read(same), (Floats{1, 2, 3, 4}));
  }
}

// Every function that takes a tensor, but those that ask for its type and shape.
TEST_F(Deallocation, IsTheAnswerToLaterUses) {
  nxv_tensor *x = iota({2, 2}), *other = iota({2, 2});
  nxv_retain(x);
  ASSERT_EQ(nxv_deallocate(x), NXV_OK);
  nxv_release(x);
  EXPECT_EQ(nxv_deallocate(x), NXV_DEALLOCATED);

  float values[4];
  char* text = nullptr;
  EXPECT_EQ(nxv_read(x, values, sizeof values), NXV_DEALLOCATED);
  EXPECT_EQ(
      nxv_read_async(
          x, -1, [](void*, nxv_status, const void*, size_t, const char*) { FAIL(); }, nullptr),
      NXV_DEALLOCATED);
  EXPECT_EQ(nxv_evaluate(x), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_wait(x), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_explain(x, &text), NXV_DEALLOCATED);

  nxv_tensor* out = nullptr;
  int count = 0;
  const int64_t zeros[] = {0, 0}, ones[] = {1, 1}, four = 4, axes[] = {0, 1};
  for (nxv_tensor* const operands : {x, other}) {
    nxv_tensor* pair[] = {operands, operands == x ? other : x};
    EXPECT_EQ(nxv_apply(nxv_op_find("add"), 2, pair, &out), NXV_DEALLOCATED);
    EXPECT_EQ(nxv_concatenate(2, pair, 0, &out), NXV_DEALLOCATED);
    EXPECT_EQ(nxv_matmul(pair[0], pair[1], &out), NXV_DEALLOCATED);
    EXPECT_EQ(nxv_dot(pair[0], pair[1], 1, zeros, ones, 0, nullptr, nullptr, &out),
              NXV_DEALLOCATED);
    EXPECT_EQ(nxv_pad(pair[0], pair[1], zeros, zeros, zeros, &out), NXV_DEALLOCATED);
    EXPECT_EQ(nxv_call("gather", 2, pair, 0, nullptr, 1, &out, &count), NXV_DEALLOCATED);
  }
  EXPECT_EQ(nxv_cast(x, NXV_F64, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_reshape(x, 1, &four, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_broadcast(x, 2, ones, nullptr, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_transpose(x, nullptr, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_slice(x, zeros, ones, nullptr, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_reverse(x, 2, axes, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_squeeze(x, 0, nullptr, &out), NXV_DEALLOCATED);
  EXPECT_EQ(nxv_reduce(nxv_op_find("sum"), x, -1, nullptr, 0, &out), NXV_DEALLOCATED);
  EXPECT_EQ(out, nullptr);

  EXPECT_EQ(nxv_tensor_dtype(x), NXV_F32);
  EXPECT_EQ(nxv_tensor_rank(x), 2);
  EXPECT_EQ(nxv_tensor_shape(x)[1], 2);
  EXPECT_EQ(nxv_tensor_count(x), 4);
}

TEST_F(Deallocation, ReadsThatWereAskedForBeforeAreAnswered) {
  nxv_tensor* x = apply("add", {iota({1000}), iota({1000})});
  std::atomic<int> answers{0};
  const auto count = [](void* context, nxv_status status, const void* data, size_t, const char*) {
    const bool is_right = status == NXV_OK && static_cast<const float*>(data)[999] == 1998;
    if (is_right) ++*static_cast<std::atomic<int>*>(context);
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(nxv_read_async(x, -1, count, &answers), NXV_OK);
  EXPECT_EQ(nxv_deallocate(x), NXV_OK);
  nxv_engine_close(std::exchange(engine_, nullptr));
  EXPECT_EQ(answers, 20);
}

TEST_F(Deallocation, OfAClosedEngineSaysSo) {
  nxv_tensor* x = iota({4});
  nxv_engine_close(std::exchange(engine_, nullptr));
  EXPECT_EQ(nxv_deallocate(x), NXV_DEVICE_LOST);
  EXPECT_EQ(nxv_deallocate(x), NXV_DEALLOCATED);
}

TEST_F(Deallocation, MayComeFromAnyThread) {
  for (int round = 0; round < 200; ++round) {
    nxv_tensor* x = apply("add", {iota({64}), iota({64})});
    std::atomic<int> taken{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        nxv_tensor* both[] = {x, x};
        nxv_tensor* reader = nullptr;
        const nxv_status built = nxv_apply(nxv_op_find("add"), 2, both, &reader);
        taken += nxv_deallocate(x) == NXV_OK;
        float values[64];
        if (built == NXV_OK) {
          wrong += nxv_read(reader, values, sizeof values) != NXV_OK || values[63] != 252;
          nxv_release(reader);
        } else {
          wrong += built != NXV_DEALLOCATED;
        }
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(taken, 1);
    EXPECT_EQ(wrong, 0);
  }
}

// ---- Memory ----

TEST_F(Deallocation, MemoryGoesWithTheLastValueThatNeedsIt) {
  constexpr int64_t kCount = 1 << 20;
  nxv_tensor* x = apply("exp", {iota({kCount})});
  ASSERT_EQ(nxv_wait(x), NXV_OK);
  const uint64_t with_x = in_use();
  nxv_tensor *half = slice(x, 0, kCount / 2), *few = slice(x, 1, 3);
  ASSERT_EQ(nxv_deallocate(x), NXV_OK);
  EXPECT_EQ(in_use(), with_x) << "half of it is still needed";
  ASSERT_EQ(nxv_deallocate(half), NXV_OK);
  EXPECT_LT(in_use(), with_x - kCount * 3) << "three elements do not keep a million";
  EXPECT_EQ(read(few).size(), 3u);

  nxv_tensor* y = apply("exp", {iota({kCount})});
  ASSERT_EQ(nxv_wait(y), NXV_OK);
  const uint64_t with_y = in_use();
  ASSERT_EQ(nxv_deallocate(y), NXV_OK);
  EXPECT_LE(in_use(), with_y - kCount * 4) << "nobody needs it";
}

TEST_F(Deallocation, WhereMemoryIsShortReadersAreComputedFirst) {
  nxv_engine_options options{};
  options.struct_size = sizeof options;
  options.device_index = -1;
  options.memory_budget = 16 << 20;
  open(&options);
  constexpr int64_t kCount = 10 << 18;  // 10 MiB
  nxv_tensor* x = apply("multiply", {iota({kCount}), vector({0})});
  ASSERT_EQ(nxv_wait(x), NXV_OK) << nxv_last_error();
  nxv_tensor* more = apply("add", {x, vector({1})});
  nxv_tensor* total = sum(more);
  ASSERT_EQ(nxv_deallocate(x), NXV_OK);
  ASSERT_EQ(nxv_deallocate(more), NXV_OK);
  nxv_tensor* next = apply("multiply", {iota({kCount}), vector({2})});
  EXPECT_EQ(nxv_wait(next), NXV_OK) << nxv_last_error();
  EXPECT_EQ(read(total)[0], kCount);
}

TEST_F(Deallocation, IsNoPressureAnyMore) {
  constexpr int64_t kCount = int64_t{1} << 30;  // never computed
  nxv_tensor* x = iota({kCount});
  ASSERT_TRUE(nxv_pressure(engine_));
  ASSERT_EQ(nxv_deallocate(x), NXV_OK);
  EXPECT_FALSE(nxv_pressure(engine_));
}

}  // namespace

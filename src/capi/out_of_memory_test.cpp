// Host memory that runs out in the middle of a call: a status, and nothing is left behind.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <new>

#include "nxv/nxv.h"

namespace {

// Allocations of this thread until one fails; negative: none does.
thread_local int allocations_left = -1;

void* allocate(size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(size_t size) { return allocate(size); }
void* operator new[](size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace {

class OutOfMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    const nxv_status status = nxv_engine_open(nullptr, &engine_);
    if (status == NXV_NO_DEVICE) GTEST_SKIP() << nxv_last_error();
    ASSERT_EQ(status, NXV_OK) << nxv_last_error();
    const int64_t shape[] = {3, 3};
    const std::array<float, 9> values = {4, 1, 2, 1, 5, 3, 2, 3, 6};
    ASSERT_EQ(nxv_from_host(engine_, NXV_F32, 2, shape, values.data(), sizeof values, nullptr,
                            nullptr, &matrix_),
              NXV_OK);
  }
  void TearDown() override {
    nxv_release(matrix_);
    nxv_engine_close(engine_);
  }
  int64_t nodes() {
    nxv_memory_stats stats{};
    EXPECT_EQ(nxv_trim(engine_), NXV_OK);
    EXPECT_EQ(nxv_memory_stats_get(engine_, &stats), NXV_OK);
    return stats.nodes;
  }

  // `call` with its n-th allocation failing, for every n.
  template <typename Call>
  void fail_each_allocation(Call call) {
    const int64_t before = nodes();
    for (int n = 0;; ++n) {
      ASSERT_LT(n, 10000);
      std::array<nxv_tensor*, 4> outs{};
      allocations_left = n;
      const nxv_status status = call(outs.data());
      const bool was_reached = allocations_left == 0;
      allocations_left = -1;
      if (status != NXV_OK) {
        EXPECT_EQ(status, NXV_ALLOC_FAILED) << nxv_last_error();
        for (const nxv_tensor* out : outs) EXPECT_EQ(out, nullptr) << n;
      }
      for (nxv_tensor* out : outs) nxv_release(out);
      EXPECT_EQ(nodes(), before) << "after the failure of allocation " << n;
      if (status == NXV_OK && !was_reached) return;
    }
  }

  nxv_engine* engine_ = nullptr;
  nxv_tensor* matrix_ = nullptr;
};

TEST_F(OutOfMemory, OperationsWithSeveralResultsLeaveNone) {
  for (const char* name : {"lu", "qr"}) {
    fail_each_allocation([&](nxv_tensor** outs) {
      int count = 0;
      return nxv_call(name, 1, &matrix_, 0, nullptr, 4, outs, &count);
    });
  }
}

TEST_F(OutOfMemory, OperationsLeaveNothing) {
  fail_each_allocation([&](nxv_tensor** out) {
    nxv_tensor* both[] = {matrix_, matrix_};
    return nxv_apply(nxv_op_find("add"), 2, both, out);
  });
  fail_each_allocation([&](nxv_tensor** out) {
    const std::array<float, 3> values{};
    const int64_t size = 3;
    return nxv_from_host(engine_, NXV_F32, 1, &size, values.data(), sizeof values, nullptr, nullptr,
                         out);
  });
}

}  // namespace

// Host memory that runs out in the middle of a call: a status, and nothing is left behind.
#include <array>

#include "capi/fixture_test.h"
#include "testing/driver/failing_allocation.h"

namespace {

class OutOfMemory : public CApi {
 protected:
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
      nxv::testing::fail_allocation(n);
      const nxv_status status = call(outs.data());
      const bool was_reached = nxv::testing::is_failing_allocation();
      nxv::testing::fail_allocation(-1);
      if (status != NXV_OK) {
        EXPECT_EQ(status, NXV_ALLOC_FAILED) << nxv_last_error();
        for (const nxv_tensor* out : outs) EXPECT_EQ(out, nullptr) << n;
      }
      for (nxv_tensor* out : outs) nxv_release(out);
      EXPECT_EQ(nodes(), before) << "after the failure of allocation " << n;
      if (status == NXV_OK && !was_reached) return;
    }
  }
};

TEST_F(OutOfMemory, OperationsWithSeveralResultsLeaveNone) {
  nxv_tensor* matrix = iota({3, 3});
  for (const char* name : {"lu", "qr"}) {
    fail_each_allocation([&](nxv_tensor** outs) {
      int count = 0;
      return nxv_call(name, 1, &matrix, 0, nullptr, 4, outs, &count);
    });
  }
}

TEST_F(OutOfMemory, OperationsLeaveNothing) {
  nxv_tensor* both[] = {iota({3, 3}), iota({3, 3})};
  fail_each_allocation(
      [&](nxv_tensor** out) { return nxv_apply(nxv_op_find("add"), 2, both, out); });
  const std::array<float, 3> values{};
  const int64_t size = 3;
  fail_each_allocation([&](nxv_tensor** out) {
    return nxv_from_host(engine_, NXV_F32, 1, &size, values.data(), sizeof values, nullptr, nullptr,
                         out);
  });
}

}  // namespace

#include "vulkan/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

TEST(GridPieces, AreWholeRowsOrPartsOfTheOnlyOne) {
  for (const auto& [columns, rows] : {std::pair{7u, 1u}, {1u, 1u}, {5u, 4u}, {1u, 9u}}) {
    const GridPieces grid(columns, rows);
    for (uint32_t each = 1; each <= grid.count(); ++each) {
      std::set<uint32_t> groups;
      for (uint32_t first = 0; first < grid.count(); first += each) {
        const GroupRange r = grid.from(first, std::min(each, grid.count() - first));
        EXPECT_TRUE(rows == 1 || (r.x == 0 && r.columns == columns));
        for (uint32_t y = r.y; y < r.y + r.rows; ++y) {
          for (uint32_t x = r.x; x < r.x + r.columns; ++x) groups.insert(y * columns + x);
        }
      }
      EXPECT_EQ(groups.size(), columns * rows);
      EXPECT_EQ(*groups.rbegin(), columns * rows - 1);
    }
  }
}

plan::DevicePlan plan_of(double slowness) {
  plan::DevicePlan p;
  p.slowness = slowness;
  p.tuning.submit_work = 1000000;  // a hundred million a second
  return p;
}

TEST(Pace, KernelsAreTrustedWithLittleUntilTheyWereMeasured) {
  const plan::DevicePlan plan = plan_of(1);
  Pace pace(plan);
  const Pipeline a, b;
  EXPECT_FALSE(pace.is_long(&a, 300000));
  EXPECT_TRUE(pace.is_long(&a, 500000));
  pace.measured(a, 1000000, 0.001);
  EXPECT_DOUBLE_EQ(pace.seconds(&a, 100000000), 0.1);
  EXPECT_FALSE(pace.is_long(&a, 200000000));
  EXPECT_TRUE(pace.is_long(&a, 300000000));
  // That one is fast says nothing of another.
  EXPECT_TRUE(pace.is_long(&b, 500000));
  // That it is slow does.
  pace.measured(a, 1000000, 1);
  EXPECT_GT(pace.seconds(&b, 1000000), 0.4);
  EXPECT_TRUE(pace.is_long(&b, 10000));
}

TEST(Pace, SlownessMultiplies) {
  const plan::DevicePlan plan = plan_of(1000);
  Pace pace(plan);
  const Pipeline a;
  EXPECT_DOUBLE_EQ(pace.seconds(&a, 1000), 0.01);
  pace.measured(a, 1000, 0.002);
  EXPECT_DOUBLE_EQ(pace.seconds(&a, 1000), 2);
}

constexpr uint32_t kCount = 100 * kAddWorkgroup - 3;

DeviceOptions slow(double slowness) {
  DeviceOptions o = test_options();
  o.plan.slowness = slowness;
  return o;
}

TEST(SlowDevice, LongDispatchesGoOutInParts) {
  NXV_OPEN_OR_SKIP(device, slow(1e9));
  Queue& queue = device->queue();
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  const BlockRef a = device->memory().allocate(kCount * 4),
                 b = device->memory().allocate(kCount * 4);
  upload_words(*device, std::vector<uint32_t>(kCount, 3), *a);
  const Queue::Stats before = queue.stats();
  record_add(queue, kernel, *a, *b, kCount, 4);
  record_add(queue, kernel, *b, *a, kCount, 1);
  const Queue::Stats after = queue.stats();
  EXPECT_EQ(after.parts - before.parts, 200u) << "a workgroup each";
  EXPECT_GE(after.submissions - before.submissions, 200u);
  EXPECT_EQ(download_words(*device, b, kCount), std::vector<uint32_t>(kCount, 7));
  EXPECT_EQ(download_words(*device, a, kCount), std::vector<uint32_t>(kCount, 8));
}

TEST(SlowDevice, ShortOnesAreNotParted) {
  NXV_OPEN_OR_SKIP(device, slow(1));
  Queue& queue = device->queue();
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  const BlockRef a = device->memory().allocate(kCount * 4);
  const Queue::Stats before = queue.stats();
  for (int i = 0; i < 20; ++i) record_add(queue, kernel, *a, *a, kCount, 4);
  EXPECT_EQ(queue.stats().parts, before.parts);
  EXPECT_LE(queue.stats().submissions - before.submissions, 1u);
}

// Short ones that are many: no submission has more than it may.
TEST(SlowDevice, SubmissionsAddUpTheirSeconds) {
  NXV_OPEN_OR_SKIP(device, slow(1));
  Queue& queue = device->queue();
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  const BlockRef a = device->memory().allocate(1 << 20);
  const plan::Tuning& tuning = device->plan().tuning;
  const uint64_t before = queue.stats().submissions;
  constexpr int kTimes = 32;
  for (int i = 0; i < kTimes; ++i) {
    const AddParameters p{a->address(), a->address(), 4, 1};
    const Access access[] = {{*a, 0, 16}};
    queue.dispatch({.kernel = &kernel,
                    .parameters = bytes_of(p),
                    .reads = access,
                    .writes = access,
                    .work = tuning.submit_work / 4});
  }
  EXPECT_GE(queue.stats().submissions - before, 32u / 4);
}

}  // namespace
}  // namespace nxv::vulkan

#include "plan/memory_order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plan/device_plan.h"
#include "testing/driver/snapshots.h"

namespace nxv::plan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

Snapshot device_of(DeviceType type, std::vector<MemoryHeap> heaps, std::vector<MemoryType> types) {
  Snapshot s = nxv::testing::common_gpu();
  s.type = type;
  s.heaps = std::move(heaps);
  s.memory_types = std::move(types);
  return s;
}

std::vector<uint32_t> types_of(const Snapshot& s, MemoryUse use) {
  std::vector<uint32_t> types;
  for (const MemoryChoice& c : memory_order(s, use, make_plan(s).use_staging)) {
    types.push_back(c.type);
  }
  return types;
}

using Types = std::vector<uint32_t>;

TEST(MemoryOrder, StorageSpillsFromTheDevicesOwnMemoryToTheHosts) {
  const Snapshot s = nxv::testing::h200();
  const auto order = memory_order(s, MemoryUse::device, true);
  ASSERT_EQ(order.size(), s.memory_types.size()) << "every type serves in the end";
  bool was_slow = false;
  for (const MemoryChoice& c : order) {
    EXPECT_EQ(c.is_slow, !s.memory_types[c.type].device_local);
    EXPECT_LE(was_slow, c.is_slow);
    was_slow = c.is_slow;
  }
  EXPECT_TRUE(was_slow);
  EXPECT_FALSE(s.memory_types[order[0].type].host_visible) << "windows of the host are left to it";
}

TEST(MemoryOrder, EachUseHasItsOwn) {
  // The device's, a window on it, the host's, and what the host caches of its own.
  const Snapshot s = device_of(DeviceType::discrete, {{8 * kGiB, 0, true}, {32 * kGiB, 0, false}},
                               {{0, true, false, false, false},
                                {0, true, true, true, false},
                                {1, false, true, true, false},
                                {1, false, true, true, true}});
  EXPECT_EQ(types_of(s, MemoryUse::device), (Types{0, 1, 2, 3}));
  EXPECT_EQ(types_of(s, MemoryUse::upload), (Types{2, 3, 1}));
  EXPECT_EQ(types_of(s, MemoryUse::readback), (Types{3, 2, 1}));
  EXPECT_EQ(types_of(s, MemoryUse::parameters), (Types{1, 3, 2}));
  for (const auto use : {MemoryUse::upload, MemoryUse::readback, MemoryUse::parameters}) {
    for (const MemoryChoice& c : memory_order(s, use, true)) EXPECT_FALSE(c.is_slow);
  }
}

// As drivers of devices without memory of their own report it.
TEST(MemoryOrder, UnifiedMemoryIsNotStagedWhateverTheFlags) {
  const MemoryType local{0, true, false, false, false}, seen{0, true, true, true, false},
      cached{0, true, true, true, true}, incoherent{0, true, true, false, true};
  struct Case {
    const char* name;
    DeviceType type;
    std::vector<MemoryHeap> heaps;
    std::vector<MemoryType> types;
    Types device, readback;
  };
  const auto integrated = DeviceType::integrated;
  const Case cases[] = {
      {"all in one, as lavapipe and Apple's on Linux",
       integrated,
       {{kGiB, 0, true}},
       {cached},
       {0},
       {0}},
      {"VideoCore: nothing is cached", integrated, {{kGiB, 0, true}}, {seen}, {0}, {0}},
      {"Adreno: some is not coherent",
       integrated,
       {{kGiB, 0, true}},
       {seen, cached, incoherent},
       {1, 0, 2},
       {1, 0}},
      {"MoltenVK: some is the device's alone",
       integrated,
       {{kGiB, 0, true}},
       {local, cached},
       {1, 0},
       {1}},
      {"RADV on an APU: two thirds are said to be the device's",
       integrated,
       {{2 * kGiB, 0, true}, {kGiB, 0, false}},
       {local, {1, false, true, true, false}, seen, {1, false, true, true, true}},
       {2, 3, 1, 0},
       {3, 2, 1}},
      {"an APU on Windows: little is the device's, and the host sees a part of it",
       integrated,
       {{kGiB / 2, 0, true}, {15 * kGiB, 0, false}},
       {local, {1, false, true, true, true}},
       {1, 0},
       {1}},
      {"a layered driver that does not say what it is on",
       DeviceType::other,
       {{kGiB, 0, true}},
       {local, seen},
       {1, 0},
       {1}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Snapshot s = device_of(c.type, c.heaps, c.types);
    PlanOptions o;
    o.profile = Profile::integrated;
    const DevicePlan p = make_plan(s, o);
    EXPECT_FALSE(p.use_staging);
    uint64_t bytes = 0;
    for (const MemoryHeap& h : c.heaps) bytes += h.bytes;
    EXPECT_EQ(p.memory_budget >> 20, static_cast<uint64_t>(0.6 * static_cast<double>(bytes)) >> 20);
    const auto types = [&](MemoryUse use) {
      Types list;
      for (const MemoryChoice& choice : p.memory[static_cast<size_t>(use)]) {
        EXPECT_FALSE(choice.is_slow);
        list.push_back(choice.type);
      }
      return list;
    };
    EXPECT_EQ(types(MemoryUse::device), c.device);
    EXPECT_EQ(types(MemoryUse::readback), c.readback);
  }
}

TEST(MemoryOrder, MemoryOfADevicesOwnIsStaged) {
  // All of it seen by the host, as with a resizable BAR.
  const Snapshot s = device_of(DeviceType::discrete, {{8 * kGiB, 0, true}, {32 * kGiB, 0, false}},
                               {{0, true, true, true, false}, {1, false, true, true, true}});
  EXPECT_FALSE(has_unified_memory(s));
  EXPECT_TRUE(make_plan(s).use_staging);
}

TEST(MemoryOrder, EveryKnownDeviceHasMemoryForEachUse) {
  for (const Snapshot& s : nxv::testing::known_devices()) {
    SCOPED_TRACE(s.name);
    const DevicePlan p = make_plan(s);
    EXPECT_EQ(p.use_staging, s.type == DeviceType::discrete);
    for (const auto& order : p.memory) EXPECT_FALSE(order.empty());
  }
}

}  // namespace
}  // namespace nxv::plan

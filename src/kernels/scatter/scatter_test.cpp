// Scatters on devices that are not there, against the reference.
#include "kernels/scatter/scatter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "graph/build.h"
#include "library/registry.h"
#include "schedule/schedule.h"
#include "spirv/translate.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/driver/spirv_validate.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The first goes over updates once for every four slots.
std::vector<plan::DevicePlan> plans() {
  plan::DevicePlan passes = discrete_plan();
  passes.tuning.scatter_slots = 4;
  return {passes, bare_plan(), cpu_plan()};
}

HostTensor tensor(DType type, Shape shape, const std::function<double(int64_t)>& value) {
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const double v = value(i);
    t.set(i, is_complex(type) ? make_scalar(type, std::complex<double>(v, 1 - v))
                              : make_scalar(type, v));
  }
  return t;
}

struct Scatter {
  HostTensor target, slots, updates;

  NodeRef node(const GraveyardRef& owner) const {
    const auto known = [&](const HostTensor& t) {
      return host_value(owner, t.dtype, t.shape, t.bytes);
    };
    return library::make_node(Op::scatter_add, target.dtype, target.shape,
                              {known(target), known(slots), known(updates)});
  }
  HostTensor run(const plan::DevicePlan& plan) const {
    InterpretedDevice device(plan);
    const HostTensor result = device.evaluate(node(host_graveyard()));
    EXPECT_EQ(device.invalid(), "");
    return result;
  }
  std::string disagreement(const plan::DevicePlan& plan) const {
    return nxv::disagreement(*node(host_graveyard()), std::vector{target, slots, updates},
                             run(plan));
  }
};

// Small multiples of 1/8, whose sums are exact in every type.
Scatter make_scatter(DType type, int64_t slots, int64_t inner, int64_t updates, uint32_t seed,
                     int64_t used) {
  std::mt19937 random(seed);
  const bool narrow = bits(to_real(type)) <= 8;
  const auto value = [&](int64_t) {
    const auto n = static_cast<double>(random() % 17) - 8;
    return is_integer(type) ? std::fabs(n) : narrow ? std::fmod(n, 2.0) : n / 8;
  };
  return {
      tensor(type, {slots, inner}, value),
      tensor(DType::s32, {updates}, [&](int64_t) { return static_cast<double>(random() % used); }),
      tensor(type, {updates, inner}, value)};
}

TEST(Scatter, SumsOfEveryType) {
  for (const plan::DevicePlan& plan : plans()) {
    for (int i = 0; i < kDTypeCount; ++i) {
      const auto type = static_cast<DType>(i);
      if (to_real(type) == DType::f64 && !plan.has.f64) continue;
      // From few to many updates a slot; rows of one and of several elements.
      EXPECT_EQ(make_scatter(type, 13, 1, 9, 1, 13).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 13, 3, 40, 2, 13).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 7, 2, 60, 6, 6).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 7, 2, 120, 3, 5).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 6, 1, 75, 4, 1).disagreement(plan), "") << name(type);
      // Few updates of many slots; many of one.
      EXPECT_EQ(make_scatter(type, 62, 3, 15, 7, 62).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 90, 3, 20, 8, 2).disagreement(plan), "") << name(type);
      EXPECT_EQ(make_scatter(type, 1290, 1, 20, 9, 1).disagreement(plan), "") << name(type);
    }
  }
}

// Whether a pass over all slots adds them up or steps over the updates: the same bits.
TEST(Scatter, FewUpdatesOfManySlotsHaveTheBitsOfManyOfFew) {
  for (const plan::DevicePlan& plan : plans()) {
    for (const DType type : {DType::f32, DType::bf16, DType::c64}) {
      std::mt19937 random(11);
      const auto value = [&](int64_t) {
        return std::ldexp(static_cast<double>(random() % 10007) - 5000,
                          -static_cast<int>(random() % 20));
      };
      // Slot 0 is heavy.
      Scatter few = {
          tensor(type, {9, 3}, value),
          tensor(DType::s32, {41},
                 [&](int64_t i) { return i % 2 == 0 ? 0.0 : static_cast<double>(random() % 9); }),
          tensor(type, {41, 3}, value)};
      Scatter many = few;
      many.target = HostTensor(type, {700, 3});
      std::memcpy(many.target.bytes.data(), few.target.bytes.data(), few.target.bytes.size());
      const HostTensor a = few.run(plan), b = many.run(plan);
      EXPECT_EQ(std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()), 0) << name(type);
    }
  }
}

// Updates that a radix pass puts in the order of their slots, several tiles of them.
TEST(Scatter, ManySlots) {
  for (const DType type : {DType::f32, DType::f16}) {
    EXPECT_EQ(make_scatter(type, 5003, 1, 9001, 8, 5003).disagreement(plans()[0]), "");
    EXPECT_EQ(make_scatter(type, 5003, 1, 9001, 9, 20).disagreement(plans()[0]), "");
  }
}

// Words of 2^30 numbers of 8 bytes are counted in 64 bits.
TEST(Scatter, LargeTargets) {
  const auto owner = host_graveyard();
  const auto stored = [&](DType type, Shape shape) {
    return make_node(owner, Op::data, type, std::move(shape));
  };
  const plan::DevicePlan plan = discrete_plan();
  const Target target = make_target(plan);
  const auto lanes_of_indices = [&](int64_t slots) {
    const NodeRef node = library::make_node(
        Op::scatter_add, DType::s64, {slots, 1},
        {stored(DType::s64, {slots, 1}), stored(DType::s32, {5}), stored(DType::s64, {5, 1})});
    const Region region = std::move(schedule::make_schedule(node, {}).back().region);
    const ir::Kernel kernel = lower(region, target).launches.back().generate(region);
    EXPECT_EQ(nxv::testing::validate_spirv(spirv::translate(kernel, {})), "");
    std::set<int> lanes;
    for (const ir::Inst& inst : kernel.body) {
      if (inst.op == ir::Opcode::atomic_add) lanes.insert(kernel.body[inst.args[1]].type.lanes);
    }
    return lanes;
  };
  EXPECT_EQ(lanes_of_indices((int64_t{1} << 30) - 1), std::set<int>{1});
  EXPECT_EQ(lanes_of_indices(int64_t{1} << 30), std::set<int>{2});
}

TEST(Scatter, LastUpdate) {
  for (const plan::DevicePlan& plan : plans()) {
    const Scatter s = make_scatter(DType::s32, 11, 1, 60, 5, 9);
    const auto owner = host_graveyard();
    const auto node = library::make_node(Op::last_update, DType::s32, {11},
                                         {host_value(owner, DType::s32, {60}, s.slots.bytes)});
    const HostTensor want = reference_evaluate(*node);
    InterpretedDevice device(plan);
    EXPECT_EQ(difference(device.evaluate(node), want), "");
    EXPECT_EQ(device.invalid(), "");
  }
}

// Few updates and many.
TEST(Scatter, LastSlot) {
  for (const plan::DevicePlan& plan : plans()) {
    for (int64_t count : {1, 9, 64, 65, 300}) {
      const Scatter s = make_scatter(DType::s32, 50, 1, count, 5, 40);
      const auto owner = host_graveyard();
      const auto node =
          make_node(owner, Op::last_slot, DType::s32, {count},
                    {host_value(owner, DType::s32, {count}, s.slots.bytes)}, SlotsAttr{50});
      const HostTensor want = reference_evaluate(*node);
      InterpretedDevice device(plan);
      EXPECT_EQ(difference(device.evaluate(node), want), "");
      EXPECT_EQ(device.invalid(), "");
    }
  }
}

// Indices of any integer type; the numbers of those that name no slot.
TEST(Scatter, IndicesOfEveryType) {
  for (const plan::DevicePlan& plan : plans()) {
    for (const DType type :
         {DType::u8, DType::s8, DType::u16, DType::s32, DType::u32, DType::s64, DType::u64}) {
      for (const DType updates : {DType::f32, DType::s32, DType::c64}) {
        Scatter s = make_scatter(updates, 9, 1, 30, 7, 9);
        const HostTensor slots = s.slots;
        s.slots = tensor(type, {30}, [&](int64_t i) { return to_double(slots.at(i)); });
        EXPECT_EQ(s.disagreement(plan), "") << name(type) << " into " << name(updates);
        s.slots.set(17, make_scalar(type, is_signed_int(type) ? int64_t{-1} : int64_t{9}));
        s.slots.set(23, make_scalar(type, int64_t{9}));
        try {
          s.run(plan);
          ADD_FAILURE() << "no fault with an index of " << name(type);
        } catch (const Error& e) {
          EXPECT_STREQ(e.what(), "index is out of bounds in indexed_add at update 17")
              << name(type) << " into " << name(updates);
        }
      }
    }
  }
}

// Small tiles: of 128 updates, close together if their slots span at most `span`, of 64 to 256; 0:
// no tiles.
plan::DevicePlan tile_plan(uint32_t span, uint64_t scatter_slots = 0) {
  plan::DevicePlan p = plan_with([&](plan::Snapshot& s) {
    s.limits.max_workgroup_invocations = 16;
    s.limits.shared_memory_bytes = (span + 2) * 4;
    s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = 8;
  });
  p.tuning.scatter_slots = scatter_slots;
  return p;
}

// Ways to name one of 500 slots.
struct Pattern {
  const char* name;
  std::function<uint32_t(uint32_t update, uint32_t random)> slot;
};
const Pattern kPatterns[] = {
    {"sorted", [](uint32_t i, uint32_t) { return i / 3; }},
    {"segments", [](uint32_t i, uint32_t) { return i / 20; }},
    {"near", [](uint32_t i, uint32_t random) { return i / 2 + random % 30; }},
    {"far", [](uint32_t, uint32_t random) { return random; }},
    {"tiles near and far", [](uint32_t i, uint32_t random) { return i & 128 ? random : i / 4; }},
    {"one slot", [](uint32_t, uint32_t) { return 77; }},
    {"one slot far off", [](uint32_t i, uint32_t) { return i % 128 == 99 ? 499 : i / 4; }},
};

Scatter make_pattern(const Pattern& pattern, DType type, int64_t updates, int64_t inner) {
  std::mt19937 random(static_cast<uint32_t>(updates));
  const auto value = [&](int64_t) {
    return is_integer(type) ? static_cast<double>(random() % 1000)
                            : std::ldexp(static_cast<double>(random() % 4096) - 2048, -3) * 0.3;
  };
  return {tensor(type, {500, inner}, value),
          tensor(DType::s32, {updates},
                 [&](int64_t i) { return pattern.slot(static_cast<uint32_t>(i), random()) % 500; }),
          tensor(type, {updates, inner}, value)};
}

TEST(ScatterTiles, GiveTheSameSums) {
  for (const Pattern& pattern : kPatterns) {
    for (const int64_t updates : {129, 1000}) {
      for (const DType type : {DType::f32, DType::c64, DType::s32, DType::u8, DType::s64}) {
        for (const int64_t inner : {1, 2}) {
          const Scatter s = make_pattern(pattern, type, updates, inner);
          const std::string what = std::string(pattern.name) + ", " + std::to_string(updates) +
                                   " updates of " + std::string(name(type));
          EXPECT_EQ(s.disagreement(tile_plan(256)), "") << what;
          const HostTensor want = s.run(tile_plan(0));
          for (const auto& plan : {tile_plan(64), tile_plan(256), tile_plan(256, 200)}) {
            if (plan.tuning.scatter_slots != 0 && inner == 1) continue;  // sorted first
            EXPECT_EQ(difference(s.run(plan), want), "") << what;
          }
        }
      }
    }
  }
}

TEST(ScatterTiles, GiveTheLastUpdate) {
  const auto owner = host_graveyard();
  for (const Pattern& pattern : kPatterns) {
    for (const int64_t updates : {1, 128, 129, 1000}) {
      const Scatter s = make_pattern(pattern, DType::s32, updates, 1);
      for (const auto& plan :
           {tile_plan(0), tile_plan(64), tile_plan(256), tile_plan(256, 200), tile_plan(64, 8)}) {
        const auto node =
            library::make_node(Op::last_update, DType::s32, {500},
                               {host_value(owner, DType::s32, {updates}, s.slots.bytes)});
        const HostTensor want = reference_evaluate(*node);
        InterpretedDevice device(plan);
        EXPECT_EQ(difference(device.evaluate(node), want), "") << pattern.name;
        EXPECT_EQ(device.invalid(), "");
        EXPECT_EQ(device.kernels().contains("last_update_tile"), plan.shared_memory_bytes > 8);
      }
    }
  }
}

// Tiles of the size that a common GPU has, of updates in the order of their slots' highest bits.
TEST(ScatterTiles, OfAPartition) {
  plan::DevicePlan partition = discrete_plan();
  partition.tuning.scatter_slots = 4;
  const Scatter close = make_scatter(DType::f32, 5003, 1, 9001, 8, 5003);
  const Scatter spread = make_scatter(DType::f32, 40000, 1, 9001, 8, 40000);
  for (const Scatter& s : {close, spread}) {
    EXPECT_EQ(difference(s.run(partition), s.run(discrete_plan())), "");
    EXPECT_EQ(s.disagreement(partition), "");
  }
}

TEST(ScatterTiles, FaultsOfAnyTile) {
  for (const Pattern& pattern : kPatterns) {
    for (const DType type : {DType::f32, DType::c64, DType::s32}) {
      for (const auto& plan : {tile_plan(256), tile_plan(256, 600)}) {
        Scatter s = make_pattern(pattern, type, 1000, 1);
        s.slots.set(900, make_scalar(DType::s32, int64_t{-1}));
        s.slots.set(333, make_scalar(DType::s32, int64_t{500}));
        s.slots.set(350, make_scalar(DType::s32, int64_t{1} << 30));
        try {
          s.run(plan);
          ADD_FAILURE() << "no fault, " << pattern.name;
        } catch (const Error& e) {
          EXPECT_STREQ(e.what(), "index is out of bounds in indexed_add at update 333")
              << pattern.name;
        }
      }
    }
  }
}

// Sums of one slot, by way of a list in order (a few terms) and of a sum without order (many: the
// rest are zeros).
double sum(const plan::DevicePlan& plan, DType type, std::vector<double> terms, bool heavy) {
  const double target = terms.back();
  terms.pop_back();
  if (heavy) terms.resize(std::max<size_t>(terms.size(), 40), -0.0);
  const auto n = static_cast<int64_t>(terms.size());
  const Scatter s{tensor(type, {1, 1}, [&](int64_t) { return target; }),
                  tensor(DType::s32, {n}, [](int64_t) { return 0; }),
                  tensor(type, {n, 1}, [&](int64_t i) { return terms[static_cast<size_t>(i)]; })};
  return to_double(s.run(plan).at(0));
}

TEST(Scatter, SpecialNumbers) {
  for (const plan::DevicePlan& plan : plans()) {
    for (const DType type : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      if (type == DType::f64 && !plan.has.f64) continue;
      for (const bool heavy : {false, true}) {
        EXPECT_TRUE(std::isnan(sum(plan, type, {kInfinity, 1, -kInfinity}, heavy)));
        EXPECT_TRUE(std::isnan(sum(plan, type, {1, 2, std::nan("")}, heavy)));
        EXPECT_EQ(sum(plan, type, {1, kInfinity, -2}, heavy), kInfinity);
        EXPECT_EQ(sum(plan, type, {1, -kInfinity, -2}, heavy), -kInfinity);
        EXPECT_TRUE(std::signbit(sum(plan, type, {-0.0, -0.0, -0.0}, heavy)));
        EXPECT_FALSE(std::signbit(sum(plan, type, {-0.0, -0.0, 0.0}, heavy)));
        EXPECT_FALSE(std::signbit(sum(plan, type, {1.5, -1.5, -0.0}, heavy)));
      }
    }
  }
}

// The unordered sums round the exact sum once.
TEST(Scatter, ManyTermsRoundOnce) {
  for (const plan::DevicePlan& plan : plans()) {
    const auto f32 = [&](const std::vector<double>& terms) {
      return sum(plan, DType::f32, terms, true);
    };
    EXPECT_EQ(f32({0x1p60, 1, -0x1p60, 0x1p-3}), 1.125);
    EXPECT_EQ(f32({0x1p24, 1, 0}), 0x1p24);            // a tie, to even
    EXPECT_EQ(f32({0x1p24, 1, 0x1p-30}), 0x1p24 + 2);  // just above it
    EXPECT_EQ(f32({0x1p24, 2, 1, 0}), 0x1p24 + 4);     // a tie, to even
    EXPECT_EQ(f32({-0x1p24, -1, -0x1p-30}), -0x1p24 - 2);
    EXPECT_EQ(f32({0x1.fffffep127, 0x1.fffffep127, -0x1.fffffep127}), 0x1.fffffep127);
    EXPECT_EQ(f32({0x1.fffffep127, 0x1.fffffep127, 0}), kInfinity);
    EXPECT_EQ(f32({0x1.fffffep127, 0x1p103, 0}), kInfinity);
    EXPECT_EQ(f32({-0x1.fffffep127, -0x1.fffffep127, 0}), -kInfinity);
    EXPECT_EQ(f32({0x1p-149, 0x1p-149, 0x1p-149}), 0x3p-149);
    EXPECT_EQ(f32({0x1p-126, -0x1p-149, 0}), 0x1p-126 - 0x1p-149);
    EXPECT_EQ(f32({0x1p-127, 0x1p-127, 0}), 0x1p-126);
    EXPECT_EQ(f32({0x1p100, 0x1p-140, -0x1p100}), 0);  // beyond the window of 64 bits
    // Rounded once into bf16: 1 + 2^-8 is a tie that the last term breaks.
    EXPECT_EQ(sum(plan, DType::bf16, {1, 0x1p-8, 0x1p-30}, true), 1 + 0x1p-7);
    EXPECT_EQ(sum(plan, DType::bf16, {1, 0x1p-8, 0}, true), 1);
    EXPECT_EQ(sum(plan, DType::f16, {65504, 15, 0}, true), 65504);
    EXPECT_EQ(sum(plan, DType::f16, {65504, 16, 0}, true), kInfinity);
    if (!plan.has.f64) continue;
    const auto f64 = [&](const std::vector<double>& terms) {
      return sum(plan, DType::f64, terms, true);
    };
    EXPECT_EQ(f64({0x1p53, 1, 0}), 0x1p53);
    EXPECT_EQ(f64({0x1p53, 1, 0x1p-30}), 0x1p53 + 2);
    EXPECT_EQ(f64({0x1p53 - 1, 0.5, 0x1p-20}), 0x1p53);
    EXPECT_EQ(f64({0x1p40, 1, -0x1p40, 0x1p-50}), 1 + 0x1p-50);
    EXPECT_EQ(f64({0x1.fffffffffffffp1023, 0x1p970, 0}), kInfinity);
    EXPECT_EQ(f64({0x1p-1074, 0x1p-1074, 0x1p-1022}), 0x1p-1022 + 0x1p-1073);
    EXPECT_EQ(f64({-0x1p-1074, -0x1p-1074, 0x1p-1022}), 0x1p-1022 - 0x1p-1073);
  }
}

// Against sums of integers: f32 terms of any sign within 2^30 of each other, f64 ones too.
TEST(Scatter, ManyRandomTerms) {
  std::mt19937 random(7);
  for (const DType type : {DType::f32, DType::f64, DType::f16}) {
    for (int round = 0; round < 6; ++round) {
      std::vector<double> terms;
      int64_t whole = 0;  // in units of 2^-10
      const int most = type == DType::f16 ? 3 : 30;
      for (int i = 0; i < 300; ++i) {
        const auto significand = static_cast<int64_t>(random() % 2047) - 1023;
        const int shift = static_cast<int>(random() % static_cast<uint32_t>(most));
        whole += significand << shift;
        terms.push_back(std::ldexp(static_cast<double>(significand << shift), -10));
      }
      const double want = to_double(make_scalar(type, std::ldexp(static_cast<double>(whole), -10)));
      for (const plan::DevicePlan& plan : plans()) {
        if (type == DType::f64 && !plan.has.f64) continue;
        EXPECT_EQ(sum(plan, type, terms, true), want) << name(type);
      }
    }
  }
}

}  // namespace
}  // namespace nxv::kernels

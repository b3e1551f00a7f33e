// Scans follow one association tree, whatever the device and the layout.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <random>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

HostTensor noise(DType type, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const int64_t n = static_cast<int64_t>(random() % 20001) - 10000;
    t.set(i, is_integer(type) ? make_scalar(type, n) : make_scalar(type, std::ldexp(n, -14)));
  }
  return t;
}

std::vector<plan::DevicePlan> devices(bool fast_f64) {
  std::vector<plan::DevicePlan> list(4, discrete_plan());
  list[1] = cpu_plan();
  list[2].shared_memory_bytes = 4096;  // too little for a team
  list[3].has.forward_progress = true;
  if (!fast_f64) list.push_back(bare_plan());
  for (plan::DevicePlan& p : list) {
    p.has.fast_f64 = fast_f64;
    p.has.fused_fma = true;
  }
  return list;
}

NodeRef scan(const char* operation, const NodeRef& x, int64_t axis, bool reverse) {
  return library::call(
      operation, std::array{x},
      std::vector<library::Option>{{"axis", {axis}, {}}, {"reverse", {reverse ? 1 : 0}, {}}})[0];
}

// Whether every element is within a rounding or two of the reference's.
void expect_close(const HostTensor& got, const HostTensor& want, double epsilon) {
  for (int64_t i = 0; i < want.count(); ++i) {
    const auto g = to_complex_double(got.at(i)), w = to_complex_double(want.at(i));
    if (std::abs(g - w) > epsilon * std::abs(w)) {
      FAIL() << "element " << i << ": " << g << " instead of " << w;
    }
  }
}

double epsilon(DType t) { return t == DType::f64 || t == DType::c128 ? 1e-11 : 1e-5; }

// Rows and columns of the same numbers on every device: the same bits.
void check_tree(const char* operation, DType type, int64_t length, bool fast_f64) {
  constexpr int64_t kLines = 9;
  const HostTensor x = noise(type, {kLines, length}, static_cast<uint32_t>(length));
  HostTensor turned(type, {length, kLines});
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t r = 0; r < kLines; ++r) turned.set(kLines * i + r, x.at(r * length + i));
  }
  for (const bool reverse : {false, true}) {
    HostTensor want;
    for (const plan::DevicePlan& plan : devices(fast_f64)) {
      if (is_real_float(type) && bits(type) == 64 && !plan.has.f64) continue;
      InterpretedDevice device(plan);
      const auto owner = host_graveyard();
      const NodeRef rows = scan(operation, host_value(owner, type, x.shape, x.bytes), 1, reverse);
      const NodeRef columns =
          scan(operation, host_value(owner, type, turned.shape, turned.bytes), 0, reverse);
      const HostTensor by_rows = device.evaluate(rows);
      const HostTensor by_columns = device.evaluate(transpose(columns, {1, 0}));
      if (want.shape.empty()) {
        want = by_rows;
        const NodeRef again =
            scan(operation, host_value(owner, type, x.shape, x.bytes), 1, reverse);
        const HostTensor reference = reference_evaluate(*again);
        if (is_integer(type)) {
          EXPECT_EQ(difference(by_rows, reference), "") << operation << " of " << length;
        } else if (bits(type) >= 32) {
          expect_close(by_rows, reference, epsilon(type));
        }
      }
      EXPECT_EQ(difference(by_rows, want), "") << operation << " of " << length;
      EXPECT_EQ(difference(by_columns, want), "") << operation << " of columns of " << length;
      EXPECT_EQ(device.invalid(), "");
    }
  }
}

TEST(Scan, OneTreeForEveryDevice) {
  for (int64_t length : {1, 2, 31, 32, 33, 128, 129, 1000, 1024, 1025, 3000}) {
    check_tree("cumulative_sum", DType::f32, length, true);
    check_tree("cumulative_sum", DType::f32, length, false);
    check_tree("cumulative_max", DType::f16, length, true);
  }
  for (int64_t length : {7, 1025, 2500}) {
    check_tree("cumulative_sum", DType::u8, length, false);
    check_tree("cumulative_product", DType::s64, length, false);
    check_tree("cumulative_product", DType::f32, length, true);
    check_tree("cumulative_min", DType::u16, length, false);
    check_tree("cumulative_max", DType::f32, length, false);
    check_tree("cumulative_sum", DType::c64, length, true);
    check_tree("cumulative_sum", DType::f64, length, true);
    check_tree("cumulative_product", DType::c64, 40, false);
  }
}

TEST(Scan, ThreeLevelsOfBlocks) { check_tree("cumulative_sum", DType::f32, 36000, true); }

// Whole lines in one pass give the bits of lines that are cut into blocks.
TEST(Scan, ManyLinesAreReadOnce) {
  constexpr int64_t kLines = 2048, kLength = 1500;
  const HostTensor x = noise(DType::f32, {kLines, kLength}, 5);
  const auto owner = host_graveyard();
  const NodeRef all = host_value(owner, DType::f32, x.shape, x.bytes);
  InterpretedDevice device(discrete_plan());
  const HostTensor got = device.evaluate(scan("cumulative_sum", all, 1, false));
  EXPECT_EQ(device.dispatches(), 1);
  for (int64_t line : {int64_t{0}, int64_t{77}, kLines - 1}) {
    HostTensor one(DType::f32, {kLength});
    for (int64_t i = 0; i < kLength; ++i) one.set(i, x.at(line * kLength + i));
    InterpretedDevice other(discrete_plan());
    const HostTensor want = other.evaluate(
        scan("cumulative_sum", host_value(owner, DType::f32, one.shape, one.bytes), 0, false));
    EXPECT_EQ(other.dispatches(), 2);
    for (int64_t i = 0; i < kLength; ++i) ASSERT_EQ(got.at(line * kLength + i), want.at(i)) << i;
  }
}

// Factors whose products stay in range, and terms of either sign.
HostTensor near_one(DType type, Shape shape) {
  std::mt19937 random(7);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const auto n = static_cast<int64_t>(random());
    const double size = 0.9 + 0.2 * std::ldexp(static_cast<double>(n), -32);
    t.set(i, is_integer(type)   ? make_scalar(type, n)
             : is_complex(type) ? make_scalar(type, std::polar(size, static_cast<double>(n)))
                                : make_scalar(type, n % 2 ? size : -size));
  }
  return t;
}

// Along `axis`: blocks that look back have the bits of blocks that are read twice.
void check_look_back(const char* operation, DType type, const Shape& shape, int64_t axis,
                     plan::DevicePlan plan = discrete_plan()) {
  const HostTensor x = near_one(type, shape);
  for (const bool reverse : {false, true}) {
    const auto evaluate = [&](bool forward_progress) {
      plan.has.forward_progress = forward_progress;
      InterpretedDevice device(plan);
      const auto owner = host_graveyard();
      const NodeRef operand = host_value(owner, type, x.shape, x.bytes);
      const HostTensor got = device.evaluate(scan(operation, operand, axis, reverse));
      EXPECT_EQ(device.invalid(), "");
      EXPECT_EQ(device.kernels().contains("scan_totals"), !forward_progress);
      return got;
    };
    EXPECT_EQ(difference(evaluate(true), evaluate(false)), "")
        << operation << " of " << name(type) << (reverse ? " from the end" : "");
  }
}

TEST(Scan, LookingBackFollowsTheTree) {
  plan::DevicePlan no_f64 = discrete_plan();
  no_f64.has.f64 = no_f64.has.fast_f64 = no_f64.has.int64 = false;
  for (const DType type : {DType::u8, DType::s16, DType::u32, DType::s64, DType::f16, DType::f32,
                           DType::f64, DType::c64, DType::c128}) {
    for (const char* operation :
         {"cumulative_sum", "cumulative_product", "cumulative_max", "cumulative_min"}) {
      const bool orders =
          std::string_view(operation).ends_with('x') || std::string_view(operation).ends_with('n');
      if (orders && is_complex(type)) continue;
      check_look_back(operation, type, {3, 2500}, 1);
      check_look_back(operation, type, {2, 1100, 19}, 1);
      if (type == DType::f64 || type == DType::c128) continue;
      check_look_back(operation, type, {3, 2500}, 1, no_f64);
      check_look_back(operation, type, {1100, 19}, 0, no_f64);
    }
  }
}

TEST(Scan, LookingBackOverTwoLevels) {
  for (const int64_t length : {32768, 32769, 34000, 67000}) {
    check_look_back("cumulative_sum", DType::f32, {2, length}, 1);
  }
  check_look_back("cumulative_product", DType::c64, {34000}, 0);
  check_look_back("cumulative_sum", DType::f32, {34000, 9}, 0);
}

TEST(Scan, LookingBackOverThreeLevels) {
  check_look_back("cumulative_sum", DType::f32, {1024 * 1024 + 33 * 1024 + 1}, 0);
}

// The grid of one dimension does not hold all workgroups, some of which have no block.
TEST(Scan, LookingBackInAFoldedGrid) {
  plan::DevicePlan plan = discrete_plan();
  plan.max_group_count = 4;
  check_look_back("cumulative_sum", DType::f32, {33 * 1024}, 0, plan);
  check_look_back("cumulative_sum", DType::f32, {2100, 37}, 0, plan);
}

TEST(Scan, ZerosNaNAndInfinities) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto scanned = [&](const char* operation, std::initializer_list<double> list) {
    std::vector<Scalar> elements;
    for (double v : list) elements.push_back(make_scalar(DType::f32, v));
    const Shape shape = {static_cast<int64_t>(list.size())};
    const auto owner = host_graveyard();
    const auto x =
        host_value(owner, DType::f32, shape, HostTensor(DType::f32, shape, elements).bytes);
    InterpretedDevice device(discrete_plan());
    const NodeRef node = scan(operation, x, 0, false);
    const HostTensor want = reference_evaluate(*node);
    EXPECT_EQ(difference(device.evaluate(node), want), "") << operation;
  };
  for (const char* operation :
       {"cumulative_sum", "cumulative_product", "cumulative_max", "cumulative_min"}) {
    scanned(operation, {-0.0, -0.0, 0.0, 1.0, kInfinity, 2.0, -kInfinity, 3.0});
    scanned(operation, {0.0, -0.0, -1.0, kNaN, 5.0, -kInfinity, kNaN});
    scanned(operation, {-kInfinity, -0.0, 0.0, 0x1p127, 0x1p127, kInfinity});
  }
}

}  // namespace
}  // namespace nxv::kernels

// Sorts and scans on whatever device is there.
#include <cmath>
#include <limits>
#include <random>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

HostTensor from_floats(Shape shape, const std::vector<float>& values) {
  HostTensor t(DType::f32, std::move(shape));
  std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

// Ordinary numbers, one in eight a NaN, an infinity or a zero of either sign.
std::vector<float> with_specials(int64_t count, uint32_t seed) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const float specials[] = {kNaN, -kNaN, kInfinity, -kInfinity, 0.0f, -0.0f};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = random() % 8 == 0 ? specials[random() % 6] : normal(random);
  return values;
}

NodeRef call(const char* operation, const NodeRef& x, int64_t axis, const char* flag, bool on) {
  return library::call(
      operation, std::array{x},
      std::vector<library::Option>{{"axis", {axis}, {}}, {flag, {on ? 1 : 0}, {}}})[0];
}

void check_sorts(Engine& engine, const Shape& shape, int64_t axis, uint32_t seed) {
  const auto values = with_specials(element_count(shape), seed);
  const NodeRef x = tensor(engine, shape, values);
  const HostTensor host = from_floats(shape, values);
  for (const bool descending : {false, true}) {
    for (const char* operation : {"sort", "argsort"}) {
      const auto owner = host_graveyard();
      const NodeRef on_host = host_value(owner, DType::f32, shape, host.bytes);
      const HostTensor want =
          reference_evaluate(*call(operation, on_host, axis, "descending", descending));
      const HostTensor got = value(engine, call(operation, x, axis, "descending", descending));
      // NaN moves with all of its bits.
      EXPECT_TRUE(got.bytes == want.bytes)
          << operation << to_string(shape) << (descending ? " desc: " : " asc: ")
          << difference(got, want);
    }
  }
}

TEST(Sorting, AMillionFloats) {
  NXV_OPEN_OR_SKIP(engine);
  check_sorts(*engine, {1 << 20}, 0, 1);
}

TEST(Sorting, RowsOfEveryLength) {
  NXV_OPEN_OR_SKIP(engine);
  for (int64_t length : {1, 2, 3, 7, 31, 32, 33, 64, 65, 129, 500, 1000, 1023, 1024, 1025, 5000}) {
    check_sorts(*engine, {5, length}, 1, static_cast<uint32_t>(length));
  }
  check_sorts(*engine, {300, 40}, 1, 2);
  check_sorts(*engine, {2, 9000}, 1, 3);
}

TEST(Sorting, AnyAxis) {
  NXV_OPEN_OR_SKIP(engine);
  check_sorts(*engine, {6, 5, 7}, 0, 1);
  check_sorts(*engine, {6, 5, 7}, 1, 2);
  check_sorts(*engine, {100, 3}, 0, 3);
}

TEST(Sorting, TopK) {
  NXV_OPEN_OR_SKIP(engine);
  const auto values = with_specials(3 * 700, 9);
  const NodeRef x = tensor(*engine, {3, 700}, values);
  const auto results =
      library::call("top_k", std::array{x}, std::vector<library::Option>{{"k", {5}, {}}});
  const HostTensor sorted = value(*engine, call("sort", x, 1, "descending", true));
  const HostTensor top = value(*engine, results[0]), positions = value(*engine, results[1]);
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t i = 0; i < 5; ++i) {
      EXPECT_EQ(top.at(row * 5 + i), sorted.at(row * 700 + i));
      const int64_t from = row * 700 + to_int64(positions.at(row * 5 + i));
      EXPECT_EQ(std::bit_cast<uint32_t>(values[static_cast<size_t>(from)]), top.at(row * 5 + i).lo);
    }
  }
}

TEST(Sorting, ScansAlongAnyAxis) {
  NXV_OPEN_OR_SKIP(engine);
  std::mt19937 random(4);
  for (const Shape& shape : {Shape{100000}, Shape{3, 5000}, Shape{5000, 3}, Shape{2, 1500, 20},
                             Shape{40, 40000}, Shape{1100000}}) {
    std::vector<int32_t> values(static_cast<size_t>(element_count(shape)));
    for (int32_t& v : values) v = static_cast<int32_t>(random());
    const NodeRef x = tensor(*engine, shape, values);
    HostTensor host(DType::s32, shape);
    std::memcpy(host.bytes.data(), values.data(), host.bytes.size());
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      for (const char* operation : {"cumulative_sum", "cumulative_max"}) {
        const NodeRef on_host = host_value(host_graveyard(), DType::s32, shape, host.bytes);
        const auto at = static_cast<int64_t>(axis);
        const bool reverse = axis % 2 == 0;
        const HostTensor want =
            reference_evaluate(*call(operation, on_host, at, "reverse", reverse));
        const HostTensor got = value(*engine, call(operation, x, at, "reverse", reverse));
        EXPECT_EQ(difference(got, want), "") << operation << to_string(shape) << " axis " << axis;
      }
    }
  }
}

// Sums are wide: no small number is lost in a large f32.
TEST(Sorting, RunningSumsAreWide) {
  NXV_OPEN_OR_SKIP(engine);
  constexpr size_t kCount = 50000;
  std::vector<float> values(kCount, 1.0f);
  values[0] = 0x1p24f;
  const auto got = elements<float>(
      *engine, call("cumulative_sum", vector(*engine, values), 0, "reverse", false));
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(got[i], static_cast<float>(0x1p24 + static_cast<double>(i))) << i;
  }
}

}  // namespace
}  // namespace nxv::runtime

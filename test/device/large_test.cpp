// Tensors of more than 2^31 elements, where the device has the memory for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

constexpr int64_t kCount = (int64_t{1} << 31) + 5;
constexpr int64_t kPeriod = 4099;                 // of the elements; a prime
constexpr uint64_t kNeeded = uint64_t{10} << 30;  // bytes: four values, and what is under way

uint8_t at(int64_t i) { return static_cast<uint8_t>(1 + i % kPeriod % 19); }

class Large : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
    const plan::DevicePlan& plan = engine_->plan();
    if (plan.profile == plan::Profile::cpu) GTEST_SKIP() << "a CPU would take minutes";
    if (plan.max_allocation_bytes < static_cast<uint64_t>(kCount) + 64) {
      GTEST_SKIP() << "the device allows " << plan.max_allocation_bytes << " bytes at a time";
    }
    if (plan.memory_budget < kNeeded) {
      GTEST_SKIP() << "the device has " << plan.memory_budget << " bytes";
    }
  }

  NodeRef values(const Shape& shape) {
    const auto count = static_cast<size_t>(element_count(shape));
    auto bytes = std::make_shared<std::vector<uint8_t>>(count);
    const auto period = std::min(count, static_cast<size_t>(kPeriod));
    for (size_t i = 0; i < period; ++i) (*bytes)[i] = at(static_cast<int64_t>(i));
    for (size_t i = period; i < count; i += period) {
      std::copy_n(bytes->begin(), std::min(period, count - i),
                  bytes->begin() + static_cast<std::ptrdiff_t>(i));
    }
    return engine_->upload(DType::u8, shape, std::as_bytes(std::span(*bytes)), [bytes] {});
  }

  // Elements around every place where parts or words may end.
  void check(const NodeRef& x, const std::function<int64_t(int64_t)>& expected) {
    engine_->evaluate({x});
    for (const int64_t first : {int64_t{0}, (int64_t{1} << 30) - 7, (int64_t{1} << 31) - 71,
                                (int64_t{1} << 31) - 20, x->count - 12}) {
      const auto got = elements<uint8_t>(*engine_, slice(x, Shape{first}, Shape{12}, Shape{1}));
      for (int64_t i = 0; i < 12; ++i) {
        ASSERT_EQ(got[static_cast<size_t>(i)], static_cast<uint8_t>(expected(first + i)))
            << first + i;
      }
    }
  }

  std::shared_ptr<Engine> engine_;
};

TEST_F(Large, Elementwise) {
  const NodeRef x = values({kCount});
  check(x, at);
  check(elementwise(Op::add, {elementwise(Op::multiply, {x, x}), x}),
        [](int64_t i) { return at(i) * at(i) + at(i); });
}

// Slices that are large themselves.
TEST_F(Large, Slices) {
  const NodeRef x = values({kCount});
  const int64_t count = kCount - 3;
  const auto from = [&](int64_t first) { return slice(x, Shape{first}, Shape{count}, Shape{1}); };
  check(elementwise(Op::add, {from(3), from(0)}), [](int64_t i) { return at(i + 3) + at(i); });
}

TEST_F(Large, Reductions) {
  const NodeRef x = values({kCount});
  int64_t period = 0, rest = 0;
  for (int64_t i = 0; i < kPeriod; ++i) {
    period += at(i);
    if (i < kCount % kPeriod) rest += at(i);
  }
  const auto all = [&](Op op, DType type) {
    const HostTensor t = value(*engine_, reduce(op, cast(x, type), Axes{0}, false));
    return to_int64(load_scalar(t.dtype, t.bytes.data(), 0));
  };
  EXPECT_EQ(all(Op::sum, DType::u64), kCount / kPeriod * period + rest);
  EXPECT_EQ(all(Op::reduce_max, DType::u8), 19);
  EXPECT_EQ(all(Op::reduce_min, DType::u8), 1);
}

// Rows of 1 024 elements.
TEST_F(Large, Products) {
  constexpr int64_t kColumns = 1024, kRows = (int64_t{1} << 21) + 5;
  const NodeRef product = matmul(values({kRows, kColumns}), values({kColumns, 1}));
  const auto got = elements<uint8_t>(*engine_, product);
  ASSERT_EQ(got.size(), static_cast<size_t>(kRows));
  for (int64_t row = kRows - 1; row >= 0; row -= 997) {
    int64_t sum = 0;
    for (int64_t k = 0; k < kColumns; ++k) sum += int64_t{at(row * kColumns + k)} * at(k);
    ASSERT_EQ(got[static_cast<size_t>(row)], static_cast<uint8_t>(sum)) << row;
  }
}

}  // namespace
}  // namespace nxv::runtime

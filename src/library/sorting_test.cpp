// What the builders of sorts and scans make and refuse.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

NodeRef tensor(DType type, Shape shape) {
  return iota(host_graveyard(), type, std::move(shape), -1);
}

std::vector<NodeRef> call1(const char* name, const NodeRef& x, std::vector<Option> options = {}) {
  return call(name, std::array{x}, options);
}

std::string refusal(const char* name, const NodeRef& x, std::vector<Option> options = {}) {
  try {
    call1(name, x, std::move(options));
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(SortingLibrary, KeepsShapesAndTypes) {
  for (const char* name :
       {"sort", "cumulative_sum", "cumulative_product", "cumulative_max", "cumulative_min"}) {
    for (DType type : {DType::u8, DType::s4, DType::bf16, DType::f32, DType::s64}) {
      const NodeRef result = call1(name, tensor(type, {2, 3}), {{"axis", {1}, {}}})[0];
      EXPECT_EQ(result->dtype, type) << name;
      EXPECT_EQ(result->shape, (Shape{2, 3})) << name;
    }
  }
  EXPECT_EQ(call1("argsort", tensor(DType::f32, {4}))[0]->dtype, DType::s32);
  const Option type{"type", {static_cast<int64_t>(DType::u8)}, {}};
  EXPECT_EQ(call1("argsort", tensor(DType::f32, {4}), {type})[0]->dtype, DType::u8);
  const auto top = call1("top_k", tensor(DType::f16, {2, 5}), {{"k", {3}, {}}});
  EXPECT_EQ(top[0]->dtype, DType::f16);
  EXPECT_EQ(top[1]->dtype, DType::s32);
  EXPECT_EQ(top[0]->shape, (Shape{2, 3}));
  EXPECT_EQ(top[1]->shape, (Shape{2, 3}));
}

// Rows so long that they are gone over by pieces: equal elements, the least number and NaN among
// them.
TEST(SortingLibrary, TheGreatestOfLongRows) {
  constexpr int64_t kColumns = 9000, kBest = 100;
  const NodeRef number = tensor(DType::s32, {2, kColumns});
  const auto& owner = number->shared_graveyard();
  const auto s32 = [&](int64_t v) { return constant(owner, make_scalar(DType::s32, v), {}); };
  const NodeRef mixed =
      elementwise(Op::remainder, {elementwise(Op::multiply, {number, s32(7919)}), s32(61)});
  for (DType type : {DType::f32, DType::u8, DType::s64}) {
    NodeRef x = cast(mixed, type);
    if (type == DType::f32) {
      const auto f32 = [&](double v) { return constant(owner, make_scalar(DType::f32, v), {}); };
      const double infinity = std::numeric_limits<double>::infinity();
      const NodeRef least =
          elementwise(Op::select, {elementwise(Op::less, {x, f32(59)}), f32(-infinity), x});
      x = elementwise(Op::select, {elementwise(Op::equal, {x, f32(60)}), f32(std::nan("")), least});
    }
    const auto top = call1("top_k", x, {{"k", {kBest}, {}}});
    const NodeRef all = call1("argsort", x, {{"axis", {1}, {}}, {"descending", {1}, {}}})[0];
    const HostTensor positions = reference_evaluate(*top[1]), want = reference_evaluate(*all);
    const HostTensor values = reference_evaluate(*top[0]), elements = reference_evaluate(*x);
    for (int64_t i = 0; i < 2 * kBest; ++i) {
      const int64_t row = i / kBest, place = to_int64(want.at(row * kColumns + i % kBest));
      ASSERT_EQ(to_int64(positions.at(i)), place) << name(type) << " at " << i;
      const double value = to_double(values.at(i)),
                   element = to_double(elements.at(row * kColumns + place));
      ASSERT_TRUE(value == element || (std::isnan(value) && std::isnan(element))) << i;
    }
  }
}

TEST(SortingLibrary, AxesCountFromTheEnd) {
  const NodeRef x = tensor(DType::s32, {2, 3});
  const HostTensor last = reference_evaluate(*call1("cumulative_sum", x, {{"axis", {-1}, {}}})[0]);
  EXPECT_EQ(to_int64(last.at(5)), 3 + 4 + 5);
  const HostTensor first = reference_evaluate(*call1("cumulative_sum", x)[0]);
  EXPECT_EQ(to_int64(first.at(5)), 2 + 5);
}

TEST(SortingLibrary, Refuses) {
  const NodeRef x = tensor(DType::f32, {2, 3});
  EXPECT_EQ(refusal("sort", x, {{"axis", {2}, {}}}), "sort: axis 2 is out of range for f32{2, 3}");
  EXPECT_EQ(refusal("sort", tensor(DType::f32, {})), "sort: needs at least 1 axes, got f32{}");
  EXPECT_EQ(refusal("argsort", tensor(DType::c64, {3})),
            "argsort: complex numbers have no order, got c64{3}");
  EXPECT_EQ(refusal("cumulative_min", tensor(DType::c64, {3})),
            "cumulative_min: complex numbers have no order, got c64{3}");
  EXPECT_EQ(refusal("cumulative_sum", tensor(DType::c64, {3})), "none");
  EXPECT_EQ(refusal("argsort", x, {{"type", {static_cast<int64_t>(DType::f32)}, {}}}),
            "argsort: positions are integers, not f32");
  EXPECT_EQ(refusal("top_k", x, {{"k", {4}, {}}}),
            "top_k: k must be between 1 and the length of the last axis, got 4 for f32{2, 3}");
}

}  // namespace
}  // namespace nxv::library

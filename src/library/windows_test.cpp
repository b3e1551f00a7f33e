// Shapes, types and complaints of the windows family, without a device.
#include <gtest/gtest.h>

#include <functional>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

class Windows : public ::testing::Test {
 protected:
  NodeRef zeros(DType type, Shape shape) {
    return constant(owner_, make_scalar(type, 0.0), std::move(shape));
  }
  NodeRef vector(std::initializer_list<double> list) {
    std::vector<Scalar> elements;
    for (double v : list) elements.push_back(make_scalar(DType::f32, v));
    const Shape shape = {static_cast<int64_t>(list.size())};
    return host_value(owner_, DType::f32, shape, HostTensor(DType::f32, shape, elements).bytes);
  }
  static NodeRef call(std::string_view name, const std::vector<NodeRef>& operands,
                      const std::vector<Option>& options) {
    return library::call(name, operands, options)[0];
  }
  static std::vector<double> values(const NodeRef& node) {
    const HostTensor t = reference_evaluate(*node);
    std::vector<double> list;
    for (int64_t i = 0; i < t.count(); ++i) list.push_back(to_double(t.at(i)));
    return list;
  }
  static std::string complaint(const std::function<void()>& build) {
    try {
      build();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  static bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  GraveyardRef owner_ = host_graveyard();
};

TEST_F(Windows, SumsKeepTheTypeAndWrap) {
  const NodeRef x = cast(vector({200, 100, 50, 3}), DType::u8);
  const NodeRef sums = call("window_sum", {x}, {{"window", {2}, {}}});
  EXPECT_EQ(sums->dtype, DType::u8);
  EXPECT_EQ(values(sums), (std::vector<double>{44, 150, 53}));
}

TEST_F(Windows, PaddingStridesAndDilations) {
  const NodeRef x = vector({1, 2, 3, 4, 5});
  EXPECT_EQ(values(call("window_sum", {x},
                        {{"window", {2}, {}}, {"dilations", {2}, {}}, {"low", {1}, {}}})),
            (std::vector<double>{2, 4, 6, 8}));
  EXPECT_EQ(values(call("window_max", {x},
                        {{"window", {3}, {}}, {"strides", {2}, {}}, {"high", {2}, {}}})),
            (std::vector<double>{3, 5, 5}));
  // Negative padding crops.
  EXPECT_EQ(values(call("window_product", {x}, {{"window", {2}, {}}, {"low", {-2}, {}}})),
            (std::vector<double>{12, 20}));
  EXPECT_EQ(
      values(call("window_min", {x}, {{"window", {2}, {}}, {"low", {-1}, {}}, {"high", {-1}, {}}})),
      (std::vector<double>{2, 3}));
}

TEST_F(Windows, PositionsOfExtremes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const NodeRef ties = vector({1, 3, -0.0, 3, 0.0});
  EXPECT_EQ(values(call("argmax", {ties}, {})), (std::vector<double>{1}));
  EXPECT_EQ(values(call("argmax", {ties}, {{"tie_high", {1}, {}}})), (std::vector<double>{3}));
  EXPECT_EQ(values(call("argmin", {ties}, {})), (std::vector<double>{2}));
  EXPECT_EQ(values(call("argmin", {ties}, {{"tie_high", {1}, {}}})), (std::vector<double>{4}));
  // The last NaN, whatever the tie break.
  const NodeRef holes = vector({nan, 3, nan, 5});
  for (int64_t high : {0, 1}) {
    EXPECT_EQ(values(call("argmin", {holes}, {{"tie_high", {high}, {}}})),
              (std::vector<double>{2}));
  }
  const NodeRef x = zeros(DType::s16, {2, 3, 4});
  EXPECT_EQ(call("argmax", {x}, {{"axis", {-2}, {}}})->shape, (Shape{2, 4}));
  EXPECT_EQ(call("argmax", {x}, {{"axis", {1}, {}}, {"keep_axis", {1}, {}}})->shape,
            (Shape{2, 1, 4}));
  const Option type{"type", {static_cast<int64_t>(DType::u8)}, {}};
  EXPECT_EQ(call("argmax", {x}, {type})->dtype, DType::u8);
}

// Scanned with >=: a NaN at the front stays, others are never chosen.
TEST_F(Windows, ScattersChooseAsAScanDoes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Option> pairs = {{"window", {2}, {}}, {"strides", {2}, {}}};
  const NodeRef source = vector({10, 20, 30});
  const NodeRef init = constant(owner_, make_scalar(DType::f32, 1.0), {});
  EXPECT_EQ(
      values(call("window_scatter_max", {vector({5, 5, nan, 7, 2, nan}), source, init}, pairs)),
      (std::vector<double>{1, 11, 21, 1, 31, 1}));
  EXPECT_EQ(values(call("window_scatter_min", {vector({5, 4, 1, 7, 2, 2}), source, init}, pairs)),
            (std::vector<double>{1, 11, 21, 1, 1, 31}));
  // Overlapping windows add up; padding takes what it wins.
  const std::vector<Option> wide = {{"window", {3}, {}}, {"low", {1}, {}}, {"high", {1}, {}}};
  EXPECT_EQ(values(call("window_scatter_max", {vector({-1, 9, -5}), source, init}, wide)),
            (std::vector<double>{1, 61, 1}));
  EXPECT_EQ(values(call("window_scatter_max", {vector({-1, -2, -5}), source, init}, wide)),
            (std::vector<double>{21, 1, 1}));
}

TEST_F(Windows, FoldsInOrder) {
  const NodeRef x = vector({1, 2, 3, 4});
  const NodeRef p = parameter(owner_, DType::f32), acc = parameter(owner_, DType::f32);
  const NodeRef start = constant(owner_, make_scalar(DType::f32, 100.0), {});
  const NodeRef half = constant(owner_, make_scalar(DType::f32, 0.5), {});
  // acc / 2 + x: the order shows.
  const NodeRef body = elementwise(Op::add, {elementwise(Op::multiply, {acc, half}), p});
  EXPECT_EQ(values(call("reduce", {x, start, p, acc, body}, {})), (std::vector<double>{12.375}));
  EXPECT_EQ(call("reduce", {x, start, p, acc, body}, {{"keep_axes", {1}, {}}})->shape, (Shape{1}));
  EXPECT_EQ(values(call("window_reduce", {x, start, p, acc, body},
                        {{"window", {2}, {}}, {"low", {1}, {}}})),
            (std::vector<double>{76, 27.5, 29, 30.5}));
}

TEST_F(Windows, FunctionsAreScalarAndPointwise) {
  const NodeRef x = vector({1, 2}), start = zeros(DType::f32, {});
  const NodeRef p = parameter(owner_, DType::f32), acc = parameter(owner_, DType::f32);
  const auto body_of = [&](const NodeRef& body) {
    return complaint([&] { call("reduce", {x, start, p, acc, body}, {}); });
  };
  EXPECT_EQ(body_of(elementwise(Op::add, {p, acc})), "");
  EXPECT_TRUE(contains(body_of(elementwise(Op::add, {p, x})), "not a scalar"));
  EXPECT_TRUE(contains(body_of(reduce(Op::sum, p, std::nullopt, false)), "cannot be computed"));
  EXPECT_TRUE(contains(body_of(elementwise(Op::add, {p, parameter(owner_, DType::f32)})),
                       "no parameter of this function"));
  EXPECT_TRUE(contains(complaint([&] {
                         call("reduce", {x, start, x, acc, p}, {});
                       }),
                       "parameters"));
  EXPECT_TRUE(contains(complaint([&] { call("reduce", {x, x, p, acc, p}, {}); }), "scalar"));
}

TEST_F(Windows, ConvolutionShapes) {
  const NodeRef x = zeros(DType::u8, {4, 6, 9, 8});
  const NodeRef y = call("conv", {x, zeros(DType::s8, {10, 3, 3, 2})},
                         {{"strides", {2, 1}, {}},
                          {"low", {1, -1}, {}},
                          {"input_dilation", {1, 2}, {}},
                          {"kernel_dilation", {2, 1}, {}},
                          {"feature_group_size", {2}, {}},
                          {"output_permutation", {0, 3, 1, 2}, {}}});
  EXPECT_EQ(y->shape, (Shape{4, 3, 13, 10}));
  EXPECT_EQ(y->dtype, DType::f32);
  EXPECT_EQ(
      call("conv", {x, zeros(DType::u8, {6, 6, 1, 1})}, {{"batch_group_size", {2}, {}}})->shape,
      (Shape{2, 6, 9, 8}));
}

TEST_F(Windows, Complaints) {
  const NodeRef x = vector({1, 2, 3}), z = zeros(DType::c64, {3});
  EXPECT_TRUE(contains(complaint([&] {
                         call("window_sum", {x}, {{"window", {4}, {}}});
                       }),
                       "does not fit"));
  EXPECT_TRUE(contains(complaint([&] {
                         call("window_sum", {x}, {{"window", {2}, {}}, {"strides", {0}, {}}});
                       }),
                       "at least 1"));
  EXPECT_TRUE(contains(complaint([&] {
                         call("window_max", {z}, {{"window", {2}, {}}});
                       }),
                       "no order"));
  EXPECT_TRUE(contains(complaint([&] { call("argmax", {z}, {}); }), "no order"));
  const Option real{"type", {static_cast<int64_t>(DType::f32)}, {}};
  EXPECT_TRUE(contains(complaint([&] { call("argmin", {x}, {real}); }), "integer type"));
  EXPECT_TRUE(
      contains(complaint([&] {
                 call("window_scatter_max", {x, x, zeros(DType::f32, {})}, {{"window", {2}, {}}});
               }),
               "windows {2}"));
  EXPECT_TRUE(
      contains(complaint([&] {
                 call("conv", {zeros(DType::f32, {1, 4, 5}), zeros(DType::f32, {2, 3, 1})}, {});
               }),
               "do not go with"));
}

}  // namespace
}  // namespace nxv::library

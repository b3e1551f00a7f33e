// Shapes, types and errors of the transforms; their values are tested where they are computed.
#include <gtest/gtest.h>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

NodeRef tensor(DType type, Shape shape) {
  return iota(host_graveyard(), type, std::move(shape), -1);
}

NodeRef one(std::string_view name, const NodeRef& x, const std::vector<Option>& options = {}) {
  return call(name, std::span(&x, 1), options).at(0);
}

std::string failure(std::string_view name, const NodeRef& x, const std::vector<Option>& options) {
  try {
    one(name, x, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(Transforms, ShapesAndTypes) {
  const NodeRef x = tensor(DType::f32, {3, 8, 5});
  const auto expect = [](const NodeRef& y, DType type, const Shape& shape) {
    EXPECT_EQ(y->dtype, type);
    EXPECT_EQ(y->shape, shape);
  };
  expect(one("fft", x), DType::c64, {3, 8, 5});
  expect(one("fft", tensor(DType::u2, {4})), DType::c64, {4});
  expect(one("ifft", tensor(DType::f64, {4})), DType::c128, {4});
  expect(one("fft", x, {{"axis", {-2}, {}}, {"length", {11}, {}}}), DType::c64, {3, 11, 5});
  expect(one("fft", x, {{"axis", {0}, {}}, {"length", {2}, {}}}), DType::c64, {2, 8, 5});
  expect(one("fft2", x), DType::c64, {3, 8, 5});
  expect(one("ifft2", x, {{"axes", {0, 2}, {}}, {"lengths", {4, 7}, {}}}), DType::c64, {4, 8, 7});
  expect(one("rfft", x, {{"axis", {1}, {}}}), DType::c64, {3, 5, 5});
  expect(one("rfft", tensor(DType::f64, {7})), DType::c128, {4});
  expect(one("rfft", tensor(DType::s32, {7}), {{"length", {16}, {}}}), DType::c64, {9});
  expect(one("irfft", tensor(DType::c64, {5})), DType::f32, {8});
  expect(one("irfft", tensor(DType::c128, {2, 5}), {{"length", {9}, {}}}), DType::f64, {2, 9});
  expect(one("irfft", tensor(DType::c64, {5}), {{"length", {1}, {}}}), DType::f32, {1});
}

TEST(Transforms, Errors) {
  const NodeRef x = tensor(DType::f32, {3, 4});
  EXPECT_NE(failure("fft", x, {{"axis", {2}, {}}}).find("axis 2 is out of range"),
            std::string::npos);
  EXPECT_NE(failure("fft", x, {{"length", {0}, {}}}).find("at least 1, got 0"), std::string::npos);
  EXPECT_NE(failure("fft", tensor(DType::f32, {}), {}).find("at least 1 axes"), std::string::npos);
  EXPECT_NE(failure("fft2", tensor(DType::f32, {4}), {}).find("at least 2 axes"),
            std::string::npos);
  EXPECT_NE(failure("fft2", x, {{"axes", {1, -1}, {}}}).find("given twice"), std::string::npos);
  EXPECT_NE(failure("fft2", x, {{"lengths", {4}, {}}}).find("takes two lengths"),
            std::string::npos);
  EXPECT_NE(failure("rfft", tensor(DType::c64, {4}), {}).find("takes a real tensor"),
            std::string::npos);
  EXPECT_NE(failure("irfft", tensor(DType::c64, {1}), {}).find("at least 1, got 0"),
            std::string::npos);
}

}  // namespace
}  // namespace nxv::library

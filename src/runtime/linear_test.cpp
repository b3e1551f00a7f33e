// Linear algebra on the device.
#include <gtest/gtest.h>

#include <limits>

#include "library/registry.h"
#include "runtime/engine_fixture_test.h"
#include "testing/linear_check_test.h"

namespace nxv::runtime {
namespace {

using nxv::testing::check_cholesky;
using nxv::testing::check_eigh;
using nxv::testing::check_lu;
using nxv::testing::check_qr;
using nxv::testing::check_svd;
using nxv::testing::graded;
using nxv::testing::hard_batch;
using nxv::testing::hermitian_batch;
using nxv::testing::kLinearTypes;
using nxv::testing::Matrix;
using nxv::testing::matrix_of;
using nxv::testing::random_hermitian;
using nxv::testing::random_matrix;
using nxv::testing::tensor_of;

using Options = std::vector<library::Option>;
using SizeList = std::vector<std::pair<int64_t, int64_t>>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class Linear : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }

  NodeRef upload(const HostTensor& t) {
    auto bytes = std::make_shared<std::vector<std::byte>>(t.bytes);
    return engine_->upload(t.dtype, t.shape, *bytes, [bytes] {});
  }
  std::vector<HostTensor> operator()(const char* name, const std::vector<HostTensor>& operands,
                                     const Options& options = {}) {
    std::vector<NodeRef> nodes;
    for (const HostTensor& t : operands) nodes.push_back(upload(t));
    std::vector<HostTensor> results;
    for (const NodeRef& node : library::call(name, nodes, options)) {
      results.push_back(value(*engine_, node));
    }
    return results;
  }
  nxv::testing::LinearCall call() {
    return [this](const char* name, const std::vector<HostTensor>& operands,
                  const Options& options) { return (*this)(name, operands, options); };
  }
  // A node whose values the host does not know.
  NodeRef hidden(const HostTensor& t) {
    return elementwise(Op::add, {upload(t), upload(HostTensor(t.dtype, {}))});
  }

  std::shared_ptr<Engine> engine_;
};

HostTensor matrix(DType type, int64_t rows, int64_t columns, const std::vector<double>& elements) {
  HostTensor t(type, {rows, columns});
  for (size_t i = 0; i < elements.size(); ++i) {
    t.set(static_cast<int64_t>(i), make_scalar(type, elements[i]));
  }
  return t;
}

std::vector<double> numbers(const HostTensor& t) {
  std::vector<double> list;
  for (int64_t i = 0; i < t.count(); ++i) list.push_back(to_complex_double(t.at(i)).real());
  return list;
}

TEST_F(Linear, LuReconstructs) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33, 64}) {
      check_lu(call(), type, hard_batch(type, n, n, 1));
    }
  }
}

TEST_F(Linear, CholeskyReconstructs) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33, 64}) {
      check_cholesky(
          call(), type,
          {random_hermitian(type, graded(n, 100), 1), random_hermitian(type, graded(n, 1e4), 2)});
    }
  }
}

TEST_F(Linear, QrReconstructs) {
  for (const DType type : kLinearTypes) {
    for (const auto& [m, n] : SizeList{{1, 1},
                                       {2, 2},
                                       {3, 3},
                                       {5, 3},
                                       {3, 5},
                                       {1, 4},
                                       {4, 1},
                                       {33, 33},
                                       {64, 20},
                                       {20, 64}}) {
      check_qr(call(), type, hard_batch(type, m, n, 3));
    }
  }
}

TEST_F(Linear, EighReconstructs) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33}) {
      check_eigh(call(), type, hermitian_batch(type, n, 5));
    }
  }
}

TEST_F(Linear, SvdReconstructs) {
  for (const DType type : {DType::f32, DType::f64}) {
    for (const auto& [m, n] : SizeList{{1, 1},
                                       {2, 2},
                                       {3, 3},
                                       {5, 3},
                                       {3, 5},
                                       {1, 4},
                                       {4, 1},
                                       {33, 33},
                                       {40, 20},
                                       {20, 40}}) {
      check_svd(call(), type, hard_batch(type, m, n, 3));
    }
  }
}

// Elements near both ends of f64's range.
TEST_F(Linear, ScaleDoesNotMatter) {
  for (const double size : {1e-290, 1e-160, 1e160, 1e290}) {
    Matrix x = random_matrix(DType::f64, 9, 9, 1),
           y = random_hermitian(DType::f64, graded(9, 5), 2);
    for (auto& e : x.elements) e *= size;
    for (auto& e : y.elements) e *= size;
    const HostTensor t = tensor_of(DType::f64, {x}), h = tensor_of(DType::f64, {y});
    const auto scaled_back = [&](const HostTensor& result) {
      Matrix m = matrix_of(result);
      for (auto& e : m.elements) e /= size;
      return m;
    };
    const auto qr = (*this)("qr", {t});
    EXPECT_LT(norm(matrix_of(qr[0]) * scaled_back(qr[1]) - scaled_back(t)), 1e-13);
    const auto eigh = (*this)("eigh", {h});
    std::vector<double> values = nxv::testing::vector_of(eigh[0]);
    for (double& v : values) v /= size;
    const Matrix v = matrix_of(eigh[1]);
    EXPECT_LT(norm(scaled_columns(v, values) * adjoint(v) - scaled_back(h)), 1e-13);
    const auto svd = (*this)("svd", {t});
    values = nxv::testing::vector_of(svd[1]);
    for (double& s : values) s /= size;
    EXPECT_LT(norm(scaled_columns(matrix_of(svd[0]), values) * matrix_of(svd[2]) - scaled_back(t)),
              1e-13);
  }
}

TEST_F(Linear, ZerosAndSigns) {
  const auto svd = (*this)("svd", {HostTensor(DType::f32, {3, 4})});
  EXPECT_EQ(numbers(svd[0]), numbers(matrix(DType::f32, 3, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1})));
  EXPECT_EQ(numbers(svd[1]), std::vector<double>(3, 0));
  EXPECT_EQ(numbers(svd[2]), (std::vector<double>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}));

  const auto tall =
      (*this)("svd", {matrix(DType::f32, 4, 3, {2, 0, 0, 0, 3, 0, 0, 0, -1, 0, 0, 0})});
  EXPECT_EQ(numbers(tall[0]),
            (std::vector<double>{0, 1, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(numbers(tall[1]), (std::vector<double>{3, 2, 1}));
  EXPECT_EQ(numbers(tall[2]), (std::vector<double>{0, 1, 0, 1, 0, 0, 0, 0, 1}));

  // By descending magnitude.
  const auto eigh = (*this)("eigh", {matrix(DType::s32, 2, 2, {1, 0, 0, -2})});
  EXPECT_EQ(numbers(eigh[0]), (std::vector<double>{-2, 1}));
  EXPECT_EQ(numbers(eigh[1]), (std::vector<double>{0, 1, 1, 0}));

  // The diagonal of R is positive but for its last element.
  const auto qr = (*this)("qr", {matrix(DType::f32, 2, 2, {3, 1, 4, 3})});
  EXPECT_NEAR(numbers(qr[1])[0], 5, 1e-6);
  EXPECT_NEAR(numbers(qr[1])[3], -1, 1e-6);
}

void expect_near(const HostTensor& got, const std::vector<std::complex<double>>& want) {
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(std::abs(to_complex_double(got.at(static_cast<int64_t>(i))) - want[i]), 0, 2e-3)
        << "element " << i;
  }
}

// Order, signs and phases of what Nx's tests and documentation show.
TEST_F(Linear, SignsAreThoseOfNx) {
  auto eigh = (*this)("eigh", {matrix(DType::s32, 5, 5, {5,  -1, 0, 1, 2,  //
                                                         -1, 5,  0, 5, 3,  //
                                                         0,  0,  4, 7, 2,  //
                                                         1,  5,  7, 0, 9,  //
                                                         2,  3,  2, 9, 2})});
  expect_near(eigh[0], {16.394, -9.738, 5.901, 4.334, -0.892});
  expect_near(eigh[1], {0.112, 0.004,  0.828,  -0.440, -0.328,  //
                        0.395, -0.163, -0.533, -0.534, -0.497,  //
                        0.427, -0.326, 0.137,  0.700,  -0.452,  //
                        0.603, 0.783,  0.008,  0.079,  0.130,   //
                        0.534, -0.504, 0.103,  -0.160, 0.651});

  const std::complex<double> i(0, 1);
  Matrix hermitian(3, 3);
  hermitian.elements = {1, 2.0 * i, 2, -2.0 * i, -3, 2.0 * i, 2, -2.0 * i, 1};
  eigh = (*this)("eigh", {tensor_of(DType::c64, {hermitian})});
  expect_near(eigh[0], {-5, 3, 1});
  expect_near(eigh[1], {-0.4082 * i, 0.7071, 0.5773,  //
                        0.8164, 0, -0.5773 * i,       //
                        0.4082 * i, 0.7071, -0.5773});

  const auto svd = (*this)("svd", {matrix(DType::f32, 3, 3, {1, 2, 3, 0, 4, 0, 0, 0, 9})});
  expect_near(svd[0], {0.335, 0.408, 0.849, 0.036, 0.895, -0.445, 0.941, -0.18, -0.286});
  expect_near(svd[1], {9.52, 4.433, 0.853});
  expect_near(svd[2], {0.035, 0.0856, 0.996, 0.092, 0.992, -0.089, 0.995, -0.094, -0.027});
}

TEST_F(Linear, SingularMatrices) {
  const HostTensor singular = matrix(DType::f32, 2, 2, {1, 9, 1, 0});
  const HostTensor b = matrix(DType::f32, 2, 1, {1, 2});
  const auto message = [&](const std::function<NodeRef()>& build) -> std::string {
    try {
      value(*engine_, build());
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), Status::arithmetic);
      return e.what();
    }
    return "";
  };
  const auto solve = [&](const NodeRef& a) {
    return library::call("triangular_solve", std::vector{a, upload(b)}, {})[0];
  };
  // Known when it is built, or only to the device.
  EXPECT_THROW(solve(upload(singular)), Error);
  const NodeRef x = solve(hidden(singular));
  EXPECT_NE(message([&] { return x; }).find("can't solve for singular matrix"), std::string::npos);
  // The other triangle is not read.
  EXPECT_EQ(numbers((*this)("triangular_solve", {matrix(DType::f32, 2, 2, {1, 9, 1, 2}), b})[0]),
            (std::vector<double>{1, 0.5}));

  const HostTensor flat = matrix(DType::f32, 2, 2, {1, 2, 2, 4});
  EXPECT_NE(message([&] {
              return library::call("solve", std::vector{upload(flat), upload(b)}, {})[0];
            }),
            "");
  for (const double e : numbers((*this)("invert", {flat})[0])) EXPECT_TRUE(std::isnan(e));
  EXPECT_EQ(numbers((*this)("determinant", {flat})[0]), std::vector<double>{0});
  EXPECT_EQ(numbers((*this)("determinant", {HostTensor(DType::s32, {5, 5})})[0]),
            std::vector<double>{0});
}

TEST_F(Linear, InvertsAndSolves) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 2, 4, 20}) {
      const Matrix x = random_matrix(type, n, n, graded(n, 10), 7);
      const HostTensor t = tensor_of(type, {x, x});
      const Matrix inverse = matrix_of((*this)("invert", {t})[0], 1);
      EXPECT_LT(norm(x * inverse - nxv::testing::identity(n)),
                200 * nxv::testing::unit(type, x) * static_cast<double>(n));
      const Matrix b = random_matrix(type, n, 3, 8);
      const Matrix y = matrix_of((*this)("solve", {t, tensor_of(type, {b, b})})[0], 1);
      EXPECT_LT(norm(x * y - b) / norm(b), 200 * nxv::testing::unit(type, x));
    }
  }
}

TEST_F(Linear, NotPositiveDefinite) {
  const auto l = numbers((*this)("cholesky", {matrix(DType::f64, 3, 3,
                                                     {4, kNaN, kNaN,  //
                                                      2, -5, kNaN,    //
                                                      6, 1, 30})})[0]);
  EXPECT_EQ(l[0], 2);
  EXPECT_EQ(l[3], 1);
  EXPECT_EQ(l[6], 3);
  for (const int i : {1, 2, 5}) EXPECT_EQ(l[i], 0);
  for (const int i : {4, 7, 8}) EXPECT_TRUE(std::isnan(l[i]));
}

// NaN and infinities end somewhere: no hang, no wild index.
TEST_F(Linear, NotNumbers) {
  for (const double bad : {kNaN, std::numeric_limits<double>::infinity()}) {
    std::vector<double> elements(25, 1);
    elements[7] = elements[11] = bad;
    for (const char* name : {"lu", "qr", "eigh", "svd", "cholesky", "determinant", "invert"}) {
      (*this)(name, {matrix(DType::f32, 5, 5, elements)});
    }
  }
}

TEST_F(Linear, ManySmallMatrices) {
  std::vector<Matrix> batch;
  for (uint32_t i = 0; i < 100; ++i) batch.push_back(random_matrix(DType::f32, 4, 4, i));
  check_lu(call(), DType::f32, batch);
  check_qr(call(), DType::f32, batch);
  check_svd(call(), DType::f32, batch);
}

// Large ones take seconds on a CPU.

TEST_F(Linear, DISABLED_LongLu) {
  for (const DType type : {DType::f32, DType::f64}) {
    check_lu(call(), type, {random_matrix(type, 512, 512, 1)});
  }
}

TEST_F(Linear, DISABLED_LongCholesky) {
  for (const DType type : {DType::f32, DType::f64}) {
    check_cholesky(call(), type, {random_hermitian(type, graded(512, 1e4), 2)});
  }
}

TEST_F(Linear, DISABLED_LongQr) {
  for (const DType type : {DType::f32, DType::f64}) {
    check_qr(call(), type, {random_matrix(type, 512, 512, 3)});
  }
}

TEST_F(Linear, DISABLED_LongEigh) {
  check_eigh(call(), DType::f64, {random_hermitian(DType::f64, graded(512, 1e6), 4)});
}

TEST_F(Linear, DISABLED_LongSvd) {
  check_svd(call(), DType::f64, {random_matrix(DType::f64, 512, 512, graded(512, 1e6), 5)});
}

TEST_F(Linear, DISABLED_LongSvdOfDeficientRank) {
  check_svd(call(), DType::f32, {random_matrix(DType::f32, 512, 512, graded(512, 100, 100), 6)});
}

}  // namespace
}  // namespace nxv::runtime

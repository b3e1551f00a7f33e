// Linear algebra on the device.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "library/registry.h"
#include "testing/driver/engine_fixture.h"
#include "testing/linear/linear_check.h"

namespace nxv::runtime {
namespace {

using nxv::testing::Batch;
using nxv::testing::batch_of;
using nxv::testing::graded;
using nxv::testing::hard_hermitian;
using nxv::testing::hard_matrix;
using nxv::testing::kLinearTypes;
using nxv::testing::LinearCheck;
using nxv::testing::matrix;
using nxv::testing::Matrix;
using nxv::testing::matrix_of;
using nxv::testing::numbers;
using nxv::testing::positive_definite;
using nxv::testing::random_hermitian;
using nxv::testing::random_matrix;
using nxv::testing::tensor_of;

using Options = std::vector<library::Option>;

struct Size {
  Shape axes;
  int64_t rows, columns;
};
// Single matrices, all that is hard, batches.
const std::vector<Size> kSquares = {{{}, 1, 1},   {{7}, 1, 1},   {{}, 2, 2},     {{7}, 2, 2},
                                    {{}, 3, 3},   {{7}, 3, 3},   {{2, 3}, 5, 5}, {{64}, 8, 8},
                                    {{}, 17, 17}, {{7}, 17, 17}, {{16}, 32, 32}, {{}, 64, 64},
                                    {{4}, 64, 64}};
const std::vector<Size> kRectangles = {{{}, 4, 1},    {{5}, 1, 4},   {{2, 3}, 5, 3}, {{5}, 3, 5},
                                       {{32}, 8, 3},  {{32}, 3, 8},  {{5}, 33, 17},  {{5}, 17, 33},
                                       {{4}, 64, 20}, {{4}, 20, 64}, {{}, 128, 40},  {{}, 40, 128}};
constexpr int64_t kLargeSquares[] = {256, 512};

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

TEST_F(Linear, LuReconstructs) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const auto& [axes, n, _] : kSquares) {
      check.lu(type, batch_of(axes, hard_matrix, type, n, n));
    }
    check.lu(type, batch_of({2}, hard_matrix, type, 128, 128));
  }
}

TEST_F(Linear, CholeskyReconstructs) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const auto& [axes, n, _] : kSquares) {
      check.cholesky(type, batch_of(axes, positive_definite, type, n));
    }
    check.cholesky(type, batch_of({2}, positive_definite, type, 128));
  }
}

TEST_F(Linear, QrReconstructs) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const std::vector<Size>& list : {kSquares, kRectangles}) {
      for (const auto& [axes, m, n] : list) check.qr(type, batch_of(axes, hard_matrix, type, m, n));
    }
    check.qr(type, batch_of({2}, hard_matrix, type, 128, 128));
  }
}

TEST_F(Linear, EighReconstructs) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const auto& [axes, n, _] : kSquares) {
      check.eigh(type, batch_of(axes, hard_hermitian, type, n));
    }
  }
  check.eigh(DType::f64, batch_of({}, hard_hermitian, DType::f64, 128));
}

TEST_F(Linear, SvdReconstructs) {
  LinearCheck check(call());
  for (const DType type : {DType::f32, DType::f64}) {
    for (const std::vector<Size>& list : {kSquares, kRectangles}) {
      for (const auto& [axes, m, n] : list)
        check.svd(type, batch_of(axes, hard_matrix, type, m, n));
    }
  }
  check.svd(DType::f64, batch_of({}, hard_matrix, DType::f64, 128, 128));
}

// Of full rank, well- and ill-conditioned, with a determinant of about one.
Matrix regular_matrix(DType type, int64_t n, uint32_t i) {
  const double condition = i % 2 == 0 ? 1e6 : 10;
  std::vector<double> values = graded(n, condition);
  for (double& v : values) v *= std::sqrt(n == 1 ? 1 : condition);
  return random_matrix(type, n, n, values, i);
}

TEST_F(Linear, SolutionsHaveSmallResiduals) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const auto& [axes, n, _] : kSquares) {
      const Batch a = batch_of(axes, regular_matrix, type, n);
      const auto right = [](DType t, int64_t rows, int64_t columns, uint32_t i) {
        return random_matrix(t, rows, columns, i + 100);
      };
      check.solve(type, a, batch_of(axes, right, type, n, int64_t{3}));
      check.invert(type, a);
      check.determinant(type, a);
    }
  }
}

// An upper triangle and a lower one of the condition of a regular matrix, in one.
Matrix two_triangles(DType type, int64_t n, uint32_t i) {
  const DType wide = is_complex(type) ? DType::c128 : DType::f64;
  const auto triangle = [&](uint32_t seed) {
    const HostTensor a = tensor_of(wide, {{}, {regular_matrix(type, n, seed)}});
    return matrix_of(nxv::testing::reference_call()("qr", {a}, {})[1]);
  };
  const Matrix upper = triangle(i), lower = adjoint(triangle(i + 2));
  Matrix x(n, n);
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      x(row, column) = column >= row ? upper(row, column) : lower(row, column);
    }
  }
  return rounded(type, x);
}

TEST_F(Linear, TriangularSystems) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const auto& [axes, n] : std::vector<std::pair<Shape, int64_t>>{
             {{}, 1}, {{2}, 2}, {{2, 3}, 5}, {{}, 17}, {{}, 33}, {{2}, 64}}) {
      const Batch a = batch_of(axes, two_triangles, type, n);
      for (int64_t choice = 0; choice < 12; ++choice) {
        const bool left = (choice & 2) != 0;
        const auto right = [left, n = n](DType t, uint32_t i) {
          return left ? random_matrix(t, n, 3, i) : random_matrix(t, 3, n, i);
        };
        check.triangular_solve(type, a, batch_of(axes, right, type),
                               {(choice & 1) != 0, left, choice >> 2});
      }
    }
  }
}

// Elements near both ends of f64's range.
TEST_F(Linear, ScaleDoesNotMatter) {
  struct Case {
    DType type;
    int64_t n;
    double size, error;
  };
  std::vector<Case> cases;
  for (const double size : {1e-290, 1e-160, 1e160, 1e290}) {
    for (const int64_t n : {5, 9, 20}) cases.push_back({DType::f64, n, size, 1e-12});
  }
  for (const double size : {1e-30, 1e-22, 1e22, 1e30}) {
    for (const int64_t n : {5, 9, 20}) cases.push_back({DType::f32, n, size, 1e-5});
  }
  for (const auto& [type, n, size, error] : cases) {
    Matrix x = random_matrix(type, n, n, 1), y = random_hermitian(type, graded(n, 5), 2);
    for (auto& e : x.elements) e *= size;
    for (auto& e : y.elements) e *= size;
    const HostTensor t = tensor_of(type, {{}, {x}}), h = tensor_of(type, {{}, {y}});
    const auto scaled_back = [size = size](const HostTensor& result) {
      Matrix m = matrix_of(result);
      for (auto& e : m.elements) e /= size;
      return m;
    };
    const auto qr = (*this)("qr", {t});
    EXPECT_LT(norm(matrix_of(qr[0]) * scaled_back(qr[1]) - scaled_back(t)), error);
    const auto eigh = (*this)("eigh", {h});
    std::vector<double> values = nxv::testing::vector_of(eigh[0]);
    for (double& v : values) v /= size;
    const Matrix v = matrix_of(eigh[1]);
    EXPECT_LT(norm(scaled_columns(v, values) * adjoint(v) - scaled_back(h)), error);
    const auto svd = (*this)("svd", {t});
    values = nxv::testing::vector_of(svd[1]);
    for (double& s : values) s /= size;
    EXPECT_LT(norm(scaled_columns(matrix_of(svd[0]), values) * matrix_of(svd[2]) - scaled_back(t)),
              error);
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
  eigh = (*this)("eigh", {tensor_of(DType::c64, {{}, {hermitian}})});
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
      EXPECT_EQ(e.status(), Status::singular);
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

// One of a batch is singular: that one has no inverse and no determinant, and nothing is solved.
TEST_F(Linear, SingularMatricesOfABatch) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 2, 3, 5, 33}) {
      Matrix singular = regular_matrix(type, n, 1);
      for (int64_t i = 0; i < n; ++i) singular(i, n / 2) = 0;
      const Batch a = {{regular_matrix(type, n, 3), singular}};
      const HostTensor t = tensor_of(type, a), inverse = (*this)("invert", {t})[0];
      for (const auto& e : matrix_of(inverse, 0).elements) EXPECT_TRUE(std::isfinite(e.real()));
      for (const auto& e : matrix_of(inverse, 1).elements) EXPECT_TRUE(std::isnan(e.real()));
      const HostTensor determinants = (*this)("determinant", {t})[0];
      EXPECT_NE(to_complex_double(determinants.at(0)), 0.0) << name(type) << ' ' << n;
      EXPECT_EQ(to_complex_double(determinants.at(1)), 0.0) << name(type) << ' ' << n;
      const Batch b = {{random_matrix(type, n, 2, 5), random_matrix(type, n, 2, 6)}};
      EXPECT_THROW((*this)("solve", {t, tensor_of(type, b)}), Error) << name(type) << ' ' << n;
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

// The i-th matrix of a batch fails at column i; the columns before it are what they would be.
TEST_F(Linear, NotPositiveDefiniteFromAColumnOn) {
  for (const DType type : kLinearTypes) {
    for (const int64_t n : {1, 6, 33}) {
      std::vector<Matrix> matrices, good;
      for (int64_t bad = 0; bad < n; ++bad) {
        good.push_back(random_hermitian(type, graded(n, 10), 3));
        matrices.push_back(good.back());
        matrices.back()(bad, bad) = -1;
      }
      const HostTensor got = (*this)("cholesky", {tensor_of(type, matrices)})[0];
      const HostTensor whole = (*this)("cholesky", {tensor_of(type, good)})[0];
      for (int64_t bad = 0; bad < n; ++bad) {
        const Matrix l = matrix_of(got, bad), want = matrix_of(whole, bad);
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            if (j > i) {
              EXPECT_EQ(l(i, j), 0.0);
            } else if (j >= bad) {
              EXPECT_TRUE(std::isnan(l(i, j).real())) << name(type) << ' ' << bad << ' ' << i;
            } else if (i != bad) {
              EXPECT_EQ(l(i, j), want(i, j)) << name(type) << ' ' << bad << ' ' << i << ' ' << j;
            }
          }
        }
      }
    }
  }
}

// Zero pivots with nothing below them leave zeros; powers of two make all of it exact.
TEST_F(Linear, SemidefiniteMatrices) {
  for (const DType type : kLinearTypes) {
    Matrix v(4, 1);
    v.elements = {2, -1, 4, 0.5};
    if (is_complex(type)) v(1, 0) = {0, 1};
    const Batch a = {{v * adjoint(v), Matrix(4, 4)}};
    const HostTensor got = (*this)("cholesky", {tensor_of(type, a)})[0];
    Matrix first(4, 4);
    for (int64_t i = 0; i < 4; ++i) first(i, 0) = v(i, 0);
    EXPECT_EQ(matrix_of(got, 0).elements, first.elements) << name(type);
    EXPECT_EQ(matrix_of(got, 1).elements, Matrix(4, 4).elements) << name(type);
  }
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
  LinearCheck check(call());
  check.lu(DType::f32, batch_of({200}, hard_matrix, DType::f32, 4, 4));
  check.qr(DType::f32, batch_of({200}, hard_matrix, DType::f32, 4, 4));
  check.svd(DType::f32, batch_of({200}, hard_matrix, DType::f32, 4, 4));
  check.eigh(DType::f32, batch_of({200}, hard_hermitian, DType::f32, 4));
}

// Large ones take seconds on a CPU, rotations of all minutes.

TEST_F(Linear, DISABLED_LongLu) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const int64_t n : kLargeSquares) check.lu(type, batch_of({4}, hard_matrix, type, n, n));
  }
}

TEST_F(Linear, DISABLED_LongCholesky) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const int64_t n : kLargeSquares) {
      check.cholesky(type, batch_of({2}, positive_definite, type, n));
    }
  }
}

TEST_F(Linear, DISABLED_LongQr) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const int64_t n : kLargeSquares) check.qr(type, batch_of({4}, hard_matrix, type, n, n));
    check.qr(type, batch_of({2}, hard_matrix, type, 512, 100));
    check.qr(type, batch_of({2}, hard_matrix, type, 100, 512));
  }
}

TEST_F(Linear, DISABLED_LongSolutions) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    for (const int64_t n : kLargeSquares) {
      const Batch a = batch_of({2}, regular_matrix, type, n);
      check.solve(type, a, {{random_matrix(type, n, 3, 5), random_matrix(type, n, 3, 6)}});
      check.invert(type, a);
    }
  }
}

TEST_F(Linear, DISABLED_LongEigh) {
  LinearCheck check(call());
  for (const DType type : kLinearTypes) {
    check.eigh(type, batch_of({7}, hard_hermitian, type, 128));
    check.eigh(type, batch_of({3}, hard_hermitian, type, 256));
  }
  check.eigh(DType::f32, {{}, {hard_hermitian(DType::f32, 512, 2)}});
  check.eigh(DType::f64, {{}, {hard_hermitian(DType::f64, 512, 1)}});
}

TEST_F(Linear, DISABLED_LongSvd) {
  LinearCheck check(call());
  for (const DType type : {DType::f32, DType::f64}) {
    check.svd(type, batch_of({5}, hard_matrix, type, 128, 128));
    check.svd(type, batch_of({3}, hard_matrix, type, 256, 256));
    check.svd(type, batch_of({2}, hard_matrix, type, 512, 100));
  }
  check.svd(DType::f64, {{}, {hard_matrix(DType::f64, 512, 512, 1)}});
  check.svd(DType::f32, {{}, {hard_matrix(DType::f32, 512, 512, 2)}});
}

}  // namespace
}  // namespace nxv::runtime

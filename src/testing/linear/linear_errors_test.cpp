// The measure itself: the reference is accurate, and what is wrong is seen.
#include "testing/linear/linear_errors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing/linear/linear_check.h"

namespace nxv::testing {
namespace {

using Measure = std::function<Errors(const Measured&)>;

double largest(const Errors& errors) {
  double size = 0;
  for (const Errors::Kind& kind : errors.kinds) {
    for (const double e : kind.of_matrix) size = std::isnan(e) ? e : std::max(size, e);
  }
  return size;
}

// The reference with one element of one result off by `change`.
LinearCall disturbed(size_t result, double change) {
  return [=](const char* name, const std::vector<HostTensor>& operands,
             const std::vector<library::Option>& options) {
    std::vector<HostTensor> results = reference_call()(name, operands, options);
    HostTensor& t = results[std::min(result, results.size() - 1)];
    const int64_t at = t.count() - 1;
    const std::complex<double> moved = to_complex_double(t.at(at)) + change;
    t.set(at,
          is_complex(t.dtype) ? make_scalar(t.dtype, moved) : make_scalar(t.dtype, moved.real()));
    return results;
  };
}

void check(const char* what, DType type, const Measure& measure) {
  const LinearCall reference = reference_call();
  const Errors errors = measure({reference, type});
  EXPECT_LT(largest(errors), 50 * epsilon_of(type)) << what << ' ' << name(type);
  EXPECT_EQ(errors.broken, "") << what << ' ' << name(type);
  for (const size_t result : {0, 1, 2}) {
    const LinearCall wrong = disturbed(result, 1e-3);
    const Errors seen = measure({wrong, type});
    EXPECT_TRUE(largest(seen) > 1e-9 || !seen.broken.empty())
        << what << ' ' << name(type) << " result " << result << ": " << largest(seen);
  }
}

TEST(LinearErrors, SeeWhatIsWrong) {
  for (const DType type : {DType::f64, DType::c128}) {
    const Batch square = {{random_matrix(type, 6, 6, graded(6, 10), 1)}};
    const Batch tall = {{random_matrix(type, 7, 4, 2)}};
    const Batch hermitian = {{random_hermitian(type, graded(6, 10), 3)}};
    const Batch right = {{random_matrix(type, 6, 2, 4)}};
    check("lu", type, [&](const Measured& by) { return lu_errors(by, square); });
    check("cholesky", type, [&](const Measured& by) { return cholesky_errors(by, hermitian); });
    check("qr", type, [&](const Measured& by) { return qr_errors(by, tall, true); });
    check("eigh", type, [&](const Measured& by) { return eigh_errors(by, hermitian); });
    if (!is_complex(type)) {
      check("svd", type, [&](const Measured& by) { return svd_errors(by, tall, true); });
    }
    check("solve", type, [&](const Measured& by) { return solve_errors(by, square, right); });
    check("invert", type, [&](const Measured& by) { return invert_errors(by, square); });
    check("determinant", type, [&](const Measured& by) { return determinant_errors(by, square); });
    for (const int64_t transform : {0, 1, 2}) {
      for (const bool lower : {false, true}) {
        check("triangular_solve", type, [&](const Measured& by) {
          return triangular_errors(by, square, right, {lower, true, transform});
        });
      }
    }
  }
}

}  // namespace
}  // namespace nxv::testing

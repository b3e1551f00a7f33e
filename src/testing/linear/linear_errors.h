// How far the results of linear algebra are from what they claim, whatever their signs and whoever
// computed them: backward errors, relative to the operands.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "library/arguments.h"
#include "testing/linear/matrix.h"

namespace nxv::testing {

// An operation by name on whatever evaluates it.
using LinearCall =
    std::function<std::vector<HostTensor>(const char* name, const std::vector<HostTensor>& operands,
                                          const std::vector<library::Option>& options)>;

// The reference evaluator: Householder's QR, elimination with partial pivoting, Jacobi's rotations
// and substitution in float64, whatever the type.
LinearCall reference_call();

// Operands are of this type, results are measured in float64.
struct Measured {
  const LinearCall& call;
  DType type;
};

struct Errors {
  struct Kind {
    std::string name;
    std::vector<double> of_matrix;
  };
  std::vector<Kind> kinds;
  // The first exact property that does not hold: zeros of a triangle, an order.
  std::string broken;

  void add(const std::string& kind, double error);
  void require(bool holds, const std::string& property);
};

Errors lu_errors(const Measured& by, const Batch& a);
Errors cholesky_errors(const Measured& by, const Batch& a);
Errors qr_errors(const Measured& by, const Batch& a, bool complete);
Errors eigh_errors(const Measured& by, const Batch& a);
Errors svd_errors(const Measured& by, const Batch& a, bool full_matrices);

// |b - a x| / (|a| |x| + |b|)
Errors solve_errors(const Measured& by, const Batch& a, const Batch& b);
// |a x - 1| / (|a| |x|)
Errors invert_errors(const Measured& by, const Batch& a);
// To first order, the smallest relative change of a that explains the error.
Errors determinant_errors(const Measured& by, const Batch& a);

struct TriangularVariant {
  bool lower, left_side;
  int64_t transform;  // 0 none, 1 transpose, 2 conjugate
};
// The other triangle of a is not looked at.
Errors triangular_errors(const Measured& by, const Batch& a, const Batch& b,
                         const TriangularVariant& variant);

}  // namespace nxv::testing

// The kernels of linear algebra on devices that are not there, in the interpreter.
#include <gtest/gtest.h>

#include "graph/build.h"
#include "kernels/plans_test.h"
#include "library/registry.h"
#include "testing/interpreted.h"
#include "testing/linear_check_test.h"

namespace nxv::kernels {
namespace {

using nxv::testing::batch_of;
using nxv::testing::hard_hermitian;
using nxv::testing::hard_matrix;
using nxv::testing::InterpretedDevice;
using nxv::testing::LinearCheck;
using nxv::testing::Matrix;
using nxv::testing::positive_definite;
using nxv::testing::random_matrix;
using nxv::testing::tensor_of;

class Interpreted {
 public:
  explicit Interpreted(const plan::DevicePlan& plan) : device_(plan) {}

  nxv::testing::LinearCall call() {
    return [this](const char* name, const std::vector<HostTensor>& operands,
                  const std::vector<library::Option>& options) {
      std::vector<NodeRef> nodes;
      for (const HostTensor& t : operands) {
        nodes.push_back(host_value(owner_, t.dtype, t.shape, t.bytes));
      }
      std::vector<HostTensor> results;
      for (const NodeRef& node : library::call(name, nodes, options)) {
        results.push_back(device_.evaluate(node));
      }
      return results;
    };
  }
  const std::string& invalid() const { return device_.invalid(); }

 private:
  std::shared_ptr<Graveyard> owner_ = host_graveyard();
  InterpretedDevice device_;
};

void check_all(const plan::DevicePlan& plan, const std::vector<DType>& types) {
  Interpreted device(plan);
  LinearCheck check(device.call());
  for (const DType type : types) {
    for (const int64_t n : {1, 2, 5, 6}) {
      check.lu(type, batch_of({3}, hard_matrix, type, n, n));
      check.cholesky(type, batch_of({2}, positive_definite, type, n));
      check.eigh(type, batch_of({3}, hard_hermitian, type, n));
    }
    for (const auto& [m, n] : {std::pair<int64_t, int64_t>{1, 1}, {4, 4}, {6, 3}, {3, 5}}) {
      check.qr(type, batch_of({3}, hard_matrix, type, m, n));
      if (!is_complex(type)) check.svd(type, batch_of({3}, hard_matrix, type, m, n));
    }
  }
  EXPECT_EQ(device.invalid(), "");
}

TEST(LinearKernels, DiscreteDevice) {
  check_all(discrete_plan(), {DType::f32, DType::c64, DType::f64, DType::c128});
}

TEST(LinearKernels, CpuDevice) { check_all(cpu_plan(), {DType::f32, DType::c128}); }

// Everything in f32, on one lane at a time.
TEST(LinearKernels, BareDevice) { check_all(bare_plan(), {DType::f32, DType::c64}); }

TEST(LinearKernels, SlowDoublePrecision) {
  plan::DevicePlan plan = discrete_plan();
  plan.has.fast_f64 = false;
  check_all(plan, {DType::f32, DType::f64});
}

// Blocks of unknowns, from every side.
TEST(LinearKernels, TriangularSystems) {
  for (const plan::DevicePlan& plan : {bare_plan(), cpu_plan()}) {
    Interpreted device(plan);
    for (const DType type : {DType::f32, DType::c64}) {
      Matrix a = random_matrix(type, 37, 37, 1);
      for (int64_t i = 0; i < a.rows; ++i) a(i, i) += 40;
      for (int64_t choice = 0; choice < 12; ++choice) {
        const int64_t lower = choice & 1, left = choice >> 1 & 1, transform = choice >> 2;
        const Matrix b = left != 0 ? random_matrix(type, 37, 3, 2) : random_matrix(type, 3, 37, 2);
        const HostTensor x = device.call()(
            "triangular_solve", {tensor_of(type, {{}, {a}}), tensor_of(type, {{}, {b}})},
            {{"lower", {lower}, {}}, {"left_side", {left}, {}}, {"transform", {transform}, {}}})[0];
        Matrix t(37, 37);
        for (int64_t i = 0; i < 37; ++i) {
          for (int64_t j = 0; j < 37; ++j) {
            if (lower != 0 ? j > i : j < i) continue;
            (transform == 1 ? t(j, i) : t(i, j)) = transform == 2 ? std::conj(a(i, j)) : a(i, j);
          }
        }
        const Matrix got = nxv::testing::matrix_of(x);
        EXPECT_LT(norm((left != 0 ? t * got : got * t) - b) / norm(b), 1e-5) << "choice " << choice;
      }
    }
    EXPECT_EQ(device.invalid(), "");
  }
}

}  // namespace
}  // namespace nxv::kernels

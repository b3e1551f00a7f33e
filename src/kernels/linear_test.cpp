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
  int dispatches() const { return device_.dispatches(); }

 private:
  std::shared_ptr<Graveyard> owner_ = host_graveyard();
  InterpretedDevice device_;
};

void check_all(plan::DevicePlan plan, uint32_t lone_matrix, const std::vector<DType>& types) {
  plan.lone_matrix = lone_matrix;
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

// By invocations and by workgroups.
void check_all(const plan::DevicePlan& plan, const std::vector<DType>& types) {
  for (const uint32_t lone_matrix : {16, 0}) check_all(plan, lone_matrix, types);
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

// An invocation by itself computes what workgroups do; sums alone depend on their lanes.
TEST(LinearKernels, LoneInvocationsChangeNoBit) {
  for (const uint32_t lanes : {1, 8}) {
    plan::DevicePlan plan = cpu_plan();
    plan.reduction_workgroup = lanes;
    const auto results = [&](uint32_t lone_matrix, const char* name, const HostTensor& a) {
      plan.lone_matrix = lone_matrix;
      Interpreted device(plan);
      std::vector<std::vector<std::byte>> bytes;
      for (const HostTensor& t : device.call()(name, {a}, {})) bytes.push_back(t.bytes);
      EXPECT_EQ(device.invalid(), "");
      return bytes;
    };
    for (const DType type : {DType::f32, DType::c128}) {
      const HostTensor square = tensor_of(type, batch_of({2, 5}, hard_matrix, type, 7, 7));
      const HostTensor tall = tensor_of(type, batch_of({3}, hard_matrix, type, 8, 5));
      const HostTensor wide = tensor_of(type, batch_of({3}, hard_matrix, type, 4, 6));
      const HostTensor hermitian = tensor_of(type, batch_of({9}, hard_hermitian, type, 7));
      EXPECT_EQ(results(16, "lu", square), results(0, "lu", square));
      EXPECT_EQ(results(16, "cholesky", hermitian), results(0, "cholesky", hermitian));
      EXPECT_EQ(results(16, "eigh", hermitian), results(0, "eigh", hermitian));
      if (lanes > 1) continue;
      for (const HostTensor& a : {square, tall, wide}) {
        EXPECT_EQ(results(16, "qr", a), results(0, "qr", a));
        if (is_complex(type)) continue;
        EXPECT_EQ(results(16, "svd", a), results(0, "svd", a));
      }
    }
  }
}

// More rounds than a kernel may loop over.
TEST(LinearKernels, SweepsInPieces) {
  plan::DevicePlan plan = cpu_plan();
  const HostTensor a = tensor_of(DType::f64, batch_of({3}, hard_hermitian, DType::f64, 7));
  Interpreted whole(plan);
  plan.max_loop_iterations = 1000;
  Interpreted pieces(plan);
  for (const char* name : {"eigh", "svd"}) {
    const auto want = whole.call()(name, {a}, {}), got = pieces.call()(name, {a}, {});
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i].bytes, want[i].bytes) << name;
  }
  EXPECT_GT(pieces.dispatches(), whole.dispatches());
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

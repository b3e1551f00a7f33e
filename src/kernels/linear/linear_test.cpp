// The kernels of linear algebra on devices that are not there, in the interpreter.
#include <gtest/gtest.h>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/linear/linear_check.h"

namespace nxv::kernels {
namespace {

using nxv::testing::batch_of;
using nxv::testing::hard_hermitian;
using nxv::testing::hard_matrix;
using nxv::testing::InterpretedDevice;
using nxv::testing::LinearCheck;
using nxv::testing::matrix;
using nxv::testing::Matrix;
using nxv::testing::numbers;
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
  plan.tuning.lone_matrix = lone_matrix;
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

// An invocation by itself computes what workgroups do where it does not round every operation; sums
// alone depend on their lanes.
TEST(LinearKernels, LoneInvocationsChangeNoBit) {
  plan::DevicePlan plan = cpu_plan();
  plan.tuning.linear_workgroup = 1;
  const auto results = [&](uint32_t lone_matrix, const char* name, const HostTensor& a) {
    plan.tuning.lone_matrix = lone_matrix;
    Interpreted device(plan);
    std::vector<std::vector<std::byte>> bytes;
    for (const HostTensor& t : device.call()(name, {a}, {})) bytes.push_back(t.bytes);
    EXPECT_EQ(device.invalid(), "");
    return bytes;
  };
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{7, 7}, {8, 5}, {4, 6}}) {
    const DType real = DType::f32, complex = DType::c128;
    const HostTensor x = tensor_of(real, batch_of({3}, hard_matrix, real, m, n));
    EXPECT_EQ(results(16, "svd", x), results(0, "svd", x));
    EXPECT_EQ(results(16, "qr", x), results(0, "qr", x));
    const HostTensor z = tensor_of(complex, batch_of({3}, hard_matrix, complex, m, n));
    EXPECT_EQ(results(16, "qr", z), results(0, "qr", z));
  }
}

// Blocks of every size and what is left of them, panels that give a lane one row and several: by
// the same operations in the same order, whatever the device has.
TEST(LinearKernels, BlocksChangeNoBit) {
  const auto results = [](const plan::DevicePlan& plan, const char* name,
                          const std::vector<HostTensor>& operands, int& dispatches) {
    Interpreted device(plan);
    std::vector<std::vector<std::byte>> bytes;
    for (const HostTensor& t : device.call()(name, operands, {})) bytes.push_back(t.bytes);
    EXPECT_EQ(device.invalid(), "") << name;
    dispatches = device.dispatches();
    return bytes;
  };
  plan::DevicePlan single = discrete_plan();  // columns
  single.tuning.lane_registers = 8;
  plan::DevicePlan small = discrete_plan();
  small.tuning.linear_workgroup = 8;
  plan::DevicePlan few = discrete_plan();
  few.tuning.lane_registers = 64;
  for (const DType type : {DType::f32, DType::c64}) {
    for (const int64_t n : {23, 45, 71}) {
      const HostTensor a = tensor_of(type, batch_of({2}, hard_matrix, type, n, n));
      const HostTensor s = tensor_of(type, batch_of({2}, positive_definite, type, n));
      const HostTensor b = tensor_of(type, batch_of({2}, hard_matrix, type, n, int64_t{3}));
      const std::pair<const char*, std::vector<HostTensor>> cases[] = {
          {"lu", {a}}, {"cholesky", {s}}, {"triangular_solve", {s, b}}};
      for (const auto& [name, operands] : cases) {
        int one_by_one = 0, in_blocks = 0;
        const auto want = results(single, name, operands, one_by_one);
        for (const plan::DevicePlan& plan : {cpu_plan(), discrete_plan(), small, few}) {
          EXPECT_EQ(results(plan, name, operands, in_blocks), want) << name << ' ' << n;
          if (operands[0].bytes == a.bytes) {
            EXPECT_LT(in_blocks, one_by_one) << n;
          }
        }
      }
    }
  }
}

// Their errors, beside those of the reference; batches share dispatches.
TEST(LinearKernels, Blocks) {
  for (const plan::DevicePlan& plan : {discrete_plan(), bare_plan()}) {
    Interpreted device(plan);
    LinearCheck check(device.call());
    for (const DType type : {DType::f32, DType::c64}) {
      check.lu(type, batch_of({2}, hard_matrix, type, int64_t{40}, int64_t{40}));
      check.cholesky(type, batch_of({2}, positive_definite, type, int64_t{42}));
    }
    EXPECT_EQ(device.invalid(), "");
  }
}

// Pairs of blocks: one, and several with rows to spare; with the shared memory of the least
// devices.
TEST(LinearKernels, EigenvaluesByBlocks) {
  plan::DevicePlan small = discrete_plan();
  small.shared_memory_bytes = 16 * 1024;
  for (const plan::DevicePlan& plan : {discrete_plan(), small}) {
    Interpreted device(plan);
    LinearCheck check(device.call());
    for (const int64_t n : {20, 34}) {
      check.eigh(DType::f32, batch_of({2}, hard_hermitian, DType::f32, n));
    }
    check.eigh(DType::f64, batch_of({3}, hard_hermitian, DType::f64, int64_t{33}));
    check.eigh(DType::c64, batch_of({2}, hard_hermitian, DType::c64, int64_t{23}));
    EXPECT_EQ(device.invalid(), "");
  }
}

// Results of small matrices to the last digit, as Nx documents them, on devices with f64 and
// without.
TEST(LinearKernels, DigitsOfNx) {
  struct Case {
    const char* name;
    HostTensor operand;
    std::vector<std::vector<double>> results;  // of f32; empty: not looked at
    bool has_wide_sums = false;
  };
  const std::vector<Case> cases = {
      {"cholesky",
       matrix(DType::f32, 4, 4, {6, 3, 4, 8, 3, 6, 5, 1, 4, 5, 10, 7, 8, 1, 7, 25}),
       {{2.4494898F, 0, 0, 0, 1.2247448F, 2.1213202F, 0, 0, 1.6329931F, 1.4142138F, 2.309401F, 0,
         3.2659862F, -1.4142134F, 1.5877135F, 3.132491F}},
       true},
      {"lu",
       matrix(DType::f32, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9}),
       {{}, {1, 0, 0, 0.14285715F, 1, 0, 0.5714286F, 0.4999998F, 1}, {}}},
      {"eigh",
       matrix(DType::f32, 3, 3, {0, 1, 2, 1, 0, 2, 2, 2, 3}),
       {{5, -1.0000001F, -1},
        {0.40824828F, -0.1825742F, 0.8944272F, 0.40824834F, 0.9128709F, 0, 0.81649655F, -0.3651484F,
         -0.4472136F}}},
      {"determinant",
       matrix(DType::f32, 4, 4, {1, 0, 0, 0, 0, 1, 2, 3, 0, 1, -2, 3, 0, 7, 8, 9}),
       {{47.999996F}}},
  };
  for (const plan::DevicePlan& plan : {discrete_plan(), cpu_plan(), bare_plan()}) {
    Interpreted device(plan);
    for (const Case& c : cases) {
      if (c.has_wide_sums && !plan.has.fast_f64) continue;
      const auto got = device.call()(c.name, {c.operand}, {});
      for (size_t i = 0; i < c.results.size(); ++i) {
        if (c.results[i].empty()) continue;
        EXPECT_EQ(numbers(got[i]), c.results[i])
            << c.name << (plan.has.fast_f64 ? " in f64" : " in f32");
      }
    }
    EXPECT_EQ(device.invalid(), "");
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

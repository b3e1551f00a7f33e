// Windows and folds with the kernels of several devices, in the interpreter.
#include <gtest/gtest.h>

#include <random>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using library::Option;
using nxv::testing::InterpretedDevice;
using nxv::testing::InterpreterOptions;

HostTensor noise(DType type, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const auto n = static_cast<int64_t>(random() % 13) - 6;
    t.set(i,
          is_integer(type) ? make_scalar(type, n) : make_scalar(type, static_cast<double>(n) / 4));
  }
  return t;
}

// Values are small eighths: every result is exact, on every device.
class Calls {
 public:
  explicit Calls(const plan::DevicePlan& plan, const InterpreterOptions& options = {})
      : device_(plan, options), owner_(host_graveyard()) {}
  ~Calls() { EXPECT_EQ(device_.invalid(), ""); }

  const GraveyardRef& owner() const { return owner_; }
  bool has_run(const std::string& kernel) const { return device_.kernels().contains(kernel); }
  NodeRef data(DType type, Shape shape, uint32_t seed) {
    HostTensor t = noise(type, std::move(shape), seed);
    return host_value(owner_, type, t.shape, t.bytes);
  }
  void check(std::string_view name, const std::vector<NodeRef>& operands,
             const std::vector<Option>& options) {
    const NodeRef node = library::call(name, operands, options)[0];
    const HostTensor want = reference_evaluate(*node);
    EXPECT_EQ(difference(device_.evaluate(node), want), "")
        << name << " of " << nxv::name(operands[0]->dtype) << to_string(operands[0]->shape);
  }
  void check_folds(DType type, Op op) {
    const NodeRef p = parameter(owner_, type), acc = parameter(owner_, type);
    const NodeRef two = constant(owner_, make_scalar(type, int64_t{2}), {});
    const NodeRef body = elementwise(Op::add, {elementwise(op, {acc, two}), p});
    const NodeRef start = constant(owner_, make_scalar(type, int64_t{-3}), {});
    check("reduce", {data(type, {3, 4, 5}, 7), start, p, acc, body}, {{"axes", {2, 0}, {}}});
    check("window_reduce", {data(type, {6, 7}, 8), start, p, acc, body},
          {{"window", {2, 3}, {}}, {"low", {1, -1}, {}}, {"strides", {1, 2}, {}}});
  }
  // Windows whose results come in groups of four, which share their elements.
  void check_sliding(DType type) {
    for (const std::string name : {"window_sum", "window_product", "window_max"}) {
      check(name, {data(type, {52}, 1)},
            {{"window", {3}, {}}, {"low", {1}, {}}, {"high", {1}, {}}});
      check(name, {data(type, {70}, 2)}, {{"window", {31}, {}}});
      check(name, {data(type, {3, 9, 7}, 2)}, {{"window", {1, 3, 3}, {}}});
      check(name, {data(type, {2, 7}, 2)}, {{"window", {1, 2}, {}}, {"low", {0, 3}, {}}});
      check(name, {data(type, {3, 5, 8}, 3)},
            {{"window", {1, 3, 3}, {}}, {"low", {0, 1, 1}, {}}, {"high", {0, 1, 1}, {}}});
      check(name, {data(type, {9, 10}, 4)}, {{"window", {2, 3}, {}}, {"strides", {2, 1}, {}}});
      check(name, {data(type, {9, 11}, 5)}, {{"window", {2, 4}, {}}, {"low", {-1, 0}, {}}});
    }
  }
  void check_windows(DType type) {
    for (const std::string name : {"window_sum", "window_max", "window_min"}) {
      check(name, {data(type, {50}, 1)},
            {{"window", {3}, {}}, {"low", {1}, {}}, {"high", {1}, {}}});
      check(name, {data(type, {4, 9}, 2)}, {{"window", {3, 2}, {}}, {"strides", {1, 2}, {}}});
      check(name, {data(type, {4, 9}, 3)},
            {{"window", {3, 3}, {}}, {"low", {1, -2}, {}}, {"dilations", {1, 2}, {}}});
      check(name, {data(type, {90}, 4)}, {{"window", {70}, {}}, {"low", {5}, {}}});
    }
    check_sliding(type);
    check("argmax", {data(type, {7, 6}, 5)}, {{"axis", {1}, {}}});
    check("argmin", {data(type, {7, 6}, 6)}, {{"axis", {0}, {}}, {"tie_high", {1}, {}}});
    check("argmin", {data(type, {2100}, 6)}, {});
    check("window_scatter_max", {data(type, {5, 6}, 9), data(type, {4, 3}, 10), data(type, {}, 11)},
          {{"window", {2, 3}, {}}, {"strides", {1, 2}, {}}, {"high", {0, 1}, {}}});
  }
  void check_convolutions(DType type) {
    check("conv", {data(type, {2, 4, 7, 6}, 12), data(type, {6, 2, 3, 2}, 13)},
          {{"feature_group_size", {2}, {}}, {"low", {1, 0}, {}}, {"high", {1, -1}, {}}});
    check("conv", {data(type, {4, 7, 2}, 14), data(type, {3, 2, 6}, 15)},
          {{"batch_group_size", {2}, {}},
           {"input_permutation", {0, 2, 1}, {}},
           {"kernel_permutation", {2, 1, 0}, {}},
           {"output_permutation", {0, 2, 1}, {}},
           {"input_dilation", {2}, {}}});
    check("conv", {data(type, {1, 3, 1100}, 16), data(type, {2, 3, 1}, 17)},
          {{"strides", {2}, {}}});
    check("conv", {data(type, {1, 1, 1100}, 16), data(type, {2, 1, 2}, 17)}, {});
  }

 private:
  InterpretedDevice device_;
  GraveyardRef owner_;
};

TEST(Windows, DiscreteDevice) {
  InterpreterOptions fused_fma;
  fused_fma.fused_fma = true;
  Calls calls(discrete_plan(), fused_fma);
  for (DType t : {DType::f32, DType::u8, DType::f16, DType::s64}) calls.check_windows(t);
  calls.check_convolutions(DType::f32);
  calls.check_convolutions(DType::c64);
  for (DType t : {DType::f32, DType::f64, DType::s4, DType::bf16, DType::c64}) {
    calls.check_folds(t, Op::multiply);
  }
}

// So many windows that an invocation takes several, the last ones of it beyond the end.
TEST(Windows, ManyOfADiscreteDevice) {
  Calls calls(discrete_plan());
  const NodeRef x = calls.data(DType::f32, {(1 << 18) + 77}, 1);
  calls.check("window_sum", {x}, {{"window", {3}, {}}, {"low", {1}, {}}, {"high", {1}, {}}});
}

TEST(Windows, ManySlideOnADiscreteDevice) {
  Calls calls(discrete_plan());
  const NodeRef x = calls.data(DType::f32, {1 << 16}, 1);
  calls.check("window_sum", {x}, {{"window", {31}, {}}, {"low", {15}, {}}, {"high", {15}, {}}});
  EXPECT_TRUE(calls.has_run("sliding_windows"));
}

// No subgroups, no 64-bit types; subnormal numbers are flushed.
TEST(Windows, BareDevice) {
  InterpreterOptions flushes;
  flushes.flush_subnormals = true;
  Calls calls(bare_plan(), flushes);
  for (DType t : {DType::f32, DType::s8, DType::u64}) calls.check_windows(t);
  calls.check_convolutions(DType::f16);
  calls.check_folds(DType::s64, Op::quotient);
  calls.check_folds(DType::u64, Op::remainder);
  calls.check_folds(DType::f32, Op::subtract);
}

TEST(Windows, CpuDevice) {
  Calls calls(cpu_plan());
  for (DType t : {DType::f32, DType::s16}) calls.check_windows(t);
  calls.check_convolutions(DType::f32);
  calls.check_folds(DType::u2, Op::add);
}

}  // namespace
}  // namespace nxv::kernels

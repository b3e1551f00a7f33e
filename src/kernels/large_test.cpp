// Tensors that indices do not reach across, on devices whose indices reach not far.
#include "kernels/large.h"

#include <gtest/gtest.h>

#include <functional>

#include "graph/build.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"
#include "testing/reference/reference.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

constexpr uint64_t kLimit = 5000;

plan::DevicePlan short_sighted(plan::DevicePlan plan) {
  plan.max_elements = kLimit;
  return plan;
}

class LargeTensors : public ::testing::Test {
 protected:
  NodeRef values(DType type, const Shape& shape, int step = 7) {
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, make_scalar(type, int64_t{i * step % 61}));
    return host_value(owner_, type, shape, t.bytes);
  }

  // Under both kinds of plans, fused and apart, the values are those of the reference; as many
  // launches were needed at least.
  void check(const std::function<NodeRef()>& build, size_t launches) {
    const HostTensor want = reference_evaluate(*build());
    for (const plan::DevicePlan& plan : {discrete_plan(), cpu_plan()}) {
      size_t most = 0;
      InterpretedDevice device(short_sighted(plan));
      device.set_lower([&](const Region& region, const Target& target) {
        Lowering l = lower(region, target);
        most = std::max(most, l.launches.size());
        return l;
      });
      EXPECT_EQ(difference(device.evaluate(build()), want), "") << plan::name(plan.profile);
      EXPECT_GE(most, launches);
    }
  }
  std::string refusal(const NodeRef& node) {
    InterpretedDevice device(short_sighted(discrete_plan()));
    try {
      device.evaluate(node);
    } catch (const Error& e) {
      EXPECT_EQ(e.status(), Status::unsupported);
      return e.what();
    }
    return "";
  }
  GraveyardRef owner_ = host_graveyard();
};

TEST_F(LargeTensors, Elementwise) {
  for (const DType type : {DType::u8, DType::s16, DType::f32}) {
    const NodeRef x = values(type, {12005}), y = values(type, {12005}, 11);
    check([&] { return elementwise(Op::add, {elementwise(Op::multiply, {x, y}), x}); }, 3);
    // Of a scalar, of rows and of columns.
    const NodeRef a = values(type, {130, 100}), row = values(type, {1, 100}),
                  column = values(type, {130, 1});
    check(
        [&] {
          return elementwise(Op::add, {a, broadcast(row, Shape{130, 100}, Axes{0, 1})});
        },
        3);
    check(
        [&] {
          return elementwise(Op::add, {a, broadcast(column, Shape{130, 100}, Axes{0, 1})});
        },
        3);
  }
}

TEST_F(LargeTensors, Slices) {
  const NodeRef x = values(DType::u8, {12005}), a = values(DType::f32, {130, 100});
  const auto part = [](const NodeRef& of, Shape starts, Shape lengths, Shape strides) {
    return elementwise(Op::negate, {slice(of, starts, lengths, strides)});
  };
  check([&] { return part(x, {11990}, {12}, {1}); }, 1);
  check([&] { return part(x, {4990}, {70}, {1}); }, 1);
  check([&] { return part(a, {60, 3}, {20, 90}, {1, 1}); }, 1);
  check([&] { return part(x, {1}, {12001}, {1}); }, 3);  // itself large
  check(
      [&] {
        return elementwise(Op::negate,
                           {reverse(slice(x, Shape{9000}, Shape{3000}, Shape{1}), Axes{0})});
      },
      1);
}

TEST_F(LargeTensors, Reductions) {
  const NodeRef x = values(DType::u8, {12005}), a = values(DType::u8, {260, 64});
  check([&] { return reduce(Op::sum, cast(x, DType::u32), Axes{0}, false); }, 4);
  check([&] { return reduce(Op::reduce_max, x, Axes{0}, false); }, 4);
  check([&] { return reduce(Op::sum, cast(a, DType::s32), Axes{1}, false); }, 4);
  check([&] { return reduce(Op::sum, values(DType::f32, {20000}), Axes{0}, false); }, 4);
  // Rows and what is made of them.
  const NodeRef f = values(DType::f32, {260, 64});
  check([&] { return elementwise(Op::divide, {f, reduce(Op::sum, f, Axes{1}, true)}); }, 4);
}

TEST_F(LargeTensors, Products) {
  const NodeRef a = values(DType::u8, {130, 64}), b = values(DType::u8, {64, 9});
  check([&] { return matmul(a, b); }, 2);
  // Of large results, of batches.
  check([&] { return matmul(values(DType::f32, {192, 3}), values(DType::f32, {3, 64})); }, 3);
  check(
      [&] {
        return matmul(values(DType::f32, {5, 64, 16}), values(DType::f32, {5, 16, 64}));
      },
      5);
  check(
      [&] {
        return elementwise(Op::add,
                           {matmul(values(DType::f32, {192, 5}), values(DType::f32, {5, 64})),
                            values(DType::f32, {192, 64})});
      },
      3);
}

TEST_F(LargeTensors, WhatHasNoPartsIsRefusedByName) {
  EXPECT_NE(refusal(iota(owner_, DType::s32, Shape{12005}, 0)).find("2^31"), std::string::npos);
  const NodeRef f = values(DType::f32, {12005});
  EXPECT_NE(refusal(reduce(Op::reduce_max, f, Axes{0}, false)).find("2^31"), std::string::npos);
  EXPECT_NE(refusal(elementwise(Op::divide, {f, reduce(Op::sum, f, Axes{0}, true)})).find("2^31"),
            std::string::npos);
}

}  // namespace
}  // namespace nxv::kernels

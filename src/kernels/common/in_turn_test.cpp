// Heavy regions on CPUs: the elements of a group by a loop, with the results of straight code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/build.h"
#include "kernels/common/region_emitter.h"
#include "schedule/schedule.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

// A CPU's arithmetic in kernels that are laid out for a GPU: nothing in turn.
plan::DevicePlan straight_plan() {
  plan::PlanOptions options;
  options.profile = plan::Profile::discrete;
  return plan::make_plan(nxv::testing::lavapipe_25(), options);
}

class InTurn : public ::testing::Test {
 protected:
  NodeRef values(DType type, Shape shape) {
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      const int64_t n = (i * 37 + 11) % 61 - 30;
      t.set(i, is_integer(type) ? make_scalar(type, std::abs(n))
                                : make_scalar(type, static_cast<double>(n) / 8));
    }
    return host_value(owner_, type, std::move(shape), t.bytes);
  }
  NodeRef random(Op op, DType type, Shape shape) {
    return nxv::random(owner_, op, type, std::move(shape), {77, 5, 0.25, 1.5});
  }
  static NodeRef heavy(NodeRef x) {
    for (Op op : {Op::exp, Op::tanh, Op::cosh, Op::log1p, Op::tanh}) x = elementwise(op, {x});
    return x;
  }
  NodeRef number(DType type, double v) { return constant(owner_, make_scalar(type, v), {}); }

  // The first kernel of the last region.
  static ir::Kernel kernel(const NodeRef& root, const plan::DevicePlan& plan) {
    const std::vector<schedule::Item> steps = schedule::make_schedule(root, {});
    const Region& region = steps.back().region;
    const Target target = make_target(plan);
    return lower(region, target).launches[0].generate(region);
  }
  static auto loops(const ir::Kernel& kernel, ir::Unrolling unrolling) {
    return std::count_if(kernel.body.begin(), kernel.body.end(), [&](const ir::Inst& i) {
      return i.op == ir::Opcode::loop_begin && i.imm == static_cast<uint64_t>(unrolling);
    });
  }
  static auto count(const ir::Kernel& kernel, ir::Opcode op) {
    return std::count_if(kernel.body.begin(), kernel.body.end(),
                         [&](const ir::Inst& i) { return i.op == op; });
  }

  // The same bits in turn and straight, of nodes that `make` makes anew for each device.
  template <typename Make>
  static void expect_same(const Make& make, const std::string& what) {
    const NodeRef heavy = make();
    EXPECT_GT(loops(kernel(heavy, cpu_plan()), ir::Unrolling::never), 0) << what;
    EXPECT_EQ(loops(kernel(heavy, straight_plan()), ir::Unrolling::never), 0) << what;
    InterpretedDevice in_turn(cpu_plan()), straight(straight_plan());
    EXPECT_EQ(difference(in_turn.evaluate(make()), straight.evaluate(make())), "") << what;
    EXPECT_EQ(in_turn.invalid(), "") << what;
  }

  GraveyardRef owner_ = host_graveyard();
};

TEST_F(InTurn, HeavyRegionsHoldTheCodeOfOneElement) {
  const NodeRef x = values(DType::f32, {64}), y = values(DType::f32, {64});
  const NodeRef powers = elementwise(Op::pow, {elementwise(Op::pow, {x, y}), y});
  const ir::Kernel in_turn = kernel(powers, cpu_plan()), straight = kernel(powers, straight_plan());
  EXPECT_EQ(loops(in_turn, ir::Unrolling::never), 1);
  EXPECT_EQ(4 * count(in_turn, ir::Opcode::div), count(straight, ir::Opcode::div));
  EXPECT_LT(2 * in_turn.body.size(), straight.body.size());
  // Whole groups are loaded and stored as ever.
  EXPECT_EQ(count(in_turn, ir::Opcode::load), count(straight, ir::Opcode::load));
  EXPECT_EQ(count(in_turn, ir::Opcode::store), count(straight, ir::Opcode::store));
  const NodeRef sum = reduce(Op::sum, heavy(values(DType::f32, {4, 4096})), Axes{1}, false);
  EXPECT_EQ(loops(kernel(sum, cpu_plan()), ir::Unrolling::never), 1);
}

TEST_F(InTurn, LightRegionsAreStraight) {
  const NodeRef x = values(DType::f32, {64});
  const NodeRef light = elementwise(Op::divide, {elementwise(Op::add, {x, x}), x});
  const ir::Kernel k = kernel(light, cpu_plan());
  EXPECT_EQ(loops(k, ir::Unrolling::never), 0);
  EXPECT_EQ(count(k, ir::Opcode::div), 4);
  const NodeRef sum = reduce(Op::sum, values(DType::f32, {4, 4096}), Axes{1}, false);
  EXPECT_EQ(loops(kernel(sum, cpu_plan()), ir::Unrolling::never), 0);
}

// What made an operand is of no interest.
TEST_F(InTurn, StoredOperandsAreLight) {
  InterpretedDevice device(cpu_plan());
  const NodeRef x = random(Op::random_normal, DType::f32, {2, 2048}), y = heavy(x);
  device.evaluate(x);
  device.evaluate(y);
  const NodeRef sum = elementwise(Op::add, {x, y});
  EXPECT_EQ(loops(kernel(sum, cpu_plan()), ir::Unrolling::never), 0);
  const NodeRef powers = elementwise(Op::exp, {sum});
  EXPECT_EQ(
      loops(kernel(reduce(Op::sum, powers, Axes{1}, false), cpu_plan()), ir::Unrolling::never), 0);
}

// All roots of a region in one loop.
TEST_F(InTurn, SeveralRootsShareTheirCode) {
  const auto make = [&](DType type) {
    const NodeRef x = heavy(values(DType::f32, {61}));
    return std::vector{x, cast(elementwise(Op::negate, {x}), type)};
  };
  for (DType type : {DType::f32, DType::f16, DType::u8, DType::f64}) {
    const auto roots = make(type);
    const std::vector pending = {roots[0].get(), roots[1].get()};
    const auto steps = schedule::make_schedule(pending, {});
    ASSERT_EQ(steps.size(), 1u);
    const Region& region = steps[0].region;
    const ir::Kernel k = lower(region, make_target(cpu_plan())).launches[0].generate(region);
    EXPECT_EQ(loops(k, ir::Unrolling::never), 1);
    InterpretedDevice in_turn(cpu_plan()), straight(straight_plan());
    const auto a = in_turn.evaluate(make(type)), b = straight.evaluate(make(type));
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(difference(a[i], b[i]), "") << name(type);
  }
}

// Every element of a row is the same.
TEST_F(InTurn, RowsOfOneValue) {
  const auto make = [&] {
    const NodeRef x = values(DType::f32, {4, 64});
    const NodeRef sum = reduce(Op::sum, heavy(x), Axes{1}, true);
    const NodeRef max = reduce(Op::reduce_max, x, Axes{1}, true);
    return elementwise(Op::add, {broadcast(sum, {4, 64}), broadcast(max, {4, 64})});
  };
  expect_same(make, "rows of one value");
}

// What serves all elements, and what is loaded by groups, comes before the loop.
TEST_F(InTurn, LoopsHoldOnlyWhatDiffers) {
  const NodeRef x = values(DType::f32, {64}), one = values(DType::f32, {1});
  NodeRef waves = x;  // without a division
  for (Op op : {Op::exp, Op::sin, Op::cos, Op::exp, Op::sin}) waves = elementwise(op, {waves});
  const NodeRef node = elementwise(Op::add, {waves, elementwise(Op::log, {broadcast(one, {64})})});
  const ir::Kernel k = kernel(node, cpu_plan());
  const auto loop = std::find_if(k.body.begin(), k.body.end(), [](const ir::Inst& i) {
    return i.op == ir::Opcode::loop_begin && i.imm == static_cast<uint64_t>(ir::Unrolling::never);
  });
  ASSERT_NE(loop, k.body.end());
  EXPECT_EQ(
      std::count_if(loop, k.body.end(), [](const ir::Inst& i) { return i.op == ir::Opcode::load; }),
      0);
  // The logarithm divides.
  EXPECT_EQ(count(k, ir::Opcode::div), 1);
  EXPECT_EQ(
      std::count_if(loop, k.body.end(), [](const ir::Inst& i) { return i.op == ir::Opcode::div; }),
      0);
}

TEST_F(InTurn, EveryTypeOfElement) {
  for (DType type :
       {DType::f8_e5m2, DType::bf16, DType::f16, DType::f32, DType::f64, DType::c64, DType::c128}) {
    for (int64_t n : {1, 3, 4, 5, 70}) {
      const std::string what = std::string(name(type)) + " " + std::to_string(n);
      expect_same([&] { return heavy(values(type, {n})); }, what);
    }
  }
  for (DType type : {DType::u8, DType::s16, DType::s64}) {
    expect_same(
        [&] {
          const NodeRef wide = heavy(cast(values(type, {70}), DType::f32));
          return cast(elementwise(Op::min, {wide, number(DType::f32, 100)}), type);
        },
        std::string(name(type)));
  }
}

TEST_F(InTurn, EveryAddressing) {
  const Shape shape = {6, 7};
  const auto strided = [&] { return transpose(values(DType::f32, {7, 6}), Axes{1, 0}); };
  const auto mapped = [&] {
    return pad(values(DType::f32, {4, 7}), number(DType::f32, 2), PadAttr{{1, 0}, {1, 0}, {0, 0}});
  };
  const auto generated = [&] { return iota(owner_, DType::f32, shape, 1); };
  expect_same(
      [&] {
        const NodeRef sum = elementwise(Op::add, {heavy(strided()), mapped()});
        return elementwise(Op::add, {sum, elementwise(Op::tanh, {generated()})});
      },
      "pointwise");
  expect_same(
      [&] {
        const NodeRef index = cast(values(DType::u8, shape), DType::s32);
        return heavy(gather(values(DType::f32, {42}), bounded_index(index, 42)));
      },
      "gather");
}

// By groups, or, through a view, one at a time.
TEST_F(InTurn, RandomNumbers) {
  for (DType type : {DType::f32, DType::f64, DType::f16}) {
    for (Op op : {Op::random_uniform, Op::random_normal}) {
      for (int64_t n : {3, 4, 41}) {
        const std::string what = std::string(name(op)) + " " + std::string(name(type));
        expect_same([&] { return heavy(random(op, type, {n})); }, what);
        InterpretedDevice device(cpu_plan()), gpu(straight_plan());
        const NodeRef turned = reverse(random(op, type, {n}), Axes{0});
        const HostTensor backwards = device.evaluate(elementwise(Op::abs, {turned}));
        const HostTensor forwards = gpu.evaluate(elementwise(Op::abs, {random(op, type, {n})}));
        for (int64_t i = 0; i < n; ++i) {
          EXPECT_EQ(to_double(forwards.at(i)), to_double(backwards.at(n - 1 - i))) << what << i;
        }
      }
    }
  }
}

TEST_F(InTurn, Reductions) {
  for (int64_t columns : {70, 72, 1024, 2500}) {
    for (Op op : {Op::sum, Op::reduce_max}) {
      const std::string what = std::string(name(op)) + " " + std::to_string(columns);
      expect_same(
          [&] {
            return reduce(op, heavy(values(DType::f32, {9, columns})), Axes{1}, false);
          },
          what);
    }
    expect_same(
        [&] {
          const NodeRef noise = random(Op::random_normal, DType::f32, {3, columns});
          return reduce(Op::sum, heavy(noise), Axes{1}, false);
        },
        "noise " + std::to_string(columns));
    // An element-wide root, and rows that share a word.
    expect_same(
        [&] {
          const NodeRef powers = heavy(values(DType::f32, {9, columns}));
          return elementwise(Op::divide, {powers, reduce(Op::sum, powers, Axes{1}, true)});
        },
        "softmax " + std::to_string(columns));
    expect_same(
        [&] {
          const NodeRef powers = heavy(values(DType::f32, {9, columns}));
          return elementwise(Op::greater,
                             {reduce(Op::sum, powers, Axes{1}, false), number(DType::f32, 900)});
        },
        "narrow " + std::to_string(columns));
  }
  expect_same(
      [&] {
        return reduce(Op::sum, heavy(values(DType::f32, {600, 5})), Axes{0}, false);
      },
      "columns");
}

// Loops inside of loops multiply: where an invocation would run too many, code is straight again.
TEST_F(InTurn, StaysBelowTheBoundOnLoops) {
  InterpretedDevice in_turn(cpu_plan()), straight(straight_plan());
  const auto make = [&](int64_t rows, int64_t columns) {
    const NodeRef sine = elementwise(Op::sin, {values(DType::f32, {rows, columns})});
    const NodeRef most = reduce(Op::reduce_max, sine, Axes{1}, true);
    const NodeRef powers = heavy(elementwise(Op::subtract, {sine, most}));
    return elementwise(Op::greater,
                       {reduce(Op::sum, powers, Axes{1}, false), number(DType::f32, 9)});
  };
  EXPECT_EQ(loops(kernel(make(4, 32768), cpu_plan()), ir::Unrolling::never), 0);
  EXPECT_GT(loops(kernel(make(4, 8192), cpu_plan()), ir::Unrolling::never), 0);
  // The interpreter counts.
  for (int64_t columns : {8192, 32768}) {
    EXPECT_EQ(difference(in_turn.evaluate(make(4, columns)), straight.evaluate(make(4, columns))),
              "");
  }
  plan::DevicePlan few = cpu_plan();
  few.max_loop_iterations = 1000;
  EXPECT_EQ(loops(kernel(heavy(values(DType::f32, {8})), few), ir::Unrolling::never), 0);
}

TEST_F(InTurn, FaultsNameTheElement) {
  InterpretedDevice device(cpu_plan());
  const auto message = [&](int64_t n, int64_t bad) -> std::string {
    HostTensor base(DType::s32, {n}), power(DType::s32, {n});
    for (int64_t i = 0; i < n; ++i) {
      base.set(i, make_scalar(DType::s32, int64_t{2}));
      power.set(i, make_scalar(DType::s32, int64_t{i == bad ? -1 : 3}));
    }
    const NodeRef two = host_value(owner_, DType::s32, {n}, base.bytes);
    const NodeRef node = elementwise(Op::pow, {elementwise(Op::pow, {two, two}),
                                               host_value(owner_, DType::s32, {n}, power.bytes)});
    EXPECT_GT(loops(kernel(node, cpu_plan()), ir::Unrolling::never), 0);
    try {
      device.evaluate(node);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(6, 5),
            "negative exponent of an integer in pow at element 5 of a result of shape {6}");
  EXPECT_EQ(message(6, 2),
            "negative exponent of an integer in pow at element 2 of a result of shape {6}");
  // What lies beyond the end is no element.
  EXPECT_EQ(message(5, -1), "");
}

}  // namespace
}  // namespace nxv::kernels

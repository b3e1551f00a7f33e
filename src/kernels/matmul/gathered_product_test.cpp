// Products of windows that their kernels gather: the same bits as products of patches in memory.
#include <gtest/gtest.h>

#include "kernels/lowering.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_choice.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/dice.h"
#include "testing/random/graph_check.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

schedule::Options with_patches() {
  schedule::Options options;
  options.fuse = false;
  return options;
}

HostTensor noise(DType type, Shape shape, Dice& dice) {
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    t.set(i, make_scalar(type, std::ldexp(static_cast<double>(dice.between(-1000, 1000)), -9)));
  }
  return t;
}

// A convolution of 1 to 3 spatial axes: strides, dilations, padding of either sign, groups of
// either kind, any order of axes.
struct Geometry {
  enum class Form { any, long_window, whole_positions };
  Shape x, kernel;
  std::vector<library::Option> options;

  Geometry(Dice& dice, int64_t most_channels) {
    const int64_t rank = dice.between(1, 3);
    const Form form = dice.pick(std::vector{Form::any, Form::long_window, Form::whole_positions});
    const bool is_batch = dice.chance(20);
    const int64_t groups = dice.chance(70) ? 1 : dice.between(2, 3);
    // Whole chunks of channels are read as such.
    const int64_t unit = dice.chance(40) ? 8 : 1;
    const int64_t channels = unit * dice.between(1, most_channels / unit);
    const int64_t filters = dice.between(1, 40);
    Shape logical{dice.between(1, 3) * (is_batch ? groups : 1), channels * (is_batch ? 1 : groups)};
    Shape logical_kernel{filters * groups, channels};
    std::vector<int64_t> strides, low, high, input, dilation;
    for (int64_t i = 0; i < rank; ++i) {
      int64_t size = dice.between(1, rank == 1 ? 70 : rank == 2 ? 12 : 6);
      int64_t window = dice.between(1, 3);
      if (i + 1 == rank && form != Form::any) {
        // Whole chunks of positions, or of the window, lie side by side.
        size = form == Form::long_window ? dice.between(7, 9) : 8 * dice.between(1, 2);
        window = form == Form::long_window ? 8 : 3;
        logical.push_back(size);
        logical_kernel.push_back(window);
        for (auto* list : {&strides, &input, &dilation, &low, &high}) list->push_back(1);
        continue;
      }
      logical.push_back(size);
      logical_kernel.push_back(window);
      strides.push_back(dice.between(1, 2));
      input.push_back(dice.chance(30) ? 2 : 1);
      dilation.push_back(dice.chance(30) ? 2 : 1);
      const int64_t needs = (window - 1) * dilation.back() + 1;
      const int64_t there = (size - 1) * input.back() + 1;
      low.push_back(dice.between(-1, 2));
      const int64_t least = std::max<int64_t>(-1, needs - there - low.back());
      high.push_back(least + dice.between(0, 2));
    }
    const auto shuffled = [&] {
      std::vector<int64_t> order(static_cast<size_t>(rank + 2));
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
      const int64_t kind = dice.below(3);
      if (kind == 1) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
      if (kind == 2) {
        for (size_t i = order.size(); i-- > 1;) {
          std::swap(order[i], order[static_cast<size_t>(dice.below(static_cast<int64_t>(i) + 1))]);
        }
      }
      return order;
    };
    // Axis order[i] of memory is logical axis i.
    const auto laid_out = [](const Shape& shape, const std::vector<int64_t>& order) {
      Shape result(shape.size());
      for (size_t i = 0; i < shape.size(); ++i) result[static_cast<size_t>(order[i])] = shape[i];
      return result;
    };
    // Channels last is [batch, spatial..., channels].
    auto order = shuffled();
    std::vector<int64_t> inverse(order.size());
    for (size_t i = 0; i < order.size(); ++i)
      inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    x = laid_out(logical, inverse);
    const auto kernel_order = shuffled();
    kernel = laid_out(logical_kernel, kernel_order);
    options = {{"strides", strides, {}},
               {"low", low, {}},
               {"high", high, {}},
               {"input_dilation", input, {}},
               {"kernel_dilation", dilation, {}},
               {"feature_group_size", {is_batch ? 1 : groups}, {}},
               {"batch_group_size", {is_batch ? groups : 1}, {}},
               {"input_permutation", inverse, {}},
               {"kernel_permutation", kernel_order, {}},
               {"output_permutation", shuffled(), {}}};
  }
};

std::string text(const Geometry& g) {
  std::string s = to_string(g.x) + " " + to_string(g.kernel);
  for (const auto& o : g.options) s += " " + o.name + to_string(o.integers);
  return s;
}

GraphBuilder builder(const Geometry& g, DType type, uint64_t seed) {
  return [=](const GraveyardRef& owner) {
    Dice dice(seed);
    const HostTensor x = noise(type, g.x, dice), kernel = noise(type, g.kernel, dice);
    const std::vector<NodeRef> operands = {host_value(owner, type, x.shape, x.bytes),
                                           host_value(owner, type, kernel.shape, kernel.bytes)};
    return library::call("conv", operands, g.options);
  };
}

GraphEvaluator evaluator(InterpretedDevice& device) {
  return {host_graveyard(), [&](std::span<const NodeRef> nodes) { return device.evaluate(nodes); }};
}

TEST(GatheredProduct, AnyGeometryAgreesWithPatchesAndTheReference) {
  InterpretedDevice gpu(discrete_plan()), patches(discrete_plan(), {}, with_patches());
  const auto without_f64 = plan_with([](plan::Snapshot& s) { s.features.f64 = false; });
  InterpretedDevice narrow(without_f64), narrow_patches(without_f64, {}, with_patches());
  InterpretedDevice cpu(cpu_plan()), cpu_patches(cpu_plan(), {}, with_patches());
  struct {
    InterpretedDevice &gathered, &patches;
  } const devices[] = {{gpu, patches}, {narrow, narrow_patches}, {cpu, cpu_patches}};
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Dice dice(seed);
    const Geometry g(dice, 24);
    SCOPED_TRACE(text(g));
    const DType type = dice.pick(std::vector{DType::f32, DType::f32, DType::f16, DType::c64});
    const auto& [gathered, plain] = devices[seed % 3];
    EXPECT_EQ(check_graph("conv " + std::to_string(seed), builder(g, type, seed),
                          evaluator(gathered), evaluator(plain), agreement_of(gathered.plan())),
              "");
  }
  EXPECT_EQ(gpu.invalid() + narrow.invalid() + cpu.invalid(), "");
  EXPECT_LT(gpu.dispatches(), patches.dispatches());
  for (const char* name : {"matmul_plain", "matmul_shared"}) {
    EXPECT_TRUE(gpu.kernels().count(name) + narrow.kernels().count(name)) << name;
  }
  EXPECT_TRUE(cpu.kernels().count("matmul_registers"));
}

// Small products would be added up in f64.
plan::DevicePlan plan_with_units() {
  return plan_with([](plan::Snapshot& s) {
    using plan::MatrixType;
    s.features.cooperative_matrix = s.features.bfloat16 = true;
    s.features.f64 = false;
    s.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                       {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32}};
    s.probes.matrix_units_exact = true;
  });
}

TEST(GatheredProduct, MatrixUnitsGatherWhatTheyMultiply) {
  InterpretedDevice gathered(plan_with_units()), patches(plan_with_units(), {}, with_patches());
  const auto lower = [](const Region& region, const Target& target) {
    return region.kind == RegionKind::matmul ? lower_small_units(region, target)
                                             : kernels::lower(region, target);
  };
  gathered.set_lower(lower);
  patches.set_lower(lower);
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed);
    Geometry g(dice, 24);
    SCOPED_TRACE(text(g));
    const DType type = std::vector{DType::f16, DType::bf16, DType::f32}[seed % 3];
    // Fast products have the same bits too: f16 holds these elements, whatever their scale.
    g.options.push_back({"precision", {static_cast<int64_t>(seed / 3 % 2)}, {}});
    const GraphBuilder build = builder(g, type, seed);
    const HostTensor a = evaluator(gathered).evaluate(build(host_graveyard()))[0];
    const HostTensor b = evaluator(patches).evaluate(build(host_graveyard()))[0];
    EXPECT_EQ(difference(a, b), "");
  }
  EXPECT_EQ(gathered.invalid(), "");
  EXPECT_LT(gathered.dispatches(), patches.dispatches());
  EXPECT_TRUE(gathered.kernels().count("matmul_scales"));
  EXPECT_TRUE(gathered.kernels().count("matmul_measure"));
}

// Windows have one scale, which is no number's business that is not finite.
TEST(GatheredProduct, FastOnesKeepWhatIsNotFinite) {
  InterpretedDevice units(plan_with_units()), plain(cpu_plan());
  units.set_lower([](const Region& region, const Target& target) {
    return region.kind == RegionKind::matmul ? lower_small_units(region, target)
                                             : kernels::lower(region, target);
  });
  const double infinity = std::numeric_limits<double>::infinity();
  for (bool channels_last : {false, true}) {
    const GraphBuilder build = [=](const GraveyardRef& owner) {
      Dice dice(1);
      const Axes images = channels_last ? Axes{0, 3, 1, 2} : Axes{0, 1, 2, 3};
      const Axes filters = channels_last ? Axes{3, 2, 0, 1} : Axes{0, 1, 2, 3};
      HostTensor x = noise(DType::f32, channels_last ? Shape{2, 9, 9, 8} : Shape{2, 8, 9, 9}, dice);
      HostTensor kernel =
          noise(DType::f32, channels_last ? Shape{3, 3, 8, 8} : Shape{8, 8, 3, 3}, dice);
      x.set(40, make_scalar(DType::f32, infinity));
      x.set(1000, make_scalar(DType::f32, std::nan("")));
      kernel.set(17, make_scalar(DType::f32, 0x1p-70));
      kernel.set(18, make_scalar(DType::f32, 0.0));
      const std::vector<NodeRef> operands = {
          host_value(owner, x.dtype, x.shape, x.bytes),
          host_value(owner, x.dtype, kernel.shape, kernel.bytes)};
      const std::vector<library::Option> options = {{"low", {1, 1}, {}},
                                                    {"high", {1, 1}, {}},
                                                    {"input_permutation", images, {}},
                                                    {"kernel_permutation", filters, {}},
                                                    {"output_permutation", images, {}},
                                                    {"precision", {1}, {}}};
      return library::call("conv", operands, options);
    };
    const HostTensor fast = evaluator(units).evaluate(build(host_graveyard()))[0];
    const HostTensor wanted = evaluator(plain).evaluate(build(host_graveyard()))[0];
    int special = 0;
    for (int64_t i = 0; i < wanted.count(); ++i) {
      const double x = to_double(fast.at(i)), y = to_double(wanted.at(i));
      special += !std::isfinite(y);
      if (std::isnan(y)) {
        EXPECT_TRUE(std::isnan(x)) << i;
      } else if (std::isinf(y)) {
        EXPECT_EQ(x, y) << i;
      } else {
        EXPECT_NEAR(x, y, 1e-6) << i;
      }
    }
    EXPECT_GT(special, 90);
    EXPECT_LT(special, wanted.count() / 2);
  }
  EXPECT_TRUE(units.kernels().count("matmul_scales"));
}

// Windows of 8-bit integers that are cast to f32, on units of integers and by dot products of
// packed words: the bits of a device that has neither.
TEST(GatheredProduct, BytesAreMultipliedAsTheyAre) {
  using plan::MatrixType;
  const auto with_dots = [](plan::Snapshot& s) {
    s.features.integer_dot_product = s.probes.packed_dot_exact = true;
    s.fast_dots = {true, true, true};
  };
  const auto with_units = [](plan::Snapshot& s) {
    s.features.cooperative_matrix = s.features.int8 = true;
    s.matrix_shapes = {{16, 16, 32, MatrixType::s8, MatrixType::s8, MatrixType::s32},
                       {16, 16, 32, MatrixType::s8, MatrixType::u8, MatrixType::s32}};
    s.probes.matrix_units_exact = s.probes.integer_units_exact = true;
  };
  InterpretedDevice plain(discrete_plan()), dots(plan_with(with_dots)),
      units(plan_with(with_units));
  units.set_lower([](const Region& region, const Target& target) {
    const bool is_product = region.kind == RegionKind::matmul;
    return is_product && integer_shape(product_of(region), target)
               ? lower_small_units(region, target)
               : kernels::lower(region, target);
  });
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Dice dice(seed);
    const Geometry g(dice, 24);
    SCOPED_TRACE(text(g));
    const GraphBuilder build = [&](const GraveyardRef& owner) {
      std::vector<NodeRef> operands;
      for (const Shape& shape : {g.x, g.kernel}) {
        const DType type = operands.empty() || seed % 2 == 0 ? DType::s8 : DType::u8;
        HostTensor t(type, shape);
        for (int64_t i = 0; i < t.count(); ++i) {
          t.set(i, make_scalar(type,
                               type == DType::u8 ? dice.between(0, 255) : dice.between(-128, 127)));
        }
        operands.push_back(host_value(owner, type, t.shape, t.bytes));
      }
      return library::call("conv", operands, g.options);
    };
    // In the same order each time.
    const auto computed = [&](InterpretedDevice& device) {
      dice = Dice(seed);
      return evaluator(device).evaluate(build(host_graveyard()))[0];
    };
    const HostTensor wanted = computed(plain);
    EXPECT_EQ(difference(computed(dots), wanted), "");
    EXPECT_EQ(difference(computed(units), wanted), "");
  }
  EXPECT_EQ(dots.invalid() + units.invalid(), "");
  EXPECT_LT(dots.dispatches(), plain.dispatches());
  EXPECT_TRUE(units.kernels().count("matmul_units"));
}

// Of a batch with several strides, by every kind of tile.
TEST(GatheredProduct, MatricesOfSeveralBatchAxes) {
  InterpretedDevice gpu(discrete_plan()), apart(discrete_plan(), {}, with_patches());
  InterpretedDevice cpu(cpu_plan()), cpu_apart(cpu_plan(), {}, with_patches());
  InterpretedDevice units(plan_with_units()), units_apart(plan_with_units(), {}, with_patches());
  for (InterpretedDevice* device : {&units, &units_apart}) {
    device->set_lower([](const Region& region, const Target& target) {
      return region.kind == RegionKind::matmul ? lower_small_units(region, target)
                                               : kernels::lower(region, target);
    });
  }
  for (const auto& [rows, columns, depth] : std::vector<std::array<int64_t, 3>>{
           {20, 24, 40}, {64, 64, 32}, {1, 40, 64}, {40, 3, 33}, {8, 40, 9}}) {
    for (const DType type : {DType::f32, DType::f16}) {
      const GraphBuilder build = [=, m = rows, n = columns, k = depth](const GraveyardRef& owner) {
        Dice dice(static_cast<uint64_t>(m * n * k));
        const auto value = [&](Shape shape) {
          const HostTensor t = noise(type, std::move(shape), dice);
          return host_value(owner, type, t.shape, t.bytes);
        };
        const NodeRef q = value({2, m, 3, k}), x = value({2, n, 3, k}), y = value({2, k, 3, n});
        return std::vector{dot(q, x, {{3}, {3}, {0, 2}, {0, 2}}),
                           dot(q, y, {{3}, {1}, {0, 2}, {0, 2}})};
      };
      for (auto [together, one] : {std::pair{&gpu, &apart}, {&cpu, &cpu_apart}}) {
        EXPECT_EQ(check_graph("heads", build, evaluator(*together), evaluator(*one),
                              agreement_of(together->plan())),
                  "");
      }
      const auto a = evaluator(units).evaluate(build(host_graveyard()));
      const auto b = evaluator(units_apart).evaluate(build(host_graveyard()));
      for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(difference(a[i], b[i]), "");
    }
  }
  EXPECT_EQ(gpu.invalid() + cpu.invalid() + units.invalid(), "");
  for (const char* name : {"matmul_plain", "matmul_shared", "matmul_lines"}) {
    EXPECT_TRUE(gpu.kernels().count(name)) << name;
  }
}

}  // namespace
}  // namespace nxv::kernels

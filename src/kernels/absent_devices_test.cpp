// Every family of kernels on devices that are not there, in the interpreter: results agree with the
// reference, and have the same bits on devices that compute alike.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "graph/build.h"
#include "kernels/plans_test.h"
#include "library/registry.h"
#include "testing/dice.h"
#include "testing/graph_check.h"
#include "testing/interpreted.h"
#include "testing/random_call.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

// ---- What is computed ----

HostTensor noise(DType type, Shape shape, uint64_t seed) {
  Dice dice(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const int64_t n = dice.between(-10000, 10000), m = dice.between(-10000, 10000);
    if (is_integer(type)) {
      t.set(i, make_scalar(type, n));
    } else if (is_complex(type)) {
      t.set(i, make_scalar(type, std::complex(std::ldexp(n, -11), std::ldexp(m, -11))));
    } else {
      t.set(i, make_scalar(type, std::ldexp(n, -11)));
    }
  }
  return t;
}

// The operands of one graph.
class Data {
 public:
  explicit Data(GraveyardRef owner) : owner(std::move(owner)) {}

  NodeRef make(DType type, Shape shape) {
    const HostTensor t = noise(type, std::move(shape), ++seed_);
    return host_value(owner, t.dtype, t.shape, t.bytes);
  }
  NodeRef indices(Shape shape, int64_t bound) {
    Dice dice(++seed_);
    HostTensor t(DType::s32, std::move(shape));
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, make_scalar(t.dtype, dice.below(bound)));
    return host_value(owner, t.dtype, t.shape, t.bytes);
  }
  NodeRef number(DType type, double v) const { return constant(owner, make_scalar(type, v), {}); }

  const GraveyardRef owner;

 private:
  uint64_t seed_ = 0;
};

using Options = std::vector<library::Option>;

struct Case {
  const char* name;
  std::function<std::vector<NodeRef>(Data&)> build;
  // Sums follow a tree that depends on how many lanes share a matrix.
  bool bits_follow_lanes = false;
  bool large = false;  // for the devices whose kernel it is
};

NodeRef over_columns(Op op, const NodeRef& x) {
  return reduce(op, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, true);
}

NodeRef softmax(const NodeRef& x) {
  const NodeRef e =
      elementwise(Op::exp, {elementwise(Op::subtract, {x, over_columns(Op::reduce_max, x)})});
  return elementwise(Op::divide, {e, over_columns(Op::sum, e)});
}

std::vector<NodeRef> decompositions(Data& d, DType type) {
  const NodeRef x = d.make(type, {2, 7, 7});
  const NodeRef turned = transpose(x, {0, 2, 1});
  const NodeRef adjoint = is_complex(type) ? elementwise(Op::conjugate, {turned}) : turned;
  const NodeRef wide =
      elementwise(Op::multiply, {eye(d.owner, type, {2, 7, 7}), d.number(type, 60)});
  const NodeRef dominant = elementwise(Op::add, {x, wide});
  std::vector<NodeRef> all;
  const auto call = [&](const char* name, std::vector<NodeRef> tensors) {
    for (NodeRef& r : library::call(name, tensors, Options{})) all.push_back(std::move(r));
  };
  call("lu", {x});
  call("eigh", {elementwise(Op::add, {x, adjoint})});
  call("cholesky", {elementwise(Op::add, {matmul(x, adjoint), wide})});
  call("triangular_solve", {dominant, d.make(type, {2, 7, 3})});
  call("solve", {reverse(dominant, {1}), d.make(type, {2, 7, 2})});
  call("qr", {d.make(type, {5, 8})});
  call("qr", {d.make(type, {8, 5})});
  if (!is_complex(type)) call("svd", {d.make(type, {6, 4})});
  return all;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"pointwise",
       [](Data& d) {
         const NodeRef x = d.make(DType::f32, {37, 31}), y = d.make(DType::f32, {31});
         const NodeRef ratio = elementwise(Op::divide, {x, y});
         const NodeRef root = elementwise(Op::sqrt, {elementwise(Op::abs, {ratio})});
         return std::vector{root, elementwise(Op::less, {ratio, y}), elementwise(Op::exp, {root}),
                            cast(ratio, DType::s64)};
       }},
      {"64-bit integers",
       [](Data& d) {
         const NodeRef x = d.make(DType::s64, {300}), y = d.make(DType::u64, {300});
         const NodeRef square = elementwise(Op::multiply, {x, x});
         return std::vector{
             elementwise(Op::quotient,
                         {square, elementwise(Op::max, {y, d.number(DType::u64, 1)})}),
             elementwise(Op::min, {x, y}), elementwise(Op::population_count, {y}),
             cast(square, DType::f32)};
       }},
      {"transpose",
       [](Data& d) {
         const NodeRef x = d.make(DType::f32, {3, 35, 40}), y = d.make(DType::f16, {3, 40, 36});
         return std::vector{
             elementwise(Op::add, {transpose(x, {0, 2, 1}), d.make(DType::f32, {3, 40, 35})}),
             transpose(y, {0, 2, 1})};
       }},
      {"reductions",
       [](Data& d) {
         const NodeRef x = d.make(DType::f32, {5, 1300}), y = d.make(DType::f16, {300, 5});
         const NodeRef z = d.make(DType::f64, {2, 5000}), c = d.make(DType::c64, {3, 200});
         return std::vector{reduce(Op::sum, x, Axes{1}, false),
                            reduce(Op::reduce_max, y, Axes{0}, false),
                            reduce(Op::sum, z, Axes{1}, false),
                            reduce(Op::sum, c, Axes{1}, false),
                            reduce(Op::product, d.make(DType::s64, {70, 9}), Axes{1}, false),
                            reduce(Op::any, d.make(DType::u8, {4, 129}), Axes{1}, false)};
       }},
      {"row programs",
       [](Data& d) {
         return std::vector{softmax(d.make(DType::f32, {5, 300})),
                            softmax(d.make(DType::f32, {2, 1501})),
                            softmax(d.make(DType::f16, {6, 64}))};
       }},
      {"small products",
       [](Data& d) {
         return std::vector{matmul(d.make(DType::f32, {20, 30}), d.make(DType::f32, {30, 11})),
                            matmul(d.make(DType::s16, {9, 21}), d.make(DType::u8, {21, 6})),
                            matmul(d.make(DType::c64, {5, 14}), d.make(DType::c64, {14, 6})),
                            matmul(d.make(DType::f32, {2, 5000}), d.make(DType::f32, {5000, 3}))};
       }},
      {"tiled products",
       [](Data& d) {
         const NodeRef x = d.make(DType::f32, {66, 150}), y = d.make(DType::f32, {150, 70});
         return std::vector{matmul(x, y), matmul(d.make(DType::f16, {64, 64}),
                                                 transpose(d.make(DType::f16, {70, 64}), {1, 0}))};
       }},
      {"products of matrix units",
       [](Data& d) {
         return std::vector{matmul(d.make(DType::f16, {170, 160}), d.make(DType::f16, {160, 161}))};
       },
       false, true},
      {"folds of a function",
       [](Data& d) {
         const NodeRef x = parameter(d.owner, DType::f32), acc = parameter(d.owner, DType::f32);
         const NodeRef body = elementwise(Op::subtract, {x, elementwise(Op::multiply, {acc, acc})});
         return library::call("reduce",
                              std::vector{d.make(DType::f32, {6, 5, 9}), d.number(DType::f32, 0.5),
                                          x, acc, elementwise(Op::sigmoid, {body})},
                              Options{{"axes", {1, 2}, {}}, {"keep_axes", {0}, {}}});
       }},
      {"scans",
       [](Data& d) {
         std::vector<NodeRef> all;
         const auto scan = [&](const char* name, const NodeRef& x, int64_t axis, bool reverse) {
           all.push_back(library::call(
               name, std::vector{x}, Options{{"axis", {axis}, {}}, {"reverse", {reverse}, {}}})[0]);
         };
         scan("cumulative_sum", d.make(DType::f32, {2, 2100}), 1, false);
         scan("cumulative_sum", d.make(DType::f32, {300, 4}), 0, true);
         scan("cumulative_max", d.make(DType::f16, {5, 40}), 1, false);
         scan("cumulative_product", d.make(DType::s64, {3, 50}), 1, false);
         return all;
       }},
      {"sorts",
       [](Data& d) {
         std::vector<NodeRef> all;
         const auto sort = [&](const char* name, const NodeRef& x, bool descending) {
           all.push_back(
               library::call(name, std::vector{x},
                             Options{{"axis", {-1}, {}}, {"descending", {descending}, {}}})[0]);
         };
         sort("sort", d.make(DType::f32, {5, 30}), true);
         sort("argsort", d.make(DType::f32, {2, 500}), false);
         sort("sort", d.make(DType::s64, {3, 70}), false);
         sort("argsort", d.make(DType::s8, {1, 9000}), true);
         return all;
       }},
      {"scatters",
       [](Data& d) {
         std::vector<NodeRef> all;
         const auto scatter = [&](const char* name, DType type) {
           const std::vector<NodeRef> tensors = {d.make(type, {12, 5}), d.indices({90, 1}, 4),
                                                 d.make(type, {90, 5})};
           all.push_back(library::call(name, tensors, Options{{"axes", {0}, {}}})[0]);
         };
         for (DType t : {DType::f32, DType::f64, DType::bf16, DType::c64, DType::s64, DType::u8}) {
           scatter("indexed_add", t);
         }
         scatter("indexed_put", DType::f32);
         return all;
       }},
      {"windows",
       [](Data& d) {
         std::vector<NodeRef> all;
         for (const char* name : {"window_sum", "window_max"}) {
           all.push_back(library::call(name, std::vector{d.make(DType::f32, {9, 23})},
                                       Options{{"window", {3, 4}, {}},
                                               {"low", {1, 0}, {}},
                                               {"high", {0, 2}, {}},
                                               {"strides", {2, 1}, {}}})[0]);
         }
         const std::vector<NodeRef> operands = {d.make(DType::f32, {2, 3, 9, 8}),
                                                d.make(DType::f32, {4, 3, 3, 3})};
         all.push_back(library::call("conv", operands,
                                     Options{{"strides", {1, 2}, {}},
                                             {"low", {1, 1}, {}},
                                             {"high", {1, 1}, {}},
                                             {"input_dilation", {1, 1}, {}},
                                             {"kernel_dilation", {1, 1}, {}},
                                             {"feature_group_size", {1}, {}},
                                             {"batch_group_size", {1}, {}}})[0]);
         return all;
       }},
      {"transforms",
       [](Data& d) {
         std::vector<NodeRef> all;
         for (int64_t length : {1, 97, 360}) {
           all.push_back(library::call("fft", std::vector{d.make(DType::c64, {2, length})},
                                       Options{{"axis", {-1}, {}}, {"length", {length}, {}}})[0]);
         }
         all.push_back(library::call("ifft", std::vector{d.make(DType::c128, {1, 60})},
                                     Options{{"axis", {-1}, {}}, {"length", {60}, {}}})[0]);
         return all;
       }},
      {"gathers",
       [](Data& d) {
         const NodeRef x = d.make(DType::s64, {20, 7});
         return library::call("take", std::vector{x, d.indices({9}, 20)},
                              Options{{"axis", {0}, {}}});
       }},
      {"decompositions", [](Data& d) { return decompositions(d, DType::f32); }, true},
      {"complex decompositions", [](Data& d) { return decompositions(d, DType::c64); }, true},
  };
  return list;
}

// ---- Devices ----

GraphEvaluator evaluator(InterpretedDevice& device) {
  return {host_graveyard(), [&](std::span<const NodeRef> nodes) {
            std::vector<HostTensor> values;
            for (const NodeRef& node : nodes) values.push_back(device.evaluate(node));
            return values;
          }};
}

schedule::Options one_at_a_time() {
  schedule::Options options;
  options.fuse = false;
  return options;
}

class Interpreted {
 public:
  explicit Interpreted(const AbsentDevice& d)
      : device(d),
        agreement(agreement_of(d.plan)),
        fused(d.plan, d.interpreter),
        apart(d.plan, d.interpreter, one_at_a_time()) {}

  std::string check(const std::string& label, const GraphBuilder& build) {
    return checked(label, [&] {
      return check_graph(label, build, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_call(uint64_t seed) {
    return checked("call " + std::to_string(seed), [&] {
      return check_random_call(seed, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_graph_of(uint64_t seed) {
    return checked("graph " + std::to_string(seed), [&] {
      RandomGraphOptions options = random_graph_options(seed);
      options.max_elements = seed % 5 == 0 ? 1000 : 150;
      return check_random_graph(seed, options, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::vector<HostTensor> values(const GraphBuilder& build) {
    const GraphEvaluator device_evaluator = evaluator(fused);
    return device_evaluator.evaluate(build(device_evaluator.owner));
  }

  const AbsentDevice device;
  const AgreementOptions agreement;
  InterpretedDevice fused, apart;

 private:
  template <typename Check>
  std::string checked(const std::string& label, Check check) const {
    std::string wrong;
    try {
      wrong = check();
    } catch (const Error& e) {
      wrong = label + ": " + e.what();
    }
    return wrong.empty() ? wrong : device.name + ": " + wrong;
  }
};

std::vector<std::unique_ptr<Interpreted>> open_all() {
  std::vector<std::unique_ptr<Interpreted>> all;
  for (const AbsentDevice& d : absent_devices()) all.push_back(std::make_unique<Interpreted>(d));
  return all;
}

std::string same_bits(Interpreted& a, Interpreted& b, const GraphBuilder& build) {
  const std::vector<HostTensor> x = a.values(build), y = b.values(build);
  for (size_t i = 0; i < x.size(); ++i) {
    const std::string off = difference(x[i], y[i]);
    if (!off.empty()) return b.device.name + ", result " + std::to_string(i) + ": " + off;
  }
  return {};
}

TEST(AbsentDevices, EveryFamilyOfKernels) {
  const auto devices = open_all();
  std::set<std::string> kernels;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const GraphBuilder build = [&](const GraveyardRef& owner) {
      Data data(owner);
      return c.build(data);
    };
    for (const auto& device : devices) {
      if (c.large && !device->device.plan.has.coopmat) continue;
      EXPECT_EQ(device->check(c.name, build), "");
      if (device == devices[0] || !device->device.is_alike || c.bits_follow_lanes) continue;
      EXPECT_EQ(same_bits(*devices[0], *device, build), "");
    }
  }
  for (const auto& device : devices) {
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
    kernels.insert(device->fused.kernels().begin(), device->fused.kernels().end());
  }
  for (const char* name : {"pointwise", "transpose", "reduction", "row_program", "matmul_plain",
                           "matmul_blocks", "matmul_totals", "matmul_shared", "matmul_registers",
                           "matmul_units", "fold", "scan", "scan_totals", "rank_sort", "merge_sort",
                           "radix_count", "radix_move", "radix_count_tile", "radix_move_tile"}) {
    EXPECT_TRUE(kernels.count(name)) << "no device ran " << name;
  }
}

// Whether a call's sums follow the number of lanes.
bool has_lanes(const std::string& name) {
  static const std::set<std::string> linear = {
      "lu", "qr", "eigh", "svd", "cholesky", "solve", "invert", "determinant", "triangular_solve"};
  return linear.count(name) != 0;
}

// Takes turns with the devices.
void check_random(uint64_t first, uint64_t count) {
  const auto devices = open_all();
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Interpreted& device = *devices[seed % devices.size()];
    EXPECT_EQ(device.check_call(seed), "");
    EXPECT_EQ(device.check_graph_of(seed), "");
    if (!device.device.is_alike) continue;
    const GraphBuilder call = [&](const GraveyardRef& owner) {
      return random_call(owner, seed).results;
    };
    if (has_lanes(random_call(host_graveyard(), seed).name)) continue;
    EXPECT_EQ(same_bits(*devices[0], device, call), "") << "seed " << seed;
  }
  for (const auto& device : devices) {
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
  }
}

TEST(AbsentDevices, RandomCallsAndGraphs) { check_random(0, 64); }

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(AbsentDevices, DISABLED_LongRandomCallsAndGraphs) { check_random(1000, 8000); }

}  // namespace
}  // namespace nxv::kernels

#include "testing/corpus/kernel_cases.h"

#include <cmath>

#include "library/registry.h"
#include "testing/random/dice.h"
#include "testing/reference/reference.h"

namespace nxv::testing {
namespace {

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
  // Implicit: cases are functions of an owner.
  Data(GraveyardRef owner) : owner(std::move(owner)) {}

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

}  // namespace

const std::vector<KernelCase>& kernel_cases() {
  static const std::vector<KernelCase> list = {
      {"pointwise",
       [](Data d) {
         const NodeRef x = d.make(DType::f32, {37, 31}), y = d.make(DType::f32, {31});
         const NodeRef ratio = elementwise(Op::divide, {x, y});
         const NodeRef root = elementwise(Op::sqrt, {elementwise(Op::abs, {ratio})});
         return std::vector{root, elementwise(Op::less, {ratio, y}), elementwise(Op::exp, {root}),
                            cast(ratio, DType::s64)};
       }},
      {"64-bit integers",
       [](Data d) {
         const NodeRef x = d.make(DType::s64, {300}), y = d.make(DType::u64, {300});
         const NodeRef square = elementwise(Op::multiply, {x, x});
         return std::vector{
             elementwise(Op::quotient,
                         {square, elementwise(Op::max, {y, d.number(DType::u64, 1)})}),
             elementwise(Op::min, {x, y}), elementwise(Op::population_count, {y}),
             cast(square, DType::f32)};
       }},
      {"transpose",
       [](Data d) {
         const NodeRef x = d.make(DType::f32, {3, 35, 40}), y = d.make(DType::f16, {3, 40, 36});
         return std::vector{
             elementwise(Op::add, {transpose(x, {0, 2, 1}), d.make(DType::f32, {3, 40, 35})}),
             transpose(y, {0, 2, 1})};
       }},
      {"reductions",
       [](Data d) {
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
       [](Data d) {
         return std::vector{softmax(d.make(DType::f32, {5, 300})),
                            softmax(d.make(DType::f32, {2, 1501})),
                            softmax(d.make(DType::f16, {6, 64}))};
       }},
      {"step of an optimizer",
       [](Data d) {
         const auto f32 = [&] { return d.make(DType::f32, {37, 31}); };
         const auto mix = [&](const NodeRef& old, const NodeRef& x, double share) {
           return elementwise(Op::add,
                              {elementwise(Op::multiply, {old, d.number(DType::f32, 1 - share)}),
                               elementwise(Op::multiply, {x, d.number(DType::f32, share)})});
         };
         const NodeRef p = f32(), g = f32(), m = mix(f32(), g, 0.1);
         const NodeRef v =
             mix(elementwise(Op::abs, {f32()}), elementwise(Op::multiply, {g, g}), 1e-3);
         const NodeRef step = elementwise(Op::divide, {m, elementwise(Op::sqrt, {v})});
         return std::vector{elementwise(Op::subtract, {p, step}), m, v, cast(v, DType::f16)};
       }},
      {"normalisation of rows",
       [](Data d) {
         std::vector<NodeRef> all;
         for (const Shape& shape : {Shape{5, 300}, Shape{2, 1501}, Shape{3, 64}, Shape{9, 6}}) {
           const NodeRef x = d.make(DType::f32, shape);
           const NodeRef n = d.number(DType::f32, static_cast<double>(shape[1]));
           const NodeRef mean = elementwise(Op::divide, {over_columns(Op::sum, x), n});
           const NodeRef centred = elementwise(Op::subtract, {x, mean});
           const NodeRef variance = elementwise(
               Op::divide,
               {over_columns(Op::sum, elementwise(Op::multiply, {centred, centred})), n});
           all.insert(all.end(),
                      {mean, variance,
                       elementwise(Op::multiply, {centred, elementwise(Op::rsqrt, {variance})})});
         }
         return all;
       }},
      {"folds of the same rows",
       [](Data d) {
         std::vector<NodeRef> all;
         for (DType t : {DType::f32, DType::f16, DType::u8}) {
           const NodeRef x = d.make(t, {11, 130});
           all.insert(all.end(), {over_columns(Op::sum, x), over_columns(Op::reduce_max, x)});
         }
         // Of many rows, and of few that are split.
         const NodeRef x = d.make(DType::f32, {2100, 8}), y = d.make(DType::f32, {2, 70000});
         const NodeRef sum = over_columns(Op::sum, y);
         all.insert(all.end(), {over_columns(Op::sum, x), over_columns(Op::reduce_min, x), sum,
                                elementwise(Op::negate, {sum})});
         return all;
       }},
      {"small products",
       [](Data d) {
         return std::vector{matmul(d.make(DType::f32, {20, 30}), d.make(DType::f32, {30, 11})),
                            matmul(d.make(DType::s16, {9, 21}), d.make(DType::u8, {21, 6})),
                            matmul(d.make(DType::c64, {5, 14}), d.make(DType::c64, {14, 6})),
                            matmul(d.make(DType::f32, {2, 5000}), d.make(DType::f32, {5000, 3}))};
       }},
      {"tiled products",
       [](Data d) {
         const NodeRef x = d.make(DType::f32, {66, 150}), y = d.make(DType::f32, {150, 70});
         return std::vector{matmul(x, y), matmul(d.make(DType::f16, {64, 64}),
                                                 transpose(d.make(DType::f16, {70, 64}), {1, 0}))};
       }},
      {"products of matrix units",
       [](Data d) {
         return std::vector{matmul(d.make(DType::f16, {170, 160}), d.make(DType::f16, {160, 161}))};
       },
       false, true},
      {"products of bytes",
       [](Data d) {
         return std::vector{
             matmul(d.make(DType::s8, {170, 160}), d.make(DType::s8, {160, 161})),
             matmul(d.make(DType::s8, {66, 152}), transpose(d.make(DType::u8, {70, 152}), {1, 0}))};
       }},
      {"folds of a function",
       [](Data d) {
         const NodeRef x = parameter(d.owner, DType::f32), acc = parameter(d.owner, DType::f32);
         const NodeRef body = elementwise(Op::subtract, {x, elementwise(Op::multiply, {acc, acc})});
         return library::call("reduce",
                              std::vector{d.make(DType::f32, {6, 5, 9}), d.number(DType::f32, 0.5),
                                          x, acc, elementwise(Op::sigmoid, {body})},
                              Options{{"axes", {1, 2}, {}}, {"keep_axes", {0}, {}}});
       }},
      {"scans",
       [](Data d) {
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
       [](Data d) {
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
       [](Data d) {
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
       [](Data d) {
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
       [](Data d) {
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
       [](Data d) {
         const NodeRef x = d.make(DType::s64, {20, 7});
         return library::call("take", std::vector{x, d.indices({9}, 20)},
                              Options{{"axis", {0}, {}}});
       }},
      {"attention",
       [](Data d) {
         std::vector<NodeRef> all;
         for (DType t : {DType::f32, DType::bf16}) {
           const std::vector<NodeRef> operands = {
               d.make(t, {2, 4, 37, 40}), transpose(d.make(t, {2, 70, 2, 40}), {0, 2, 1, 3}),
               d.make(t, {2, 2, 70, 24}), d.make(DType::f32, {37, 70})};
           all.push_back(library::call("attention", operands,
                                       Options{{"causal", {1}, {}},
                                               {"window", {60}, {}},
                                               {"bias", {1}, {}},
                                               {"soft_cap", {}, {8.0}}})[0]);
         }
         return all;
       }},
      {"attention of few queries",
       [](Data d) {
         return library::call(
             "attention",
             std::vector{d.make(DType::f16, {2, 6, 1, 40}), d.make(DType::f16, {2, 2, 200, 40}),
                         d.make(DType::f16, {2, 2, 200, 24})},
             Options{});
       },
       true},
      {"attention of matrix units",
       [](Data d) {
         return library::call(
             "attention",
             std::vector{d.make(DType::bf16, {1, 2, 70, 64}), d.make(DType::bf16, {1, 1, 50, 64}),
                         d.make(DType::bf16, {1, 1, 50, 32})},
             Options{{"causal", {1}, {}}});
       },
       false, true},
      {"decompositions", [](Data d) { return decompositions(d, DType::f32); }, true},
      {"complex decompositions", [](Data d) { return decompositions(d, DType::c64); }, true},
  };
  return list;
}

}  // namespace nxv::testing

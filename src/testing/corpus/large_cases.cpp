#include "testing/corpus/large_cases.h"

#include <memory>

#include "library/registry.h"

namespace nxv::testing {
namespace {

struct NoStorage : Storage {};

// A stored tensor that nobody can read.
NodeRef absent(const GraveyardRef& owner, DType type, Shape shape) {
  NodeRef node = make_node(owner, Op::data, type, std::move(shape));
  node->set_stored(std::make_shared<NoStorage>());
  return node;
}

using Shapes = std::vector<Shape>;
using Options = std::vector<library::Option>;
using Make = std::function<std::vector<NodeRef>(std::vector<NodeRef> operands)>;

class Cases {
 public:
  // One graph for each type, over tensors of these shapes.
  void add(const std::string& name, const std::vector<DType>& types, const Shapes& shapes,
           const Make& make) {
    for (const DType type : types) {
      std::string label = name + " " + std::string(nxv::name(type));
      for (const Shape& s : shapes) label += " " + to_string(s);
      all_.push_back({std::move(label), [type, shapes, make](const GraveyardRef& owner) {
                        std::vector<NodeRef> operands;
                        for (const Shape& s : shapes) operands.push_back(absent(owner, type, s));
                        return make(std::move(operands));
                      }});
    }
  }
  // The suffix tells graphs apart that differ in their options.
  void call(const std::string& name, const std::vector<DType>& types, const Shapes& shapes,
            const Options& options, const std::string& suffix = "") {
    add(name + suffix, types, shapes, [name, options](std::vector<NodeRef> operands) {
      return library::call(name, operands, options);
    });
  }
  // The second operand holds places in the first axis of the first one.
  void indexed(const std::string& name, DType type, const Shapes& shapes, const Options& options) {
    all_.push_back({name + " " + to_string(shapes[0]) + to_string(shapes[1]),
                    [name, type, shapes, options](const GraveyardRef& owner) {
                      std::vector<NodeRef> operands;
                      for (size_t i = 0; i < shapes.size(); ++i) {
                        operands.push_back(absent(owner, i == 1 ? DType::s32 : type, shapes[i]));
                      }
                      return library::call(name, operands, options);
                    }});
  }
  std::vector<CorpusGraph> take() { return std::move(all_); }

 private:
  std::vector<CorpusGraph> all_;
};

NodeRef over_columns(Op op, const NodeRef& x) {
  return reduce(op, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, true);
}

std::vector<NodeRef> softmax(std::vector<NodeRef> x) {
  const NodeRef shifted = elementwise(Op::subtract, {x[0], over_columns(Op::reduce_max, x[0])});
  const NodeRef e = elementwise(Op::exp, {shifted});
  return {elementwise(Op::divide, {e, over_columns(Op::sum, e)})};
}

Make reduction(Op op, const Axes& axes) {
  return [op, axes](std::vector<NodeRef> x) { return std::vector{reduce(op, x[0], axes, false)}; };
}

const std::vector<DType> kFloats = {DType::f32, DType::f16, DType::bf16, DType::f64};

void add_pointwise(Cases& c) {
  c.add("add", {DType::f32, DType::f16, DType::u8, DType::s64}, {{1 << 24}, {1 << 24}},
        [](auto x) { return std::vector{elementwise(Op::add, x)}; });
  c.add("add row", {DType::f32}, {{4096, 1000}, {1000}},
        [](auto x) { return std::vector{elementwise(Op::add, x)}; });
  c.add("transpose", {DType::f32, DType::f16, DType::u8}, {{4096, 4096}}, [](auto x) {
    return std::vector{elementwise(Op::negate, {transpose(x[0], {1, 0})})};
  });
}

void add_reductions(Cases& c) {
  const std::vector<DType> types = {DType::f32, DType::f16, DType::s64, DType::c64};
  for (const Shape& s : Shapes{{1 << 26}, {1 << 12}, {3}})
    c.add("sum", types, {s}, reduction(Op::sum, {0}));
  for (const Shape& s : Shapes{{8192, 8192},
                               {64, 16384},
                               {1024, 1024},
                               {1 << 20, 3},
                               {1 << 18, 9},
                               {100000, 31},
                               {77, 1003}}) {
    c.add("row sum", types, {s}, reduction(Op::sum, {1}));
    c.add("column sum", types, {s}, reduction(Op::sum, {0}));
    c.add("row max", {DType::f32, DType::u8}, {s}, reduction(Op::reduce_max, {1}));
    if (s[1] > 16) c.add("softmax", kFloats, {s}, softmax);
  }
  c.add("middle sum", {DType::f32}, {{64, 512, 64}}, reduction(Op::sum, {1}));
  for (const char* name : {"argmax", "argmin"}) {
    c.call(name, {DType::f32, DType::s32}, {{1024, 1000}}, {{"axis", {1}, {}}});
  }
}

void add_products(Cases& c) {
  const auto product = [](std::vector<NodeRef> x) { return std::vector{matmul(x[0], x[1])}; };
  const std::vector<DType> types = {DType::f32, DType::f16, DType::bf16,
                                    DType::f64, DType::s32, DType::c64};
  for (const auto& [m, k, n] : std::vector<std::array<int64_t, 3>>{{64, 64, 64},
                                                                   {256, 784, 512},
                                                                   {512, 512, 10},
                                                                   {1, 2048, 8192},
                                                                   {1024, 1024, 1024},
                                                                   {4096, 4096, 4096},
                                                                   {1000, 999, 1001},
                                                                   {64, 100000, 64}}) {
    c.add("product", types, {{m, k}, {k, n}}, product);
    c.add("product of a transpose", {DType::f32, DType::f16}, {{m, k}, {n, k}}, [](auto x) {
      return std::vector{matmul(x[0], transpose(x[1], {1, 0}))};
    });
  }
  const auto fast = [](std::vector<NodeRef> x) {
    return std::vector{matmul(x[0], x[1], Precision::fast)};
  };
  for (const auto& [m, k, n] : std::vector<std::array<int64_t, 3>>{
           {512, 512, 512}, {4096, 4096, 4096}, {1000, 999, 1001}, {64, 100000, 64}}) {
    c.add("fast product", {DType::f32}, {{m, k}, {k, n}}, fast);
  }
  c.add("fast batched product", {DType::f32}, {{12, 512, 64}, {12, 64, 512}}, fast);
  c.call("conv", {DType::f32}, {{32, 128, 56, 56}, {128, 128, 3, 3}},
         {{"low", {1, 1}, {}}, {"high", {1, 1}, {}}, {"precision", {1}, {}}});
  c.add("batched product", {DType::f32, DType::f16}, {{12, 512, 64}, {12, 64, 512}}, product);
  c.add("small batched product", {DType::f32}, {{1000, 32, 32}, {1000, 32, 32}}, product);
  c.call("conv", {DType::f32, DType::f16}, {{32, 128, 56, 56}, {128, 128, 3, 3}},
         {{"low", {1, 1}, {}}, {"high", {1, 1}, {}}});
  c.call("conv", {DType::f32}, {{32, 128, 56, 56}, {128, 128, 1, 1}}, {});
}

void add_library(Cases& c) {
  for (const Shape& s : Shapes{{1 << 24}, {4096, 4096}, {1 << 16, 20}}) {
    const int64_t axis = static_cast<int64_t>(s.size()) - 1;
    c.call("cumulative_sum", {DType::f32, DType::s64}, {s}, {{"axis", {axis}, {}}});
    c.call("sort", {DType::f32, DType::s64, DType::u8}, {s}, {{"axis", {axis}, {}}});
    c.call("argsort", {DType::f32}, {s}, {{"axis", {axis}, {}}, {"descending", {1}, {}}});
  }
  c.call("cumulative_max", {DType::f32}, {{4096, 4096}}, {{"axis", {0}, {}}});
  for (const Shape& s : Shapes{{1 << 20}, {4096, 4096}, {1000003}, {100, 360}}) {
    c.call("fft", {DType::c64, DType::c128, DType::f32}, {s}, {});
  }
  c.indexed("take", DType::f32, {{1 << 20}, {1 << 22}}, {{"axis", {0}, {}}});
  c.indexed("take", DType::f16, {{50304, 768}, {4096}}, {{"axis", {0}, {}}});
  for (const DType type : {DType::f32, DType::bf16, DType::s64, DType::f64}) {
    for (const char* name : {"indexed_add", "indexed_put"}) {
      c.indexed(name, type, {{1 << 24}, {1 << 22, 1}, {1 << 22}}, {{"axes", {0}, {}}});
      c.indexed(name, type, {{50304, 768}, {4096, 1}, {4096, 768}}, {{"axes", {0}, {}}});
    }
  }
  for (const char* name : {"window_sum", "window_max"}) {
    c.call(name, {DType::f32, DType::f16}, {{4096, 4096}}, {{"window", {3, 3}, {}}});
    c.call(name, {DType::f32}, {{1 << 24}}, {{"window", {31}, {}}});
    c.call(name, {DType::f32}, {{4096, 4096}}, {{"window", {2, 2}, {}}, {"strides", {2, 2}, {}}});
  }
}

void add_linear(Cases& c) {
  for (const Shape& s : Shapes{{64, 64}, {200, 200}, {4096, 8, 8}, {16, 48, 48}}) {
    for (const char* name : {"cholesky", "lu", "qr", "eigh", "determinant"}) {
      c.call(name, {DType::f32, DType::c64}, {s}, {});
    }
    c.call("svd", {DType::f32}, {s}, {});
    c.call("triangular_solve", {DType::f32, DType::c64}, {s, s}, {});
  }
  // By workgroups and by invocations, tall and wide.
  for (const Shape& s : Shapes{{3, 48, 20}, {3, 20, 48}, {100, 9, 5}, {100, 5, 9}}) {
    for (const int64_t whole : {0, 1}) {
      const std::string suffix = whole == 0 ? "" : " whole";
      c.call("qr", {DType::f32, DType::c64}, {s}, {{"complete", {whole}, {}}}, suffix);
      c.call("svd", {DType::f32, DType::f64}, {s}, {{"full_matrices", {whole}, {}}}, suffix);
    }
  }
  for (int64_t choice = 0; choice < 12; ++choice) {
    const int64_t lower = choice & 1, left = choice >> 1 & 1, transform = choice >> 2;
    c.call("triangular_solve", {DType::c64}, {{2, 40, 40}, {2, 40, 40}},
           {{"lower", {lower}, {}}, {"left_side", {left}, {}}, {"transform", {transform}, {}}},
           " " + std::to_string(choice));
  }
}

}  // namespace

std::vector<CorpusGraph> large_cases() {
  Cases c;
  add_pointwise(c);
  add_reductions(c);
  add_products(c);
  add_library(c);
  add_linear(c);
  return c.take();
}

}  // namespace nxv::testing

// What runs in the store of a product of matrices, and what does not.
#include <algorithm>

#include "graph/region_words.h"
#include "schedule/fixture_test.h"
#include "schedule/schedule.h"

namespace nxv::schedule {
namespace {

class ProductRoots : public Graphs {
 protected:
  static std::vector<Region> regions(const std::vector<NodeRef>& asked_for,
                                     const Options& options = {}) {
    std::vector<Node*> roots;
    for (const NodeRef& n : asked_for) roots.push_back(n.get());
    std::vector<Region> list;
    for (Item& item : make_schedule(roots, options)) {
      if (!item.is_alias) list.push_back(std::move(item.region));
    }
    return list;
  }
  // How many roots each region has, most first.
  static std::vector<size_t> counts(const std::vector<NodeRef>& asked_for,
                                    const Options& options = {}) {
    std::vector<size_t> all;
    for (const Region& r : regions(asked_for, options)) all.push_back(r.roots.size());
    std::sort(all.rbegin(), all.rend());
    return all;
  }
  static ProductWords words_of(const Region& r) {
    return record_at<ProductWords>(r.words, r.exprs[static_cast<size_t>(r.contraction())].words);
  }
  static NodeRef relu(const NodeRef& x) {
    return elementwise(Op::max,
                       {x, constant(x->shared_graveyard(), make_scalar(x->dtype, 0.0), {})});
  }
  static NodeRef mul(const NodeRef& a, const NodeRef& b) {
    return elementwise(Op::multiply, {a, b});
  }
  static NodeRef first_columns(const NodeRef& x, int64_t count) {
    return slice(x, Axes{0, 0}, Shape{x->shape[0], count}, Axes{1, 1});
  }
  static NodeRef turned(const NodeRef& x) { return transpose(x, {1, 0}); }
};

using Counts = std::vector<size_t>;

TEST_F(ProductRoots, BiasResidualAndReluAreOneKernel) {
  const NodeRef sum = add(matmul(data({20, 30}), data({30, 40})), data({40}));
  const auto list = regions({relu(add(sum, data({20, 40})))});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].kind, RegionKind::matmul);
  EXPECT_EQ(list[0].operands.size(), 4u);
  EXPECT_EQ(list[0].roots.size(), 1u);
  EXPECT_FALSE(list[0].exprs[static_cast<size_t>(list[0].contraction())].is_transposed);
}

TEST_F(ProductRoots, WhatIsKeptIsStoredBesideWhatIsMadeOfIt) {
  const NodeRef product = matmul(data({20, 30}), data({30, 40}));
  const NodeRef sum = add(product, data({40})), h = relu(sum);
  EXPECT_EQ(counts({sum, h}), Counts{2});
  EXPECT_EQ(counts({product, sum, h}), Counts{3});
  // Kept for a later kernel, as gradients need it.
  EXPECT_EQ(counts({matmul(h, data({40, 5})), mul(sum, matmul(data({20, 7}), data({7, 40})))}),
            (Counts{2, 1, 1}));
  // Of any width.
  EXPECT_EQ(counts({sum, cast(sum, DType::f16), cast(h, DType::u8)}), Counts{3});
}

TEST_F(ProductRoots, OtherShapesOfTheSameElements) {
  const NodeRef product = matmul(data({20, 30}), data({30, 40}));
  EXPECT_EQ(counts({add(reshape(product, {4, 5, 40}), data({5, 1}))}), Counts{1});
  EXPECT_EQ(counts({relu(matmul(data({3, 20, 30}), data({3, 30, 40})))}), Counts{1});
}

// The gradient of a product arrives as the transposition of one.
TEST_F(ProductRoots, TransposedReadersComputeTheTransposedProduct) {
  const NodeRef a = data({20, 30}), b = data({30, 40}), parameter = data({40, 20});
  const auto list =
      regions({elementwise(Op::subtract, {parameter, mul(turned(matmul(a, b)), number(0.01))})});
  ASSERT_EQ(list.size(), 1u);
  const Region& r = list[0];
  const Expr& sum = r.exprs[static_cast<size_t>(r.contraction())];
  EXPECT_TRUE(sum.is_transposed);
  const auto factor = [&](int i) {
    const Expr& load = r.exprs[static_cast<size_t>(sum.args[static_cast<size_t>(i)])];
    return r.operands[static_cast<size_t>(load.operand)].node.get();
  };
  EXPECT_EQ(factor(0), b.get());
  EXPECT_EQ(factor(1), a.get());
  const ProductWords words = words_of(r);
  EXPECT_EQ(words.m, 40u);
  EXPECT_EQ(words.n, 20u);
  EXPECT_EQ(words.k, 30u);
  EXPECT_EQ(words.a.row_stride, 1u);
  EXPECT_EQ(words.a.column_stride, 40u);
  EXPECT_EQ(words.b.row_stride, 1u);
  EXPECT_EQ(words.b.column_stride, 30u);
  for (const Operand& o : r.operands) {
    if (o.node.get() != parameter.get()) continue;
    EXPECT_EQ(o.addressing, Addressing::linear);
  }
  // Those of a batch, in another shape.
  const NodeRef batch = matmul(data({3, 20, 30}), data({3, 30, 40}));
  EXPECT_EQ(counts({relu(reshape(transpose(batch, {0, 2, 1}), {3, 40, 4, 5}))}), Counts{1});
}

// A step of Adam: moments and parameter, of a gradient that is read transposed.
TEST_F(ProductRoots, AllReadersOfATransposedProductJoin) {
  const NodeRef g = turned(matmul(data({20, 30}), data({30, 40})));
  const NodeRef m = add(mul(data({40, 20}), number(0.9)), mul(g, number(0.1)));
  const NodeRef v = add(mul(data({40, 20}), number(0.999)), mul(mul(g, g), number(0.001)));
  const auto corrected = [&](const NodeRef& x) { return elementwise(Op::divide, {x, data({})}); };
  const NodeRef root = add(elementwise(Op::sqrt, {corrected(v)}), number(1e-8));
  const NodeRef step = mul(elementwise(Op::divide, {corrected(m), root}), number(1e-3));
  const NodeRef parameter = elementwise(Op::subtract, {data({40, 20}), step});
  EXPECT_EQ(counts({parameter, m, v}), Counts{3});
}

TEST_F(ProductRoots, ReadBothWaysOneReaderJoins) {
  const NodeRef product = matmul(data({20, 20}), data({20, 20}));
  // By one value: neither order of elements serves.
  EXPECT_EQ(counts({elementwise(Op::subtract, {product, turned(product)})}), (Counts{1, 1}));
  EXPECT_EQ(counts({elementwise(Op::subtract, {turned(product), product})}), (Counts{1, 1}));
  // By two: the product is stored for the second.
  EXPECT_EQ(counts({relu(product), add(turned(product), data({20, 20}))}), (Counts{2, 1}));
  // Asked for, it is stored as it is.
  EXPECT_EQ(counts({product, add(turned(product), data({20, 20}))}), (Counts{1, 1}));
}

TEST_F(ProductRoots, OtherOrdersOfElementsAreOthersKernels) {
  const NodeRef product = matmul(data({20, 30}), data({30, 40}));
  EXPECT_EQ(counts({relu(reverse(product, {0}))}), (Counts{1, 1}));
  EXPECT_EQ(counts({relu(transpose(reshape(product, {20, 4, 10}), {1, 0, 2}))}), (Counts{1, 1}));
  EXPECT_EQ(counts({relu(first_columns(product, 20))}), (Counts{1, 1}));
  // Rows of it are folded.
  EXPECT_EQ(counts({reduce(Op::sum, product, Axes{1}, false)}), (Counts{1, 1}));
}

TEST_F(ProductRoots, OneProductARegion) {
  const NodeRef a = matmul(data({20, 30}), data({30, 40}));
  const NodeRef b = matmul(data({20, 30}), data({30, 40}));
  EXPECT_EQ(counts({relu(add(a, b))}), (Counts{1, 1}));
  // What is made of a product is the factor of another.
  const NodeRef h = relu(matmul(data({20, 20}), data({20, 20})));
  EXPECT_EQ(counts({add(matmul(h, h), h)}), (Counts{1, 1}));
}

// The gate of a model's decoder: in the store of one product, it would have that one wait for the
// other although both could be read at once.
TEST_F(ProductRoots, MemoryBoundProductsRunBesideEachOther) {
  Options overlaps;
  overlaps.overlaps = true;
  const auto gated = [&](int64_t rows) {
    const NodeRef x = data({rows, 256});
    return std::vector{mul(relu(matmul(x, data({256, 256}))), matmul(x, data({256, 256})))};
  };
  EXPECT_EQ(counts(gated(1)), (Counts{1, 1}));
  EXPECT_EQ(counts(gated(1), overlaps), (Counts{1, 1, 1}));
  EXPECT_EQ(counts(gated(64), overlaps), (Counts{1, 1}));
  // One that follows the other loses nothing.
  const NodeRef h = relu(matmul(data({1, 256}), data({256, 256})));
  EXPECT_EQ(counts({add(matmul(h, data({256, 256})), h)}, overlaps), (Counts{1, 1}));
}

TEST_F(ProductRoots, KeepsWithinTheLimitsOfARegion) {
  const auto with = [&](int operands) {
    NodeRef x = matmul(data({20, 30}), data({30, 40}));
    for (int i = 0; i < operands; ++i) x = add(x, data({20, 40}));
    return x;
  };
  EXPECT_EQ(counts({with(7)}), Counts{1});
  EXPECT_EQ(counts({with(8)}).size(), 2u);
  // Its code would be there for each element that an invocation stores.
  NodeRef dear = matmul(data({20, 30}), data({30, 40}));
  for (int i = 0; i < 12; ++i) dear = elementwise(Op::exp, {dear});
  EXPECT_EQ(counts({dear}), (Counts{1, 1}));
}

TEST_F(ProductRoots, ApartWithoutFusion) {
  const NodeRef x = add(matmul(data({20, 30}), data({30, 40})), data({20, 40}));
  EXPECT_EQ(make_schedule(x, {}).size(), 1u);
  Options apart;
  apart.fuse = false;
  EXPECT_EQ(make_schedule(x, apart).size(), 2u);
  Options small;
  small.apart_elements = 1000;
  EXPECT_EQ(make_schedule(x, small).size(), 2u);
}

}  // namespace
}  // namespace nxv::schedule

#include "graph/narrow_factors.h"

#include <gtest/gtest.h>

#include "graph/build.h"

namespace nxv {
namespace {

class NarrowFactors : public testing::Test {
 protected:
  ~NarrowFactors() override { yard_->close(); }
  NodeRef x(DType type, Shape shape = {6, 6}) { return parameter(yard_, type, std::move(shape)); }
  static NodeRef product(const NodeRef& a, const NodeRef& b) {
    return dot(a, b, {.contract_a = {1}, .contract_b = {0}, .batch_a = {}, .batch_b = {}});
  }
  // The value that a factor of the product is a view of.
  static const Node* read(const NodeRef& product, size_t factor) {
    const Node* node = product->inputs[factor].get();
    while (node->is_pending() && info(node->op).fusion == Fusion::view) {
      node = node->inputs[0].get();
    }
    return node;
  }
  NodeRef narrow(const NodeRef& value) { return with_narrow_factors(std::vector{value})[0]; }

  std::shared_ptr<Graveyard> yard_ = std::make_shared<Graveyard>();
};

TEST_F(NarrowFactors, AreReadBehindViewsAndByEveryProduct) {
  for (DType type : {DType::f16, DType::bf16}) {
    const NodeRef w = x(type), wide = cast(w, DType::f32), y = x(DType::f32);
    const NodeRef once = product(y, transpose(wide, {1, 0})), twice = product(once, wide);
    const NodeRef made = narrow(twice);
    EXPECT_EQ(made->dtype, DType::f32);
    EXPECT_EQ(read(made, 1), w.get());
    const Node* first = read(made, 0);
    ASSERT_EQ(first->op, Op::dot);
    EXPECT_EQ(read(NodeRef::share(const_cast<Node*>(first)), 1), w.get());
    EXPECT_EQ(read(NodeRef::share(const_cast<Node*>(first)), 0), y.get());
  }
}

TEST_F(NarrowFactors, OnlyWhatF32Holds) {
  const NodeRef y = x(DType::f32), w = x(DType::bf16);
  for (const NodeRef& value :
       {product(y, cast(x(DType::s8), DType::f32)), product(y, cast(x(DType::f64), DType::f32)),
        product(w, cast(y, DType::bf16)), product(x(DType::f64), cast(w, DType::f64)),
        product(y, elementwise(Op::exp, {cast(w, DType::f32)}))}) {
    EXPECT_EQ(narrow(value).get(), value.get());
  }
}

}  // namespace
}  // namespace nxv

#include "graph/simple_powers.h"

#include <gtest/gtest.h>

#include "graph/build.h"

namespace nxv {
namespace {

class SimplePowers : public testing::Test {
 protected:
  NodeRef number(double v, DType type) { return constant(owner_, make_scalar(type, v), {}); }
  NodeRef power(DType type, const NodeRef& exponent) {
    return elementwise(Op::pow, {parameter(owner_, type, {3}), exponent});
  }

  const GraveyardRef owner_ = std::make_shared<Graveyard>();
};

TEST_F(SimplePowers, SquaresAreProducts) {
  for (const DType type : {DType::f16, DType::bf16, DType::f32, DType::f64, DType::s32}) {
    for (const DType exponent : {DType::s32, DType::u8, DType::s64}) {
      const NodeRef square = power(type, number(2, exponent));
      if (square->dtype != type) continue;  // of integers, wider with some exponents
      EXPECT_EQ(square->op, Op::multiply) << name(type);
      EXPECT_EQ(square->inputs[0].get(), square->inputs[1].get());
    }
  }
  EXPECT_EQ(power(DType::f32, number(2, DType::f32))->op, Op::multiply);
}

TEST_F(SimplePowers, CubesAreProductsWhereTheyAreRoundedOnce) {
  for (const DType type : {DType::f16, DType::bf16}) {
    const NodeRef cube = power(type, number(3, DType::s32));
    EXPECT_EQ(cube->op, Op::cast);
    EXPECT_EQ(cube->dtype, type);
    EXPECT_EQ(cube->inputs[0]->op, Op::multiply);
  }
  EXPECT_EQ(power(DType::f32, number(3, DType::s32))->op, Op::pow);
}

TEST_F(SimplePowers, OthersArePowers) {
  EXPECT_EQ(power(DType::f32, number(2.5, DType::f32))->op, Op::pow);
  EXPECT_EQ(power(DType::f32, number(-2, DType::s32))->op, Op::pow);
  EXPECT_EQ(power(DType::c64, number(2, DType::s32))->op, Op::pow);
  EXPECT_EQ(power(DType::s32, number(2, DType::f32))->op, Op::pow) << "its result is f32";
  EXPECT_EQ(power(DType::f32, parameter(owner_, DType::f32, {}))->op, Op::pow);
}

// The square of one number that broadcasts to the exponent's shape has that shape.
TEST_F(SimplePowers, BroadcastLikePowers) {
  const NodeRef twos = constant(owner_, make_scalar(DType::s32, int64_t{2}), {2, 3});
  const NodeRef squares = elementwise(Op::pow, {parameter(owner_, DType::f32, {3}), twos});
  EXPECT_EQ(squares->shape, (Shape{2, 3}));
  EXPECT_EQ(squares->op, Op::multiply);
}

}  // namespace
}  // namespace nxv

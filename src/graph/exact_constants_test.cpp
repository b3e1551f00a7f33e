#include "graph/exact_constants.h"

#include <gtest/gtest.h>

#include "graph/build.h"

namespace nxv {
namespace {

class ExactConstants : public testing::Test {
 protected:
  NodeRef number(int64_t v, DType type = DType::s32, Shape shape = {}) {
    return constant(owner_, make_scalar(type, v), std::move(shape));
  }
  NodeRef value(DType type) { return parameter(owner_, type, {3}); }
  static NodeRef second(Op op, const NodeRef& a, const NodeRef& b) {
    return elementwise(op, {a, b})->inputs[1];
  }

  const GraveyardRef owner_ = std::make_shared<Graveyard>();
};

TEST_F(ExactConstants, AreFloatsBesideFloats) {
  for (const DType type : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    for (const Op op : {Op::add, Op::divide, Op::less, Op::max}) {
      const NodeRef c = second(op, value(type), number(-3));
      ASSERT_EQ(c->op, Op::constant);
      EXPECT_EQ(c->dtype, type);
      EXPECT_EQ(to_double(c->attribute<ConstantAttr>().value), -3);
    }
  }
  EXPECT_EQ(elementwise(Op::subtract, {number(1), value(DType::f32)})->inputs[0]->dtype,
            DType::f32);
  EXPECT_EQ(second(Op::add, value(DType::f32), number(7, DType::u8))->dtype, DType::f32);
  const NodeRef clipped =
      elementwise(Op::clip, {value(DType::f32), number(0), number(1, DType::s64)});
  EXPECT_EQ(clipped->inputs[1]->dtype, DType::f32);
  EXPECT_EQ(clipped->inputs[2]->dtype, DType::f32);
}

TEST_F(ExactConstants, KeepTheirTypeWhereItTells) {
  EXPECT_EQ(second(Op::add, value(DType::f32), number((1 << 24) + 1))->dtype, DType::s32);
  EXPECT_EQ(second(Op::add, value(DType::f16), number(2049))->dtype, DType::s32);
  EXPECT_EQ(second(Op::add, value(DType::f16), number(70000))->dtype, DType::s32) << "infinite";
  EXPECT_EQ(second(Op::add, value(DType::f64), number((int64_t{1} << 60) + 1, DType::s64))->dtype,
            DType::s64);
  EXPECT_EQ(second(Op::pow, value(DType::f32), number(4))->dtype, DType::s32);
  EXPECT_EQ(second(Op::add, value(DType::s32), number(2, DType::u8))->dtype, DType::u8);
  EXPECT_EQ(second(Op::add, value(DType::c64), number(2))->dtype, DType::s32);
}

TEST_F(ExactConstants, LeaveResultsAsTheyAre) {
  EXPECT_EQ(elementwise(Op::add, {value(DType::bf16), number(3)})->dtype, DType::bf16);
  EXPECT_EQ(elementwise(Op::less, {value(DType::bf16), number(3)})->dtype, DType::u8);
}

}  // namespace
}  // namespace nxv

#include "graph/integer_arithmetic.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "graph/build.h"
#include "graph/fault.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

std::vector<DType> integers() {
  std::vector<DType> out;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (is_integer(static_cast<DType>(i))) out.push_back(static_cast<DType>(i));
  }
  return out;
}

// Small ones, bounds, and any.
Scalar draw(DType type, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return make_scalar(type, static_cast<int64_t>(random() % 7) - 3);
    case 1:
      return make_scalar(type, uint64_t{1} << (bits(type) - 1));
    case 2:
      return make_scalar(type, (uint64_t{1} << (bits(type) - 1)) - 1);
    default:
      return make_scalar(type, random());
  }
}

// As a value that nothing is known of while the graph is built.
NodeRef hidden(const GraveyardRef& owner, const Scalar& s) {
  std::vector<std::byte> bytes(static_cast<size_t>(storage_bytes(s.dtype)));
  store_scalar(s, bytes.data(), 0);
  return host_value(owner, s.dtype, {}, std::move(bytes));
}

TEST(IntegerArithmetic, IsThatOfTheReference) {
  const GraveyardRef owner = host_graveyard();
  std::mt19937_64 random(7);
  int known = 0;
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (info(op).fusion != Fusion::pointwise || op == Op::bounded_index || op == Op::bitcast ||
        info(op).accepts == Accepts::complex_only) {
      continue;
    }
    for (int round = 0; round < 300; ++round) {
      std::vector<Scalar> values, folded;
      std::vector<NodeRef> nodes;
      for (int k = 0; k < info(op).arity; ++k) {
        const auto types = integers();
        values.push_back(draw(types[random() % types.size()], random));
        nodes.push_back(hidden(owner, values.back()));
      }
      const NodeRef node =
          op == Op::cast ? cast(nodes[0], integers()[random() % 4]) : elementwise(op, nodes);
      if (node.get() == nodes[0].get()) continue;
      const auto folding = evaluate_integers(op, node->dtype, values);
      if (!folding) {
        if (is_integer(node->dtype) && fault_of(*node) == Fault::none) {
          ADD_FAILURE() << name(op) << " is not known";
          break;
        }
        continue;
      }
      ++known;
      EXPECT_EQ(*folding, reference_evaluate(*node).at(0))
          << name(op) << " of " << name(values[0].dtype) << " " << to_int64(values[0])
          << (values.size() > 1 ? " and " + std::to_string(to_int64(values[1])) : "");
    }
  }
  EXPECT_GT(known, 5000);
}

TEST(IntegerArithmetic, CastsToRealsAreExactOrNone) {
  const auto cast_to = [](DType type, int64_t n) {
    const Scalar s = make_scalar(DType::s64, n);
    return evaluate_integers(Op::cast, type, std::span(&s, 1));
  };
  EXPECT_EQ(cast_to(DType::f32, -(1 << 24)), make_scalar(DType::f32, -16777216.0));
  EXPECT_FALSE(cast_to(DType::f32, (1 << 24) + 1));
  EXPECT_EQ(cast_to(DType::bf16, 256), make_scalar(DType::bf16, 256.0));
  EXPECT_FALSE(cast_to(DType::bf16, 257));
  EXPECT_FALSE(cast_to(DType::f64, (int64_t{1} << 53) + 1));
  EXPECT_FALSE(cast_to(DType::f16, 100000));
}

TEST(IntegerArithmetic, GraphsOfConstantsAreConstants) {
  const GraveyardRef owner = host_graveyard();
  const auto number = [&](DType type, int64_t n) {
    return constant(owner, make_scalar(type, n), {});
  };
  const NodeRef sum = elementwise(Op::add, {number(DType::s32, 2), number(DType::s64, 3)});
  EXPECT_EQ(sum->op, Op::constant);
  EXPECT_EQ(sum->attribute<ConstantAttr>().value, make_scalar(DType::s64, int64_t{5}));
  EXPECT_EQ(elementwise(Op::less, {sum, number(DType::u8, 9)})->op, Op::constant);
  EXPECT_EQ(reshape(cast(sum, DType::u8), {1, 1})->op, Op::constant);
  // What has no value stays to be asked for; reals are the device's.
  EXPECT_EQ(elementwise(Op::quotient, {sum, number(DType::s32, 0)})->op, Op::quotient);
  EXPECT_EQ(elementwise(Op::divide, {sum, sum})->op, Op::divide);
  const NodeRef real = cast(sum, DType::f32);
  EXPECT_EQ(elementwise(Op::add, {real, real})->op, Op::add);
}

}  // namespace
}  // namespace nxv

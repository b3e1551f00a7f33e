// What the builder of attention makes and refuses.
#include <gtest/gtest.h>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv::library {
namespace {

std::vector<NodeRef> attention(const std::vector<NodeRef>& operands, std::vector<Option> options) {
  return call("attention", operands, options);
}

std::vector<NodeRef> factors(const GraveyardRef& owner, DType type, Shape q, Shape k, Shape v) {
  return {iota(owner, type, std::move(q), -1), iota(owner, type, std::move(k), -1),
          iota(owner, type, std::move(v), -1)};
}

std::string refusal(const std::vector<NodeRef>& operands, std::vector<Option> options = {}) {
  try {
    attention(operands, std::move(options));
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

TEST(AttentionLibrary, ShapesAndTypes) {
  const auto owner = host_graveyard();
  const auto inputs = factors(owner, DType::bf16, {2, 6, 5, 8}, {2, 3, 7, 8}, {2, 3, 7, 4});
  const auto results = attention(inputs, {{"statistics", {1}, {}}});
  EXPECT_EQ(results[0]->dtype, DType::bf16);
  EXPECT_EQ(results[0]->shape, (Shape{2, 6, 5, 4}));
  EXPECT_EQ(results[1]->dtype, DType::f32);
  EXPECT_EQ(results[1]->shape, (Shape{2, 6, 5}));

  const auto inside = factors(owner, DType::f16, {2, 5, 6, 8}, {2, 7, 3, 8}, {2, 7, 3, 3});
  const NodeRef odd = attention(inside, {{"heads_axis", {2}, {}}})[0];
  EXPECT_EQ(odd->dtype, DType::f16);
  EXPECT_EQ(odd->shape, (Shape{2, 5, 6, 3}));
}

TEST(AttentionLibrary, Refusals) {
  const auto owner = host_graveyard();
  const Shape q = {2, 6, 5, 8}, k = {2, 3, 7, 8};
  const auto with = [&](NodeRef more) {
    auto operands = factors(owner, DType::f32, q, k, k);
    operands.push_back(std::move(more));
    return operands;
  };
  const std::string got = ", got f32{2, 6, 5, 8}, ";
  EXPECT_EQ(refusal(factors(owner, DType::f32, q, {2, 4, 7, 8}, {2, 4, 7, 8})),
            "attention: keys and values have as many heads, which divide those of queries" + got +
                "f32{2, 4, 7, 8} and f32{2, 4, 7, 8}");
  EXPECT_EQ(
      refusal(factors(owner, DType::f32, q, {2, 3, 7, 9}, k)),
      "attention: queries and keys differ in width" + got + "f32{2, 3, 7, 9} and f32{2, 3, 7, 8}");
  EXPECT_EQ(refusal(factors(owner, DType::s32, q, k, k)),
            "attention: queries, keys and values are of one type, f16, bf16 or f32; got s32{2, 6, "
            "5, 8}, s32{2, 3, 7, 8} and s32{2, 3, 7, 8}");
  EXPECT_EQ(refusal(with(iota(owner, DType::u8, {4, 7}, -1)), {{"mask", {1}, {}}}),
            "attention: mask broadcasts to {2, 6, 5, 7}, got u8{4, 7}");
  EXPECT_EQ(refusal(with(iota(owner, DType::f32, {2}, -1)), {{"lengths", {1}, {}}}),
            "attention: lengths are integers, got f32{2}");
  EXPECT_EQ(refusal(factors(owner, DType::f32, q, k, k), {{"sinks", {1}, {}}}),
            "attention: its options name 4 operands, got 3");
  EXPECT_EQ(refusal(factors(owner, DType::f32, q, k, k), {{"window", {0}, {}}}),
            "attention: window must be positive, got 0");
  EXPECT_EQ(refusal(factors(owner, DType::f32, q, k, k), {{"heads_axis", {3}, {}}}),
            "attention: heads_axis must be 1 or 2, got 3");
}

}  // namespace
}  // namespace nxv::library

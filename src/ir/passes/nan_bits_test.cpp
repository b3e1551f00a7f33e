#include "ir/passes/nan_bits.h"

#include <gtest/gtest.h>

#include "ir/builder.h"

namespace nxv::ir {
namespace {

// Whether a kernel shows which NaN the rounding of a number gives, by what it does with it: with an
// f32, or with the bits of an f16.
template <typename F>
bool sees(F use, Opcode rounding = Opcode::round_bf16) {
  Builder b("uses");
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), kF32);
  const Value rounded = b.append(rounding, rounding == Opcode::to_f16 ? kU32 : kF32, {x});
  const Value used = use(rounded, x);
  if (used.exists()) b.store(out, b.u32(0), used);
  const Kernel kernel = b.finish();
  return nan_bits_seen(kernel)[rounded.id()];
}

TEST(NanBits, ArithmeticAndComparisonsHideThem) {
  EXPECT_FALSE(sees([](Value r, Value x) { return r * x; }));
  EXPECT_FALSE(sees([](Value r, Value x) { return r.builder().fma(x, r, x); }));
  EXPECT_FALSE(sees([](Value r, Value x) { return r.builder().convert(r < x, kU32); }));
  EXPECT_FALSE(sees([](Value r, Value) { return r.builder().unary(Opcode::round_f16, r); }));
  EXPECT_FALSE(sees([](Value r, Value) { return r.builder().append(Opcode::to_f16, kU32, {r}); }));
  EXPECT_FALSE(sees([](Value, Value x) { return x; })) << "unused";
}

TEST(NanBits, StoresAndBitsShowThem) {
  EXPECT_TRUE(sees([](Value r, Value) { return r; }));
  EXPECT_TRUE(sees([](Value r, Value) { return r.builder().bitcast(r, kU32); }));
  EXPECT_TRUE(sees([](Value r, Value) { return r.builder().var(r).get(); }));
  EXPECT_TRUE(sees(
      [](Value r, Value) { return r.builder().subgroup(Opcode::subgroup_shuffle_xor, r, 1); }));
}

TEST(NanBits, IntegersShowThem) {
  const auto word_is_seen = [](auto use) {
    return sees([&](Value word, Value) { return use(word); }, Opcode::to_f16);
  };
  EXPECT_TRUE(word_is_seen([](Value word) { return word + 1u; }));
  EXPECT_TRUE(word_is_seen([](Value word) { return word.builder().convert(word > 5u, kU32); }));
  EXPECT_TRUE(word_is_seen([](Value word) { return word.builder().convert(word, kF32); }));
  EXPECT_TRUE(word_is_seen([](Value word) { return word | word << 16; }));
}

TEST(NanBits, SelectionsAndWideningHandThemOn) {
  const auto chosen = [](Value r, Value x) { return r.builder().select(x > 0, r, x); };
  EXPECT_TRUE(sees(chosen));
  EXPECT_FALSE(sees([&](Value r, Value x) { return chosen(r, x) + x; }));
  const auto wide = [](Value r) { return r.builder().convert(r, kF64); };
  EXPECT_TRUE(sees([&](Value r, Value) { return wide(r); }));
  EXPECT_FALSE(sees([&](Value r, Value) { return wide(r) + wide(r); }));
  EXPECT_TRUE(sees([](Value r, Value) { return r.builder().unary(Opcode::abs, r); }));
}

}  // namespace
}  // namespace nxv::ir

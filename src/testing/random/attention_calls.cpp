#include "testing/random/caller.h"

namespace nxv {
namespace {

// Heads, positions and columns of factors are sometimes turned in memory.
NodeRef factor(Caller& c, DType type, Shape shape) {
  if (c.dice().chance(30))
    return transpose(c.data(type, {shape[0], shape[2], shape[1], shape[3]}), {0, 2, 1, 3});
  if (c.dice().chance(10))
    return transpose(c.data(type, {shape[0], shape[1], shape[3], shape[2]}), {0, 1, 3, 2});
  return c.data(type, shape);
}

// Of the axes of scores, some 1.
Shape part_of(Caller& c, Shape scores) {
  for (int64_t& d : scores) d = c.dice().chance(50) ? 1 : d;
  return scores;
}

NodeRef integers_below(Caller& c, int64_t batch, int64_t end) {
  HostTensor t(c.type({DType::s32, DType::s64, DType::u8}), {batch});
  for (int64_t i = 0; i < batch; ++i) t.set(i, make_scalar(t.dtype, c.dice().below(end)));
  return host_value(c.owner(), t.dtype, t.shape, std::move(t.bytes));
}

void draw_attention(Caller& c) {
  c.without_specials();
  Dice& dice = c.dice();
  const DType type = c.type({DType::f16, DType::bf16, DType::f32});
  const int64_t batch = dice.between(1, 2), kv_heads = dice.between(1, 2);
  const int64_t heads = kv_heads * dice.between(1, 3);
  const int64_t queries = dice.chance(30) ? 1 : dice.between(1, 40);
  const int64_t keys = dice.chance(20) ? dice.between(60, 140) : dice.between(1, 50);
  const auto width = [&] {
    return dice.chance(60) ? 4 * dice.between(1, 12) : dice.between(1, dice.chance(20) ? 70 : 20);
  };
  const int64_t key_width = width();
  const int64_t value_width = dice.chance(60) ? key_width : width();
  c.add(factor(c, type, {batch, heads, queries, key_width}));
  c.add(factor(c, type, {batch, kv_heads, keys, key_width}));
  c.add(factor(c, type, {batch, kv_heads, keys, value_width}));
  const Shape scores = {batch, heads, queries, keys};
  const auto maybe = [&](const char* option, auto&& operand) {
    if (!dice.chance(25)) return;
    c.option(option, 1);
    c.add(operand());
  };
  maybe("mask", [&] { return c.data(DType::s8, part_of(c, scores)); });
  maybe("bias", [&] {
    return c.data(c.type({DType::f32, DType::bf16, DType::f16, DType::s32}), part_of(c, scores));
  });
  maybe("lengths", [&] { return integers_below(c, batch, keys + 3); });
  maybe("offsets", [&] { return integers_below(c, batch, keys + 1); });
  maybe("sinks", [&] { return c.data(DType::f32, {heads}); });
  if (dice.chance(50)) c.option("causal", 1);
  if (dice.chance(30)) c.option("window", dice.between(1, keys));
  if (dice.chance(20)) c.option("offset", dice.between(-5, keys));
  if (dice.chance(30)) c.real_option("soft_cap", 3.5);
  if (dice.chance(30)) c.real_option("scale", 0.125);
  if (dice.chance(30)) c.real_option("masked", -1e9);
}

void draw_attention_gradient(Caller& c) {
  draw_attention(c);
  const std::vector<NodeRef> results = c.run_another("attention", "statistics");
  for (const NodeRef& result : results) c.add(result);
  c.add(c.data(results[0]->dtype, results[0]->shape));
}

}  // namespace

Draws attention_draws() {
  return {{"attention", draw_attention}, {"attention_gradient", draw_attention_gradient}};
}

}  // namespace nxv

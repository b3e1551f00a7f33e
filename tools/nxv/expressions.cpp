#include "expressions.h"

#include <array>

namespace nxv::tools {
namespace {

NodeRef input(const GraveyardRef& owner, Shape shape) {
  const int64_t count = element_count(shape);
  return host_value(owner, DType::f32, std::move(shape),
                    std::vector<std::byte>(static_cast<size_t>(count) * sizeof(float)));
}

const std::array kExpressions = {
    Expression{
        "chain", "eight cheap elementwise operations of two vectors",
        [](const GraveyardRef& o) { return chain_of_eight(input(o, {4096}), input(o, {4096})); }},
    Expression{"softmax", "exp(x - max) / sum along rows",
               [](const GraveyardRef& o) {
                 return softmax(input(o, {256, 1024}));
               }},
    Expression{"layer_norm", "(x - mean) / sqrt(variance + eps) along rows",
               [](const GraveyardRef& o) {
                 return layer_norm(input(o, {256, 1000}));
               }},
    Expression{"mean", "of all elements",
               [](const GraveyardRef& o) {
                 return mean(input(o, {512, 512}));
               }},
    Expression{"column_sum", "over the first axis",
               [](const GraveyardRef& o) {
                 return reduce(Op::sum, input(o, {512, 256}), Axes{0}, false);
               }},
    Expression{"transpose_add", "x + transpose(y)",
               [](const GraveyardRef& o) {
                 return elementwise(
                     Op::add, {input(o, {128, 256}), transpose(input(o, {256, 128}), {1, 0})});
               }},
    Expression{"matmul_chain", "tanh(x w + b) v",
               [](const GraveyardRef& o) {
                 const NodeRef hidden = elementwise(
                     Op::add, {matmul(input(o, {64, 128}), input(o, {128, 96})), input(o, {96})});
                 return matmul(elementwise(Op::tanh, {hidden}), input(o, {96, 32}));
               }},
    Expression{"concatenate_pad", "two matrices joined, padded and halved",
               [](const GraveyardRef& o) {
                 const std::array parts = {input(o, {16, 30}), input(o, {16, 34})};
                 const NodeRef joined = concatenate(parts, 1);
                 const NodeRef padded = pad(joined, scalar(o, 1), PadAttr{{1, 2}, {1, 2}, {0, 1}});
                 return elementwise(Op::multiply, {padded, scalar(o, 0.5)});
               }},
    Expression{"random", "exp of a normal sample, averaged",
               [](const GraveyardRef& o) {
                 const NodeRef sample =
                     random(o, Op::random_normal, DType::f32, {1 << 16}, RandomAttr{1, 0, 0, 1});
                 return mean(elementwise(Op::exp, {sample}));
               }},
};

NodeRef over_columns(Op op, const NodeRef& x) {
  return reduce(op, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, true);
}

}  // namespace

NodeRef scalar(const GraveyardRef& owner, double v) {
  return constant(owner, make_scalar(DType::f32, v), {});
}

NodeRef chain_of_eight(const NodeRef& x, const NodeRef& y) {
  NodeRef r = elementwise(Op::add, {x, y});
  r = elementwise(Op::multiply, {r, x});
  r = elementwise(Op::subtract, {r, y});
  r = elementwise(Op::max, {r, x});
  r = elementwise(Op::add, {r, y});
  r = elementwise(Op::negate, {r});
  r = elementwise(Op::min, {r, y});
  return elementwise(Op::multiply, {r, x});
}

NodeRef softmax(const NodeRef& x) {
  const NodeRef shifted = elementwise(Op::subtract, {x, over_columns(Op::reduce_max, x)});
  const NodeRef e = elementwise(Op::exp, {shifted});
  return elementwise(Op::divide, {e, over_columns(Op::sum, e)});
}

NodeRef layer_norm(const NodeRef& x) {
  const GraveyardRef& owner = x->shared_graveyard();
  const NodeRef columns = scalar(owner, static_cast<double>(x->shape.back()));
  const NodeRef average = elementwise(Op::divide, {over_columns(Op::sum, x), columns});
  const NodeRef centred = elementwise(Op::subtract, {x, average});
  const NodeRef square = elementwise(Op::multiply, {centred, centred});
  const NodeRef variance = elementwise(Op::divide, {over_columns(Op::sum, square), columns});
  const NodeRef shifted = elementwise(Op::add, {variance, scalar(owner, 1e-5)});
  return elementwise(Op::multiply, {centred, elementwise(Op::rsqrt, {shifted})});
}

NodeRef mean(const NodeRef& x) {
  const NodeRef count = scalar(x->shared_graveyard(), static_cast<double>(x->count));
  return elementwise(Op::divide, {reduce(Op::sum, x, std::nullopt, false), count});
}

std::span<const Expression> expressions() { return kExpressions; }

}  // namespace nxv::tools

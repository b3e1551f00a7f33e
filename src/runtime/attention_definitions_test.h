// What tests of definitions with attention that is written out share.
#pragma once

#include <vector>

#include "testing/driver/engine_fixture.h"
#include "testing/graph/written_softmax.h"

namespace nxv::runtime {

using Nodes = std::vector<NodeRef>;

// As on a GPU.
inline EngineOptions options(bool recognises) {
  EngineOptions o = test_options();
  o.device.plan.profile = plan::Profile::discrete;
  o.executor.recognises_attention = recognises;
  return o;
}

inline NodeRef num(const NodeRef& like, double v) {
  return constant(like->shared_graveyard(), make_scalar(like->dtype, v), {});
}
inline NodeRef counted(const NodeRef& like, int64_t axis) {
  return iota(like->shared_graveyard(), DType::s32, like->shape, axis);
}

// Of {2, 40, 96}: heads of one product, masked causally, as GPT-2 has them; the width of the result
// is all heads'.
inline NodeRef causal_attention(const NodeRef& x) {
  const NodeRef qkv = transpose(reshape(x, {2, 40, 3, 4, 8}), {2, 0, 3, 1, 4});
  const auto part = [&](int64_t i) {
    const std::vector<int64_t> starts{i, 0, 0, 0, 0}, lengths{1, 2, 4, 40, 8};
    return squeeze(slice(qkv, starts, lengths, std::vector<int64_t>(5, 1)), {0});
  };
  const NodeRef s = op(Op::divide, dot(part(0), part(1), {{3}, {3}, {0, 1}, {0, 1}}), num(x, 2.5));
  const NodeRef seen = op(Op::greater_equal, counted(s, 2), counted(s, 3));
  const NodeRef w = softmax(elementwise(Op::select, {seen, s, num(s, -1e9)}));
  const NodeRef o = dot(w, part(2), {{3}, {2}, {0, 1}, {0, 1}});
  return reshape(transpose(o, {0, 2, 1, 3}), {2, 40, 32});
}

}  // namespace nxv::runtime

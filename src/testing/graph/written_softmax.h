// A softmax as people write it, operation by operation.
#pragma once

#include "graph/build.h"

namespace nxv {

inline NodeRef op(Op o, const NodeRef& a, const NodeRef& b) { return elementwise(o, {a, b}); }
// A reduction along the last axis, which stays.
inline NodeRef rows(Op o, const NodeRef& x) {
  return reduce(o, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, true);
}
inline NodeRef powers(const NodeRef& x) {
  return elementwise(Op::exp, {op(Op::subtract, x, rows(Op::reduce_max, x))});
}
inline NodeRef softmax(const NodeRef& x) {
  const NodeRef e = powers(x);
  return op(Op::divide, e, rows(Op::sum, e));
}

}  // namespace nxv

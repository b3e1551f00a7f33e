#include "graph/own_views.h"

#include <utility>

#include "graph/attention.h"
#include "graph/building.h"
#include "graph/rewriter.h"

namespace nxv {
namespace {

constexpr int kDeepest = 64;

NodeRef copy(const NodeRef& x, int depth = 0) {
  const bool is_view = x->op == Op::reshape || x->op == Op::transpose || x->op == Op::slice ||
                       x->op == Op::broadcast;
  if (!is_view || !x->is_pending() || depth == kDeepest) return x;
  return building::with_inputs(*x, {copy(x->inputs[0], depth + 1)});
}

}  // namespace

std::vector<NodeRef> with_own_views(std::span<const NodeRef> values) {
  return Rewriter([](const NodeRef& node, std::vector<NodeRef> inputs) {
           if (reads_strided(node->op)) {
             for (NodeRef& input : inputs) input = copy(input);
           }
           return Rewriter::with_inputs(node, std::move(inputs));
         })
      .of(values);
}

}  // namespace nxv

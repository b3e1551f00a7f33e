#include "graph/joined_parts.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "graph/build.h"
#include "graph/building.h"
#include "graph/narrow_factors.h"
#include "graph/rewriter.h"
#include "graph/written_attention.h"

namespace nxv {
namespace {

constexpr size_t kMostParts = 16;

struct Part {
  NodeRef value;  // as it was before it was widened
  size_t axis = 0;
  int64_t low = 0, end = 0;  // of the sum
};

// What is padded, if it is with zeros along one axis.
bool add_part(const NodeRef& x, std::vector<Part>& parts) {
  if (x->op != Op::pad || !x->is_pending()) return false;
  const auto around = constant_number(*x->inputs[1]);
  if (!around || *around != 0 || std::signbit(*around)) return false;
  const auto& amounts = x->attribute<PadAttr>();
  Part part;
  int axes = 0;
  for (size_t d = 0; d < x->shape.size(); ++d) {
    if (amounts.low[d] < 0 || amounts.high[d] < 0 || amounts.interior[d] != 0) return false;
    if (amounts.low[d] == 0 && amounts.high[d] == 0) continue;
    ++axes;
    part.axis = d;
    part.low = amounts.low[d];
    part.end = x->shape[d] - amounts.high[d];
  }
  part.value = before_widening(x->inputs[0]);
  if (axes != 1 || !part.value || parts.size() == kMostParts) return false;
  parts.push_back(std::move(part));
  return true;
}

bool add_parts(const NodeRef& x, std::vector<Part>& parts, size_t depth = 0) {
  if (x->op != Op::add || !x->is_pending()) return add_part(x, parts);
  return depth < kMostParts && add_parts(x->inputs[0], parts, depth + 1) &&
         add_parts(x->inputs[1], parts, depth + 1);
}

// As it was before it was widened; null where the sum is another.
NodeRef joined(const NodeRef& sum) {
  std::vector<Part> parts;
  if (!add_parts(sum, parts)) return {};
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.low < b.low; });
  const size_t axis = parts[0].axis;
  const DType type = parts[0].value->dtype;
  int64_t end = 0;
  std::vector<NodeRef> values;
  for (const Part& part : parts) {
    if (part.axis != axis || part.low != end || part.value->dtype != type) return {};
    end = part.end;
    values.push_back(part.value);
  }
  if (end != sum->shape[axis]) return {};
  // As in the sum, there is no -0.
  const NodeRef zero = constant(sum->shared_graveyard(), make_scalar(type, 0.0), {});
  const NodeRef whole = concatenate(values, static_cast<int64_t>(axis));
  return elementwise(Op::add, {whole, zero});
}

}  // namespace

std::vector<NodeRef> with_joined_parts(std::span<const NodeRef> values) {
  // Kept, so that no other node takes the place of one in memory.
  std::unordered_map<const Node*, NodeRef> wholes;
  const auto widened = [&](const NodeRef& whole) {
    NodeRef wide = cast(whole, DType::f32);
    wholes.emplace(wide.get(), wide);
    return wide;
  };
  return Rewriter([&](const NodeRef& node, std::vector<NodeRef> inputs) {
           const bool is_view = info(node->op).fusion == Fusion::view && inputs.size() == 1;
           // Views of the narrow value are stored as their readers want it.
           if (is_view && wholes.contains(inputs[0].get())) {
             return widened(building::with_inputs(*node, {inputs[0]->inputs[0]}));
           }
           NodeRef made = Rewriter::with_inputs(node, std::move(inputs));
           const bool is_sum =
               made->op == Op::add && made->is_pending() && made->dtype == DType::f32;
           const NodeRef whole = is_sum ? joined(made) : NodeRef();
           return whole ? widened(whole) : made;
         })
      .of(values);
}

}  // namespace nxv

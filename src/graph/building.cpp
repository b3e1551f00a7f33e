#include "graph/building.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "graph/integer_arithmetic.h"

namespace nxv::building {
namespace {

// Constants do not become larger than this by views: who needs one in memory, as a matrix product
// does, has all of its elements there, and of a view of one element that alone.
constexpr int64_t kFewElements = 4096;

}  // namespace

[[noreturn]] void fail(Status status, std::string_view op, const std::string& what) {
  throw Error(status, std::string(op) + ": " + what);
}

std::string describe(const NodeRef& n) { return std::string(name(n->dtype)) + to_string(n->shape); }

void check_same_engine(std::string_view op, std::span<const NodeRef> nodes) {
  for (const NodeRef& n : nodes) {
    if (n->graveyard() != nodes[0]->graveyard()) {
      fail(Status::invalid_argument, op, "operands belong to different engines");
    }
  }
}

void check_accepts(Op op, std::span<const NodeRef> operands) {
  for (const NodeRef& n : operands) {
    const char* wanted = nullptr;
    switch (info(op).accepts) {
      case Accepts::any:
        break;
      case Accepts::real:
        wanted = is_complex(n->dtype) ? "real" : nullptr;
        break;
      case Accepts::integer:
        wanted = is_integer(n->dtype) ? nullptr : "integer";
        break;
      case Accepts::floating:
        wanted = is_integer(n->dtype) ? "floating" : nullptr;
        break;
      case Accepts::complex_only:
        wanted = is_complex(n->dtype) ? nullptr : "complex";
        break;
    }
    if (wanted != nullptr) {
      fail(Status::invalid_argument, name(op),
           std::string("expected ") + wanted + " operands, got " + describe(n));
    }
  }
}

Axes check_axes(std::string_view op, const NodeRef& x, Axes axes) {
  const auto rank = static_cast<int64_t>(x->shape.size());
  for (auto a = axes.begin(); a != axes.end(); ++a) {
    const int64_t given = *a;
    if (*a < 0) *a += rank;
    if (*a < 0 || *a >= rank) {
      fail(Status::invalid_argument, op,
           "axis " + std::to_string(given) + " is out of range for " + describe(x));
    }
    if (std::find(axes.begin(), a, *a) != a) {
      fail(Status::invalid_argument, op, "axis " + std::to_string(given) + " is given twice");
    }
  }
  return axes;
}

void check_length(std::string_view op, const NodeRef& x, size_t got, const char* what) {
  if (got != x->shape.size()) {
    fail(Status::invalid_argument, op,
         std::to_string(got) + " " + what + " given for " + describe(x));
  }
}

DType result_type(Op op, std::span<const NodeRef> operands) {
  DType merged = operands[0]->dtype;
  for (const NodeRef& n : operands.subspan(1)) merged = merge(merged, n->dtype);
  switch (info(op).type_rule) {
    case TypeRule::same:
      return operands[0]->dtype;
    case TypeRule::merge:
    case TypeRule::merge_integer:
      return merged;
    case TypeRule::floating:
    case TypeRule::real_floating:
      return to_floating(merged);
    case TypeRule::real_part:
      return to_real(merged);
    case TypeRule::to_complex:
      return to_complex(merged);
    case TypeRule::predicate:
      return DType::u8;
    case TypeRule::aggregate:
      return to_aggregate(merged);
    case TypeRule::explicit_type:
      break;
  }
  // select: the branches decide.
  return merge(operands[1]->dtype, operands[2]->dtype);
}

NodeRef make_pointwise(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                       Attributes attributes) {
  const GraveyardRef& owner = inputs[0]->shared_graveyard();
  const bool is_known = std::all_of(inputs.begin(), inputs.end(),
                                    [](const NodeRef& n) { return n->op == Op::constant; });
  if (is_known) {
    std::vector<Scalar> values;
    for (const NodeRef& n : inputs) values.push_back(n->attribute<ConstantAttr>().value);
    if (const auto result = evaluate_integers(op, type, values)) {
      return make_node(owner, Op::constant, type, std::move(shape), {}, ConstantAttr{*result});
    }
  }
  return make_node(owner, op, type, std::move(shape), std::move(inputs), std::move(attributes));
}

NodeRef make_view(const NodeRef& x, Op op, Shape shape, Attributes attributes) {
  const auto known = [&](const Scalar& element) {
    return make_node(x->shared_graveyard(), Op::constant, x->dtype, std::move(shape), {},
                     ConstantAttr{element});
  };
  const int64_t count = element_count(shape);
  if (x->op == Op::constant && count <= std::max(x->count, kFewElements)) {
    return known(x->attribute<ConstantAttr>().value);
  }
  if (count == 1 && x->host_data && op == Op::slice) {
    const std::vector<int64_t> strides = row_major_strides(x->shape);
    const std::vector<int64_t>& starts = std::get<SliceAttr>(attributes).starts;
    const int64_t at =
        std::inner_product(starts.begin(), starts.end(), strides.begin(), int64_t{0});
    return known(load_scalar(x->dtype, x->host_data->data(), at));
  }
  return make_node(x->shared_graveyard(), op, x->dtype, std::move(shape), {x},
                   std::move(attributes));
}

NodeRef with_inputs(const Node& node, std::vector<NodeRef> inputs) {
  const Fusion fusion = info(node.op).fusion;
  if (fusion == Fusion::pointwise) {
    return make_pointwise(node.op, node.dtype, node.shape, std::move(inputs), node.attributes);
  }
  if (fusion == Fusion::gather) return gather(inputs[0], inputs[1]);
  if (fusion == Fusion::view && inputs.size() == 1) {
    return make_view(inputs[0], node.op, node.shape, node.attributes);
  }
  return make_node(node.shared_graveyard(), node.op, node.dtype, node.shape, std::move(inputs),
                   node.attributes);
}

}  // namespace nxv::building

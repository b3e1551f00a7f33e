#include "graph/exact_constants.h"

#include <cmath>
#include <optional>

#include "graph/build.h"

namespace nxv {
namespace {

bool takes_numbers(Op op) {
  switch (op) {
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::min:
    case Op::max:
    case Op::clip:
    case Op::equal:
    case Op::not_equal:
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
      return true;
    default:
      return false;
  }
}

bool is_integer_constant(const Node& n) { return n.op == Op::constant && is_integer(n.dtype); }

// Of all operands but integer constants.
std::optional<DType> float_type(std::span<const NodeRef> operands) {
  std::optional<DType> type;
  for (const NodeRef& n : operands) {
    if (is_integer_constant(*n)) continue;
    if (!is_real_float(n->dtype) || (type && *type != n->dtype)) return std::nullopt;
    type = n->dtype;
  }
  return type;
}

std::optional<Scalar> exactly(const Scalar& integer, DType type) {
  const double value = to_double(integer);
  if (std::abs(value) >= 0x1p53) return std::nullopt;  // not sure to be the integer's
  const Scalar scalar = make_scalar(type, value);
  return to_double(scalar) == value ? std::optional(scalar) : std::nullopt;
}

}  // namespace

std::vector<NodeRef> with_exact_constants(Op op, std::span<const NodeRef> operands) {
  std::vector<NodeRef> result(operands.begin(), operands.end());
  const auto type = takes_numbers(op) ? float_type(operands) : std::nullopt;
  if (!type) return result;
  for (NodeRef& n : result) {
    if (!is_integer_constant(*n)) continue;
    const auto value = exactly(n->attribute<ConstantAttr>().value, *type);
    if (value) n = constant(n->shared_graveyard(), *value, n->shape);
  }
  return result;
}

}  // namespace nxv

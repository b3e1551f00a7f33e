#include "graph/scalar_function.h"

#include <unordered_map>

#include "testing/reference/library.h"
#include "testing/reference/number.h"
#include "testing/reference/pointwise.h"
#include "testing/reference/structure.h"

namespace nxv::reference {
namespace {

// Storage position of element i of a layout's row-major order.
int64_t locate(const Layout& layout, int64_t i) {
  int64_t at = layout.offset;
  for (size_t d = layout.shape.size(); d-- > 0;) {
    at += i % layout.shape[d] * layout.strides[d];
    i /= layout.shape[d];
  }
  return at;
}

}  // namespace

HostTensor evaluate_fold(const Node& node, std::span<const HostTensor* const> inputs) {
  const auto& attr = node.attribute<FoldAttr>();
  const FunctionBody body = function_body(attr.result, attr.parameters);
  std::unordered_map<const Node*, Scalar> values;
  for (size_t i = 0; i < body.captured.size(); ++i) {
    values[body.captured[i]] = inputs[i + 2]->at(0);
  }
  const auto call = [&](const Scalar& x, const Scalar& accumulator) {
    for (const Node* n : body.nodes) {
      std::vector<Scalar> operands;
      for (const NodeRef& input : n->inputs) operands.push_back(values.at(input.get()));
      if (n == attr.parameters[0].get()) {
        values[n] = convert(x, n->dtype);
      } else if (n == attr.parameters[1].get()) {
        values[n] = accumulator;
      } else if (n->op == Op::constant) {
        values[n] = n->attribute<ConstantAttr>().value;
      } else if (info(n->op).fusion == Fusion::pointwise) {
        values[n] = pointwise(n->op, n->dtype, operands);
      } else {
        values[n] = operands[0];
      }
    }
    return convert(values.at(body.result), node.dtype);
  };
  HostTensor out(node.dtype, node.shape);
  for (int64_t row = 0; row < node.count; ++row) {
    Scalar accumulator = inputs[1]->at(0);
    for (int64_t column = 0; column < attr.columns.count(); ++column) {
      accumulator =
          call(inputs[0]->at(locate(attr.rows, row) + locate(attr.columns, column)), accumulator);
    }
    out.set(row, accumulator);
  }
  return out;
}

}  // namespace nxv::reference

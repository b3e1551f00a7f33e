// Folds by a caller's function: reduce and window_reduce.
#include <algorithm>

#include "graph/build.h"
#include "graph/scalar_function.h"
#include "library/registry.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

enum Operand { kX, kAccumulator, kParameterX, kParameterAccumulator, kBody };

// Results of `shape` in the type of the accumulator's parameter.
NodeRef fold(const Arguments& arguments, const NodeRef& x, Layout rows, Layout columns,
             Shape shape) {
  const NodeRef &initial = arguments.tensor(kAccumulator), &body = arguments.tensor(kBody);
  FoldAttr attr;
  attr.parameters = {arguments.tensor(kParameterX), arguments.tensor(kParameterAccumulator)};
  attr.result = body;
  for (const NodeRef& p : attr.parameters) {
    if (p->op != Op::parameter) {
      arguments.fail("the third and fourth operand are the function's parameters, got " +
                     describe(p) + " with a value");
    }
  }
  const DType type = attr.parameters[1]->dtype;
  if (is_complex(body->dtype) && !is_complex(type)) {
    arguments.fail("the function gives " + describe(body) + " where its accumulator is " +
                   std::string(name(type)));
  }
  std::vector<NodeRef> inputs = {x, reshape(cast(initial, type), {})};
  for (const Node* node : function_body(body, attr.parameters).captured) {
    inputs.push_back(NodeRef::share(const_cast<Node*>(node)));
  }
  Layout* both[] = {&rows};
  collapse(both);
  both[0] = &columns;
  collapse(both);
  attr.rows = std::move(rows);
  attr.columns = std::move(columns);
  return make_node(Op::fold, type, std::move(shape), std::move(inputs), std::move(attr));
}

void check_accumulator(const Arguments& arguments) {
  const NodeRef& initial = arguments.tensor(kAccumulator);
  if (initial->count != 1) {
    arguments.fail("the accumulator must be a scalar, got " + describe(initial),
                   Status::size_mismatch);
  }
}

}  // namespace

std::vector<NodeRef> fold_axes(const Arguments& arguments) {
  check_accumulator(arguments);
  const NodeRef& x = arguments.tensor(kX);
  const auto rank = static_cast<int64_t>(x->shape.size());
  Axes axes = arguments.has("axes") ? arguments.axes("axes", x) : last_axes(x, x->shape.size());
  const Layout whole = Layout::contiguous(x->shape);
  Layout rows, columns;
  Shape shape;
  for (int64_t d = 0; d < rank; ++d) {
    const bool folded = std::find(axes.begin(), axes.end(), d) != axes.end();
    Layout& part = folded ? columns : rows;
    part.shape.push_back(whole.shape[d]);
    part.strides.push_back(whole.strides[d]);
    if (!folded) {
      shape.push_back(x->shape[d]);
    } else if (arguments.flag("keep_axes")) {
      shape.push_back(1);
    }
  }
  return {fold(arguments, x, std::move(rows), std::move(columns), std::move(shape))};
}

std::vector<NodeRef> fold_windows(const Arguments& arguments) {
  check_accumulator(arguments);
  const NodeRef& x = arguments.tensor(kX);
  const Sliding geometry = sliding(arguments);
  const PadAttr amounts{geometry.low, geometry.high, std::vector<int64_t>(x->shape.size(), 0)};
  const NodeRef padded = pad(x, arguments.tensor(kAccumulator), amounts);
  // Checks that the windows fit, and has their shape.
  const NodeRef view = windows(padded, {geometry.window, geometry.strides, geometry.dilations});
  const auto rank = static_cast<std::ptrdiff_t>(x->shape.size());
  const Layout all = Layout::contiguous(padded->shape)
                         .windows(geometry.window, geometry.strides, geometry.dilations);
  const Layout rows{Shape(all.shape.begin(), all.shape.begin() + rank),
                    {all.strides.begin(), all.strides.begin() + rank},
                    0};
  const Layout columns{Shape(all.shape.begin() + rank, all.shape.end()),
                       {all.strides.begin() + rank, all.strides.end()},
                       0};
  return {fold(arguments, padded, rows, columns, rows.shape)};
}

}  // namespace nxv::library

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "graph/attention.h"
#include "graph/function.h"
#include "testing/reference/attention.h"
#include "testing/reference/library.h"
#include "testing/reference/number.h"
#include "testing/reference/pointwise.h"
#include "testing/reference/random.h"
#include "testing/reference/reference.h"
#include "testing/reference/structure.h"

namespace nxv {
namespace reference {
namespace {

using Inputs = std::span<const HostTensor* const>;

HostTensor evaluate_leaf(const Node& node) {
  if (node.host_data == nullptr) {
    throw Error(Status::invalid_argument, "a data node of shape " + to_string(node.shape) +
                                              " has no host data: the reference cannot read it");
  }
  HostTensor out(node.dtype, node.shape);
  if (out.bytes.size() != node.host_data->size()) {
    throw Error(Status::size_mismatch, "a data node of shape " + to_string(node.shape) + " holds " +
                                           std::to_string(node.host_data->size()) + " bytes, not " +
                                           std::to_string(out.bytes.size()));
  }
  out.bytes = *node.host_data;
  return out;
}

HostTensor evaluate_generator(const Node& node) {
  if (node.op == Op::random_uniform || node.op == Op::random_normal) return evaluate_random(node);
  HostTensor out(node.dtype, node.shape);
  Walk at(node.shape);
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    if (node.op == Op::constant) {
      out.set(i, convert(node.attribute<ConstantAttr>().value, node.dtype));
    } else if (node.op == Op::iota) {
      const int64_t axis = node.attribute<IotaAttr>().axis;
      out.set(i, make_scalar(node.dtype, axis < 0 ? i : at[axis]));
    } else {
      const size_t rank = node.shape.size();
      out.set(i, make_scalar(node.dtype, int64_t{at[rank - 2] == at[rank - 1]}));
    }
  }
  return out;
}

// Operands may be of lower rank or have dimensions of 1: they broadcast as in numpy.
HostTensor evaluate_pointwise(const Node& node, Inputs inputs) {
  HostTensor out(node.dtype, node.shape);
  std::vector<Scalar> operands(inputs.size());
  std::vector<int64_t> index;
  Walk at(node.shape);
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    for (size_t k = 0; k < inputs.size(); ++k) {
      const Shape& shape = inputs[k]->shape;
      const size_t missing = node.shape.size() - shape.size();
      index.resize(shape.size());
      for (size_t d = 0; d < shape.size(); ++d) index[d] = shape[d] == 1 ? 0 : at[missing + d];
      operands[k] = inputs[k]->at(position(index, shape));
    }
    out.set(i, pointwise(node.op, node.dtype, operands));
  }
  return out;
}

HostTensor evaluate_one(const Node& node, Inputs inputs) {
  switch (info(node.op).fusion) {
    case Fusion::leaf:
      return evaluate_leaf(node);
    case Fusion::generator:
      return evaluate_generator(node);
    case Fusion::pointwise:
      return evaluate_pointwise(node, inputs);
    case Fusion::view:
      return evaluate_view(node, inputs);
    case Fusion::reduction:
      return evaluate_reduction(node, *inputs[0]);
    case Fusion::contraction:
      return evaluate_dot(node, *inputs[0], *inputs[1]);
    case Fusion::gather:
    case Fusion::library:
    case Fusion::overwrite:
      return evaluate_library(node, inputs);
    case Fusion::control:
    case Fusion::result:
      break;  // have several values
  }
  throw Error(Status::internal, "unknown fusion class");
}

struct Values {
  const NodeEvaluator& evaluate;
  std::unordered_map<const Node*, HostTensor> of;
  std::unordered_map<const Node*, std::vector<HostTensor>> of_control;  // that have several
};

const NodeEvaluator kReference = evaluate_one;

std::vector<HostTensor> evaluate_control(const Node& node, Inputs inputs,
                                         const NodeEvaluator& evaluate);

void evaluate_node(const Node& node, Inputs inputs, Values& values) {
  if (info(node.op).fusion == Fusion::control) {
    values.of_control.emplace(&node, evaluate_control(node, inputs, values.evaluate));
    values.of.emplace(&node, HostTensor(node.dtype, node.shape));
  } else if (has_results(node)) {
    values.of_control.emplace(&node, node.op == Op::attention
                                         ? evaluate_attention(node, inputs)
                                         : evaluate_attention_gradient(node, inputs));
    values.of.emplace(&node, HostTensor(node.dtype, node.shape));
  } else if (node.op == Op::result) {
    const auto& all = values.of_control.at(node.inputs[0].get());
    values.of.emplace(&node, all[static_cast<size_t>(node.attribute<ResultAttr>().index)]);
  } else {
    values.of.emplace(&node, values.evaluate(node, inputs));
  }
}

// Without recursion: graphs may be deeper than the stack.
void evaluate_below(const Node& root, Values& values) {
  std::vector<const Node*> stack{&root};
  while (!stack.empty()) {
    const Node* node = stack.back();
    if (values.of.contains(node)) {
      stack.pop_back();
      continue;
    }
    std::vector<const HostTensor*> inputs;
    for (const NodeRef& input : node->inputs) {
      const auto found = values.of.find(input.get());
      if (found == values.of.end()) {
        stack.push_back(input.get());
      } else {
        inputs.push_back(&found->second);
      }
    }
    if (inputs.size() < node->inputs.size()) continue;
    evaluate_node(*node, inputs, values);
    stack.pop_back();
  }
}

std::vector<HostTensor> call(const Function& function, std::span<const HostTensor> arguments,
                             const NodeEvaluator& evaluate) {
  Values values{evaluate, {}, {}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    values.of.emplace(function.parameters[i].get(), arguments[i]);
  }
  std::vector<HostTensor> results;
  for (const NodeRef& result : function.results) {
    evaluate_below(*result, values);
    results.push_back(values.of.at(result.get()));
  }
  return results;
}

bool is_true(const HostTensor& scalar) { return to_complex_double(scalar.at(0)) != 0.0; }

std::vector<HostTensor> evaluate_control(const Node& node, Inputs inputs,
                                         const NodeEvaluator& evaluate) {
  const auto& functions = node.attribute<ControlAttr>().functions;
  std::vector<HostTensor> values;
  for (const HostTensor* input : inputs) values.push_back(*input);
  if (node.op == Op::loop) {
    while (is_true(call(*functions[0], values, evaluate)[0])) {
      values = call(*functions[1], values, evaluate);
    }
    return values;
  }
  const size_t predicates = functions.size() - 1;
  size_t chosen = 0;
  while (chosen < predicates && !is_true(values[chosen])) ++chosen;
  return call(*functions[chosen], std::span(values).subspan(predicates), evaluate);
}

}  // namespace
}  // namespace reference

HostTensor::HostTensor(DType dtype, Shape shape)
    : dtype(dtype),
      shape(std::move(shape)),
      bytes(static_cast<size_t>(element_count(this->shape) * storage_bytes(dtype))) {}

HostTensor::HostTensor(DType dtype, Shape shape, std::span<const Scalar> elements)
    : HostTensor(dtype, std::move(shape)) {
  for (size_t i = 0; i < elements.size(); ++i) set(static_cast<int64_t>(i), elements[i]);
}

std::shared_ptr<Graveyard> host_graveyard() {
  auto graveyard = std::make_shared<Graveyard>();
  graveyard->close();
  return graveyard;
}

std::vector<HostTensor> reference_evaluate(std::span<const NodeRef> roots) {
  reference::Values values{reference::kReference, {}, {}};
  std::vector<HostTensor> results;
  for (const NodeRef& root : roots) {
    reference::evaluate_below(*root, values);
    results.push_back(values.of.at(root.get()));
  }
  return results;
}

HostTensor reference_evaluate(const Node& node) {
  reference::Values values{reference::kReference, {}, {}};
  reference::evaluate_below(node, values);
  return values.of.at(&node);
}

std::vector<HostTensor> reference_call(const Function& function,
                                       std::span<const HostTensor> arguments) {
  return reference::call(function, arguments, reference::kReference);
}

std::vector<HostTensor> call_by_nodes(const Function& function,
                                      std::span<const HostTensor> arguments,
                                      const NodeEvaluator& evaluate) {
  return reference::call(function, arguments, evaluate);
}

}  // namespace nxv

#include "graph/scalar_program.h"

#include <algorithm>

#include "graph/integer_arithmetic.h"

namespace nxv {
namespace {

// Longest chain of operations that is followed.
constexpr size_t kMaxSteps = 256;

// A view of one element is that element. Only what depends on parameters is sure to keep its
// inputs: of other nodes constants alone are known.
const Node* without_views(const Node* node) {
  while (node->is_function && node->count == 1 && info(node->op).fusion == Fusion::view &&
         node->inputs.size() == 1 && node->inputs[0]->count == 1) {
    node = node->inputs[0].get();
  }
  return node;
}

}  // namespace

std::optional<Scalar> integer_constant(const Node& node) {
  if (node.op != Op::constant || node.count != 1 || !is_integer(node.dtype)) return std::nullopt;
  return node.attribute<ConstantAttr>().value;
}

std::optional<int> ScalarProgram::add(const Node& start, std::span<const NodeRef> parameters) {
  std::vector<std::pair<const Node*, size_t>> stack{{without_views(&start), 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    const bool is_arithmetic =
        node->is_function && node->count == 1 && info(node->op).fusion == Fusion::pointwise;
    if (known_.contains(node)) {
      stack.pop_back();
    } else if (is_arithmetic && next < node->inputs.size() && known_.size() < kMaxSteps) {
      stack.emplace_back(without_views(node->inputs[next++].get()), 0);
    } else {
      known_.emplace(node, add_step(*node, parameters));
      stack.pop_back();
    }
  }
  return known_.at(without_views(&start));
}

std::optional<int> ScalarProgram::add_step(const Node& node, std::span<const NodeRef> parameters) {
  if (node.count != 1 || !is_integer(node.dtype)) return std::nullopt;
  Step step;
  step.op = node.op;
  step.type = node.dtype;
  if (node.op == Op::constant) {
    step.constant = node.attribute<ConstantAttr>().value;
  } else if (node.op == Op::parameter || node.op == Op::argument) {
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&](const NodeRef& p) { return p.get() == &node; });
    if (found == parameters.end()) return std::nullopt;
    step.op = Op::parameter;
    step.parameter = static_cast<int>(found - parameters.begin());
    parameters_.push_back(step.parameter);
  } else {
    if (!node.is_function || info(node.op).fusion != Fusion::pointwise) return std::nullopt;
    std::vector<DType> types;
    for (const NodeRef& input : node.inputs) {
      const auto operand = known_.find(without_views(input.get()));
      if (operand == known_.end() || !operand->second) return std::nullopt;
      step.operands[static_cast<size_t>(step.operand_count++)] = *operand->second;
      types.push_back(input->dtype);
    }
    if (!is_integer_arithmetic(node.op, node.dtype, types)) return std::nullopt;
  }
  steps_.push_back(step);
  return static_cast<int>(steps_.size()) - 1;
}

bool ScalarProgram::is_certain(int index, const std::vector<bool>& known) const {
  std::vector<bool> certain(static_cast<size_t>(index) + 1);
  for (size_t i = 0; i < certain.size(); ++i) {
    const Step& step = steps_[i];
    if (step.op == Op::parameter) {
      const auto p = static_cast<size_t>(step.parameter);
      certain[i] = p < known.size() && known[p];
      continue;
    }
    certain[i] = info(step.op).fault == Fault::none;
    for (int k = 0; k < step.operand_count; ++k) {
      certain[i] =
          certain[i] && certain[static_cast<size_t>(step.operands[static_cast<size_t>(k)])];
    }
  }
  return certain.back();
}

std::vector<std::optional<Scalar>> ScalarProgram::run(
    std::span<const std::optional<Scalar>> parameters) const {
  std::vector<std::optional<Scalar>> values(steps_.size());
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (step.op == Op::constant) {
      values[i] = step.constant;
    } else if (step.op == Op::parameter) {
      values[i] = parameters[static_cast<size_t>(step.parameter)];
    } else {
      std::array<Scalar, 3> operands;
      size_t known = 0;
      for (int k = 0; k < step.operand_count; ++k) {
        const auto& operand = values[static_cast<size_t>(step.operands[static_cast<size_t>(k)])];
        if (operand) operands[known++] = *operand;
      }
      if (known < static_cast<size_t>(step.operand_count)) continue;
      values[i] = evaluate_integers(step.op, step.type, std::span(operands).first(known));
    }
  }
  return values;
}

}  // namespace nxv

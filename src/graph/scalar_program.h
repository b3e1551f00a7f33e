// What the host knows of a function's scalars: those that follow from some of its parameters by
// integer arithmetic alone.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/scalar.h"
#include "graph/node.h"

namespace nxv {

// Of an integer constant of one element, its value.
std::optional<Scalar> integer_constant(const Node& node);

class ScalarProgram {
 public:
  // Adds what the node is computed from; its index, or nothing when it does not follow from
  // parameters (or scalar arguments), numbered in their order, and constants. Parameters are added
  // as they are found.
  std::optional<int> add(const Node& node, std::span<const NodeRef> parameters);
  // Whether what was added has a value whenever the parameters that `known` tells are known; those
  // that it does not list are not.
  bool is_certain(int index, const std::vector<bool>& known) const;
  // The parameters that it reads.
  const std::vector<int>& parameters() const { return parameters_; }
  bool is_empty() const { return steps_.empty(); }

  // The values of all that was added, by index, given those of parameters: nothing for what has no
  // value, and for what needs a parameter that is not known.
  std::vector<std::optional<Scalar>> run(std::span<const std::optional<Scalar>> parameters) const;

 private:
  struct Step {
    Op op = Op::constant;  // a constant, a parameter or integer arithmetic
    DType type = DType::s32;
    int parameter = -1;
    std::array<int, 3> operands = {-1, -1, -1};
    int operand_count = 0;
    Scalar constant;
  };
  std::optional<int> add_step(const Node& node, std::span<const NodeRef> parameters);

  std::vector<Step> steps_;
  std::vector<int> parameters_;
  std::unordered_map<const Node*, std::optional<int>> known_;
};

}  // namespace nxv

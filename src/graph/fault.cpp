#include "graph/fault.h"

#include <algorithm>
#include <string>

#include "graph/scalar_function.h"

namespace nxv {
namespace {

// What a caller calls the operation.
std::string_view known_as(Op op) {
  switch (op) {
    case Op::bounded_index:
      return "gather";
    case Op::scatter_add:
      return "indexed_add";
    case Op::last_update:
    case Op::last_slot:
      return "indexed_put";
    default:
      return name(op);
  }
}

// Where it faulted.
std::string place(Op op, uint32_t position, const Shape& result) {
  const std::string number = " " + std::to_string(position);
  if (op == Op::scatter_add || op == Op::last_update || op == Op::last_slot)
    return "update" + number;
  if (op == Op::triangular_solve) return "matrix" + number;
  return "element" + number + " of a result of shape " + to_string(result);
}

}  // namespace

Fault fault_of(const Node& node) {
  if (info(node.op).fault == Fault::none) return Fault::none;
  std::vector<DType> operands;
  for (const NodeRef& input : node.inputs) operands.push_back(input->dtype);
  return fault_of(node.op, node.dtype, operands);
}

void add_faulting(const Node& node, std::vector<Op>& ops) {
  if (node.op == Op::fold) {
    const auto& attr = node.attribute<FoldAttr>();
    for (const Node* n : function_body(attr.result, attr.parameters).nodes) add_faulting(*n, ops);
    return;
  }
  if (fault_of(node) == Fault::none) return;
  if (std::find(ops.begin(), ops.end(), node.op) == ops.end()) ops.push_back(node.op);
}

Failure find_fault(std::span<const Op> ops, std::span<const uint32_t> words, const Shape& result) {
  const auto first = std::min_element(words.begin(), words.end());
  if (first == words.end() || *first == kNoFault) return {};
  const Op op = ops[static_cast<size_t>(first - words.begin())];
  const Fault fault = info(op).fault;
  return {status_of(fault), std::string(reason(fault)) + " in " + std::string(known_as(op)) +
                                " at " + place(op, *first, result)};
}

}  // namespace nxv

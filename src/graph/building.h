// Private to graph/build*.cpp: what builders check.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/build.h"

namespace nxv::building {

[[noreturn]] void fail(Status status, std::string_view op, const std::string& what);
std::string describe(const NodeRef& n);

void check_same_engine(std::string_view op, std::span<const NodeRef> nodes);
void check_accepts(Op op, std::span<const NodeRef> operands);
// Non-negative, in range, without duplicates.
Axes check_axes(std::string_view op, const NodeRef& x, Axes axes);
void check_length(std::string_view op, const NodeRef& x, size_t got, const char* what);

DType result_type(Op op, std::span<const NodeRef> operands);

// Nodes of operands that fit. Where all operands of a pointwise one are constants, integer
// arithmetic is done here, and a view of a constant, or of one element that the host knows, is a
// constant: so what the host knows stays known.
NodeRef make_pointwise(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                       Attributes attributes = {});
NodeRef make_view(const NodeRef& x, Op op, Shape shape, Attributes attributes);
// What the node is of other inputs of the same types and shapes.
NodeRef with_inputs(const Node& node, std::vector<NodeRef> inputs);

}  // namespace nxv::building

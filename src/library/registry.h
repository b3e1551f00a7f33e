// The operations of the library by name: those that are made of several nodes, or that have options
// of their own. The C interface, the NIF and nxv-conformance reach them all through `call`, so that
// a new one is a row of its family's table.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "library/arguments.h"

namespace nxv::library {

using Build = std::vector<NodeRef> (*)(const Arguments&);

struct Row {
  std::string_view name;
  int tensors;          // operands it takes; at least -tensors when negative
  Build build;          // one node for each result
  const char* summary;  // operands, options and results, for the documentation
};

// All rows, family by family.
std::vector<Row> rows();

// Throws Error(invalid_argument) for an unknown name, a wrong number of operands or operands of
// different engines, and what the operation throws.
std::vector<NodeRef> call(std::string_view name, std::span<const NodeRef> tensors,
                          std::span<const Option> options);

// A node of a library operation over its operands.
NodeRef make_node(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                  Attributes attributes = {});

}  // namespace nxv::library

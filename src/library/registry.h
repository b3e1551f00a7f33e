// Operations by name. Families have those that are made of several nodes or have kernels of their
// own, a row each; `primitive_rows` has those that are a node of the op table. The C interface, the
// NIF, Elixir and nxv-conformance reach them all through `call` and know them by these rows, so
// that a new one is a row of its family's table.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/build.h"
#include "library/arguments.h"

namespace nxv::library {

using Build = std::vector<NodeRef> (*)(const Arguments&);

// What an option holds: an integer or several (lengths, axes), 0 or 1, a real, the index of a
// DType, a number of any kind (an integer, a real, or two reals: a complex one), or the index of a
// Precision.
enum class OptionKind : uint8_t { integer, integers, flag, real, type, number, precision };
std::string_view name(OptionKind kind);

struct OptionRow {
  const char* name;
  OptionKind kind;
};

struct Row {
  std::string_view name;  // followed by a zero
  int tensors;            // operands it takes; at least -tensors when negative
  std::span<const OptionRow> options;
  Build build;          // one node for each result
  const char* summary;  // operands, options and results, for the documentation
};

// All rows of the families.
std::vector<Row> rows();
// Nodes of the op table: elementwise operations, views, reductions, products, and generators, which
// take no operands.
std::span<const Row> primitive_rows();
bool is_primitive(const Row& row);  // a row of that span
// Both, by index and by name; null where there is none.
size_t row_count();
const Row* row_at(size_t index);
const Row* find_row(std::string_view name);

// Throws Error(invalid_argument) for an unknown name, an unknown option or one of another kind, a
// wrong number of operands or operands of different engines, and what the operation throws.
// `owner`: of the result, where there are no operands.
std::vector<NodeRef> call(std::string_view name, const GraveyardRef& owner,
                          std::span<const NodeRef> tensors, std::span<const Option> options);
std::vector<NodeRef> call(std::string_view name, std::span<const NodeRef> tensors,
                          std::span<const Option> options);

// A node of a library operation over its operands.
NodeRef make_node(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                  Attributes attributes = {});

}  // namespace nxv::library

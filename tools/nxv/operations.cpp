#include <fstream>
#include <iostream>
#include <sstream>

#include "base/error.h"
#include "commands.h"
#include "library/registry.h"
#include "nxv/nxv.h"
#include "ops/op_table.h"

namespace nxv::tools {
namespace {

constexpr const char* kHead = R"(# Operations

Made from `src/ops/op_table.h` and the tables of `src/library/` by `nxv operations`; do not edit.

**Fusion** is how the scheduler treats an operation: a *generator* is computed from the element's
index alone and inlined anywhere; a *pointwise* operation needs element i of its operands for
element i of its result; a *view* moves elements and is folded into the loads of its reader; a
*reduction* folds axes, with its operands and its readers inlined where they fit; a *contraction* is
a matrix product; a *gather* reads elements of a stored value at an index that is inlined; a
*library* operation has kernels of its own; an *overwrite* is a stored value with other elements where an
index names them.

**Merge** is the type that Nx gives a binary operation: the wider of two types of a kind, the float
of an integer and a float, and so on; **floating** is merge, with `f32` instead of integers.
**Accepts** is what the operation is defined for. **Cost** is a rough count of arithmetic
instructions for one `f32` element: it decides whether a value that several kernels read is stored
or recomputed. Names are those of `nxv_op_find` in C.
)";

constexpr const char* kFaults = R"(
## Faults

An element of a result of these may have no value, which only the data shows: then reading the
result, or what was computed from it, fails. Elementwise operations fault for integers alone.

| operation | when | status |
| --- | --- | --- |
)";

constexpr const char* kByName = R"(
## By name

What `nxv_call` and `nxv_create` in C, `nxv::call` in C++ and `Nx.Vulkan.call/3` in Elixir reach, with
the options they take. First the operations above whose options are named, then compositions.
Elementwise ones are there, too: they have no options. An option is one integer unless its kind is
told; a *flag* is 0 or 1, in Elixir false or true; a *type* is an `nxv_dtype`, in Elixir an atom; a
*number* is an integer, a real, or the two parts of a complex number.

| operation | operands | options | what it does |
| --- | --- | --- | --- |
)";

const char* text(Fusion fusion) {
  switch (fusion) {
    case Fusion::leaf:
      return "leaf";
    case Fusion::generator:
      return "generator";
    case Fusion::pointwise:
      return "pointwise";
    case Fusion::view:
      return "view";
    case Fusion::reduction:
      return "reduction";
    case Fusion::contraction:
      return "contraction";
    case Fusion::gather:
      return "gather";
    case Fusion::library:
      return "library";
    case Fusion::overwrite:
      return "overwrite";
    case Fusion::control:
      return "control";
    case Fusion::result:
      return "result";
  }
  return "";
}

const char* text(Op op, TypeRule rule) {
  switch (rule) {
    case TypeRule::explicit_type:
      return op == Op::select ? "merge of the last two operands" : "named by the caller";
    case TypeRule::same:
      return "of the operand";
    case TypeRule::merge:
    case TypeRule::merge_integer:
      return "merge";
    case TypeRule::floating:
    case TypeRule::real_floating:
      return "floating";
    case TypeRule::real_part:
      return "of the operand; of a complex one, its parts";
    case TypeRule::to_complex:
      return "complex: `c128` for `f64`, else `c64`";
    case TypeRule::predicate:
      return "`u8`";
    case TypeRule::aggregate:
      return "of the operand; integers below 32 bits become 32 bits wide";
  }
  return "";
}

const char* text(Accepts accepts) {
  switch (accepts) {
    case Accepts::any:
      return "all";
    case Accepts::real:
      return "integers, floats";
    case Accepts::integer:
      return "integers";
    case Accepts::floating:
      return "floats, complex";
    case Accepts::complex_only:
      return "complex";
  }
  return "";
}

// The section of the page that an operation belongs to.
std::string section(const OpInfo& op) {
  switch (op.fusion) {
    case Fusion::leaf:
    case Fusion::generator:
      return "Leaves and generators";
    case Fusion::pointwise:
      return op.arity == 1 ? "Unary" : op.arity == 2 ? "Binary" : "Ternary";
    case Fusion::view:
      return "Views";
    case Fusion::reduction:
      return "Reductions";
    case Fusion::contraction:
      return "Contractions";
    case Fusion::gather:
    case Fusion::library:
    case Fusion::overwrite:
      return "Gathers, and operations with kernels of their own";
    case Fusion::control:
    case Fusion::result:
      return "Control";
  }
  return "";
}

std::string text(const library::Row& row) {
  std::string options;
  for (const library::OptionRow& option : row.options) {
    options += (options.empty() ? "`" : ", `") + std::string(option.name) + "`";
    if (option.kind != library::OptionKind::integer) {
      options += " (" + std::string(library::name(option.kind)) + ")";
    }
  }
  const std::string operands =
      row.tensors < 0 ? std::to_string(-row.tensors) + " or more" : std::to_string(row.tensors);
  return "| `" + std::string(row.name) + "` | " + operands + " | " + options + " | " + row.summary +
         " |\n";
}

std::string page() {
  std::ostringstream out;
  out << kHead;
  std::string current;
  for (int i = 0; i < kOpCount; ++i) {
    const OpInfo& op = kOps[static_cast<size_t>(i)];
    if (section(op) != current) {
      current = section(op);
      out << "\n## " << current << "\n\n"
          << "| operation | operands | fusion | result type | accepts | cost |\n"
          << "| --- | --- | --- | --- | --- | --- |\n";
    }
    out << "| `" << op.name << "` | "
        << (op.arity == kVariadic ? "any number" : std::to_string(op.arity)) << " | "
        << text(op.fusion) << " | " << text(static_cast<Op>(i), op.type_rule) << " | "
        << text(op.accepts) << " | " << static_cast<int>(op.cost) << " |\n";
  }
  out << kFaults;
  for (const OpInfo& op : kOps) {
    if (op.fault == Fault::none) continue;
    out << "| `" << op.name << "` | " << reason(op.fault) << " | `"
        << nxv_status_name(static_cast<nxv_status>(status_of(op.fault))) << "` |\n";
  }
  out << kByName;
  for (const library::Row& row : library::primitive_rows()) {
    const auto op = op_from_name(row.name);
    if (!op || info(*op).fusion != Fusion::pointwise || !row.options.empty()) out << text(row);
  }
  for (const library::Row& row : library::rows()) out << text(row);
  return out.str();
}

}  // namespace

int run_operations(const std::string& check) {
  if (check.empty()) {
    std::cout << page();
    return 0;
  }
  std::ifstream file(check);
  std::ostringstream there;
  there << file.rdbuf();
  if (there.str() == page()) return 0;
  std::cerr << check << " is not current: write it with `nxv operations`\n";
  return 1;
}

}  // namespace nxv::tools

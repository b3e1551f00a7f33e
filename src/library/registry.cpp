#include "library/registry.h"

#include <algorithm>

#include "library/families.h"

namespace nxv::library {

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const std::span<const Row> family : families()) {
    all.insert(all.end(), family.begin(), family.end());
  }
  return all;
}

size_t row_count() {
  size_t count = primitive_rows().size();
  for (const std::span<const Row> family : families()) count += family.size();
  return count;
}

const Row* row_at(size_t index) {
  for (const std::span<const Row> family : families()) {
    if (index < family.size()) return &family[index];
    index -= family.size();
  }
  return index < primitive_rows().size() ? &primitive_rows()[index] : nullptr;
}

std::string_view name(OptionKind kind) {
  constexpr std::string_view kNames[] = {"integer", "integers", "flag",     "real",
                                         "type",    "number",   "precision"};
  return kNames[static_cast<size_t>(kind)];
}

const Row* find_row(std::string_view name) {
  const auto find = [&](std::span<const Row> table) -> const Row* {
    const auto row = std::find_if(table.begin(), table.end(),
                                  [&](const Row& candidate) { return candidate.name == name; });
    return row == table.end() ? nullptr : &*row;
  };
  for (const std::span<const Row> family : families()) {
    if (const Row* row = find(family)) return row;
  }
  return find(primitive_rows());
}

namespace {

void check_options(const Arguments& arguments, const Row& row) {
  for (const Option& option : arguments.options()) {
    const auto known = std::find_if(row.options.begin(), row.options.end(),
                                    [&](const OptionRow& o) { return o.name == option.name; });
    if (known == row.options.end()) {
      std::string names;
      for (const OptionRow& o : row.options)
        names += (names.empty() ? "" : ", ") + std::string(o.name);
      arguments.fail("has no option '" + option.name + "'; it takes " +
                     (names.empty() ? "none" : names));
    }
    const bool may_be_real = known->kind == OptionKind::real || known->kind == OptionKind::number;
    if (!option.reals.empty() && !may_be_real) {
      arguments.fail("option '" + option.name + "' takes integers, got reals");
    }
  }
}

}  // namespace

std::vector<NodeRef> call(std::string_view name, const GraveyardRef& owner,
                          std::span<const NodeRef> tensors, std::span<const Option> options) {
  const Arguments arguments(name, owner, tensors, options);
  const Row* row = find_row(name);
  if (row == nullptr) arguments.fail("is not an operation of this library");
  const auto given = static_cast<int>(tensors.size());
  if (row->tensors >= 0 ? given != row->tensors : given < -row->tensors) {
    arguments.fail("takes " + std::string(row->tensors < 0 ? "at least " : "") +
                   std::to_string(std::abs(row->tensors)) + " tensors, got " +
                   std::to_string(given));
  }
  for (const NodeRef& t : tensors) {
    if (t->graveyard() != owner.get()) arguments.fail("operands belong to different engines");
  }
  check_options(arguments, *row);
  return row->build(arguments);
}

std::vector<NodeRef> call(std::string_view name, std::span<const NodeRef> tensors,
                          std::span<const Option> options) {
  if (tensors.empty()) {
    throw Error(Status::invalid_argument, std::string(name) + ": needs at least one tensor");
  }
  return call(name, tensors[0]->shared_graveyard(), tensors, options);
}

NodeRef make_node(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                  Attributes attributes) {
  std::shared_ptr<Graveyard> owner = inputs[0]->shared_graveyard();
  return nxv::make_node(std::move(owner), op, type, std::move(shape), std::move(inputs),
                        std::move(attributes));
}

}  // namespace nxv::library

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

std::vector<NodeRef> call(std::string_view name, std::span<const NodeRef> tensors,
                          std::span<const Option> options) {
  const Arguments arguments(name, tensors, options);
  for (const std::span<const Row> family : families()) {
    const auto row =
        std::find_if(family.begin(), family.end(), [&](const Row& r) { return r.name == name; });
    if (row == family.end()) continue;
    const auto given = static_cast<int>(tensors.size());
    if (row->tensors >= 0 ? given != row->tensors : given < -row->tensors) {
      arguments.fail("takes " + std::string(row->tensors < 0 ? "at least " : "") +
                     std::to_string(std::abs(row->tensors)) + " tensors, got " +
                     std::to_string(given));
    }
    for (const NodeRef& t : tensors) {
      if (t->graveyard() != tensors[0]->graveyard()) {
        arguments.fail("operands belong to different engines");
      }
    }
    return row->build(arguments);
  }
  arguments.fail("is not an operation of this library");
}

NodeRef make_node(Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
                  Attributes attributes) {
  const std::shared_ptr<Graveyard> owner = inputs[0]->shared_graveyard();
  return NodeRef::adopt(std::make_unique<Node>(owner, op, type, std::move(shape), std::move(inputs),
                                               std::move(attributes))
                            .release());
}

}  // namespace nxv::library

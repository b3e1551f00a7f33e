#include "schedule/joint_domain.h"

namespace nxv::schedule {
namespace {

// Rows that fill a GPU, and columns that are one block of a fold: reductions of neither are split.
constexpr int64_t kManyRows = 2048, kShortRow = 1024;

const Node& node_of(const Partition& partition, const Part::Root& root) {
  return *partition.entries[root.entry].node;
}

const Node& input_of(const Domain& domain) { return *domain.first_reduction->inputs[0]; }
int64_t rows_of(const Domain& domain) { return domain.first_reduction->count; }
int64_t columns_of(const Domain& domain) { return input_of(domain).count / rows_of(domain); }

bool folds_last_axes(const Domain& domain) {
  const Axes& axes = domain.first_reduction->attribute<ReduceAttr>().axes;
  const auto rank = static_cast<int64_t>(input_of(domain).shape.size());
  return axes.empty() || axes.front() == rank - static_cast<int64_t>(axes.size());
}

bool is_row_program(const Domain& domain) {
  return domain.layout == Shape2D::elements || domain.reductions > 1;
}

// Whether a pointwise root is one of the domain's elements.
bool is_of_elements(const Node& root, const Domain& domain) {
  return root.shape == input_of(domain).shape;
}

bool is_good_row_program(const Domain& joint, bool was_one, const Options& options) {
  if (!folds_last_axes(joint) || joint.reductions > options.max_row_program_reductions)
    return false;
  const int64_t columns = columns_of(joint);
  if (columns > options.max_row_program_columns) return false;
  return was_one || columns <= kShortRow || rows_of(joint) >= kManyRows;
}

// The shape that pointwise roots have; null if there is none.
const Shape* pointwise_shape(const Partition& partition, const Part& part) {
  for (const Part::Root& root : part.roots) {
    const Node& node = node_of(partition, root);
    if (&node != part.domain.product) return &node.shape;
  }
  return nullptr;
}

std::optional<Domain> domain_of_product(const Partition& partition, const Part& product,
                                        const Part& other) {
  if (other.domain.layout != Shape2D::none || other.domain.product) return std::nullopt;
  const Shape& shape = *pointwise_shape(partition, other);
  const Shape* const known = pointwise_shape(partition, product);
  const bool fits = known ? *known == shape : element_count(shape) == product.domain.product->count;
  return fits ? std::optional(product.domain) : std::nullopt;
}

}  // namespace

std::optional<Domain> joint_domain(const Partition& partition, const Part& a, const Part& b,
                                   const Options& options) {
  if (a.domain.product) return domain_of_product(partition, a, b);
  if (b.domain.product) return domain_of_product(partition, b, a);
  if (a.domain.layout == Shape2D::none && b.domain.layout == Shape2D::none) {
    const Node &x = node_of(partition, a.roots[0]), &y = node_of(partition, b.roots[0]);
    return x.shape == y.shape ? std::optional(a.domain) : std::nullopt;
  }
  if (b.domain.layout == Shape2D::none) return joint_domain(partition, b, a, options);
  Domain joint = b.domain;
  if (joint.first_reduction->count == 0 || input_of(joint).count == 0) return std::nullopt;
  if (a.domain.layout == Shape2D::none) {
    const Node& root = node_of(partition, a.roots[0]);
    if (is_of_elements(root, joint)) {
      joint.layout = Shape2D::elements;
    } else if (root.count != rows_of(joint)) {
      return std::nullopt;
    }
  } else {
    const bool folds_the_same = input_of(a.domain).shape == input_of(joint).shape &&
                                a.domain.first_reduction->attribute<ReduceAttr>().axes ==
                                    joint.first_reduction->attribute<ReduceAttr>().axes;
    if (!folds_the_same) return std::nullopt;
    if (a.domain.layout == Shape2D::elements) joint.layout = Shape2D::elements;
    joint.reductions += a.domain.reductions;
  }
  const bool was_one = is_row_program(a.domain) || is_row_program(b.domain);
  if (is_row_program(joint) && !is_good_row_program(joint, was_one, options)) return std::nullopt;
  return joint;
}

int base_in(const Partition& partition, const Part& part, const Part::Root& root,
            const Domain& joint) {
  if (joint.layout != Shape2D::elements || root.base == kRowBase) return root.base;
  switch (part.domain.layout) {
    case Shape2D::none:
      return is_of_elements(node_of(partition, root), joint) ? kRootBase : kRowBase;
    case Shape2D::rows:
      return kRowBase;
    case Shape2D::elements:
      return kRootBase;
  }
  return kRootBase;
}

}  // namespace nxv::schedule

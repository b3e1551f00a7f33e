// Composition of views: the layout through which a region's space reads a node.
#pragma once

#include <optional>
#include <vector>

#include "graph/region.h"

namespace nxv::schedule {

// Views whose elements lie at an affine function of the coordinates.
bool is_strided_view(Op op);

// The layout of `view` over its own shape, given the layout of its input; nothing where strides
// cannot express it.
std::optional<Layout> apply_view(const Node& view, int input, const Layout& of_input);

// The layout of what `path` leads to, seen from the space that the path starts from.
std::optional<Layout> apply_path(const std::vector<PathStep>& paths, int path, Layout layout);

// The same for a contiguous value of that shape.
std::optional<Layout> compose(const std::vector<PathStep>& paths, int path, const Shape& shape);

// Whether the layout gives each row an element, in their order, the same in all columns; `rows` are
// its first dimensions.
bool is_row_broadcast(const Layout& layout, size_t rows);

}  // namespace nxv::schedule

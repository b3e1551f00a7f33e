// Which elements of a value a factor of a product has where, by reshapes, transposes and casts.
#pragma once

#include <optional>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Each axis steps through the base's elements, counted in row-major order, by the digits of its
// index, outermost first. Of one base, equal views are equal matrices, up to rounding by casts.
struct MatrixView {
  struct Digit {
    int64_t extent, stride;
    bool operator==(const Digit&) const = default;
  };
  NodeRef base;
  std::vector<std::vector<Digit>> axes;

  bool operator==(const MatrixView& other) const {
    return base.get() == other.base.get() && axes == other.axes;
  }
  // With its last two axes, of at least two, in turn.
  MatrixView transposed() const;
  // Whether elements are those of the base in their order.
  bool is_in_order() const;
};

// Of casts between floats of 32 bits and less. Nothing where a reshape divides an index by no digit
// of it. Follows pending nodes: the engine's thread only.
std::optional<MatrixView> matrix_view(const NodeRef& factor);

}  // namespace nxv

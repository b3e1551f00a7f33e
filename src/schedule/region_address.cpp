// Where the elements of a region's operands and generators lie.
#include <algorithm>
#include <optional>

#include "schedule/paths.h"
#include "schedule/region_draft.h"

namespace nxv::schedule {
namespace {

// Strides of unit dimensions say nothing.
void normalize(Layout& layout) {
  for (size_t d = 0; d < layout.shape.size(); ++d) {
    if (layout.shape[d] == 1) layout.strides[d] = 0;
  }
}

}  // namespace

Address locate(const RegionDraft& d, const Shape& shape, int path) {
  const int from = d.base(path);
  Address a;
  if (element_count(shape) == 1) {  // wherever the path leads
    a.addressing = Addressing::uniform;
    a.layout.shape = d.row_shape;
    a.layout.strides.assign(d.row_shape.size(), 0);
    return a;
  }
  a.level = d.base_level(from);
  std::optional<Layout> layout = compose(d.region.paths, path, shape);
  if (!layout) {
    a.addressing = Addressing::mapped;
    a.path = path;
    return a;
  }
  if (a.level == Level::element) {
    if (from == kElementBase) layout = layout->transpose(d.order);
    const bool same_in_row = std::all_of(layout->strides.begin() + d.row_dims,
                                         layout->strides.end(), [](int64_t s) { return s == 0; }) ||
                             d.region.col_count == 1;
    if (same_in_row) {
      a.level = Level::row;
      layout->shape.resize(d.row_dims);
      layout->strides.resize(d.row_dims);
    }
  } else if (d.domain.layout != Shape2D::none) {
    // Root coordinates; rows have those of the reductions.
    layout = layout->reshape(d.row_shape);
    if (!layout) {
      a.addressing = Addressing::mapped;
      a.path = path;
      return a;
    }
  }
  a.layout = std::move(*layout);
  normalize(a.layout);
  if (std::all_of(a.layout.strides.begin(), a.layout.strides.end(),
                  [](int64_t s) { return s == 0; })) {
    a.addressing = Addressing::uniform;
    a.level = Level::row;
  } else if (a.layout.offset == 0 && a.layout.is_contiguous()) {
    a.addressing = Addressing::linear;
  } else {
    a.addressing = Addressing::strided;
  }
  return a;
}

bool RegionDraft::is_mapped(int path) const {
  const auto leads_through = [&](int end) {
    for (; end >= 0; end = parents[end]) {
      if (end == path) return true;
    }
    return false;
  };
  for (const Operand& o : region.operands) {
    if (o.addressing == Addressing::mapped && leads_through(o.path)) return true;
  }
  for (const Expr& e : region.exprs) {
    if (e.addressing == Addressing::mapped && leads_through(e.path)) return true;
  }
  return false;
}

}  // namespace nxv::schedule

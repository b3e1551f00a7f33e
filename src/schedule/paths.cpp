#include "schedule/paths.h"

#include <utility>

namespace nxv::schedule {

bool is_strided_view(Op op) {
  return op == Op::reshape || op == Op::broadcast || op == Op::transpose || op == Op::slice ||
         op == Op::reverse || op == Op::windows;
}

std::optional<Layout> apply_view(const Node& view, int input, const Layout& of_input) {
  switch (view.op) {
    case Op::reshape:
      return of_input.reshape(view.shape);
    case Op::broadcast:
      return of_input.broadcast(view.shape, view.attribute<AxesAttr>().axes);
    case Op::transpose:
      return of_input.transpose(view.attribute<AxesAttr>().axes);
    case Op::reverse:
      return of_input.reverse(view.attribute<AxesAttr>().axes);
    case Op::slice: {
      const auto& attr = view.attribute<SliceAttr>();
      return of_input.slice(attr.starts, view.shape, attr.strides);
    }
    case Op::windows: {
      const auto& attr = view.attribute<WindowsAttr>();
      return of_input.windows(attr.window, attr.strides, attr.dilations);
    }
    case Op::pad:
      // The padding value is one element for every point.
      if (input == 1) return of_input.broadcast(view.shape, {});
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<Layout> apply_path(const std::vector<PathStep>& paths, int path, Layout layout) {
  std::optional<Layout> seen = std::move(layout);
  for (; seen && path >= 0; path = paths[path].parent) {
    seen = apply_view(*paths[path].view, paths[path].input, *seen);
  }
  return seen;
}

std::optional<Layout> compose(const std::vector<PathStep>& paths, int path, const Shape& shape) {
  // What is contiguous stays so when it is reshaped.
  const Shape* contiguous = &shape;
  for (; path >= 0 && paths[path].view->op == Op::reshape; path = paths[path].parent) {
    contiguous = &paths[path].view->shape;
  }
  return apply_path(paths, path, Layout::contiguous(*contiguous));
}

bool is_row_broadcast(const Layout& layout, size_t rows) {
  if (layout.offset != 0) return false;
  int64_t expected = 1;
  for (size_t d = layout.shape.size(); d-- > 0;) {
    if (layout.shape[d] == 1) continue;
    if (layout.strides[d] != (d >= rows ? 0 : expected)) return false;
    if (d < rows) expected *= layout.shape[d];
  }
  return true;
}

}  // namespace nxv::schedule

#include "graph/matrix_view.h"

#include <algorithm>
#include <utility>

namespace nxv {
namespace {

using Digits = std::vector<MatrixView::Digit>;

constexpr int kDeepest = 64;

bool is_narrow_float(DType t) { return t == DType::f16 || t == DType::bf16 || t == DType::f32; }

bool is_view(const Node& x) {
  if (!x.is_pending()) return false;
  return x.op == Op::reshape || x.op == Op::transpose ||
         (x.op == Op::cast && is_narrow_float(x.dtype) && is_narrow_float(x.inputs[0]->dtype));
}

// Behind others of the same axis, of which it may continue the last.
void append(Digits& axis, MatrixView::Digit digit) {
  if (digit.extent == 1) return;
  if (!axis.empty() && axis.back().stride == digit.extent * digit.stride) {
    axis.back() = {axis.back().extent * digit.extent, digit.stride};
  } else {
    axis.push_back(digit);
  }
}

std::vector<Digits> row_major(const Shape& shape) {
  std::vector<Digits> axes(shape.size());
  const std::vector<int64_t> strides = row_major_strides(shape);
  for (size_t d = 0; d < shape.size(); ++d) append(axes[d], {shape[d], strides[d]});
  return axes;
}

std::optional<std::vector<Digits>> reshaped(const std::vector<Digits>& from, const Shape& to) {
  Digits digits;
  for (const Digits& axis : from) {
    for (const auto& digit : axis) append(digits, digit);
  }
  std::vector<Digits> axes(to.size());
  size_t next = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    for (int64_t left = to[d]; left > 1;) {
      if (next == digits.size()) return {};
      auto& digit = digits[next];
      if (left % digit.extent == 0) {
        append(axes[d], digit);
        left /= digit.extent;
        ++next;
      } else if (digit.extent % left == 0) {
        digit.extent /= left;
        append(axes[d], {left, digit.extent * digit.stride});
        left = 1;
      } else {
        return {};
      }
    }
  }
  return axes;
}

}  // namespace

MatrixView MatrixView::transposed() const {
  MatrixView other = *this;
  std::swap(other.axes[axes.size() - 1], other.axes[axes.size() - 2]);
  return other;
}

bool MatrixView::is_in_order() const {
  Shape shape;
  for (const Digits& axis : axes) {
    int64_t extent = 1;
    for (const Digit& digit : axis) extent *= digit.extent;
    shape.push_back(extent);
  }
  return axes == row_major(shape);
}

std::optional<MatrixView> matrix_view(const NodeRef& factor) {
  std::vector<const Node*> views;
  NodeRef base = factor;
  while (is_view(*base)) {
    if (views.size() == kDeepest) return {};
    views.push_back(base.get());
    base = base->inputs[0];
  }
  std::vector<Digits> axes = row_major(base->shape);
  for (size_t v = views.size(); v-- > 0;) {
    const Node& view = *views[v];
    if (view.op == Op::reshape) {
      auto to = reshaped(axes, view.shape);
      if (!to) return {};
      axes = std::move(*to);
    } else if (view.op == Op::transpose) {
      std::vector<Digits> to;
      for (int64_t from : view.attribute<AxesAttr>().axes) {
        to.push_back(std::move(axes[static_cast<size_t>(from)]));
      }
      axes = std::move(to);
    }
  }
  return MatrixView{std::move(base), std::move(axes)};
}

}  // namespace nxv

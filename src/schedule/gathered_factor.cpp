#include "schedule/gathered_factor.h"

#include <algorithm>
#include <utility>

#include "graph/region_words.h"
#include "schedule/paths.h"

namespace nxv::schedule {
namespace {

class Gathering {
 public:
  // `views`: from the stored value outwards; the digits are the axes of the last one's shape.
  explicit Gathering(std::vector<const Node*> views) : views_(std::move(views)) {}

  // Finds the layouts of the address and of the coordinates over `axes`.
  bool find() {
    std::optional<Layout> layout = Layout::contiguous(views_[0]->inputs[0]->shape);
    size_t i = 0;
    for (; layout && i < views_.size() && views_[i]->op != Op::pad; ++i) {
      layout = apply_view(*views_[i], 0, *layout);
    }
    if (!layout) return false;
    if (i == views_.size()) {
      address_ = std::move(*layout);
      return true;
    }
    return views_[i]->attribute<PadAttr>().zeros && find_padded(*layout, i);
  }

  // The axes of the digits belong to indices: axes [0, ends[0]) to the first, and so on.
  GatheredFactor factor(const std::array<size_t, 3>& ends,
                        const std::array<GatheredShape::Index, 3>& order) const {
    GatheredFactor f;
    f.offset = address_.offset;
    f.axes = axes_;
    size_t first = 0;
    for (size_t i = 0; i < 3; ++i) {
      const auto part = [&, end = ends[i]](const Layout& l) {
        const auto from = static_cast<std::ptrdiff_t>(first);
        const auto to = static_cast<std::ptrdiff_t>(end);
        return Layout{Shape(l.shape.begin() + from, l.shape.begin() + to),
                      {l.strides.begin() + from, l.strides.begin() + to},
                      0};
      };
      std::vector<Layout> parts{part(address_)};
      for (const Layout& c : coordinates_) parts.push_back(part(c));
      first = ends[i];
      std::vector<Layout*> all;
      for (Layout& l : parts) all.push_back(&l);
      Shape shape{1};
      if (parts[0].shape.empty()) {
        for (Layout& l : parts) l = {shape, {0}, 0};
      } else {
        shape = collapse(all);
      }
      for (size_t d = 0; d < shape.size(); ++d) {
        GatheredFactor::Digit digit{shape[d], parts[0].strides[d], {}};
        for (size_t a = 1; a < parts.size(); ++a) digit.steps.push_back(parts[a].strides[d]);
        f.digits[order[i]].push_back(std::move(digit));
      }
    }
    return f;
  }

 private:
  // `padded` is the layout of the pad's input, view `at`.
  bool find_padded(const Layout& padded, size_t at) {
    const Node& pad = *views_[at];
    // Coordinates are 32-bit numbers in kernels.
    if (pad.count >> 31 != 0 || pad.inputs[0]->count >> 31 != 0) return false;
    const auto& attr = pad.attribute<PadAttr>();
    for (size_t axis = 0; axis < pad.shape.size(); ++axis) {
      std::optional<Layout> coordinate = Layout{pad.shape, {}, 0};
      coordinate->strides.assign(pad.shape.size(), 0);
      coordinate->strides[axis] = 1;
      for (size_t i = at + 1; coordinate && i < views_.size(); ++i) {
        if (views_[i]->op == Op::pad) return false;
        coordinate = apply_view(*views_[i], 0, *coordinate);
      }
      if (!coordinate) return false;
      add_axis(*coordinate, padded.shape[axis], padded.strides[axis], attr.low[axis],
               attr.interior[axis] + 1);
    }
    address_.offset += padded.offset;
    return axes_.size() <= GatheredShape::kMaxAxes;
  }

  void add_axis(Layout coordinate, int64_t size, int64_t stride, int64_t low, int64_t dilation) {
    if (address_.shape.empty()) {
      address_.shape = coordinate.shape;
      address_.strides.assign(coordinate.shape.size(), 0);
    }
    coordinate.offset -= low;
    const int64_t end = (size - 1) * dilation + 1;
    int64_t least = coordinate.offset, most = coordinate.offset;
    for (size_t d = 0; d < coordinate.shape.size(); ++d) {
      const int64_t way = (coordinate.shape[d] - 1) * coordinate.strides[d];
      (way < 0 ? least : most) += way;
    }
    if (dilation == 1) {
      address_.offset += coordinate.offset * stride;
      for (size_t d = 0; d < coordinate.shape.size(); ++d) {
        address_.strides[d] += coordinate.strides[d] * stride;
      }
    }
    if (dilation == 1 && least >= 0 && most < end) return;
    axes_.push_back({coordinate.offset, end, dilation, stride});
    coordinates_.push_back(std::move(coordinate));
  }

  const std::vector<const Node*> views_;
  Layout address_;
  std::vector<GatheredFactor::Axis> axes_;
  std::vector<Layout> coordinates_;  // of `axes_`
};

// Where the axes end that make up each extent, or nothing.
std::optional<std::array<size_t, 3>> ends_of(const Shape& axes, const std::array<int64_t, 3>& to) {
  std::array<size_t, 3> ends = {};
  size_t axis = 0;
  for (size_t i = 0; i < 3; ++i) {
    int64_t extent = 1;
    while (axis < axes.size() && extent < to[i]) extent *= axes[axis++];
    if (extent != to[i]) return std::nullopt;
    ends[i] = axis;
  }
  for (; axis < axes.size(); ++axis) {
    if (axes[axis] != 1) return std::nullopt;
    ends[2] = axis + 1;
  }
  return ends;
}

}  // namespace

GatheredShape GatheredFactor::shape() const {
  GatheredShape s;
  for (size_t i = 0; i < 3; ++i) {
    s.digits[i] = static_cast<uint8_t>(digits[i].size());
    for (size_t d = 0; d < digits[i].size(); ++d) {
      for (size_t a = 0; a < axes.size(); ++a) {
        if (digits[i][d].steps[a] != 0)
          s.moves[i][d] = static_cast<uint8_t>(s.moves[i][d] | 1u << a);
      }
    }
  }
  s.axes = static_cast<uint8_t>(axes.size());
  for (size_t a = 0; a < axes.size(); ++a) {
    if (axes[a].dilation != 1) s.dilated = static_cast<uint8_t>(s.dilated | 1u << a);
  }
  return s;
}

void GatheredFactor::append_to(std::vector<uint32_t>& words) const {
  append(words, OffsetWords{word(offset)});
  for (const Axis& a : axes) {
    append(words, CheckedAxis{word(a.first), word(a.end),
                              Divisor(static_cast<uint64_t>(a.dilation)), word(a.stride)});
  }
  for (const auto& index : digits) {
    for (const Digit& d : index) {
      append(words, DigitWords{Divisor(static_cast<uint64_t>(d.extent)), word(d.stride)});
      for (int64_t step : d.steps) words.push_back(word(step));
    }
  }
}

std::optional<GatheredFactor> gathered_factor(const std::vector<PathStep>& paths, int path,
                                              bool is_b) {
  std::vector<const Node*> views;
  for (; path >= 0; path = paths[path].parent) views.push_back(paths[path].view);
  const Shape& factor = views.back()->shape;
  const std::array<int64_t, 3> extents = {factor.size() == 3 ? factor[0] : 1,
                                          factor[factor.size() - 2], factor.back()};
  using S = GatheredShape;
  const std::array<S::Index, 3> order = {S::batch, is_b ? S::depth : S::free,
                                         is_b ? S::free : S::depth};
  // The digits are axes of what is reshaped to the factor.
  const auto ends = [&]() -> std::optional<std::array<size_t, 3>> {
    while (views.size() > 1 && views.back()->op == Op::reshape &&
           ends_of(views.back()->inputs[0]->shape, extents)) {
      views.pop_back();
    }
    return ends_of(views.back()->shape, extents);
  }();
  if (!ends) return std::nullopt;
  Gathering gathering(std::move(views));
  if (!gathering.find()) return std::nullopt;
  GatheredFactor f = gathering.factor(*ends, order);
  for (const auto& digits : f.digits) {
    if (digits.size() > GatheredShape::kMaxDigits) return std::nullopt;
  }
  return f;
}

bool has_windows(const std::vector<PathStep>& paths, int path) {
  const Node* view = paths[path].view;
  for (; path >= 0; path = paths[path].parent) {
    if (paths[path].view->op == Op::windows) return true;
  }
  for (; view->is_pending() && is_strided_view(view->op); view = view->inputs[0].get()) {
    if (view->op == Op::windows) return true;
  }
  return false;
}

}  // namespace nxv::schedule

#include "base/layout.h"

#include <algorithm>

#include "base/checked.h"

namespace nxv {

int64_t element_count(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

std::string to_string(std::span<const int64_t> shape) {
  std::string s = "{";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "}";
}

std::vector<int64_t> row_major_strides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Layout Layout::contiguous(Shape shape) {
  Layout l;
  l.strides = row_major_strides(shape);
  l.shape = std::move(shape);
  return l;
}

bool Layout::is_contiguous() const {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

Layout Layout::transpose(std::span<const int64_t> axes) const {
  Layout l{Shape(axes.size()), std::vector<int64_t>(axes.size()), offset};
  for (size_t i = 0; i < axes.size(); ++i) {
    l.shape[i] = shape[axes[i]];
    l.strides[i] = strides[axes[i]];
  }
  return l;
}

Layout Layout::broadcast(std::span<const int64_t> to, std::span<const int64_t> axes) const {
  Layout l{Shape(to.begin(), to.end()), std::vector<int64_t>(to.size(), 0), offset};
  for (size_t i = 0; i < axes.size(); ++i) {
    l.strides[axes[i]] = shape[i] == 1 ? 0 : strides[i];
  }
  return l;
}

Layout Layout::slice(std::span<const int64_t> starts, std::span<const int64_t> lengths,
                     std::span<const int64_t> steps) const {
  Layout l = *this;
  for (size_t i = 0; i < shape.size(); ++i) {
    l.offset += starts[i] * strides[i];
    l.shape[i] = lengths[i];
    if (lengths[i] > 1) l.strides[i] = strides[i] * steps[i];
  }
  return l;
}

Layout Layout::reverse(std::span<const int64_t> axes) const {
  Layout l = *this;
  for (int64_t a : axes) {
    l.offset += (shape[a] - 1) * strides[a];
    l.strides[a] = -strides[a];
  }
  return l;
}

int64_t window_count(int64_t length, int64_t window, int64_t step, int64_t dilation) {
  const Checked span = (Checked(window) - 1) * dilation + 1;
  return !span.fits() || length < span.value() ? 0 : (length - span.value()) / step + 1;
}

Layout Layout::windows(std::span<const int64_t> window, std::span<const int64_t> steps,
                       std::span<const int64_t> dilations) const {
  const size_t rank = shape.size();
  Layout l{Shape(2 * rank), std::vector<int64_t>(2 * rank), offset};
  for (size_t i = 0; i < rank; ++i) {
    l.shape[i] = window_count(shape[i], window[i], steps[i], dilations[i]);
    l.strides[i] = l.shape[i] > 1 ? strides[i] * steps[i] : strides[i];
    l.shape[rank + i] = window[i];
    l.strides[rank + i] = window[i] > 1 ? strides[i] * dilations[i] : strides[i];
  }
  return l;
}

std::optional<Layout> Layout::reshape(std::span<const int64_t> to) const {
  if (is_contiguous()) return Layout{Shape(to.begin(), to.end()), row_major_strides(to), offset};
  // Walk both shapes from the back; each group of old dimensions whose product equals a group of
  // new ones must step uniformly.
  Layout l{Shape(to.begin(), to.end()), std::vector<int64_t>(to.size(), 0), offset};
  Layout from = *this;
  Layout* one[] = {&from};
  collapse(one);
  int64_t old = from.rank() - 1;
  int64_t left = from.shape[old];  // elements of the old dimension not yet handed out
  int64_t stride = from.strides[old];
  for (size_t i = to.size(); i-- > 0;) {
    if (to[i] == 1) continue;
    while (left == 1 && old > 0) {
      --old;
      left = from.shape[old];
      stride = from.strides[old];
    }
    if (left % to[i] != 0) return std::nullopt;
    l.strides[i] = stride;
    stride *= to[i];
    left /= to[i];
  }
  return l;
}

ReshapeRuns reshape_runs(std::span<const int64_t> from, std::span<const int64_t> to) {
  ReshapeRuns runs{std::vector<int>(from.size(), -1), std::vector<int>(to.size(), -1), 0};
  size_t i = 0, j = 0;
  while (true) {
    while (i < from.size() && from[i] == 1) ++i;
    while (j < to.size() && to[j] == 1) ++j;
    if (i == from.size()) return runs;
    int64_t left = 1, right = 1;
    do {
      const bool from_next = left <= right;
      const std::span<const int64_t> shape = from_next ? from : to;
      size_t& axis = from_next ? i : j;
      (from_next ? left : right) *= shape[axis];
      if (shape[axis] != 1) (from_next ? runs.from : runs.to)[axis] = runs.count;
      ++axis;
    } while (left != right);
    ++runs.count;
  }
}

Shape collapse(std::span<Layout*> layouts) {
  const Shape old = layouts.front()->shape;
  Shape shape;
  std::vector<std::vector<int64_t>> strides(layouts.size());
  for (size_t d = 0; d < old.size(); ++d) {
    if (old[d] == 1) continue;
    bool merges = !shape.empty();
    for (size_t k = 0; merges && k < layouts.size(); ++k) {
      merges = strides[k].back() == layouts[k]->strides[d] * old[d];
    }
    if (merges) {
      shape.back() *= old[d];
      for (size_t k = 0; k < layouts.size(); ++k) strides[k].back() = layouts[k]->strides[d];
    } else {
      shape.push_back(old[d]);
      for (size_t k = 0; k < layouts.size(); ++k) strides[k].push_back(layouts[k]->strides[d]);
    }
  }
  if (shape.empty()) {
    shape.push_back(1);
    for (auto& s : strides) s.push_back(0);
  }
  for (size_t k = 0; k < layouts.size(); ++k) {
    layouts[k]->shape = shape;
    layouts[k]->strides = std::move(strides[k]);
  }
  return shape;
}

}  // namespace nxv

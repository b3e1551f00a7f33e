// Views: what moves elements.
#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "base/checked.h"
#include "graph/building.h"

namespace nxv {

using namespace building;

namespace {

constexpr size_t kMaxParts = 8;  // of one concatenate node

struct PaddedExtent {
  int64_t length;
  bool shows_input;  // whether the input is there, and not cropped away or beside what is left
};

// Of axis i of a padded tensor. What it returns and what it has checked fit in 50 bits.
PaddedExtent padded_extent(const NodeRef& x, const PadAttr& amounts, size_t i) {
  const int64_t low = amounts.low[i], high = amounts.high[i], interior = amounts.interior[i];
  const auto describe_axis = [&] {
    return "padding of " + std::to_string(low) + ", " + std::to_string(high) + " and " +
           std::to_string(interior) + " inside at axis " + std::to_string(i) + " of " + describe(x);
  };
  if (interior < 0) {
    fail(Status::invalid_argument, "pad", "negative interior padding at axis " + std::to_string(i));
  }
  const Checked spread = Checked(x->shape[i]) + (Checked(x->shape[i]) - 1) * interior;
  const Checked length = spread + (Checked(low) + high);
  if (spread.value_or(kMaxElements + 1) > kMaxElements || !length.fits()) {
    fail(Status::alloc_failed, "pad", describe_axis() + " makes too many elements, more than 2^48");
  }
  return {length.value(), low < length.value() && (Checked(low) + spread).value_or(1) > 0};
}

}  // namespace

NodeRef reshape(const NodeRef& x, Shape shape) {
  if (check_shape("reshape", shape) != x->count) {
    fail(Status::size_mismatch, "reshape", describe(x) + " does not fit in " + to_string(shape));
  }
  if (shape == x->shape) return x;
  return make_view(x, Op::reshape, std::move(shape), {});
}

NodeRef broadcast(const NodeRef& x, Shape shape, Axes axes) {
  check_shape("broadcast", shape);
  check_length("broadcast", x, axes.size(), "axes");
  const bool ascending = std::is_sorted(axes.begin(), axes.end(), std::less_equal<>());
  bool fits = ascending && x->shape.size() <= shape.size();
  for (size_t i = 0; fits && i < axes.size(); ++i) {
    fits = axes[i] >= 0 && axes[i] < static_cast<int64_t>(shape.size()) &&
           (x->shape[i] == 1 || x->shape[i] == shape[axes[i]]);
  }
  if (!fits) {
    fail(Status::size_mismatch, "broadcast",
         describe(x) + " does not broadcast to " + to_string(shape) + " along axes " +
             to_string(axes));
  }
  if (element_count(shape) == x->count) return reshape(x, std::move(shape));  // unit axes more
  return make_view(x, Op::broadcast, std::move(shape), AxesAttr{std::move(axes)});
}

NodeRef broadcast(const NodeRef& x, Shape shape) {
  if (x->shape.size() > shape.size()) {
    fail(Status::size_mismatch, "broadcast",
         describe(x) + " does not broadcast to " + to_string(shape));
  }
  Axes axes(x->shape.size());
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(shape.size() - x->shape.size()));
  return broadcast(x, std::move(shape), std::move(axes));
}

NodeRef transpose(const NodeRef& x, Axes axes) {
  check_length("transpose", x, axes.size(), "axes");
  axes = check_axes("transpose", x, std::move(axes));
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  Shape shape(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) shape[i] = x->shape[axes[i]];
  Axes longer = axes;
  std::erase_if(longer, [&](int64_t a) { return x->shape[a] == 1; });
  if (std::is_sorted(longer.begin(), longer.end())) return reshape(x, std::move(shape));
  return make_view(x, Op::transpose, std::move(shape), AxesAttr{std::move(axes)});
}

NodeRef slice(const NodeRef& x, std::span<const int64_t> starts, std::span<const int64_t> lengths,
              std::span<const int64_t> strides) {
  check_length("slice", x, starts.size(), "starts");
  check_length("slice", x, lengths.size(), "lengths");
  check_length("slice", x, strides.size(), "strides");
  SliceAttr attr;
  Shape shape(x->shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (lengths[i] < 1 || lengths[i] > x->shape[i] || strides[i] < 1) {
      fail(Status::invalid_argument, "slice",
           "length " + std::to_string(lengths[i]) + " with stride " + std::to_string(strides[i]) +
               " at axis " + std::to_string(i) + " of " + describe(x));
    }
    attr.starts.push_back(std::clamp<int64_t>(starts[i], 0, x->shape[i] - lengths[i]));
    shape[i] = (lengths[i] - 1) / strides[i] + 1;
    attr.strides.push_back(std::min(strides[i], x->shape[i]));
  }
  if (shape == x->shape) return x;
  return make_view(x, Op::slice, std::move(shape), std::move(attr));
}

NodeRef reverse(const NodeRef& x, Axes axes) {
  axes = check_axes("reverse", x, std::move(axes));
  std::erase_if(axes, [&](int64_t a) { return x->shape[a] == 1; });
  if (axes.empty()) return x;
  std::sort(axes.begin(), axes.end());
  return make_view(x, Op::reverse, x->shape, AxesAttr{std::move(axes)});
}

NodeRef squeeze(const NodeRef& x, Axes axes) {
  const bool every = axes.empty();
  axes = check_axes("squeeze", x, std::move(axes));
  Shape shape;
  for (int64_t i = 0; i < static_cast<int64_t>(x->shape.size()); ++i) {
    const bool named =
        every ? x->shape[i] == 1 : std::find(axes.begin(), axes.end(), i) != axes.end();
    if (named && x->shape[i] != 1) {
      fail(Status::size_mismatch, "squeeze",
           "axis " + std::to_string(i) + " of " + describe(x) + " is not of length 1");
    }
    if (!named) shape.push_back(x->shape[i]);
  }
  return reshape(x, std::move(shape));
}

NodeRef pad(const NodeRef& x, const NodeRef& value, PadAttr amounts) {
  check_length("pad", x, amounts.low.size(), "amounts");
  check_length("pad", x, amounts.high.size(), "amounts");
  check_length("pad", x, amounts.interior.size(), "amounts");
  const NodeRef both[] = {x, value};
  check_same_engine("pad", both);
  if (value->count != 1) {
    fail(Status::size_mismatch, "pad", "the value must have one element, got " + describe(value));
  }
  Shape shape(x->shape.size());
  bool changes = false, shows_input = true;
  for (size_t i = 0; i < shape.size(); ++i) {
    const PaddedExtent axis = padded_extent(x, amounts, i);
    shape[i] = axis.length;
    shows_input &= axis.shows_input;
    changes |= amounts.interior[i] != 0 || amounts.low[i] != 0 || amounts.high[i] != 0;
    if (x->shape[i] == 1) amounts.interior[i] = 0;
  }
  check_shape("pad", shape);
  const DType type = merge(x->dtype, value->dtype);
  const NodeRef from = cast(x, type);
  if (!changes) return from;
  const NodeRef padding = reshape(cast(value, type), {});
  if (!shows_input) return broadcast(padding, std::move(shape));
  return make_node(x->shared_graveyard(), Op::pad, type, std::move(shape), {from, padding},
                   std::move(amounts));
}

NodeRef windows(const NodeRef& x, WindowsAttr geometry) {
  check_length("windows", x, geometry.window.size(), "window lengths");
  check_length("windows", x, geometry.strides.size(), "strides");
  check_length("windows", x, geometry.dilations.size(), "dilations");
  const size_t rank = x->shape.size();
  Shape shape(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t window = geometry.window[i], stride = geometry.strides[i];
    const int64_t dilation = geometry.dilations[i];
    const auto describe_window = [&] {
      return "a window of " + std::to_string(window) + " with stride " + std::to_string(stride) +
             " and dilation " + std::to_string(dilation) + " at axis " + std::to_string(i) +
             " of " + describe(x);
    };
    if (window < 1 || stride < 1 || dilation < 1) {
      fail(Status::invalid_argument, "windows", describe_window() + ": all must be at least 1");
    }
    shape[i] = window_count(x->shape[i], window, stride, dilation);
    shape[rank + i] = window;
    if (shape[i] < 1) {
      fail(Status::size_mismatch, "windows", describe_window() + " does not fit");
    }
    // Beyond the axis all strides are alike.
    geometry.strides[i] = std::min(stride, x->shape[i]);
    geometry.dilations[i] = std::min(dilation, x->shape[i]);
  }
  if (rank == 0) return x;
  check_shape("windows", shape);
  return make_view(x, Op::windows, std::move(shape), std::move(geometry));
}

NodeRef concatenate(std::span<const NodeRef> parts, int64_t axis) {
  if (parts.empty()) fail(Status::invalid_argument, "concatenate", "needs at least one tensor");
  check_same_engine("concatenate", parts);
  axis = check_axes("concatenate", parts[0], {axis})[0];
  DType type = parts[0]->dtype;
  Shape shape = parts[0]->shape;
  Checked length = shape[axis];
  for (const NodeRef& part : parts.subspan(1)) {
    bool fits = part->shape.size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      fits = static_cast<int64_t>(i) == axis || part->shape[i] == shape[i];
    }
    if (!fits) {
      fail(Status::size_mismatch, "concatenate",
           describe(parts[0]) + " and " + describe(part) + " differ outside axis " +
               std::to_string(axis));
    }
    length = length + part->shape[axis];
    type = merge(type, part->dtype);
  }
  shape[axis] = length.value_or(std::numeric_limits<int64_t>::max());
  check_shape("concatenate", shape);
  std::vector<NodeRef> inputs;
  for (const NodeRef& part : parts) inputs.push_back(cast(part, type));
  if (inputs.size() == 1) return inputs[0];
  if (inputs.size() > kMaxParts) {
    // A kernel reads a bounded number of buffers: join groups first.
    std::vector<NodeRef> joined;
    for (size_t i = 0; i < inputs.size(); i += kMaxParts) {
      const size_t n = std::min(kMaxParts, inputs.size() - i);
      joined.push_back(concatenate(std::span(inputs).subspan(i, n), axis));
    }
    return concatenate(joined, axis);
  }
  return make_node(parts[0]->shared_graveyard(), Op::concatenate, type, std::move(shape),
                   std::move(inputs), ConcatenateAttr{axis});
}

}  // namespace nxv

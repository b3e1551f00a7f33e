// What the files of this family share.
#pragma once

#include <vector>

#include "library/arguments.h"

namespace nxv::library {

// Sliding windows over a padded tensor, as the options window, low, high, strides and dilations of
// a call describe them; one entry for each axis of the first tensor.
struct Sliding {
  std::vector<int64_t> window, low, high, strides, dilations;
};
Sliding sliding(const Arguments& arguments);

// [positions..., window...]; positions outside of x show `filler`. Negative padding crops.
NodeRef sliding_windows(const NodeRef& x, const NodeRef& filler, const Sliding& geometry);

// The last `count` axes.
Axes last_axes(const NodeRef& x, size_t count);

NodeRef scalar(const NodeRef& like, DType type, int64_t value);
// Minus infinity, or plus: of types without infinities the bounds.
NodeRef lowest(const NodeRef& like, DType type);
NodeRef highest(const NodeRef& like, DType type);

std::vector<NodeRef> window_sum(const Arguments& arguments);
std::vector<NodeRef> window_product(const Arguments& arguments);
std::vector<NodeRef> window_max(const Arguments& arguments);
std::vector<NodeRef> window_min(const Arguments& arguments);
std::vector<NodeRef> argmax(const Arguments& arguments);
std::vector<NodeRef> argmin(const Arguments& arguments);
std::vector<NodeRef> fold_axes(const Arguments& arguments);
std::vector<NodeRef> fold_windows(const Arguments& arguments);
std::vector<NodeRef> window_scatter_max(const Arguments& arguments);
std::vector<NodeRef> window_scatter_min(const Arguments& arguments);
std::vector<NodeRef> convolution(const Arguments& arguments);

}  // namespace nxv::library

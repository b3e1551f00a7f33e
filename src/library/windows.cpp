// Windows: sliding windows, convolution, folds by a function, positions of extremes.
#include "library/windows.h"

#include <limits>
#include <numeric>

#include "graph/build.h"
#include "library/families.h"

namespace nxv::library {

Sliding sliding(const Arguments& arguments) {
  Sliding s;
  s.window = arguments.for_each_axis("window", 1);
  s.low = arguments.for_each_axis("low", 0);
  s.high = arguments.for_each_axis("high", 0);
  s.strides = arguments.for_each_axis("strides", 1);
  s.dilations = arguments.for_each_axis("dilations", 1);
  return s;
}

NodeRef sliding_windows(const NodeRef& x, const NodeRef& filler, const Sliding& geometry) {
  const PadAttr amounts{geometry.low, geometry.high, std::vector<int64_t>(x->shape.size(), 0)};
  return windows(pad(x, filler, amounts), {geometry.window, geometry.strides, geometry.dilations});
}

Axes last_axes(const NodeRef& x, size_t count) {
  Axes axes(count);
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(x->shape.size() - count));
  return axes;
}

NodeRef scalar(const NodeRef& like, DType type, int64_t value) {
  return constant(like->shared_graveyard(), make_scalar(type, value), {});
}
NodeRef lowest(const NodeRef& like, DType type) {
  const double infinity = std::numeric_limits<double>::infinity();
  return constant(like->shared_graveyard(), make_scalar(type, -infinity), {});
}
NodeRef highest(const NodeRef& like, DType type) {
  const double infinity = std::numeric_limits<double>::infinity();
  return constant(like->shared_graveyard(), make_scalar(type, infinity), {});
}

namespace {

// A reduction of each window, in x's type. Padding does not show in the result.
std::vector<NodeRef> reduce_windows(const Arguments& arguments, Op op, const NodeRef& neutral) {
  const NodeRef& x = arguments.tensor(0);
  const NodeRef elements = sliding_windows(x, neutral, sliding(arguments));
  const NodeRef result = reduce(op, elements, last_axes(elements, x->shape.size()), false);
  return {cast(result, x->dtype)};
}

void require_real(const Arguments& arguments) {
  if (is_complex(arguments.tensor(0)->dtype)) {
    arguments.fail("complex numbers have no order, got " + describe(arguments.tensor(0)));
  }
}

}  // namespace

std::vector<NodeRef> window_sum(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  return reduce_windows(arguments, Op::sum, scalar(x, x->dtype, 0));
}

std::vector<NodeRef> window_product(const Arguments& arguments) {
  const NodeRef& x = arguments.tensor(0);
  return reduce_windows(arguments, Op::product, scalar(x, x->dtype, 1));
}

std::vector<NodeRef> window_max(const Arguments& arguments) {
  require_real(arguments);
  const NodeRef& x = arguments.tensor(0);
  return reduce_windows(arguments, Op::reduce_max, lowest(x, x->dtype));
}

std::vector<NodeRef> window_min(const Arguments& arguments) {
  require_real(arguments);
  const NodeRef& x = arguments.tensor(0);
  return reduce_windows(arguments, Op::reduce_min, highest(x, x->dtype));
}

std::span<const Row> windows_rows() {
  using enum OptionKind;
  static constexpr OptionRow kSliding[] = {{"window", integers},
                                           {"low", integers},
                                           {"high", integers},
                                           {"strides", integers},
                                           {"dilations", integers}};
  static constexpr OptionRow kScattered[] = {
      {"window", integers}, {"low", integers}, {"high", integers}, {"strides", integers}};
  static constexpr OptionRow kExtreme[] = {
      {"axis", integer}, {"keep_axis", flag}, {"tie_high", flag}, {"type", type}};
  static constexpr OptionRow kFold[] = {{"axes", integers}, {"keep_axes", flag}};
  static constexpr OptionRow kConvolution[] = {{"strides", integers},
                                               {"low", integers},
                                               {"high", integers},
                                               {"input_dilation", integers},
                                               {"kernel_dilation", integers},
                                               {"feature_group_size", integer},
                                               {"batch_group_size", integer},
                                               {"input_permutation", integers},
                                               {"kernel_permutation", integers},
                                               {"output_permutation", integers},
                                               {"precision", precision}};
  static constexpr const char* kWindow =
      "x -> one result a window; window, low, high, strides, dilations: an entry for each axis; "
      "negative padding crops";
  static constexpr const char* kScatter =
      "x, source, init -> init plus the source of each window at its last extreme; window, low, "
      "high, strides";
  static constexpr Row kRows[] = {
      {"conv", 2, kConvolution, convolution,
       "x, kernel -> convolution; strides, low, high, input_dilation, kernel_dilation (an entry "
       "for each spatial axis), feature_group_size, batch_group_size, input_permutation, "
       "kernel_permutation, output_permutation, precision (accurate)"},
      {"window_scatter_max", 3, kScattered, window_scatter_max, kScatter},
      {"window_scatter_min", 3, kScattered, window_scatter_min, kScatter},
      {"argmax", 1, kExtreme, argmax,
       "x -> position of the maximum; axis (absent: flat), keep_axis, "
       "tie_high, type"},
      {"argmin", 1, kExtreme, argmin,
       "x -> position of the minimum; axis (absent: flat), keep_axis, "
       "tie_high, type"},
      {"reduce", 5, kFold, fold_axes,
       "x, acc, parameter, parameter, body -> fun(x, acc) over axes in row-major order; axes, "
       "keep_axes"},
      {"window_reduce", 5, kSliding, fold_windows,
       "x, acc, parameter, parameter, body -> fun(x, acc) over each window; window, low, high, "
       "strides, dilations"},
      {"window_sum", 1, kSliding, window_sum, kWindow},
      {"window_product", 1, kSliding, window_product, kWindow},
      {"window_max", 1, kSliding, window_max, kWindow},
      {"window_min", 1, kSliding, window_min, kWindow},
  };
  return kRows;
}

}  // namespace nxv::library

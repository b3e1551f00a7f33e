// Scatters to the extremes of windows: the gradient of max and min pooling.
//
// Without a scatter: each window finds the position of its extreme, then each element looks at the
// windows that it lies in and adds up the sources of those that chose it. The order of additions is
// fixed, and both steps fuse.
#include "base/checked.h"
#include "graph/build.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

// Scanned in row-major order, each element not less (greater) than the choice so far replaces it.
// So the last extreme is chosen, NaN never; but a NaN at the front is never replaced.
NodeRef choice(const NodeRef& elements, size_t rank, Op extreme) {
  const Axes window = last_axes(elements, rank);
  const bool is_max = extreme == Op::reduce_max;
  const bool may_be_nan = !is_integer(elements->dtype);
  const NodeRef is_nan = elementwise(Op::is_nan, {elements});
  NodeRef ordered = elements;
  if (may_be_nan) {
    const NodeRef worst =
        is_max ? lowest(elements, elements->dtype) : highest(elements, elements->dtype);
    ordered = elementwise(Op::select, {is_nan, worst, elements});
  }
  const NodeRef best = reduce(extreme, ordered, window, true);
  const NodeRef position = broadcast(
      iota(
          elements->shared_graveyard(), DType::s32,
          Shape(elements->shape.begin() + static_cast<std::ptrdiff_t>(rank), elements->shape.end()),
          -1),
      elements->shape);
  const NodeRef zero = scalar(elements, DType::s32, 0);
  NodeRef rank_of_element =
      elementwise(Op::select, {elementwise(Op::equal, {elements, best}), position, zero});
  if (may_be_nan) {
    // Nothing outranks a NaN at position 0.
    const NodeRef stays =
        elementwise(Op::logical_and, {is_nan, elementwise(Op::equal, {position, zero})});
    rank_of_element =
        elementwise(Op::select, {stays, highest(elements, DType::s32), rank_of_element});
  }
  const NodeRef last = reduce(Op::reduce_max, rank_of_element, window, false);
  if (!may_be_nan) return last;
  return elementwise(Op::select,
                     {elementwise(Op::equal, {last, highest(elements, DType::s32)}), zero, last});
}

std::vector<NodeRef> scatter(const Arguments& arguments, Op extreme) {
  const NodeRef &x = arguments.tensor(0), &source = arguments.tensor(1);
  const NodeRef& init = arguments.tensor(2);
  for (const NodeRef& tensor : arguments.tensors()) {
    if (is_complex(tensor->dtype)) {
      arguments.fail("complex numbers have no order, got " + describe(tensor));
    }
  }
  if (init->count != 1) {
    arguments.fail("the initial value must be a scalar, got " + describe(init),
                   Status::size_mismatch);
  }
  const size_t rank = x->shape.size();
  const Sliding geometry = sliding(arguments);
  const NodeRef elements = sliding_windows(x, init, geometry);
  const Shape positions(elements->shape.begin(),
                        elements->shape.begin() + static_cast<std::ptrdiff_t>(rank));
  if (source->shape != positions) {
    arguments.fail("the source " + describe(source) + " needs an element for each of the windows " +
                       to_string(positions),
                   Status::size_mismatch);
  }
  const NodeRef chosen = choice(elements, rank, extreme);

  // Window p starts at element p * stride - low. Spread out so, and extended by a window, element i
  // finds the windows that it may lie in at i .. i + window - 1: in the j-th it is element
  // window - 1 - j.
  PadAttr spread{{}, {}, {}};
  for (size_t d = 0; d < rank; ++d) {
    const Checked window = geometry.window[d];
    const int64_t stride = positions[d] == 1 ? 1 : geometry.strides[d];
    const Checked span = (Checked(positions[d]) - 1) * stride + 1;
    const Checked low = window - 1 - geometry.low[d];
    spread.low.push_back(low.value());
    spread.high.push_back((Checked(x->shape[d]) + (window - 1) - low - span).value());
    spread.interior.push_back(stride - 1);
  }
  const std::vector<int64_t> ones(rank, 1);
  const WindowsAttr around{geometry.window, ones, ones};
  const NodeRef chosen_around = windows(pad(chosen, scalar(x, DType::s32, -1), spread), around);
  const NodeRef source_around = windows(pad(source, scalar(x, source->dtype, 0), spread), around);
  const int64_t elements_of_window = element_count(geometry.window);
  const NodeRef forwards = iota(x->shared_graveyard(), DType::s32, geometry.window, -1);
  const NodeRef own = broadcast(
      elementwise(Op::subtract, {scalar(x, DType::s32, elements_of_window - 1), forwards}),
      chosen_around->shape);
  const NodeRef taken = elementwise(Op::select, {elementwise(Op::equal, {chosen_around, own}),
                                                 source_around, scalar(x, source->dtype, 0)});
  const NodeRef sum = reduce(Op::sum, taken, last_axes(taken, rank), false);
  const DType type = merge(source->dtype, init->dtype);
  const NodeRef start = cast(reshape(init, {}), type);
  const NodeRef total = cast(elementwise(Op::add, {start, sum}), type);
  // Elements that no window chose keep the sign of a zero.
  const NodeRef nothing = elementwise(Op::equal, {sum, scalar(x, sum->dtype, 0)});
  return {elementwise(Op::select, {nothing, start, total})};
}

}  // namespace

std::vector<NodeRef> window_scatter_max(const Arguments& arguments) {
  return scatter(arguments, Op::reduce_max);
}

std::vector<NodeRef> window_scatter_min(const Arguments& arguments) {
  return scatter(arguments, Op::reduce_min);
}

}  // namespace nxv::library

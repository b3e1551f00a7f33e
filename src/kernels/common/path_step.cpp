#include "kernels/common/path_step.h"

#include <algorithm>

#include "base/error.h"
#include "graph/region_words.h"

namespace nxv::kernels {

using ir::Value;

namespace {

class Walk {
 public:
  Walk(const PathStep& step, const std::vector<Value>& from, ir::Builder& b,
       const KernelArguments& arguments)
      : view_(*step.view),
        input_(view_.inputs[step.input]->shape),
        rank_(input_.size()),
        step_(step),
        from_(from),
        b_(b),
        arguments_(arguments),
        to_{{}, b.boolean(true)} {}

  PathPoint run() {
    switch (view_.op) {
      case Op::broadcast:
        broadcast(view_.attribute<AxesAttr>().axes);
        break;
      case Op::transpose:
        transpose(view_.attribute<AxesAttr>().axes);
        break;
      case Op::slice:
        slice();
        break;
      case Op::reverse:
        reverse(view_.attribute<AxesAttr>().axes);
        break;
      case Op::reshape:
        reshape();
        break;
      case Op::windows:
        windows(view_.attribute<WindowsAttr>().window);
        break;
      case Op::pad:
        if (step_.input == 0) pad(view_.attribute<PadAttr>());  // else the value's only element
        break;
      case Op::concatenate:
        concatenate(view_.attribute<ConcatenateAttr>().axis);
        break;
      default:
        throw Error(Status::internal, "not a view: " + std::string(name(view_.op)));
    }
    return std::move(to_);
  }

 private:
  template <WordRecord R>
  WordValues<R> words(size_t axis = 0) const {
    return arguments_.region_words_as<R>(step_.words, axis);
  }

  void broadcast(const Axes& axes) {
    for (size_t d = 0; d < rank_; ++d) {
      to_.at.push_back(input_[d] == 1 ? b_.u32(0) : from_[axes[d]]);
    }
  }

  void transpose(const Axes& axes) {
    to_.at.resize(rank_);
    for (size_t d = 0; d < rank_; ++d) to_.at[axes[d]] = from_[d];
  }

  void slice() {
    for (size_t d = 0; d < rank_; ++d) {
      const auto axis = words<SlicedAxis>(d);
      to_.at.push_back(from_[d] * axis[&SlicedAxis::stride] + axis[&SlicedAxis::start]);
    }
  }

  void reverse(const Axes& axes) {
    to_.at = from_;
    for (size_t i = 0; i < axes.size(); ++i) {
      to_.at[axes[i]] = words<ReversedAxis>(i)[&ReversedAxis::size] - 1u - from_[axes[i]];
    }
  }

  // Run by run; of a run of one axis each the coordinate stays as it is.
  void reshape() {
    const ReshapeRuns runs = reshape_runs(view_.shape, input_);
    to_.at.assign(rank_, b_.u32(0));
    const std::span<const Value> strides = arguments_.region_words().subspan(step_.words);
    size_t first = 0, end = 0;  // axes of the view, of the input
    for (int run = 0; run < runs.count; ++run) {
      Value index;
      for (size_t d = first; d < from_.size(); ++d) {
        if (runs.from[d] != run) continue;
        first = d + 1;
        const bool is_last = std::find(runs.from.begin() + static_cast<std::ptrdiff_t>(first),
                                       runs.from.end(), run) == runs.from.end();
        const Value part = is_last ? from_[d] : from_[d] * strides[d];
        index = index ? index + part : part;
      }
      std::vector<size_t> axes;
      for (; end < rank_ && runs.to[end] <= run; ++end) {
        if (runs.to[end] == run) axes.push_back(end);
      }
      for (size_t i = axes.size(); i-- > 1;) {
        const auto divisor = divisor_at(strides, from_.size(), axes[i]);
        const Value quotient = divide(index, divisor);
        to_.at[axes[i]] = index - quotient * divisor[0];
        index = quotient;
      }
      to_.at[axes[0]] = index;
    }
  }

  void windows(const std::vector<int64_t>& window) {
    for (size_t d = 0; d < rank_; ++d) {
      const auto axis = words<WindowedAxis>(d);
      const Value start = from_[d] * axis[&WindowedAxis::stride];
      to_.at.push_back(window[d] == 1 ? start
                                      : start + from_[rank_ + d] * axis[&WindowedAxis::dilation]);
    }
  }

  void pad(const PadAttr& pad) {
    for (size_t d = 0; d < rank_; ++d) {
      const auto axis = words<PaddedAxis>(d);
      const PadKind kind = pad_kind(pad, d);
      if (kind == PadKind::none) {
        to_.at.push_back(from_[d]);
        continue;
      }
      // Before the first element the difference wraps to a huge number.
      const Value shifted = from_[d] - axis[&PaddedAxis::low];
      if (kind == PadKind::ends) {
        const Value inside = shifted < axis[&PaddedAxis::size];
        to_.inside = to_.inside & inside;
        to_.at.push_back(b_.select(inside, shifted, b_.u32(0)));
        continue;
      }
      const Value below = (shifted >> 31) != 0u;
      const Value safe = b_.select(below, b_.u32(0), shifted);
      const Value quotient = axis.divide(safe, &PaddedAxis::step);
      const Value exact = safe == quotient * axis[&PaddedAxis::step];
      const Value inside = exact & (quotient < axis[&PaddedAxis::size]) & !below;
      to_.inside = to_.inside & inside;
      to_.at.push_back(b_.select(inside, quotient, b_.u32(0)));
    }
  }

  void concatenate(int64_t axis) {
    const auto part = words<ConcatenatedPart>();
    to_.at = from_;
    const Value shifted = from_[axis] - part[&ConcatenatedPart::first];
    to_.inside = shifted < part[&ConcatenatedPart::size];
    to_.at[axis] = b_.select(to_.inside, shifted, b_.u32(0));
  }

  const Node& view_;
  const Shape& input_;
  const size_t rank_;
  const PathStep& step_;
  const std::vector<Value>& from_;
  ir::Builder& b_;
  const KernelArguments& arguments_;
  PathPoint to_;
};

}  // namespace

PathPoint follow(const PathStep& step, const std::vector<Value>& from, ir::Builder& b,
                 const KernelArguments& arguments) {
  return Walk(step, from, b, arguments).run();
}

}  // namespace nxv::kernels

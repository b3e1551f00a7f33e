// Convolution as matrix products over patches.
//
// Every window of the padded input becomes a row (or a column) of a matrix, which the filters
// multiply: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for
// Document Processing, IWFHR 2006. The matrix is a view of the input, which kernels of products
// gather; where that does not pay, the patches are written to memory. Which of their axes is
// innermost follows the memory of the input, so that they are read in runs.
#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "graph/build.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

// Elements of a window up to which convolutions of single channels are sums of windows: kernels of
// reductions unroll those.
constexpr int64_t kMaxDepthwiseWindow = 64;
// Positions of a batch entry from which it is a matrix product of its own, whose result needs no
// transposition.
constexpr int64_t kManyPositions = 1024;

Axes range(int64_t first, int64_t count) {
  Axes axes(static_cast<size_t>(count));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Axes joined(std::initializer_list<Axes> parts) {
  Axes all;
  for (const Axes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A transposition, or what comes to the same where only axes of length 1 move.
NodeRef arranged(const NodeRef& x, const Axes& order) {
  Shape shape;
  Axes longer;
  for (int64_t axis : order) {
    shape.push_back(x->shape[axis]);
    if (shape.back() != 1) longer.push_back(axis);
  }
  return std::is_sorted(longer.begin(), longer.end()) ? reshape(x, std::move(shape))
                                                      : transpose(x, order);
}

// A tensor whose axes are known by what they mean.
struct Labelled {
  NodeRef tensor;
  // Its axes, or none where a group is taken out of an axis.
  int64_t batch_group = 0, feature_group = 0;
  int64_t batch = 0, channel = 0, filter = 0;
  Axes positions, window;
};

class Convolution {
 public:
  explicit Convolution(const Arguments& arguments)
      : arguments_(arguments),
        x_(arguments.tensor(0)),
        kernel_(arguments.tensor(1)),
        rank_(static_cast<int64_t>(x_->shape.size()) - 2),
        feature_groups_(arguments.integer("feature_group_size", 1)),
        batch_groups_(arguments.integer("batch_group_size", 1)),
        precision_(arguments.precision()) {
    arguments.require_rank(3);
    if (kernel_->shape.size() != x_->shape.size()) {
      arguments.fail(describe(x_) + " and kernel " + describe(kernel_) + " differ in rank",
                     Status::size_mismatch);
    }
    input_axes_ = permutation("input_permutation");
    kernel_axes_ = permutation("kernel_permutation");
    output_axes_ = permutation("output_permutation");
    check_groups();
    if (is_integer(merge(x_->dtype, kernel_->dtype))) {
      x_ = cast(x_, DType::f32);
      kernel_ = cast(kernel_, DType::f32);
    }
  }

  NodeRef run() {
    const Labelled patches = all_patches(), filters = grouped_filters();
    int64_t positions = 1;
    for (int64_t axis : patches.positions) positions *= patches.tensor->shape[axis];
    form_ = is_last(1)                   ? Form::by_position
            : positions < kManyPositions ? Form::by_filter
                                         : Form::by_batch;
    const bool is_depthwise = channels_of_group() == 1 && feature_groups_ > 1;
    if (is_depthwise && window_size(filters) <= kMaxDepthwiseWindow) {
      form_ = is_last(1) ? Form::last_channels : Form::first_channels;
      return output(depthwise(patches, filters));
    }
    return output(multiply(patches, filters));
  }

 private:
  // Axes of the matrix product, which follow the batch and feature groups:
  enum class Form {
    by_position,  // batch, positions, filters: channels are innermost
    by_filter,    // filters, batch, positions; or positions, batch, where the batch is innermost
    by_batch,     // batch (before the groups), then filters, positions
    // Of sums of windows: batch, groups, filters, positions; batch, positions, groups, filters.
    first_channels,
    last_channels,
  };

  // Whether the input's batch (0), or channels (1), are innermost in memory.
  bool is_last(size_t logical) const { return input_axes_[logical] == rank_ + 1; }

  Axes permutation(std::string_view name) const {
    if (!arguments_.has(name)) return range(0, rank_ + 2);
    const Axes axes = arguments_.axes(name, arguments_.tensor(0));
    if (static_cast<int64_t>(axes.size()) != rank_ + 2) {
      arguments_.fail("option '" + std::string(name) + "' must name all axes");
    }
    return axes;
  }

  std::vector<int64_t> spatial(std::string_view name, int64_t otherwise) const {
    if (!arguments_.has(name)) return std::vector<int64_t>(static_cast<size_t>(rank_), otherwise);
    const std::vector<int64_t>& list = arguments_.integers(name);
    if (static_cast<int64_t>(list.size()) != rank_) {
      arguments_.fail("option '" + std::string(name) + "' has " + std::to_string(list.size()) +
                      " entries for " + std::to_string(rank_) + " spatial axes");
    }
    return list;
  }

  int64_t batch() const { return x_->shape[input_axes_[0]]; }
  int64_t filters() const { return kernel_->shape[kernel_axes_[0]]; }
  int64_t channels_of_group() const { return kernel_->shape[kernel_axes_[1]]; }

  void check_groups() const {
    if (feature_groups_ < 1 || batch_groups_ < 1 || (feature_groups_ > 1 && batch_groups_ > 1)) {
      arguments_.fail("groups must be at least 1, and of one kind only");
    }
    if (!(Checked(channels_of_group()) * feature_groups_ == x_->shape[input_axes_[1]]) ||
        filters() % (feature_groups_ * batch_groups_) != 0 || batch() % batch_groups_ != 0) {
      arguments_.fail("batch and channels of " + describe(x_) + " do not go with the kernel " +
                          describe(kernel_) + " in " + std::to_string(feature_groups_) +
                          " feature and " + std::to_string(batch_groups_) + " batch groups",
                      Status::size_mismatch);
    }
  }

  // The axes stay in the order of memory.
  Labelled all_patches() const {
    const auto low = spatial("low", 0), high = spatial("high", 0);
    const auto strides = spatial("strides", 1), dilations = spatial("kernel_dilation", 1);
    const auto input_dilation = spatial("input_dilation", 1);
    const std::vector<int64_t> zeros(x_->shape.size(), 0), ones(x_->shape.size(), 1);
    PadAttr amounts{zeros, zeros, zeros, true};
    WindowsAttr geometry{ones, ones, ones};
    std::vector<int64_t> spatial_of(x_->shape.size(), -1);
    for (int64_t d = 0; d < rank_; ++d) {
      const int64_t axis = input_axes_[d + 2];
      if (input_dilation[d] < 1) arguments_.fail("dilations must be at least 1");
      spatial_of[axis] = d;
      amounts.low[axis] = low[d];
      amounts.high[axis] = high[d];
      amounts.interior[axis] = input_dilation[d] - 1;
      geometry.window[axis] = kernel_->shape[kernel_axes_[d + 2]];
      geometry.strides[axis] = strides[d];
      geometry.dilations[axis] = dilations[d];
    }
    const NodeRef view = windows(pad(x_, scalar(x_, x_->dtype, 0), amounts), geometry);

    Labelled p;
    Shape shape;
    const auto push = [&](int64_t length) {
      shape.push_back(length);
      return static_cast<int64_t>(shape.size()) - 1;
    };
    p.positions.resize(static_cast<size_t>(rank_));
    p.window.resize(static_cast<size_t>(rank_));
    for (int64_t axis = 0; axis < rank_ + 2; ++axis) {
      if (axis == input_axes_[0]) {
        p.batch_group = push(batch_groups_);
        p.batch = push(batch() / batch_groups_);
      } else if (axis == input_axes_[1]) {
        p.feature_group = push(feature_groups_);
        p.channel = push(channels_of_group());
      } else {
        p.positions[spatial_of[axis]] = push(view->shape[axis]);
      }
    }
    for (int64_t axis = 0; axis < rank_ + 2; ++axis) {
      if (spatial_of[axis] >= 0) p.window[spatial_of[axis]] = push(geometry.window[axis]);
    }
    p.tensor = reshape(view, std::move(shape));
    return p;
  }

  Labelled grouped_filters() const {
    Labelled f;
    Shape shape;
    f.window.resize(static_cast<size_t>(rank_));
    for (int64_t axis = 0; axis < rank_ + 2; ++axis) {
      const auto next = static_cast<int64_t>(shape.size());
      const int64_t length = kernel_->shape[axis];
      if (axis == kernel_axes_[0]) {
        f.batch_group = next, f.feature_group = next + 1, f.filter = next + 2;
        shape.insert(shape.end(),
                     {batch_groups_, feature_groups_, length / (batch_groups_ * feature_groups_)});
        continue;
      }
      if (axis == kernel_axes_[1]) f.channel = next;
      for (int64_t d = 0; d < rank_; ++d) {
        if (axis == kernel_axes_[d + 2]) f.window[d] = next;
      }
      shape.push_back(length);
    }
    f.tensor = reshape(kernel_, std::move(shape));
    return f;
  }

  NodeRef multiply(const Labelled& p, const Labelled& f) const {
    const Axes groups_of_patches = {p.batch_group, p.feature_group};
    const Axes groups_of_filters = {f.batch_group, f.feature_group};
    const bool batch_is_inner = form_ == Form::by_filter && is_last(0);
    const Axes batch_and_positions =
        batch_is_inner ? joined({p.positions, {p.batch}}) : joined({{p.batch}, p.positions});
    const int64_t folded = rank_ + 1;  // axes that are summed over
    switch (form_) {
      case Form::by_position: {
        const NodeRef a = arranged(
            p.tensor, joined({groups_of_patches, batch_and_positions, p.window, {p.channel}}));
        const NodeRef b =
            arranged(f.tensor, joined({groups_of_filters, f.window, {f.channel}, {f.filter}}));
        return dot(a, b, {range(3 + rank_, folded), range(2, folded), {0, 1}, {0, 1}, precision_});
      }
      case Form::by_filter: {
        const NodeRef a =
            arranged(f.tensor, joined({groups_of_filters, {f.filter}, {f.channel}, f.window}));
        const NodeRef b = arranged(
            p.tensor, joined({groups_of_patches, {p.channel}, p.window, batch_and_positions}));
        return dot(a, b, {range(3, folded), range(2, folded), {0, 1}, {0, 1}, precision_});
      }
      default:
        break;
    }
    const NodeRef own =
        arranged(f.tensor, joined({groups_of_filters, {f.filter}, {f.channel}, f.window}));
    Shape repeated = own->shape;
    repeated.insert(repeated.begin(), p.tensor->shape[p.batch]);
    const NodeRef b = arranged(
        p.tensor, joined({{p.batch}, groups_of_patches, {p.channel}, p.window, p.positions}));
    return dot(broadcast(own, std::move(repeated)), b,
               {range(4, folded), range(3, folded), {0, 1, 2}, {0, 1, 2}, precision_});
  }

  int64_t window_size(const Labelled& f) const {
    int64_t size = 1;
    for (int64_t axis : f.window) size *= f.tensor->shape[axis];
    return size;
  }

  // A channel for each filter: no matrix product, which would have one row, but sums of products
  // over windows, in f32 at least.
  NodeRef depthwise(const Labelled& p, const Labelled& f) const {
    const Axes groups_of_patches = {p.batch_group, p.feature_group, p.channel};
    const Axes filters = {f.batch_group, f.feature_group, f.filter};
    const bool is_first = form_ == Form::first_channels;
    const NodeRef a = arranged(
        p.tensor, is_first ? joined({{p.batch}, groups_of_patches, p.positions, p.window})
                           : joined({{p.batch}, p.positions, groups_of_patches, p.window}));
    const NodeRef b = arranged(f.tensor, joined({filters, f.window, {f.channel}}));
    Shape shape(static_cast<size_t>(4 + 2 * rank_), 1);
    std::copy_n(b->shape.begin(), 3, shape.begin() + (is_first ? 1 : 1 + rank_));
    std::copy_n(b->shape.begin() + 3, rank_, shape.end() - rank_);
    const DType type = merge(x_->dtype, kernel_->dtype);
    const DType wide = storage_bytes(type) < 4 ? DType::f32 : type;
    const NodeRef products =
        elementwise(Op::multiply, {cast(a, wide), cast(reshape(b, std::move(shape)), wide)});
    return cast(reduce(Op::sum, products, range(4 + rank_, rank_), false), type);
  }

  Labelled axes_of_result() const {
    Labelled r;
    r.batch_group = form_ == Form::last_channels                             ? 1 + rank_
                    : form_ == Form::by_position || form_ == Form::by_filter ? 0
                                                                             : 1;
    r.feature_group = r.batch_group + 1;
    r.filter = r.batch_group + 2;
    r.positions = range(4, rank_);
    switch (form_) {
      case Form::by_position:
        r.batch = 2, r.positions = range(3, rank_), r.filter = 3 + rank_;
        break;
      case Form::by_filter:
        r.batch = is_last(0) ? 3 + rank_ : 3;
        if (is_last(0)) r.positions = range(3, rank_);
        break;
      case Form::last_channels:
        r.positions = range(1, rank_);
        break;
      case Form::by_batch:
      case Form::first_channels:
        break;
    }
    return r;
  }

  // The axes in Nx's order, groups and filters in one.
  NodeRef output(const NodeRef& result) const {
    const Labelled r = axes_of_result();
    Axes order;
    Shape shape;
    for (int64_t axis = 0; axis < rank_ + 2; ++axis) {
      const auto which = std::find(output_axes_.begin(), output_axes_.end(), axis);
      const int64_t logical = which - output_axes_.begin();
      if (logical == 0) {
        order.push_back(r.batch);
        shape.push_back(result->shape[r.batch]);
      } else if (logical == 1) {
        order.insert(order.end(), {r.batch_group, r.feature_group, r.filter});
        shape.push_back(filters());
      } else {
        order.push_back(r.positions[logical - 2]);
        shape.push_back(result->shape[order.back()]);
      }
    }
    return reshape(arranged(result, order), std::move(shape));
  }

  const Arguments& arguments_;
  NodeRef x_, kernel_;
  const int64_t rank_;  // spatial axes
  const int64_t feature_groups_, batch_groups_;
  const Precision precision_;
  // Where batch (filters), channels and spatial axes lie in memory.
  Axes input_axes_, kernel_axes_, output_axes_;
  Form form_ = Form::by_filter;
};

}  // namespace

std::vector<NodeRef> convolution(const Arguments& arguments) {
  return {Convolution(arguments).run()};
}

}  // namespace nxv::library

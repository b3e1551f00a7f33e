// Convolution as matrix products over patches.
//
// Every window of the padded input becomes a row (or a column) of a matrix, which the filters
// multiply: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for
// Document Processing, IWFHR 2006. Which axis of the patches is innermost follows the memory of the
// input, so that they are gathered and read in runs. A window of one element needs no patches: the
// product reads the input where it lies.
#include <algorithm>
#include <numeric>

#include "graph/build.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

// Patches take as many bytes as the window has elements: beyond this they are made piece by piece.
constexpr int64_t kMaxPatchBytes = int64_t{256} << 20;
// Positions of a batch entry from which it is a matrix product of its own, whose result needs no
// transposition.
constexpr int64_t kManyPositions = 1024;

// Axes of patches: batch groups, batch, feature groups, channels of a group, positions, window.
enum PatchAxis : int64_t { kBatchGroup, kBatch, kFeatureGroup, kChannel, kPositions };
// Axes of filters: batch groups, feature groups, filters of a group, channels, window.
enum FilterAxis : int64_t { kFilters = 2, kFilterChannel, kFilterWindow };

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

class Convolution {
 public:
  explicit Convolution(const Arguments& arguments)
      : arguments_(arguments),
        x_(arguments.tensor(0)),
        rank_(static_cast<int64_t>(x_->shape.size()) - 2),
        feature_groups_(arguments.integer("feature_group_size", 1)),
        batch_groups_(arguments.integer("batch_group_size", 1)) {
    arguments.require_rank(3);
    const NodeRef& kernel = arguments.tensor(1);
    if (kernel->shape.size() != x_->shape.size()) {
      arguments.fail(describe(x_) + " and kernel " + describe(kernel) + " differ in rank",
                     Status::size_mismatch);
    }
    const Axes order = permutation("input_permutation");
    channels_last_ = order[1] == rank_ + 1;
    x_ = transpose(x_, order);
    kernel_ = transpose(kernel, permutation("kernel_permutation"));
    if (is_integer(merge(x_->dtype, kernel_->dtype))) {
      x_ = cast(x_, DType::f32);
      kernel_ = cast(kernel_, DType::f32);
    }
    check_groups();
  }

  NodeRef run() {
    const NodeRef result = product(patches(), filters(), kBatch);
    // [batch, batch group, feature group, filters, positions] -> Nx's order of axes.
    Shape shape = {result->shape[0], kernel_->shape[0]};
    shape.insert(shape.end(), result->shape.begin() + 4, result->shape.end());
    const Axes to = permutation("output_permutation");
    Axes order(to.size());
    for (size_t i = 0; i < to.size(); ++i) order[to[i]] = static_cast<int64_t>(i);
    return transpose(reshape(result, std::move(shape)), order);
  }

 private:
  Axes permutation(std::string_view name) {
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

  void check_groups() const {
    const int64_t batch = x_->shape[0], channels = x_->shape[1], filters = kernel_->shape[0];
    const bool positive = feature_groups_ >= 1 && batch_groups_ >= 1;
    if (!positive || (feature_groups_ > 1 && batch_groups_ > 1)) {
      arguments_.fail("groups must be at least 1, and of one kind only");
    }
    if (channels != kernel_->shape[1] * feature_groups_ ||
        filters % (feature_groups_ * batch_groups_) != 0 || batch % batch_groups_ != 0) {
      arguments_.fail("batch " + std::to_string(batch) + " and channels " +
                          std::to_string(channels) + " of the input do not go with " +
                          std::to_string(filters) + " filters of " +
                          std::to_string(kernel_->shape[1]) + " channels in " +
                          std::to_string(feature_groups_) + " feature and " +
                          std::to_string(batch_groups_) + " batch groups",
                      Status::size_mismatch);
    }
  }

  NodeRef patches() const {
    const auto low = spatial("low", 0), high = spatial("high", 0);
    const auto input_dilation = spatial("input_dilation", 1);
    WindowsAttr geometry{{1, 1}, {1, 1}, {1, 1}};
    PadAttr amounts{{0, 0}, {0, 0}, {0, 0}};
    for (int64_t d = 0; d < rank_; ++d) {
      if (input_dilation[d] < 1) arguments_.fail("dilations must be at least 1");
      amounts.low.push_back(low[d]);
      amounts.high.push_back(high[d]);
      amounts.interior.push_back(input_dilation[d] - 1);
      geometry.window.push_back(kernel_->shape[d + 2]);
    }
    const auto strides = spatial("strides", 1), dilations = spatial("kernel_dilation", 1);
    geometry.strides.insert(geometry.strides.end(), strides.begin(), strides.end());
    geometry.dilations.insert(geometry.dilations.end(), dilations.begin(), dilations.end());
    const NodeRef view = windows(pad(x_, scalar(x_, x_->dtype, 0), amounts), geometry);
    Shape shape = {batch_groups_, view->shape[0] / batch_groups_, feature_groups_,
                   kernel_->shape[1]};
    const auto positions = view->shape.begin() + 2, window = positions + rank_ + 2;
    shape.insert(shape.end(), positions, positions + rank_);
    shape.insert(shape.end(), window, view->shape.end());
    return reshape(view, std::move(shape));
  }

  NodeRef filters() const {
    const int64_t groups = batch_groups_ * feature_groups_;
    Shape shape = {batch_groups_, feature_groups_, kernel_->shape[0] / groups};
    shape.insert(shape.end(), kernel_->shape.begin() + 1, kernel_->shape.end());
    return reshape(kernel_, std::move(shape));
  }

  // [batch, batch group, feature group, filters, positions]; `axis` of the patches is the next to
  // split where they are large: the batch, then the first axis of positions.
  NodeRef product(const NodeRef& patches, const NodeRef& filters, int64_t axis) const {
    const int64_t window = element_count(std::span(filters->shape).subspan(kFilterWindow + 1));
    const int64_t bytes = patches->storage_size();
    if (window == 1 || bytes <= kMaxPatchBytes) return whole_product(patches, filters);
    const int64_t next = axis == kBatch ? kPositions : kPositions + 1;
    const int64_t length = patches->shape[axis];
    if (length > 1) {
      const int64_t pieces = std::min(length, (bytes + kMaxPatchBytes - 1) / kMaxPatchBytes);
      std::vector<NodeRef> results;
      for (int64_t i = 0; i < pieces; ++i) {
        const int64_t first = length * i / pieces, end = length * (i + 1) / pieces;
        results.push_back(product(part(patches, axis, first, end - first), filters, next));
      }
      return concatenate(results, axis == kBatch ? 0 : axis);
    }
    return next <= kPositions ? product(patches, filters, next) : whole_product(patches, filters);
  }

  static NodeRef part(const NodeRef& x, int64_t axis, int64_t first, int64_t length) {
    std::vector<int64_t> starts(x->shape.size(), 0), lengths = x->shape;
    starts[axis] = first;
    lengths[axis] = length;
    return slice(x, starts, lengths, std::vector<int64_t>(x->shape.size(), 1));
  }

  NodeRef whole_product(const NodeRef& patches, const NodeRef& filters) const {
    const Axes window_of_patches = range(kPositions + rank_, rank_);
    const Axes window_of_filters = range(kFilterWindow, rank_);
    const Axes positions = range(4, rank_);
    if (channels_last_) {
      const NodeRef y = dot(patches, filters,
                            {joined({window_of_patches, {kChannel}}),
                             joined({window_of_filters, {kFilterChannel}}),
                             {kBatchGroup, kFeatureGroup},
                             {0, 1}});
      // [batch group, feature group, batch, positions, filters]
      return transpose(y, joined({{2, 0, 1, 3 + rank_}, range(3, rank_)}));
    }
    const Axes contract_filters = joined({{kFilterChannel}, window_of_filters});
    const Axes contract_patches = joined({{kChannel}, window_of_patches});
    const int64_t count = element_count(std::span(patches->shape).subspan(kPositions, rank_));
    if (count < kManyPositions) {
      const NodeRef y =
          dot(filters, patches,
              {contract_filters, contract_patches, {0, 1}, {kBatchGroup, kFeatureGroup}});
      // [batch group, feature group, filters, batch, positions]
      return transpose(y, joined({{3, 0, 1, 2}, positions}));
    }
    Shape shape = filters->shape;
    shape.insert(shape.begin(), patches->shape[kBatch]);
    const NodeRef each = broadcast(filters, shape);
    Axes contract_each = contract_filters;
    for (int64_t& axis : contract_each) ++axis;
    return dot(each, patches,
               {contract_each, contract_patches, {0, 1, 2}, {kBatch, kBatchGroup, kFeatureGroup}});
  }

  const Arguments& arguments_;
  NodeRef x_, kernel_;
  const int64_t rank_;  // spatial axes
  const int64_t feature_groups_, batch_groups_;
  bool channels_last_ = false;
};

}  // namespace

std::vector<NodeRef> convolution(const Arguments& arguments) {
  return {Convolution(arguments).run()};
}

}  // namespace nxv::library

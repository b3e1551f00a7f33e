// Shapes, and the strided layouts that views are made of.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace nxv {

using Shape = std::vector<int64_t>;
using Axes = std::vector<int64_t>;

// Of a tensor, stored or not: products of two such counts and a few bytes an element fit in 64 bits
// wherever they are taken of what a kernel can index.
constexpr int64_t kMaxElements = int64_t{1} << 48;

// Axes of a tensor. All but 48 of so many have one index only; what they cost is bounded by this.
constexpr size_t kMaxRank = 256;

// Of a shape that was counted before (graph/node.h).
int64_t element_count(std::span<const int64_t> shape);
// "{2, 3}", as Nx prints shapes.
std::string to_string(std::span<const int64_t> shape);
std::vector<int64_t> row_major_strides(std::span<const int64_t> shape);

// Element (i0, i1, ...) of a view lies at offset + sum(ik * strides[k]), counted in elements of its
// storage. A stride may be 0 (broadcast) or negative (reverse).
struct Layout {
  Shape shape;
  std::vector<int64_t> strides;
  int64_t offset = 0;

  static Layout contiguous(Shape shape);

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t count() const { return element_count(shape); }
  // Row-major without gaps; unit dimensions may have any stride.
  bool is_contiguous() const;
  bool operator==(const Layout&) const = default;

  Layout transpose(std::span<const int64_t> axes) const;
  // Output axis axes[i] is input axis i; other output axes repeat the input.
  Layout broadcast(std::span<const int64_t> to, std::span<const int64_t> axes) const;
  // Elements start, start + step, ... of each axis; `lengths` counts results, step may be negative.
  Layout slice(std::span<const int64_t> starts, std::span<const int64_t> lengths,
               std::span<const int64_t> steps) const;
  Layout reverse(std::span<const int64_t> axes) const;
  // Sliding windows: axes of positions, `steps` apart, then of the elements of a window,
  // `dilations` apart.
  Layout windows(std::span<const int64_t> window, std::span<const int64_t> steps,
                 std::span<const int64_t> dilations) const;
  // Same elements in row-major order with another shape, if strides can express that.
  std::optional<Layout> reshape(std::span<const int64_t> to) const;
};

// How many windows fit along an axis; 0 when not even one does. Window, step and dilation are at
// least 1, and may be as large as they like.
int64_t window_count(int64_t length, int64_t window, int64_t step, int64_t dilation);

// For each axis of two shapes of as many elements, which run of axes it belongs to: a reshape maps
// the axes of a run onto the other shape's axes of that run, with as few axes to a run as possible.
// Axes of length 1 belong to none (-1).
struct ReshapeRuns {
  std::vector<int> from, to;
  int count = 0;
};
ReshapeRuns reshape_runs(std::span<const int64_t> from, std::span<const int64_t> to);

// Merges adjacent dimensions that every layout steps through as one, and drops unit dimensions.
// All layouts have the same shape. At least one dimension remains. The shape that is left:
Shape collapse(std::span<Layout*> layouts);

}  // namespace nxv

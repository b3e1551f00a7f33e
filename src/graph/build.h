// Builds nodes, checking shapes and types as Nx does. Every function throws Error(invalid_argument
// or size_mismatch) naming the operation and the shapes, and does no work beyond making the node.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>

#include "graph/node.h"

namespace nxv {

using GraveyardRef = std::shared_ptr<Graveyard>;

NodeRef constant(const GraveyardRef& owner, const Scalar& value, Shape shape);
// axis -1: the flat index.
NodeRef iota(const GraveyardRef& owner, DType type, Shape shape, int64_t axis);
NodeRef eye(const GraveyardRef& owner, DType type, Shape shape);
NodeRef random(const GraveyardRef& owner, Op op, DType type, Shape shape, const RandomAttr& stream);
// Bytes as stored on the device, kept by the node. The runtime makes nodes of larger data itself.
NodeRef host_value(const GraveyardRef& owner, DType type, Shape shape,
                   std::vector<std::byte> stored);

// An argument of a function (graph/function.h; scalars alone for FoldAttr); has no value of its
// own.
NodeRef parameter(const GraveyardRef& owner, DType type, Shape shape = {});

// One number that the host knows with each call of a function; has no value of its own either.
NodeRef scalar_argument(const GraveyardRef& owner, DType type, Shape shape);

// Any pointwise operation but cast, bitcast and bounded_index; operands broadcast against each
// other as in numpy.
NodeRef elementwise(Op op, std::span<const NodeRef> operands);
inline NodeRef elementwise(Op op, std::initializer_list<NodeRef> operands) {
  return elementwise(op, std::span(operands.begin(), operands.size()));
}
NodeRef cast(const NodeRef& x, DType type);
// The same bits as a number of another type of the same width. Not of complex numbers.
NodeRef bitcast(const NodeRef& x, DType type);

// Positions in tensors are 32-bit integers. Throws Error(unsupported) for a tensor that has more
// elements, or for a size or an offset that is no s32, naming `what`.
void check_indexable(std::string_view what, const NodeRef& x);
int64_t checked_position(std::string_view what, int64_t position);

// The integers as s32 in [0, size); an element outside is a fault (out_of_bounds).
NodeRef bounded_index(const NodeRef& index, int64_t size);
// Element i of the result is element index[i] of x, counted in row-major order; s32 indices, which
// are clamped.
NodeRef gather(const NodeRef& x, const NodeRef& index);
// x with elements[i] in place of its element index[i], counted in row-major order. Indices are s32
// of the shape of the elements, which are of x's type. No two name the same element; one that names
// none stores nothing. Where nothing else needs x, the result takes over its storage, and nothing
// but these elements is touched.
NodeRef overwrite(const NodeRef& x, const NodeRef& index, const NodeRef& elements);

NodeRef reshape(const NodeRef& x, Shape shape);
// Output axis axes[i] is input axis i, ascending; an input dimension is 1 or equal to the output's.
NodeRef broadcast(const NodeRef& x, Shape shape, Axes axes);
// Against the last axes, as numpy does.
NodeRef broadcast(const NodeRef& x, Shape shape);
NodeRef transpose(const NodeRef& x, Axes axes);
// Starts are clamped so that start + length fits; result dimension ceil(length / stride).
NodeRef slice(const NodeRef& x, std::span<const int64_t> starts, std::span<const int64_t> lengths,
              std::span<const int64_t> strides);
NodeRef reverse(const NodeRef& x, Axes axes);
NodeRef squeeze(const NodeRef& x, Axes axes);  // empty: every axis of length 1
NodeRef pad(const NodeRef& x, const NodeRef& value, PadAttr amounts);
// Sliding windows: [positions..., window...]. Elements of a window lie `dilations` apart.
NodeRef windows(const NodeRef& x, WindowsAttr geometry);
NodeRef concatenate(std::span<const NodeRef> parts, int64_t axis);

// No axes: all of them.
NodeRef reduce(Op op, const NodeRef& x, std::optional<Axes> axes, bool keep_axes);

NodeRef dot(const NodeRef& a, const NodeRef& b, const DotAttr& product);
// numpy's matmul: the last two axes multiply, leading ones broadcast, vectors gain an axis.
NodeRef matmul(const NodeRef& a, const NodeRef& b, Precision precision = Precision::accurate);

}  // namespace nxv

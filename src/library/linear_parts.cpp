#include <algorithm>
#include <array>

#include "base/scalar.h"
#include "graph/build.h"
#include "library/linear.h"

namespace nxv::library {
namespace {

int64_t axis_size(const NodeRef& x, int from_end) { return x->shape[x->shape.size() - from_end]; }

Shape batch_shape(const NodeRef& x) { return {x->shape.begin(), x->shape.end() - 2}; }

Shape appended(Shape shape, std::initializer_list<int64_t> dimensions) {
  shape.insert(shape.end(), dimensions);
  return shape;
}

NodeRef scalar(const NodeRef& like, DType type, double v) {
  return constant(like->shared_graveyard(), make_scalar(type, v), {});
}

// Where column - row compares with `diagonal` as `op` says.
NodeRef band(const NodeRef& x, Op op, int64_t diagonal) {
  const auto owner = x->shared_graveyard();
  const NodeRef rows = iota(owner, DType::s32, {axis_size(x, 2), 1}, 0);
  const NodeRef columns = iota(owner, DType::s32, {1, axis_size(x, 1)}, 1);
  const NodeRef offset = constant(owner, make_scalar(DType::s32, diagonal), {});
  return elementwise(op, {elementwise(Op::subtract, {columns, rows}), offset});
}

// Every `stride`-th element of the last axis.
NodeRef steps_of_last_axis(const NodeRef& x, int64_t first, int64_t length, int64_t stride) {
  std::vector<int64_t> starts(x->shape.size(), 0), lengths = x->shape;
  std::vector<int64_t> strides(x->shape.size(), 1);
  starts.back() = first;
  lengths.back() = length;
  strides.back() = stride;
  return slice(x, starts, lengths, strides);
}

Axes last_axis(const NodeRef& x, int64_t from_end) {
  return {static_cast<int64_t>(x->shape.size()) - from_end};
}

}  // namespace

DType computed_type(DType t) {
  return bits(t) < 32 && !is_complex(t) ? DType::f32 : to_floating(t);
}

void require_square(const Arguments& arguments, const NodeRef& x) {
  arguments.require_rank(2);
  if (axis_size(x, 1) != axis_size(x, 2)) {
    arguments.fail("needs a square matrix or a batch of square matrices, got " + describe(x),
                   Status::size_mismatch);
  }
}

void require_right_hand_side(const Arguments& arguments, const NodeRef& a, const NodeRef& b,
                             bool left_side) {
  const int64_t n = axis_size(a, 1);
  const Shape batch = batch_shape(a);
  if (b->shape == appended(batch, {n})) return;
  if (b->shape.size() == a->shape.size() && batch_shape(b) == batch &&
      axis_size(b, left_side ? 2 : 1) == n) {
    return;
  }
  arguments.fail("b does not fit a: " + describe(b) + " beside " + describe(a) +
                     "; b needs a's batch axes and " + std::to_string(n) +
                     (left_side ? " rows" : " columns") + ", or is a vector for each matrix",
                 Status::size_mismatch);
}

void require_nonzero_diagonal(const Arguments& arguments, const NodeRef& a) {
  if (a->host_data == nullptr) return;
  const int64_t n = axis_size(a, 1);
  for (int64_t i = 0; i < a->count; i += (i + 1) % (n * n) == 0 ? 1 : n + 1) {
    const std::complex<double> x =
        to_complex_double(load_scalar(a->dtype, a->host_data->data(), i));
    if (x == 0.0) {
      arguments.fail(std::string(reason(Fault::singular)), status_of(Fault::singular));
    }
  }
}

NodeRef lower_triangle(const NodeRef& x, int64_t diagonal) {
  return elementwise(Op::select, {band(x, Op::less_equal, diagonal), x, scalar(x, x->dtype, 0)});
}

NodeRef upper_triangle(const NodeRef& x, int64_t diagonal) {
  return elementwise(Op::select, {band(x, Op::greater_equal, diagonal), x, scalar(x, x->dtype, 0)});
}

NodeRef identity(const NodeRef& like) {
  return eye(like->shared_graveyard(), like->dtype, like->shape);
}

NodeRef diagonal(const NodeRef& x) {
  const int64_t n = axis_size(x, 1);
  return steps_of_last_axis(reshape(x, appended(batch_shape(x), {n * n})), 0, n * n, n + 1);
}

NodeRef unpack(const NodeRef& packed, int64_t first, Shape shape) {
  Shape whole(packed->shape.begin(), packed->shape.end() - 1);
  const NodeRef flat = steps_of_last_axis(packed, first, element_count(shape), 1);
  whole.insert(whole.end(), shape.begin(), shape.end());
  return reshape(flat, whole);
}

NodeRef triangular_solve(const NodeRef& a, const NodeRef& b, DType type,
                         const TriangularAttr& attr) {
  const DType computed = computed_type(type);
  return make_node(Op::triangular_solve, computed, b->shape, {cast(a, computed), cast(b, computed)},
                   attr);
}

Lu decompose_lu(const NodeRef& x, DType computed) {
  const int64_t n = axis_size(x, 1);
  const NodeRef packed =
      make_node(Op::lu, computed, appended(batch_shape(x), {n * n + n + 1}), {cast(x, computed)});
  const NodeRef factors = unpack(packed, 0, {n, n});
  const NodeRef permutation = unpack(packed, n * n, {1, n});
  const NodeRef rows = iota(x->shared_graveyard(), computed, {n, 1}, 0);
  Lu lu;
  lu.p = cast(elementwise(Op::equal, {rows, permutation}), computed);
  lu.l = elementwise(Op::select,
                     {band(x, Op::equal, 0), scalar(x, computed, 1), lower_triangle(factors, -1)});
  lu.u = upper_triangle(factors, 0);
  lu.sign = unpack(packed, n * n + n, {});
  return lu;
}

NodeRef solve(const Lu& lu, const NodeRef& b) {
  const bool vector = b->shape.size() < lu.l->shape.size();
  const DType type = lu.l->dtype;
  const NodeRef columns = cast(vector ? reshape(b, appended(b->shape, {1})) : b, type);
  Axes batch;
  for (size_t i = 0; i + 2 < lu.l->shape.size(); ++i) batch.push_back(static_cast<int64_t>(i));
  const Axes rows = last_axis(lu.p, 2);
  const NodeRef permuted = dot(lu.p, columns, {rows, rows, batch, batch});
  const NodeRef y = triangular_solve(lu.l, permuted, type, {true, true, false, false});
  const NodeRef x = triangular_solve(lu.u, y, type, {false, true, false, false});
  return reshape(x, b->shape);
}

Qr decompose_qr(const NodeRef& x, DType computed, bool complete) {
  const int64_t m = axis_size(x, 2), n = axis_size(x, 1), k = complete ? m : std::min(m, n);
  check_shape("qr", appended(batch_shape(x), {m, k}));
  const NodeRef packed =
      make_node(Op::qr, computed, appended(batch_shape(x), {m * k + k * n}), {cast(x, computed)});
  return {unpack(packed, 0, {m, k}), unpack(packed, m * k, {k, n})};
}

Eigen decompose_eigh(const NodeRef& x, DType computed) {
  const int64_t n = axis_size(x, 1);
  const NodeRef packed =
      make_node(Op::eigh, computed, appended(batch_shape(x), {n + n * n}), {cast(x, computed)});
  return {unpack(packed, 0, {n}), unpack(packed, n, {n, n})};
}

Svd decompose_svd(const NodeRef& x, DType computed, bool full_matrices) {
  const int64_t m = axis_size(x, 2), n = axis_size(x, 1), k = std::min(m, n);
  const int64_t columns = full_matrices ? m : k, rows = full_matrices ? n : k;
  check_shape("svd", appended(batch_shape(x), {m, columns}));
  check_shape("svd", appended(batch_shape(x), {rows, n}));
  const NodeRef packed =
      make_node(Op::svd, computed, appended(batch_shape(x), {m * columns + k + rows * n}),
                {cast(x, computed)});
  return {unpack(packed, 0, {m, columns}), unpack(packed, m * columns, {k}),
          unpack(packed, m * columns + k, {rows, n})};
}

NodeRef invert(const NodeRef& x) {
  const DType type = x->dtype;
  // Rows are scaled to magnitudes of about one. A row of zeros stays.
  const NodeRef largest = reduce(Op::reduce_max, elementwise(Op::abs, {x}), last_axis(x, 1), true);
  const DType real = largest->dtype;
  const NodeRef is_zero = elementwise(Op::equal, {largest, scalar(x, real, 0)});
  const NodeRef factors = elementwise(
      Op::divide,
      {scalar(x, real, 1), elementwise(Op::select, {is_zero, scalar(x, real, 1), largest})});
  Lu lu = decompose_lu(elementwise(Op::multiply, {x, factors}), type);
  // A pivot of zero becomes one, so that the solution exists; the result is NaN all the same.
  const NodeRef singular = elementwise(Op::equal, {diagonal(lu.u), scalar(x, type, 0)});
  const NodeRef zero_pivots = elementwise(
      Op::logical_and, {reshape(singular, appended(singular->shape, {1})), band(x, Op::equal, 0)});
  lu.u = elementwise(Op::select, {zero_pivots, scalar(x, type, 1), lu.u});
  const NodeRef right = elementwise(Op::multiply, {identity(x), factors});
  const NodeRef any_singular = reshape(reduce(Op::any, singular, last_axis(singular, 1), false),
                                       appended(batch_shape(x), {1, 1}));
  return elementwise(Op::select,
                     {broadcast(any_singular, x->shape),
                      scalar(x, type, std::numeric_limits<double>::quiet_NaN()), solve(lu, right)});
}

NodeRef determinant(const NodeRef& x) {
  const int64_t n = axis_size(x, 1);
  const DType type = to_floating(x->dtype);
  if (n == 1 || n > 3) {
    const Lu lu = decompose_lu(x, computed_type(type));
    const NodeRef pivots = diagonal(lu.u);
    const NodeRef product = reduce(Op::product, pivots, last_axis(pivots, 1), false);
    return cast(elementwise(Op::multiply, {product, lu.sign}), type);
  }
  // The products along the diagonals of x beside itself (Sarrus), less those of its mirror image.
  const std::array<NodeRef, 2> twice = {x, x};
  const NodeRef wide = concatenate(twice, static_cast<int64_t>(x->shape.size()) - 1);
  const NodeRef mirrored = reverse(wide, last_axis(wide, 1));
  const auto product = [&](const NodeRef& of, int64_t offset) {
    const NodeRef flat = reshape(of, appended(batch_shape(x), {2 * n * n}));
    const NodeRef factors = steps_of_last_axis(flat, offset, (n - 1) * (2 * n + 1) + 1, 2 * n + 1);
    return reduce(Op::product, factors, last_axis(factors, 1), false);
  };
  NodeRef sum = product(wide, 0);
  if (n == 2) {
    sum = elementwise(Op::subtract, {sum, product(wide, 1)});
  } else {
    for (const int64_t i : {1, 2}) sum = elementwise(Op::add, {sum, product(wide, i)});
    for (const int64_t i : {0, 1, 2}) sum = elementwise(Op::subtract, {sum, product(mirrored, i)});
  }
  return cast(sum, type);
}

}  // namespace nxv::library

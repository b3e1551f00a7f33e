#include <numeric>

#include "testing/random/caller.h"

namespace nxv {
namespace {

void draw_transform(Caller& c, const std::vector<DType>& types) {
  c.without_specials();
  const Shape shape = c.shape(1, 4, 200);
  c.add(c.data(c.type(types), shape));
  c.axis_option(shape);
  c.option("length", c.dice().between(1, 40));
}
void draw_fft(Caller& c) { draw_transform(c, {DType::c64, DType::c128, DType::f32, DType::f64}); }
void draw_rfft(Caller& c) { draw_transform(c, {DType::f32, DType::f64, DType::s16, DType::u8}); }

void draw_fft2(Caller& c) {
  c.without_specials();
  const Shape shape = c.shape(2, 4, 200);
  static const std::vector<DType> kTypes = {DType::c64, DType::c128, DType::f32};
  c.add(c.data(c.type(kTypes), shape));
}

const std::vector<DType> kMatrix = {DType::f32,  DType::f32,  DType::f64, DType::c64,
                                    DType::c128, DType::bf16, DType::f16, DType::s16};

// A batch of matrices.
Shape matrices(Caller& c, int64_t rows, int64_t columns) {
  Shape shape = c.shape(0, 2, 6);
  shape.insert(shape.end(), {rows, columns});
  return shape;
}

NodeRef times(Caller& c, const NodeRef& x, double factor) {
  return elementwise(Op::multiply, {x, constant(c.owner(), make_scalar(x->dtype, factor), {})});
}

NodeRef transposed(const NodeRef& x) {
  Axes swapped(x->shape.size());
  std::iota(swapped.begin(), swapped.end(), 0);
  std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
  return transpose(x, swapped);
}

NodeRef adjoint(const NodeRef& x) {
  const NodeRef turned = transposed(x);
  return is_complex(x->dtype) ? elementwise(Op::conjugate, {turned}) : turned;
}

// Far from singular.
NodeRef dominant(Caller& c, DType type, const Shape& shape) {
  return elementwise(Op::add, {c.data(type, shape), times(c, eye(c.owner(), type, shape), 60)});
}

void draw_triangular_solve(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9), m = c.dice().between(1, 4);
  Shape shape = matrices(c, n, n);
  const DType type = c.type(kMatrix);
  c.add(dominant(c, type, shape));
  const bool left = c.dice().chance(70);
  const bool vector = left && c.dice().chance(20);
  shape.resize(shape.size() - 2);
  if (vector) {
    shape.push_back(n);
  } else {
    shape.insert(shape.end(), {left ? n : m, left ? m : n});
  }
  c.add(c.data(type, shape));
  c.option("lower", c.dice().below(2));
  c.option("left_side", left ? 1 : 0);
  c.option("transform", c.dice().below(3));
}

void draw_cholesky(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9);
  const Shape shape = matrices(c, n, n);
  static const std::vector<DType> kTypes = {DType::f32, DType::f64, DType::c64, DType::c128};
  const DType type = c.type(kTypes);
  const NodeRef x = c.data(type, shape);
  c.add(elementwise(Op::add, {matmul(x, adjoint(x)), times(c, eye(c.owner(), type, shape), 60)}));
}

void draw_square(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9);
  c.add(c.data(c.type(kMatrix), matrices(c, n, n)));
}

void draw_hermitian(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9);
  const NodeRef x = c.data(c.type(kMatrix), matrices(c, n, n));
  c.add(elementwise(Op::add, {x, adjoint(x)}));
}

void draw_rectangle(Caller& c, const std::vector<DType>& types) {
  c.without_specials();
  const int64_t m = c.dice().between(1, 9), n = c.dice().between(1, 9);
  c.add(c.data(c.type(types), matrices(c, m, n)));
}
void draw_qr(Caller& c) {
  draw_rectangle(c, kMatrix);
  c.option("complete", c.dice().below(2));
}
void draw_svd(Caller& c) {
  draw_rectangle(c, {DType::f32, DType::f64, DType::f16, DType::s32});
  c.option("full_matrices", c.dice().below(2));
}

// Rows in an order that takes pivots.
NodeRef regular(Caller& c, DType type, const Shape& shape) {
  return reverse(dominant(c, type, shape), {static_cast<int64_t>(shape.size()) - 2});
}

void draw_solve(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9), m = c.dice().between(1, 4);
  Shape shape = matrices(c, n, n);
  const DType type = c.type(kMatrix);
  c.add(regular(c, type, shape));
  shape.back() = m;
  if (c.dice().chance(20)) shape.pop_back();
  c.add(c.data(type, shape));
}

void draw_invert(Caller& c) {
  c.without_specials();
  const int64_t n = c.dice().between(1, 9);
  const Shape shape = matrices(c, n, n);
  c.add(regular(c, c.type(kMatrix), shape));
}

}  // namespace

Draws linear_draws() {
  return {
      {"fft", draw_fft},
      {"ifft", draw_fft},
      {"fft2", draw_fft2},
      {"ifft2", draw_fft2},
      {"rfft", draw_rfft},
      {"irfft", draw_fft},
      {"triangular_solve", draw_triangular_solve},
      {"cholesky", draw_cholesky},
      {"lu", draw_square},
      {"qr", draw_qr},
      {"eigh", draw_hermitian},
      {"svd", draw_svd},
      {"solve", draw_solve},
      {"determinant", draw_square},
      {"invert", draw_invert},
  };
}

}  // namespace nxv

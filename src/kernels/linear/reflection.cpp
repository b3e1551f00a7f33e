#include "kernels/linear/reflection.h"

#include <bit>

namespace nxv::kernels {

using ir::Number;
using ir::Value;

// Below this many units of roundoff of its column's size, what is left of a column is noise.
constexpr double kNoise = 4;

void reflect(LinearKernel& k, const Reflecting& h, Value matrix, Value column) {
  const Value a = h.elements, first = matrix * h.rows;
  const auto at = [&](Value row) { return (first + row) * h.columns + column; };
  const Number head = k.load(a, at(column));
  const Number own = k.add_up(
      k.real(k.zero), column + 1u + k.local, h.rows, k.lanes,
      [&](const Number& sum, Value row) { return k.real(sum.re + k.squared(k.load(a, at(row)))); });
  const Value tail = k.sum_over_lanes(own.re);
  const Value norm = k.sqrt(k.squared(head) + tail);
  const Value noise =
      k.load_real(h.sizes, matrix * h.columns + column) * k.number(kNoise * unit_roundoff(k.type));

  Value is_done, factor;
  Number pivot, result;  // v before it is divided by its first element, the diagonal
  if (k.is_complex()) {
    const Value size = k.magnitude(head);
    const Number phase = k.select(size == k.zero, k.real(k.number(1)),
                                  {k.type, k.divide(head.re, size), k.divide(head.im, size)});
    is_done = norm <= noise;
    pivot = k.scale(phase, size + norm);
    result = k.scale(phase, -norm);
    factor = k.divide(size + norm, norm);
  } else {
    is_done = tail <= noise * noise;
    const Value positive = -k.divide(tail, head.re + norm);
    pivot = k.real(k.b.select(head.re <= k.zero, head.re - norm, positive));
    result = k.real(norm);
    const Value square = pivot.re * pivot.re;
    factor = k.divide(square + square, tail + square);
  }
  k.share(column + 1u, h.rows, [&](Value row) {
    const Number v = k.divide(k.load(a, at(row)), pivot);
    k.store(a, at(row), k.select(is_done, k.real(k.zero), v));
  });
  k.b.if_(k.local == 0u, [&] {
    k.store(a, at(column), k.select(is_done, head, result));
    k.b.store(h.factors, matrix * h.diagonal + column, k.b.select(is_done, k.zero, factor));
  });
}

void apply(LinearKernel& k, const Applying& h, const Tile& tile, Value matrix, Value reflection,
           Value begin, Value number) {
  const Value x = h.to, row = reflection;
  const Value lane_column = k.local & (tile.columns - 1);
  const Value apart = k.local >> std::countr_zero(tile.columns);
  const Value column = begin + number * tile.columns + lane_column;
  const Value is_inside = column < h.columns;
  const Value inside = k.b.binary(ir::Opcode::min, column, h.columns - 1u);
  const auto at = [&](Value r) { return (matrix * h.rows + r) * h.columns + inside; };
  const auto v_at = [&](Value r) {
    return k.load(h.v, (matrix * h.rows + r) * h.stride + reflection);
  };
  const Value first = row + 1u + apart;
  const Number head = k.load(x, at(row));
  const Number sum = k.add_up(k.select(apart == 0u, head, k.real(k.zero)), first, h.rows,
                              tile.rows(), [&](const Number& sum, Value r) {
                                return k.add_product(sum, k.conjugate(v_at(r)), k.load(x, at(r)));
                              });
  const Value factor = k.load_real(h.factors, matrix * h.diagonal + reflection);
  const Number taken = k.scale({k.type, k.sum_over_lanes(sum.re, tile.columns),
                                k.is_complex() ? k.sum_over_lanes(sum.im, tile.columns) : Value()},
                               factor);
  k.b.if_(is_inside, [&] {
    k.b.if_(apart == 0u, [&] { k.store(x, at(row), k.subtract(head, taken)); });
    k.b.for_range(first, h.rows, k.b.u32(tile.rows()), [&](Value r) {
      k.store(x, at(r), k.subtract_product(k.load(x, at(r)), v_at(r), taken));
    });
  });
}

}  // namespace nxv::kernels

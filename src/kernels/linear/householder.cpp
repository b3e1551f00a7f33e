#include "kernels/linear/householder.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// Below this many units of roundoff of its column's size, what is left of a column is noise.
constexpr double kNoise = 4;

// How a workgroup lies over a matrix: `columns` lanes side by side, lanes / columns rows apart.
struct Tile {
  uint32_t lanes, columns;
  uint32_t rows() const { return lanes / columns; }
};

Tile tile_of(const Steps& steps, uint64_t rows, uint64_t columns) {
  Tile tile{lanes_of(steps.target, 256), 32};
  tile.columns = static_cast<uint32_t>(std::bit_ceil(std::min<uint64_t>(columns, tile.columns)));
  tile.columns = std::min(tile.columns, tile.lanes);
  // Two passes over the rows.
  const uint64_t most = LinearKernel::terms_within(steps.target.plan->max_loop_iterations / 2);
  while (tile.columns > 1 && rows > most * tile.rows()) tile.columns /= 2;
  if (rows > most * tile.rows()) {
    throw Error(Status::unsupported, "a decomposition of a matrix of " + std::to_string(rows) +
                                         " rows: the device takes " +
                                         std::to_string(most * tile.rows()));
  }
  return tile;
}

// A matrix on its way to R, within a kernel.
struct Reflecting {
  Value elements, factors, sizes;  // buffers
  Value rows, columns, diagonal;
};

// The reflection that clears `column` below the diagonal (Golub & Van Loan, Matrix Computations,
// 5.1.3; without cancellation in v).
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

void add_reflection(Steps& steps, const Householder& h, uint64_t column) {
  enum Word { kGroups, kRows, kColumns, kColumn, kDiagonal, kWordCount };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target, 256);
  Step step;
  step.key = "reflection";
  step.groups = h.batch;
  for (const uint64_t w : {h.batch, h.rows, h.columns, column, h.diagonal()}) {
    step.words.push_back(static_cast<uint32_t>(w));
  }
  step.workspaces = {updates(h.matrices), writes(h.factors), reads(h.sizes)};
  step.generate = [=](const Region& region) {
    LinearKernel k("reflection", lanes, region, target, 3, kWordCount);
    const Reflecting h{k.workspace(0), k.workspace(1),   k.workspace(2),
                       k.word(kRows),  k.word(kColumns), k.word(kDiagonal)};
    k.each_group(k.word(kGroups), [&](Value matrix) { reflect(k, h, matrix, k.word(kColumn)); });
    return k.finish();
  };
  steps.add(std::move(step));
}

// Reflections and the rows x columns matrices that they are applied to, within a kernel.
struct Applying {
  Value v, factors, to;          // buffers
  Value rows, stride, diagonal;  // of v
  Value columns;                 // of `to`
};

// Applies a reflection to the columns from begin + number * tile.columns on.
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

// Applies a reflection to the columns from `begin` on of rows x columns matrices in `to`.
void add_application(Steps& steps, const Householder& h, uint64_t column, int to, uint64_t columns,
                     uint64_t begin) {
  enum Word {
    kGroups,
    kRows,
    kStride,  // of v
    kColumn,
    kDiagonal,
    kColumns,
    kBegin,
    kTiles,
    kWordCount = kTiles + kDivisorWords
  };
  const Target target = steps.target;
  const Tile tile = tile_of(steps, h.rows, columns);
  const uint64_t tiles = (columns - begin + tile.columns - 1) / tile.columns;
  const bool in_place = to == h.matrices;
  Step step;
  step.key = "reflect" + std::to_string(tile.columns) + (in_place ? "" : " other");
  step.groups = h.batch * tiles;
  for (const uint64_t w : {step.groups, h.rows, h.columns, column, h.diagonal(), columns, begin}) {
    step.words.push_back(static_cast<uint32_t>(w));
  }
  push_divisor(step.words, tiles);
  step.workspaces = {reads(h.factors), updates(to)};
  if (!in_place) step.workspaces.push_back(reads(h.matrices));
  step.generate = [=](const Region& region) {
    LinearKernel k("reflect", tile.lanes, region, target, in_place ? 2 : 3, kWordCount);
    const Applying h{k.workspace(in_place ? 1 : 2),
                     k.workspace(0),
                     k.workspace(1),
                     k.word(kRows),
                     k.word(kStride),
                     k.word(kDiagonal),
                     k.word(kColumns)};
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kTiles);
      apply(k, h, tile, matrix, k.word(kColumn), k.word(kBegin), group - matrix * k.word(kTiles));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// What an invocation by itself applies to, a column at a time.
constexpr Tile kOneColumn{1, 1};

void apply_to_columns(LinearKernel& k, const Applying& h, Value matrix, Value reflection,
                      Value begin) {
  k.b.for_range(begin, h.columns, k.b.u32(1), [&](Value column) {
    apply(k, h, kOneColumn, matrix, reflection, column, k.b.u32(0));
  });
}

void add_lone_triangularization(Steps& steps, const Householder& h, uint64_t count) {
  add_lone(steps, "reflection", h.batch, 0, count, {h.rows, h.columns, h.diagonal()},
           {updates(h.matrices), writes(h.factors), reads(h.sizes)},
           [](LinearKernel& k, Value matrix, Value column) {
             const Value a = k.workspace(0), factors = k.workspace(1);
             const Value rows = k.word(kLoneWords), columns = k.word(kLoneWords + 1);
             const Value diagonal = k.word(kLoneWords + 2);
             reflect(k, {a, factors, k.workspace(2), rows, columns, diagonal}, matrix, column);
             apply_to_columns(k, {a, factors, a, rows, columns, diagonal, columns}, matrix, column,
                              column + 1u);
           });
}

// Reflections count - 1 .. 0, to all columns or to those from their own on.
enum class From : uint8_t { first, own };
void add_lone_reflections(Steps& steps, const Householder& h, uint64_t count, uint64_t columns,
                          From from, int to) {
  add_lone(
      steps, from == From::own ? "reflect own" : "reflect", h.batch, 0, count,
      {h.rows, h.columns, h.diagonal(), columns, count - 1},
      {reads(h.matrices), reads(h.factors), updates(to)},
      [from](LinearKernel& k, Value matrix, Value step) {
        const auto word = [&](int i) { return k.word(kLoneWords + i); };
        const Value reflection = word(4) - step;
        apply_to_columns(
            k, {k.workspace(0), k.workspace(1), k.workspace(2), word(0), word(1), word(2), word(3)},
            matrix, reflection, from == From::own ? reflection : k.b.u32(0));
      });
}

void add_identity(Steps& steps, uint64_t batch, uint64_t rows, uint64_t columns, int to) {
  enum Word {
    kCount,
    kColumns,
    kRows = kColumns + kDivisorWords,
    kWordCount = kRows + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t count = batch * rows * columns;
  Step step;
  step.key = "identity";
  step.groups = Steps::groups(count, lanes);
  step.words = {static_cast<uint32_t>(count)};
  push_divisor(step.words, columns);
  push_divisor(step.words, rows);
  step.workspaces = {writes(to)};
  step.generate = [=](const Region& region) {
    LinearKernel k("identity", lanes, region, target, 1, kWordCount);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kColumns), j = at - row * k.word(kColumns);
      const Value i = row - k.divide(row, kRows) * k.word(kRows);
      k.store(k.workspace(0), at, k.real(k.b.select(i == j, k.number(1), k.zero)));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

Householder::Householder(Steps& steps, uint64_t batch, uint64_t rows, uint64_t columns)
    : batch(batch),
      rows(rows),
      columns(columns),
      matrices(steps.numbers(batch * rows * columns)),
      factors(steps.reals(batch * diagonal())),
      sizes(steps.reals(batch * columns)) {}

void add_triangularization(Steps& steps, const Householder& h) {
  const uint64_t count = h.reflections(is_complex(steps.working));
  if (steps.are_lone(h.rows, h.columns)) return add_lone_triangularization(steps, h, count);
  for (uint64_t column = 0; column < count; ++column) {
    add_reflection(steps, h, column);
    if (column + 1 < h.columns) {
      add_application(steps, h, column, h.matrices, h.columns, column + 1);
    }
  }
}

void add_reflections(Steps& steps, const Householder& h, uint64_t columns, int to) {
  const uint64_t count = h.reflections(is_complex(steps.working));
  if (steps.are_lone(h.rows, h.columns)) {
    return add_lone_reflections(steps, h, count, columns, From::first, to);
  }
  for (uint64_t column = count; column-- > 0;) add_application(steps, h, column, to, columns, 0);
}

// Before a reflection, columns left of its own are those of the identity and stay so.
void add_orthogonal_factor(Steps& steps, const Householder& h, uint64_t columns, int to) {
  add_identity(steps, h.batch, h.rows, columns, to);
  const uint64_t count = h.reflections(is_complex(steps.working));
  if (steps.are_lone(h.rows, h.columns)) {
    return add_lone_reflections(steps, h, count, columns, From::own, to);
  }
  for (uint64_t column = count; column-- > 0;) {
    add_application(steps, h, column, to, columns, column);
  }
}

}  // namespace nxv::kernels

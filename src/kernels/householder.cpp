#include "kernels/householder.h"

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

// The reflection that clears `column` below the diagonal (Golub & Van Loan, Matrix Computations,
// 5.1.3; without cancellation in v).
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
    const Value a = k.workspace(0), columns = k.word(kColumns), column = k.word(kColumn);
    k.each_group(k.word(kGroups), [&](Value matrix) {
      const Value first = matrix * k.word(kRows);
      const auto at = [&](Value row) { return (first + row) * columns + column; };
      const Number head = k.load(a, at(column));
      const Number own = k.add_up(k.real(k.zero), column + 1u + k.local, k.word(kRows), k.lanes,
                                  [&](const Number& sum, Value row) {
                                    return k.real(sum.re + k.squared(k.load(a, at(row))));
                                  });
      const Value tail = k.sum_over_lanes(own.re);
      const Value norm = k.sqrt(k.squared(head) + tail);
      const Value noise = k.load_real(k.workspace(2), matrix * columns + column) *
                          k.number(kNoise * unit_roundoff(k.type));

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
      k.share(column + 1u, k.word(kRows), [&](Value row) {
        const Number v = k.divide(k.load(a, at(row)), pivot);
        k.store(a, at(row), k.select(is_done, k.real(k.zero), v));
      });
      k.b.if_(k.local == 0u, [&] {
        k.store(a, at(column), k.select(is_done, head, result));
        k.b.store(k.workspace(1), matrix * k.word(kDiagonal) + column,
                  k.b.select(is_done, k.zero, factor));
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
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
    const Value x = k.workspace(1), v = k.workspace(in_place ? 1 : 2);
    const Value row = k.word(kColumn), rows = k.word(kRows);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kTiles);
      const Value lane_column = k.local & (tile.columns - 1);
      const Value apart = k.local >> std::countr_zero(tile.columns);
      const Value column =
          k.word(kBegin) + (group - matrix * k.word(kTiles)) * tile.columns + lane_column;
      const Value is_inside = column < k.word(kColumns);
      const Value inside = k.b.binary(ir::Opcode::min, column, k.word(kColumns) - 1u);
      const auto at = [&](Value r) { return (matrix * rows + r) * k.word(kColumns) + inside; };
      const auto v_at = [&](Value r) {
        return k.load(v, (matrix * rows + r) * k.word(kStride) + k.word(kColumn));
      };
      const Value begin = row + 1u + apart;
      const Number head = k.load(x, at(row));
      const Number sum =
          k.add_up(k.select(apart == 0u, head, k.real(k.zero)), begin, rows, tile.rows(),
                   [&](const Number& sum, Value r) {
                     return k.add_product(sum, k.conjugate(v_at(r)), k.load(x, at(r)));
                   });
      const Value factor =
          k.load_real(k.workspace(0), matrix * k.word(kDiagonal) + k.word(kColumn));
      const Number taken =
          k.scale({k.type, k.sum_over_lanes(sum.re, tile.columns),
                   k.is_complex() ? k.sum_over_lanes(sum.im, tile.columns) : Value()},
                  factor);
      k.b.if_(is_inside, [&] {
        k.b.if_(apart == 0u, [&] { k.store(x, at(row), k.subtract(head, taken)); });
        k.b.for_range(begin, rows, k.b.u32(tile.rows()), [&](Value r) {
          k.store(x, at(r), k.subtract_product(k.load(x, at(r)), v_at(r), taken));
        });
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
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
  for (uint64_t column = 0; column < count; ++column) {
    add_reflection(steps, h, column);
    if (column + 1 < h.columns) {
      add_application(steps, h, column, h.matrices, h.columns, column + 1);
    }
  }
}

void add_reflections(Steps& steps, const Householder& h, uint64_t columns, int to) {
  for (uint64_t column = h.reflections(is_complex(steps.working)); column-- > 0;) {
    add_application(steps, h, column, to, columns, 0);
  }
}

// Before a reflection, columns left of its own are those of the identity and stay so.
void add_orthogonal_factor(Steps& steps, const Householder& h, uint64_t columns, int to) {
  add_identity(steps, h.batch, h.rows, columns, to);
  for (uint64_t column = h.reflections(is_complex(steps.working)); column-- > 0;) {
    add_application(steps, h, column, to, columns, column);
  }
}

}  // namespace nxv::kernels

#include "kernels/linear/block_steps.h"

#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/linear/elimination.h"
#include "kernels/linear/substitution.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// The rows of a block in a column of a matrix.
struct BlockRows {
  static constexpr std::string_view kName = "block_rows";
  using Layout = Substitution;
  struct Words {
    SubstitutionWords rows;
    uint32_t first_column = 0;
    Divisor columns;  // from there on
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName, .workspaces = layout.workspaces()};
  }
  static void emit(StepKernel<BlockRows>& k) {
    k.each_part(&Words::columns, [&](Value matrix, Value column, Value) {
      substitute(k, k.layout, k.words[&Words::rows], matrix,
                 k.words[&Words::first_column] + column);
    });
  }
};

// A tile of the rows below a block: an invocation has some rows and columns of it in registers,
// lanes lie side by side.
struct BlockUpdate {
  static constexpr std::string_view kName = "block_update";
  struct Layout {
    Choice<Factors::Place> factors = Factors::Place::own;
    uint32_t rows = 1, columns = 1;  // of an invocation
    uint32_t side_by_side = 1;       // lanes along a row, the others below each other
    uint32_t steps = 1;              // rows of the block at a time
    Choice<bool> upper = false;
  };
  struct Words {
    uint32_t rows = 0, columns = 0;  // of a matrix
    uint32_t begin = 0, end = 0;
    uint32_t first_column = 0;
    FactorWords factors;
    Divisor tiles_across, tiles_down;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName,
            .workspaces = layout.factors == Factors::Place::workspace ? 2 : 1,
            .worker = Worker::workgroup};
  }
  static void emit(StepKernel<BlockUpdate>& k) {
    const Layout& layout = k.layout;
    const uint32_t across = layout.side_by_side * layout.columns;
    const uint32_t down = k.lanes / layout.side_by_side * layout.rows;
    k.each_item([&](Value tile) {
      const Value line = k.words.divide(tile, &Words::tiles_across);
      const Value matrix = k.words.divide(line, &Words::tiles_down);
      const Value column =
          k.words[&Words::first_column] + (tile - line * k.words[&Words::tiles_across]) * across;
      const Value row = k.words[&Words::end] + (line - matrix * k.words[&Words::tiles_down]) * down;
      if (layout.upper) {
        k.b.if_(column + across > row, [&] { update(k, matrix, row, column); });
      } else {
        update(k, matrix, row, column);
      }
    });
  }

 private:
  using Kernel = StepKernel<BlockUpdate>;

  // The tile whose first element this is.
  static void update(Kernel& k, Value matrix, Value first_row, Value first_column) {
    const Layout& layout = k.layout;
    const Value c = k.workspace(0);
    const Value rows = k.words[&Words::rows], columns = k.words[&Words::columns];
    const Value down = k.local / k.b.u32(layout.side_by_side);
    const Value across = k.local - down * layout.side_by_side;
    // Elements beyond the edge are those at the edge, and not stored.
    std::vector<Value> i, j;
    for (uint32_t r = 0; r < layout.rows; ++r) {
      i.push_back(first_row + down + r * (k.lanes / layout.side_by_side));
    }
    for (uint32_t s = 0; s < layout.columns; ++s) {
      j.push_back(first_column + across + s * layout.side_by_side);
    }
    const auto inside = [&](Value at, Value size) {
      return k.b.binary(ir::Opcode::min, at, size - 1u);
    };
    const auto place = [&](Value row, Value column) {
      return (matrix * rows + row) * columns + column;
    };
    std::vector<LinearKernel::Variable> sums;
    for (const Value row : i) {
      for (const Value column : j) {
        sums.push_back(k.variable(k.load(c, place(inside(row, rows), inside(column, columns)))));
      }
    }
    k.b.for_range(k.words[&Words::begin], k.words[&Words::end], k.b.u32(layout.steps),
                  [&](Value first) {
                    for (uint32_t step = 0; step < layout.steps; ++step) {
                      const Value l = first + step;
                      std::vector<Number> x;
                      for (const Value column : j)
                        x.push_back(k.load(c, place(l, inside(column, columns))));
                      size_t at = 0;
                      for (const Value row : i) {
                        const Number f = load_factor(k, layout.factors, k.words[&Words::factors],
                                                     matrix, inside(row, rows), l);
                        for (const Number& v : x) {
                          sums[at].set(k.subtract_product(sums[at].get(), f, v));
                          ++at;
                        }
                      }
                    }
                  });
    size_t at = 0;
    for (const Value row : i) {
      for (const Value column : j) {
        const LinearKernel::Variable& sum = sums[at++];
        k.b.if_((row < rows) & (column < columns),
                [&] { k.store(c, place(row, column), sum.get()); });
      }
    }
  }
};

// Rows that are taken at a time, at most.
constexpr uint32_t kRows = 8;

// The largest power of two that the block has a multiple of.
uint32_t steps_of(const RowBlock& block, uint32_t most) {
  return std::min(1U << std::countr_zero(block.size()), most);
}

}  // namespace

SubstitutionWords words_of(const Matrices& c, const RowBlock& block, const Factors& f) {
  return {.rows = word(c.rows),
          .columns = word(c.columns),
          .begin = word(block.begin),
          .end = word(block.end),
          .factors = FactorWords(f)};
}

Substitution substitution_of(const Steps& steps, const RowBlock& block, const Factors& f,
                             RowEnd end) {
  // Half of the registers for the factors that some unknowns have of as many others.
  const auto words = static_cast<uint32_t>(storage_bytes(steps.working)) / 4;
  uint32_t most = kRows;
  while (most > 1 && 2 * most * most * words > steps.target.plan->tuning.lane_registers) most /= 2;
  return {f.place, end, steps_of(block, most)};
}

void add_block_rows(Steps& steps, const Matrices& c, const RowBlock& block, const Factors& f,
                    RowEnd end, uint64_t first_column) {
  const uint64_t columns = c.columns - first_column;
  if (columns == 0) return;
  const Substitution layout = substitution_of(steps, block, f, end);
  Touched touched = {.workspaces = {updates(c.workspace)}};
  if (layout.workspaces() == 2) touched.workspaces.push_back(updates(f.workspace));
  steps.add<BlockRows>(c.batch * columns,
                       {.rows = words_of(c, block, f),
                        .first_column = word(first_column),
                        .columns = Divisor(columns)},
                       touched, layout);
}

void add_block_update(Steps& steps, const Matrices& c, const RowBlock& block, const Factors& f,
                      uint64_t first_column, bool upper) {
  const uint64_t rows = c.rows - block.end, columns = c.columns - first_column;
  if (rows == 0 || columns == 0) return;
  const uint32_t lanes = lanes_of(steps.target, kLanes);
  BlockUpdate::Layout layout = {
      .factors = f.place, .steps = steps_of(block, kRows), .upper = upper};
  layout.side_by_side = static_cast<uint32_t>(std::min<uint64_t>(lanes, std::bit_ceil(columns)));
  layout.rows = rows >= 4 ? 4 : 1;
  layout.columns = columns > lanes ? 2 : 1;
  const uint64_t across = divide_up(columns, uint64_t{layout.side_by_side} * layout.columns);
  const uint64_t down = divide_up(rows, uint64_t{lanes / layout.side_by_side} * layout.rows);
  Touched touched = {.workspaces = {updates(c.workspace)}};
  if (f.place == Factors::Place::workspace) touched.workspaces.push_back(reads(f.workspace));
  steps.add<BlockUpdate>(c.batch * across * down,
                         {.rows = word(c.rows),
                          .columns = word(c.columns),
                          .begin = word(block.begin),
                          .end = word(block.end),
                          .first_column = word(first_column),
                          .factors = FactorWords(f),
                          .tiles_across = Divisor(across),
                          .tiles_down = Divisor(down)},
                         touched, layout);
}

}  // namespace nxv::kernels

#include "kernels/linear/householder.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/linear/reflection.h"

namespace nxv::kernels {
namespace {

using ir::Value;

struct MakeReflection {
  static constexpr std::string_view kName = "reflection";
  using Layout = NoLayout;
  struct Words {
    uint32_t rows = 0, columns = 0, column = 0, diagonal = 0;
  };
  static StepOptions options(NoLayout) {
    return {
        .kernel = kName, .workspaces = 3, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<MakeReflection>& k) {
    const Reflecting h{k.workspace(0),        k.workspace(1),           k.workspace(2),
                       k.words[&Words::rows], k.words[&Words::columns], k.words[&Words::diagonal]};
    k.each_item([&](Value matrix) { reflect(k, h, matrix, k.words[&Words::column]); });
  }
};

void add_reflection(Steps& steps, const Householder& h, uint64_t column) {
  steps.add<MakeReflection>(
      h.batch,
      {.rows = word(h.rows),
       .columns = word(h.columns),
       .column = word(column),
       .diagonal = word(h.diagonal())},
      {.workspaces = {updates(h.matrices), writes(h.factors), reads(h.sizes)}});
}

Tile tile_of(const Steps& steps, uint64_t rows, uint64_t columns) {
  Tile tile{lanes_of(steps.target, kManyLanes), 32};
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

// A tile of columns of a matrix.
struct ApplyReflection {
  static constexpr std::string_view kName = "reflect";
  struct Layout {
    uint32_t tile_columns = 1;
    Choice<bool> is_in_place = false;  // the matrix that is reflected has the reflections in it
  };
  struct Words {
    uint32_t rows = 0, stride = 0;  // of v
    uint32_t reflection = 0, diagonal = 0;
    uint32_t columns = 0, begin = 0;
    Divisor tiles;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName,
            .workspaces = layout.is_in_place ? 2 : 3,
            .worker = Worker::workgroup,
            .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<ApplyReflection>& k) {
    const Value factors = k.workspace(0), to = k.workspace(1);
    const Value v = k.layout.is_in_place ? to : k.workspace(2);
    const Applying h{v,
                     factors,
                     to,
                     k.words[&Words::rows],
                     k.words[&Words::stride],
                     k.words[&Words::diagonal],
                     k.words[&Words::columns]};
    const Tile tile{k.lanes, k.layout.tile_columns};
    k.each_part(&Words::tiles, [&](Value matrix, Value number, Value) {
      apply(k, h, tile, matrix, k.words[&Words::reflection], k.words[&Words::begin], number);
    });
  }
};

// Applies a reflection to the columns from `begin` on of rows x columns matrices in `to`.
void add_application(Steps& steps, const Householder& h, uint64_t reflection, int to,
                     uint64_t columns, uint64_t begin) {
  const Tile tile = tile_of(steps, h.rows, columns);
  const uint64_t tiles = divide_up(columns - begin, tile.columns);
  const bool is_in_place = to == h.matrices;
  Touched touched = {.workspaces = {reads(h.factors), updates(to)}};
  if (!is_in_place) touched.workspaces.push_back(reads(h.matrices));
  steps.add<ApplyReflection>(h.batch * tiles,
                             {.rows = word(h.rows),
                              .stride = word(h.columns),
                              .reflection = word(reflection),
                              .diagonal = word(h.diagonal()),
                              .columns = word(columns),
                              .begin = word(begin),
                              .tiles = Divisor(tiles)},
                             touched, {tile.columns, is_in_place});
}

// What an invocation by itself applies to, a column at a time.
constexpr Tile kOneColumn{1, 1};

void apply_to_columns(LinearKernel& k, const Applying& h, Value matrix, Value reflection,
                      Value begin) {
  k.b.for_range(begin, h.columns, k.b.u32(1), [&](Value column) {
    apply(k, h, kOneColumn, matrix, reflection, column, k.b.u32(0));
  });
}

// All reflections of a matrix.
struct LoneTriangularization {
  static constexpr std::string_view kName = "lone_reflection";
  using Layout = NoLayout;
  struct Words {
    StepRange reflections;
    uint32_t rows = 0, columns = 0, diagonal = 0;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = "reflection", .workspaces = 3, .worker = Worker::lone};
  }
  static void emit(StepKernel<LoneTriangularization>& k) {
    const Value a = k.workspace(0), factors = k.workspace(1), sizes = k.workspace(2);
    const Value rows = k.words[&Words::rows], columns = k.words[&Words::columns];
    const Value diagonal = k.words[&Words::diagonal];
    each_step(k, k.words[&Words::reflections], [&](Value matrix, Value column) {
      reflect(k, {a, factors, sizes, rows, columns, diagonal}, matrix, column);
      apply_to_columns(k, {a, factors, a, rows, columns, diagonal, columns}, matrix, column,
                       column + 1u);
    });
  }
};

void add_lone_triangularization(Steps& steps, const Householder& h, uint64_t count) {
  if (count == 0) return;
  steps.add<LoneTriangularization>(
      h.batch,
      {.reflections = {0, count},
       .rows = word(h.rows),
       .columns = word(h.columns),
       .diagonal = word(h.diagonal())},
      {.workspaces = {updates(h.matrices), writes(h.factors), reads(h.sizes)}});
}

// To which columns a reflection is applied: to all, or to those from its own on.
enum class From : uint8_t { first, own };

// Reflections of a matrix, last one first.
struct LoneReflections {
  static constexpr std::string_view kName = "lone_reflect";
  struct Layout {
    Choice<From> from = From::first;
  };
  struct Words {
    StepRange steps;
    uint32_t rows = 0, stride = 0, diagonal = 0;  // of v
    uint32_t columns = 0, last = 0;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = layout.from == From::own ? "reflect own" : "reflect",
            .workspaces = 3,
            .worker = Worker::lone};
  }
  static void emit(StepKernel<LoneReflections>& k) {
    const Applying h{k.workspace(0),          k.workspace(1),          k.workspace(2),
                     k.words[&Words::rows],   k.words[&Words::stride], k.words[&Words::diagonal],
                     k.words[&Words::columns]};
    each_step(k, k.words[&Words::steps], [&](Value matrix, Value step) {
      const Value reflection = k.words[&Words::last] - step;
      apply_to_columns(k, h, matrix, reflection,
                       k.layout.from == From::own ? reflection : k.b.u32(0));
    });
  }
};

void add_lone_reflections(Steps& steps, const Householder& h, uint64_t count, uint64_t columns,
                          From from, int to) {
  if (count == 0) return;
  steps.add<LoneReflections>(h.batch,
                             {.steps = {0, count},
                              .rows = word(h.rows),
                              .stride = word(h.columns),
                              .diagonal = word(h.diagonal()),
                              .columns = word(columns),
                              .last = word(count - 1)},
                             {.workspaces = {reads(h.matrices), reads(h.factors), updates(to)}},
                             {from});
}

struct Identity {
  static constexpr std::string_view kName = "identity";
  using Layout = NoLayout;
  struct Words {
    Divisor columns, rows;
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 1}; }
  static void emit(StepKernel<Identity>& k) {
    k.each_item([&](Value i) {
      const ElementPlace at = place_of(k.words, i, &Words::rows, &Words::columns);
      k.store(k.workspace(0), i, k.real(k.b.select(at.row == at.column, k.number(1), k.zero)));
    });
  }
};

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
  steps.add<Identity>(h.batch * h.rows * columns,
                      {.columns = Divisor(columns), .rows = Divisor(h.rows)},
                      {.workspaces = {writes(to)}});
  const uint64_t count = h.reflections(is_complex(steps.working));
  if (steps.are_lone(h.rows, h.columns)) {
    return add_lone_reflections(steps, h, count, columns, From::own, to);
  }
  for (uint64_t column = count; column-- > 0;) {
    add_application(steps, h, column, to, columns, column);
  }
}

}  // namespace nxv::kernels

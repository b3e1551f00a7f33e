#include "kernels/matmul/matmul_tile.h"

#include "kernels/common/divide_up.h"

namespace nxv::kernels {

std::string MatmulTile::name() const {
  static constexpr const char* kNames[] = {"plain", "registers", "shared", "units", "lines"};
  std::string s = kNames[static_cast<int>(Kind(kind))];
  for (uint32_t v : {rows, columns, depth, thread_rows, thread_columns}) {
    s += '_' + std::to_string(v);
  }
  if (total_in_output) s += "_c";
  if (split) s += "_w";
  if (parts > 1) s += std::to_string(parts);
  if (is_packed) s += "_p";
  if (shuffle) s += "_s";
  if (teams > 1) s += "_t" + std::to_string(teams);
  return s;
}

MatmulTile register_tile(uint32_t lanes, uint32_t rows, uint32_t columns, bool shuffle) {
  MatmulTile t;
  t.kind = MatmulTile::Kind::registers;
  t.rows = t.thread_rows = rows;
  t.columns = columns * lanes;
  t.thread_columns = columns;
  t.depth = 4;
  t.shuffle = shuffle;
  return t;
}

MatmulTile shared_tile(uint32_t rows, uint32_t columns, uint32_t depth, uint32_t thread_rows,
                       uint32_t thread_columns, bool total_in_output) {
  MatmulTile t;
  t.kind = MatmulTile::Kind::shared;
  t.rows = rows;
  t.columns = columns;
  t.depth = depth;
  t.thread_rows = thread_rows;
  t.thread_columns = thread_columns;
  t.total_in_output = total_in_output;
  return t;
}

MatmulTile line_tile(bool lines_are_rows, uint32_t vectors, uint32_t lanes, uint32_t thread_lines,
                     uint32_t depth) {
  MatmulTile t;
  t.kind = MatmulTile::Kind::lines;
  t.rows = t.thread_rows = t.columns = t.thread_columns = vectors;
  (lines_are_rows ? t.rows : t.columns) = lanes * thread_lines;
  (lines_are_rows ? t.thread_rows : t.thread_columns) = thread_lines;
  t.depth = depth;
  return t;
}

MatmulTile packed(MatmulTile tile) {
  tile.depth *= 4;
  tile.is_packed = true;
  return tile;
}

MatmulTile with_teams(MatmulTile tile, uint32_t teams) {
  tile.teams = teams;
  return tile;
}

MatmulTile with_parts(MatmulTile tile, uint32_t parts) {
  tile.parts = parts;
  tile.split = parts > 1;
  return tile;
}

uint64_t steps_of_part(uint64_t k, uint32_t parts) {
  constexpr uint64_t kUnit = 64;  // the longest slab
  return parts == 1 ? k : divide_up(divide_up(k, uint64_t{parts}), kUnit) * kUnit;
}

MatmulTile unit_tile(const plan::DevicePlan& plan, uint32_t rows, uint32_t columns, uint32_t depth,
                     uint32_t subgroup_rows, uint32_t subgroup_columns) {
  MatmulTile t;
  t.kind = MatmulTile::Kind::units;
  t.rows = rows;
  t.columns = columns;
  t.depth = depth;
  t.thread_rows = subgroup_rows;
  t.thread_columns = subgroup_columns;
  t.lanes = plan.matrix_subgroup_size;
  if (!plan.tuning.has_few_registers()) return t;
  // Half of them for sums. Sums are stored by 16 rows and 32 columns.
  const auto is_large = [&] {
    return t.thread_rows * t.thread_columns > t.lanes * plan.tuning.lane_registers / 2;
  };
  while (is_large() && t.thread_rows > 16) t.thread_rows /= 2;
  while (is_large() && t.thread_columns > 32) t.thread_columns /= 2;
  return t;
}

}  // namespace nxv::kernels

#include "kernels/matmul/matmul_tile.h"

namespace nxv::kernels {

std::string MatmulTile::name() const {
  static constexpr const char* kNames[] = {"plain", "registers", "shared", "units", "lines"};
  std::string s = kNames[static_cast<int>(Kind(kind))];
  for (uint32_t v : {rows, columns, depth, thread_rows, thread_columns}) {
    s += '_' + std::to_string(v);
  }
  if (total_in_output) s += "_c";
  if (split) s += "_w";
  if (is_packed) s += "_p";
  if (shuffle) s += "_s";
  if (chain) s += "_k" + std::to_string(chain);
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

MatmulTile unit_tile(uint32_t subgroup, uint32_t rows, uint32_t columns, uint32_t depth,
                     uint32_t subgroup_rows, uint32_t subgroup_columns, uint32_t chain) {
  MatmulTile t;
  t.kind = MatmulTile::Kind::units;
  t.rows = rows;
  t.columns = columns;
  t.depth = depth;
  t.thread_rows = subgroup_rows;
  t.thread_columns = subgroup_columns;
  t.lanes = subgroup;
  t.chain = chain;
  return t;
}

}  // namespace nxv::kernels

// Points of a region's spaces.
#pragma once

#include <vector>

#include "graph/region.h"
#include "ir/builder.h"

namespace nxv::kernels {

// Points at which expressions are evaluated together.
struct Points {
  std::vector<ir::Value> rows;  // one or kGroup linear row indices, all below the row count
  std::vector<ir::Value> cols;  // linear column indices of rows[0]: none, one or groups of kGroup
  // The values of `cols` where they are known: of fixed columns (see Region) all or none.
  std::vector<uint32_t> fixed_cols;
  // How far each point lies beyond its fixed column along the last axis; empty: not at all.
  std::vector<uint32_t> beyond;
  // The kGroup rows are one aligned group; its index.
  ir::Value row_group;
  // The elements at `cols` are aligned groups; their indices. Empty when they are not.
  std::vector<ir::Value> element_groups;
  ir::Value element_base;  // rows[0] * column count, when there are columns
  // The row count. Rows of row_group beyond it are not real: they repeat the last one in `rows`,
  // hold anything in loads of whole groups, and report no fault.
  ir::Value row_end;
  // The column count, where the root has elements for columns.
  ir::Value col_end;
  // When rows is one of row_group's: its number, which may lie beyond the end. Names faults.
  ir::Value real_row;
};

inline int lane_count(Level level, const Points& points) {
  return static_cast<int>(level == Level::row ? points.rows.size() : points.cols.size());
}

}  // namespace nxv::kernels

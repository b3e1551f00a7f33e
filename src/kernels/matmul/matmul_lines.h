// Products with few rows or columns, at the speed of memory: the larger factor is read once.
//
// The larger factor is made of lines along k, each of which is multiplied with all of the few
// vectors of the other: columns of B with rows of A where C has few rows, rows of A with columns of
// B where it has few columns.
#pragma once

#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

struct LineLayout {
  MatmulTile tile;
  Accumulation sums;
  // Of lines. Neighbouring elements are loaded at once where `aligned`: those of the lines of an
  // invocation, or 16 bytes along k.
  FactorAccess lines;
  Choice<bool> vector_groups = false;  // every fourth element of a vector starts a group along k
  // A team's steps of the vector, of adjacent lines and one vector, pass through shared memory as
  // they are multiplied: converted once, and never waited for behind the lines.
  Choice<bool> shared_vector = false;
  StoreLayout store;
  Choice<bool> is_full = false;       // no line or vector lies beyond an edge
  Choice<bool> whole_depth = false;   // no block passes the end of k,
  Choice<bool> whole_rounds = false;  // and every team has one whenever others have
};

struct LineTileWords {
  uint32_t groups = 0;   // workgroups
  Divisor tiles;         // of a batch
  Divisor block_groups;  // split: workgroups along k
  uint32_t blocks = 0;   // split
  uint32_t count = 0;    // split: elements of C
};

// How lines are loaded by invocations that have so many.
FactorAccess line_access(const Product& product, bool lines_are_rows, uint32_t thread_lines);
// Why a layout that is complete otherwise should not share its vector; null: it should.
const char* shared_vector_obstacle(const LineLayout& layout, const Target& target);

// Workspaces: split: the sums of blocks [block][element]; else the totals, if they go there.
ir::Kernel generate_line_matmul(const Region&, const Target&, const LineLayout&);
inline constexpr Family<LineLayout> kLineMatmul = {"matmul_lines", generate_line_matmul};

}  // namespace nxv::kernels

// Matrix products by tiles of C, in the registers of invocations.
#pragma once

#include "kernels/common/word_values.h"
#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

struct TileLayout {
  MatmulTile tile;
  Accumulation sums;
  FactorAccess a, b;
  PackedAccess packed_a, packed_b;      // of packed tiles
  Choice<bool> several_blocks = false;  // K is longer than one
  StoreLayout store;
  // Of shared tiles: no step lies beyond the end of k, and no row or column beyond an edge.
  Choice<bool> is_full = false;
  // Of shared tiles: computes the batches of a split product whose verdict is against matrix units.
  Choice<bool> rejected = false;
};

struct TileWords {
  uint32_t groups = 0;              // tiles times parts
  Divisor column_tiles, row_tiles;  // of a batch
  // Of tiles that are split along k:
  Divisor tiles;            // of a part
  uint32_t part_steps = 0;  // of a part, but for the last one
  // Elements of C; and the part of the workspace that is the first one's.
  uint32_t count = 0, first_part = 0;
};

// What a workgroup takes: a tile, of all steps along k or of a part of them.
struct TilePart {
  ir::Value tile, part;  // no part: of all
};
inline TilePart part_of(const WordValues<TileWords>& words, ir::Value group, bool is_split) {
  if (!is_split) return {group, {}};
  const ir::Value part = words.divide(group, &TileWords::tiles);
  return {group - part * words[&TileWords::tiles], part};
}

// Workspaces: of `rejected` what lines of factors are like, with LineWords behind those of tiles
// (split_lines.h); the totals, if they go there.
ir::Kernel generate_register_matmul(const Region&, const Target&, const TileLayout&);
ir::Kernel generate_shared_matmul(const Region&, const Target&, const TileLayout&);

inline constexpr Family<TileLayout> kRegisterMatmul = {"matmul_registers",
                                                       generate_register_matmul};
inline constexpr Family<TileLayout> kSharedMatmul = {"matmul_shared", generate_shared_matmul};

}  // namespace nxv::kernels

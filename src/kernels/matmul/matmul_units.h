// Matrix products on matrix units (16 x 16 cooperative matrices): f16 and bf16 as they are, added
// up in f32; f32 split (split_lines.h) or scaled (scaled_lines.h); 8-bit integers, added up in 32
// bits.
#pragma once

#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/matmul_tiled.h"
#include "kernels/matmul/scaled_lines.h"

namespace nxv::kernels {

// Columns of the part of C that a subgroup hands to memory at once, through shared memory: sixteen
// rows each, at an odd distance in chunks of 16 bytes.
inline constexpr uint32_t kPieceColumns = 32, kPieceStride = kPieceColumns / 4 + 1;
inline uint32_t piece_chunks(const MatmulTile& tile) {
  return tile.threads() / tile.lanes * ir::kMatrixSide * kPieceStride;
}

struct UnitLayout {
  MatmulTile tile;
  Choice<UnitFactors> factors;
  Accumulation sums;
  ChunkAccess a, b;
  // integers: steps along k of a matrix, and whether its sums are s32, else u32.
  uint32_t matrix_steps = 0;
  Choice<bool> signed_sums = false;
  PackedAccess packed_a, packed_b;
  ScaleLayout scales;               // scaled
  Choice<bool> own_scales = false;  // split: has_own_scales
  StoreLayout store;
  Choice<bool> is_full = false;  // no step lies beyond the end of k, nor a row or column outside
};

// Steps along k of an iteration.
inline uint32_t unit_steps(const MatmulTile& tile, UnitFactors factors) {
  return factors == UnitFactors::split ? std::max(tile.depth, kSplitChain) : tile.depth;
}

// Words: TileWords; SplitWords where f32 is split, ScaledWords where it is scaled. Workspaces: the
// lines, of f32; the totals, if they go there.
struct ScaledWords {
  TileWords tiles;
  ScaleWords scales;
};
ir::Kernel generate_unit_matmul(const Region&, const Target&, const UnitLayout&);
inline constexpr Family<UnitLayout> kUnitMatmul = {"matmul_units", generate_unit_matmul};

}  // namespace nxv::kernels

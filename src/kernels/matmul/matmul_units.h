// Matrix products on matrix units (16 x 16 cooperative matrices): f16 and bf16 as they are, added
// up in f32; f32 split (split_lines.h) or scaled (scaled_lines.h).
#pragma once

#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/matmul_tiled.h"
#include "kernels/matmul/scaled_lines.h"

namespace nxv::kernels {

struct UnitLayout {
  MatmulTile tile;
  Choice<UnitFactors> factors;
  ChunkAccess a, b;
  ScaleLayout scales;  // scaled
  StoreLayout store;
  Choice<bool> is_full = false;  // no step lies beyond the end of k, nor a row or column outside
};

// Words: TileWords; SplitWords where f32 is split, ScaledWords where it is scaled. Workspaces: the
// lines, of f32; the totals, if they go there.
struct ScaledWords {
  TileWords tiles;
  ScaleWords scales;
};
ir::Kernel generate_unit_matmul(const Region&, const Target&, const UnitLayout&);
inline constexpr Family<UnitLayout> kUnitMatmul = {"matmul_units", generate_unit_matmul};

}  // namespace nxv::kernels

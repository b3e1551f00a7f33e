// Matrix products on matrix units (16 x 16 cooperative matrices): f16 and bf16 as they are, added
// up in f32; f32 split (split_lines.h).
#pragma once

#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/matmul_tiled.h"

namespace nxv::kernels {

struct UnitLayout {
  MatmulTile tile;
  Choice<UnitFactors> factors;
  ChunkAccess a, b;
  StoreLayout store;
  Choice<bool> is_full = false;  // no step lies beyond the end of k, nor a row or column outside
};

// Words: TileWords; SplitWords where f32 is split. Workspaces: the lines where f32 is split; the
// totals, if they go there.
ir::Kernel generate_unit_matmul(const Region&, const Target&, const UnitLayout&);
inline constexpr Family<UnitLayout> kUnitMatmul = {"matmul_units", generate_unit_matmul};

}  // namespace nxv::kernels

// Sums of parts of a product -> C, four elements an invocation: where rows of C are whole groups.
#pragma once

#include "kernels/matmul/product.h"

namespace nxv::kernels {

// Parts whose sums are loaded at once: few, and where there are many of them.
inline constexpr uint32_t kFewParts = 4, kManyParts = 32;

struct TotalsLayout {
  Accumulation sums;
  uint32_t workgroup = 256;
  uint32_t together = kFewParts;
  // f32 that matrix units may have added up in parts of their own: verdicts tell.
  Choice<bool> judged = false;
};

// Words: PlainWords, whose units are groups of four elements and whose blocks are the parts;
// JudgedWords (split_lines.h) where totals are judged. Workspaces: the lines, where they are; the
// sums, [part][element].
ir::Kernel generate_matmul_totals(const Region&, const Target&, const TotalsLayout&);
inline constexpr Family<TotalsLayout> kMatmulTotals = {"matmul_totals", generate_matmul_totals};

}  // namespace nxv::kernels

// Lowerings of the operations of linear algebra, a file each.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

Lowering lower_triangular_solve(const Region& region, const Target& target);
Lowering lower_cholesky(const Region& region, const Target& target);
Lowering lower_lu(const Region& region, const Target& target);
Lowering lower_qr(const Region& region, const Target& target);
Lowering lower_eigh(const Region& region, const Target& target);
Lowering lower_svd(const Region& region, const Target& target);

}  // namespace nxv::kernels

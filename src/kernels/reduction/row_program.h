// Rows in registers: reductions and row programs of rows that a workgroup can hold.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Whether the elements of a row lie side by side and cost at most `max_cost` (kOps) each, so that
// straight-line code for many of them stays small.
bool unrolls(const Region& region, int max_cost);

// Why a reduction or row program is not faster, on this device, with its rows kept in registers
// than with one loop over memory for each reduction; null: it is.
const char* registers_obstacle(const Region& region, const Target& target);
// The same bits as lower_reduction gives otherwise.
Lowering lower_rows_in_registers(const Region& region, const Target& target);

}  // namespace nxv::kernels

// Where an invocation stands in a folded grid (see fold_groups).
#pragma once

#include "ir/builder.h"

namespace nxv::kernels {

ir::Value linear_group(ir::Builder& b);

}  // namespace nxv::kernels

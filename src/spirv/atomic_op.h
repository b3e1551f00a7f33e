// The instruction of an atomic that returns the old value, on a buffer or a shared array.
#pragma once

#include <spirv/unified1/spirv.hpp11>

#include "ir/kernel.h"

namespace nxv::spirv {

spv::Op atomic_op(const ir::Inst& inst);

}  // namespace nxv::spirv

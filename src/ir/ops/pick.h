// One of several values, by an index that is known at run time.
#pragma once

#include <span>

#include "ir/ops/number.h"

namespace nxv::ir {

// values[index] for a u32 index below their count.
Value pick(std::span<const Value> values, Value index);
Number pick(std::span<const Number> values, Value index);

}  // namespace nxv::ir

// Where cooperative matrices are among the values: one of each subgroup, elements by rows.
#pragma once

#include "testing/interpreter/machine.h"

namespace nxv::testing {

inline uint64_t element_mask(ir::Type t) { return (uint64_t{1} << (8 * ir::bytes(t))) - 1; }

// Of the subgroup whose first invocation is given.
inline uint64_t* matrix_of(Machine& m, uint32_t id, uint32_t first) {
  return m.value(id) + size_t{first / m.subgroup_size} * elements(m.kernel.body[id].type);
}

}  // namespace nxv::testing

// Linear algebra: triangular solves, decompositions.
#include "library/families.h"

namespace nxv::library {

std::span<const Row> linear_rows() { return {}; }

}  // namespace nxv::library

// Sorting: sorts and scans.
#include "library/families.h"

namespace nxv::library {

std::span<const Row> sorting_rows() { return {}; }

}  // namespace nxv::library

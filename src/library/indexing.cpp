// Indexing: gathers, scatters, slices at dynamic starts.
#include "library/families.h"

namespace nxv::library {

std::span<const Row> indexing_rows() { return {}; }

}  // namespace nxv::library

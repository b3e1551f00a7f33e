#include "library_case.h"

namespace nxv::conformance {

std::span<const Translation> indexing_cases() { return {}; }

}  // namespace nxv::conformance

#include "library_case.h"

namespace nxv::conformance {

std::span<const Translation> sorting_cases() { return {}; }

}  // namespace nxv::conformance

#include "library_case.h"

namespace nxv::conformance {

std::span<const Translation> linear_cases() { return {}; }

}  // namespace nxv::conformance

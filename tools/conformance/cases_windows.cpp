#include "library_case.h"

namespace nxv::conformance {

std::span<const Translation> windows_cases() { return {}; }

}  // namespace nxv::conformance

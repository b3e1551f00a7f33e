#include "library_case.h"

namespace nxv::conformance {

std::span<const Translation> transforms_cases() { return {}; }

}  // namespace nxv::conformance

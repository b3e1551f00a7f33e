// Transforms: Fourier transforms.
#include "library/families.h"

namespace nxv::library {

std::span<const Row> transforms_rows() { return {}; }

}  // namespace nxv::library

// Philox 4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3; SC 2011) and what is
// drawn from it.
#pragma once

#include <array>
#include <cstdint>

#include "graph/node.h"
#include "testing/reference/reference.h"

namespace nxv::reference {

using PhiloxBlock = std::array<uint32_t, 4>;
PhiloxBlock philox(PhiloxBlock counter, std::array<uint32_t, 2> key);

// Element `index` of the stream: f64 uses two words an element, other types one.
float uniform_f32(const RandomAttr& stream, uint64_t index);
double uniform_f64(const RandomAttr& stream, uint64_t index);

HostTensor evaluate_random(const Node& node);

}  // namespace nxv::reference

// Random calls of the operations by name: operands of random shapes (ranks 0 to 6), types and
// values, and random options, all of which the operation accepts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/build.h"

namespace nxv {

// The names that random_call knows.
std::vector<std::string> random_call_names();

// A call of `name`; its results. Equal for equal seeds, whatever the owner.
std::vector<NodeRef> random_call(const GraveyardRef& owner, const std::string& name, uint64_t seed);

}  // namespace nxv

// Random calls of single operations, of the library's by name and of the table's: operands of
// random shapes (ranks 0 to 6), types and values, and random options, all of which the operation
// accepts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/build.h"
#include "testing/random/dice.h"

namespace nxv {

// All that can be drawn: names of the library, and "op name" for the table's.
std::vector<std::string> random_call_names();

struct RandomCall {
  std::string name;
  std::vector<NodeRef> results;
};

// Equal for equal seeds, whatever the owner.
RandomCall random_call(const GraveyardRef& owner, uint64_t seed);
// Of one name of the library.
RandomCall random_call_of(const GraveyardRef& owner, const std::string& name, Dice dice);

}  // namespace nxv

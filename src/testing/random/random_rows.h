// Random graphs of few shapes, of which many values are asked for: matrices, what folds of their
// rows give, and what is made of both. Much of it has the same points, for regions of several
// roots.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/build.h"
#include "testing/random/dice.h"

namespace nxv {

// Equal for equal dice, whatever the owner. Nothing in the graph raises.
std::vector<NodeRef> random_rows(const GraveyardRef& owner, Dice dice);

}  // namespace nxv

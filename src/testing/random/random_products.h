// Random graphs of matrix products and what is made of their elements: seen as they are, transposed
// or in another shape, by one reader or several, with values of each element, row or column beside
// them. For regions of products, with their epilogues.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/build.h"
#include "testing/random/dice.h"

namespace nxv {

// What shall be evaluated together. Equal for equal dice, whatever the owner.
std::vector<NodeRef> random_products(const GraveyardRef& owner, Dice dice);

}  // namespace nxv

// Random graphs of the op table's operations, the same on every platform for equal dice.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/build.h"
#include "testing/random/dice.h"

namespace nxv {

struct RandomGraphOptions {
  // Of leaves and casts; other nodes have the types that their operations give.
  std::vector<DType> dtypes = {DType::f32, DType::s32, DType::u8};
  std::vector<Op> ops;  // empty: the whole table; `data` leaves are always made
  int size = 16;        // operations besides leaves, about
  int max_roots = 3;
  int max_rank = 4;
  int64_t max_elements = 4096;  // of any node
  bool special_values = true;   // NaN, infinities, zeros of both signs, subnormals, bounds
};

// A drawing of the options too: types, sizes; every operation.
RandomGraphOptions random_graph_options(uint64_t seed);

// Shapes of rank 0 to max_rank with small and a few larger dimensions; operands are shared,
// broadcast and seen through views. Nothing in the graph raises: integer divisors are not zero,
// shift amounts and integer exponents not negative. `given` nodes are operands, too. Returns the
// roots, no more than max_roots.
std::vector<NodeRef> random_graph(const GraveyardRef& owner, Dice dice,
                                  const RandomGraphOptions& options = {},
                                  std::vector<NodeRef> given = {});

}  // namespace nxv

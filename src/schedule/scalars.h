// Words that scalars of the graph travel in.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/node.h"
#include "graph/words.h"

namespace nxv::schedule {

// Appends those of a constant or of a random stream: what Expr::words of a constant and Expr::extra
// of a stream refer to. How many there are follows from operation and type.
void append_scalars(const Node& node, std::vector<uint32_t>& words);

// Writes the same over those that are there, from word `at` on. `scratch` keeps its capacity.
void write_scalars(const Node& node, WordIndex at, std::vector<uint32_t>& words,
                   std::vector<uint32_t>& scratch);

}  // namespace nxv::schedule

// Words that scalars of the graph travel in.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/node.h"
#include "graph/words.h"

namespace nxv::schedule {

// Appends those of a constant, of a scalar argument (zeros), or of a random stream: what
// Expr::words of a constant and Expr::extra of a stream refer to. How many there are follows from
// operation and type.
void append_scalars(const Node& node, std::vector<uint32_t>& words);

// Writes those of a constant over those that are there, from word `at` on. `scratch` keeps its
// capacity.
void write_scalar(const Scalar& value, WordIndex at, std::vector<uint32_t>& words,
                  std::vector<uint32_t>& scratch);

// The same with those of a constant or of a random stream.
void write_scalars(const Node& node, WordIndex at, std::vector<uint32_t>& words,
                   std::vector<uint32_t>& scratch);

}  // namespace nxv::schedule

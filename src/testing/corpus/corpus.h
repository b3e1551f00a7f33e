// A fixed corpus of graphs whose kernels are compared between versions of the code: every family of
// kernels at sizes that choose each of its layouts, random graphs and random calls. Nothing is
// computed, so tensors may be larger than any memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/build.h"

namespace nxv::testing {

struct CorpusGraph {
  std::string name;
  std::function<std::vector<NodeRef>(const GraveyardRef& owner)> build;
  bool is_random = false;
};
std::vector<CorpusGraph> corpus();

}  // namespace nxv::testing

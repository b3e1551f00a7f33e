// Calls at the sizes of real work, on tensors that have no bytes.
#pragma once

#include <vector>

#include "testing/corpus/corpus.h"

namespace nxv::testing {

std::vector<CorpusGraph> large_cases();

}  // namespace nxv::testing

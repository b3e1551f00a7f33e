#include "testing/corpus/corpus.h"

#include "testing/corpus/kernel_cases.h"
#include "testing/corpus/large_cases.h"
#include "testing/random/random_call.h"
#include "testing/random/random_graph.h"

namespace nxv::testing {
namespace {

constexpr uint64_t kGraphs = 80, kCalls = 240;

}  // namespace

std::vector<CorpusGraph> corpus() {
  std::vector<CorpusGraph> all;
  for (const KernelCase& c : kernel_cases()) all.push_back({c.name, c.build});
  for (CorpusGraph& graph : large_cases()) all.push_back(std::move(graph));
  for (uint64_t seed = 0; seed < kGraphs; ++seed) {
    all.push_back({"graph " + std::to_string(seed),
                   [seed](const GraveyardRef& owner) {
                     return random_graph(owner, seed, random_graph_options(seed));
                   },
                   true});
  }
  for (uint64_t seed = 0; seed < kCalls; ++seed) {
    all.push_back({"call " + std::to_string(seed),
                   [seed](const GraveyardRef& owner) { return random_call(owner, seed).results; }});
  }
  return all;
}

}  // namespace nxv::testing

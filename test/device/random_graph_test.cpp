// Random graphs on the device: fused and one operation at a time give the same bits, and each
// operation what the reference makes of the same operands.
#include "testing/random/random_graph.h"

#include <gtest/gtest.h>

#include <set>

#include "testing/driver/engine_pair.h"
#include "testing/driver/spirv_validate.h"

namespace nxv::runtime {
namespace {

class Graphs {
 public:
  bool is_open() const { return engines_.is_open(); }

  void check(uint64_t first, uint64_t end) {
    for (uint64_t seed = first; seed < end; ++seed) {
      const RandomGraphOptions options = random_graph_options(seed);
      validate(random_graph(engines_.fused().graveyard(), seed, options));
      engines_.check_graph(seed, options);
    }
    const Counters fused = engines_.fused().counters(), apart = engines_.apart().counters();
    std::cout << end - first << " graphs: " << fused.dispatches << " dispatches of "
              << fused.kernels_compiled << " kernels fused, " << apart.dispatches << " of "
              << apart.kernels_compiled << " apart, " << donations() << " results in place, "
              << valid_.size() << " modules valid\n";
  }

 private:
  // Every kernel of the schedule, once.
  void validate(const std::vector<NodeRef>& roots) {
    std::vector<Node*> pending;
    for (const NodeRef& root : roots) {
      if (root->op != Op::data) pending.push_back(root.get());
    }
    engines_.fused().call([&](Executor& executor, vulkan::Device&) {
      for (const schedule::Item& step : schedule::make_schedule(pending, executor.options())) {
        if (step.is_alias) continue;
        for (const auto& dispatch : kernels::lower(step.region, executor.target()).launches) {
          if (!valid_.insert(dispatch.key).second) continue;
          const vulkan::ShaderModule module = executor.compile(dispatch.generate(step.region));
          EXPECT_EQ(testing::validate_spirv(module.words), "");
        }
      }
    });
  }

  uint64_t donations() {
    uint64_t n = 0;
    engines_.fused().call(
        [&](Executor& executor, vulkan::Device&) { n = executor.stats().donations; });
    return n;
  }

  EnginePair engines_;
  std::set<std::string> valid_;
};

TEST(RandomGraph, FusedIsBitwiseUnfusedAndRight) {
  Graphs graphs;
  if (!graphs.is_open()) GTEST_SKIP() << "no Vulkan device here";
  graphs.check(0, 200);
}

// Regions of several roots.
TEST(RandomGraph, RowsFusedAreBitwiseRowsUnfused) {
  EnginePair engines;
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  for (uint64_t seed = 0; seed < 200; ++seed) engines.check_rows(seed);
}

// Products and what is made of their elements.
TEST(RandomGraph, ProductsFusedAreBitwiseProductsUnfused) {
  EnginePair engines;
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  for (uint64_t seed = 0; seed < 150; ++seed) engines.check_products(seed);
  const Counters fused = engines.fused().counters(), apart = engines.apart().counters();
  EXPECT_LT(2 * fused.dispatches, apart.dispatches);
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(RandomGraph, DISABLED_LongProductsFusedAreBitwiseProductsUnfused) {
  EnginePair engines;
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  for (uint64_t seed = 1000; seed < 3000; ++seed) engines.check_products(seed);
}

TEST(RandomGraph, DISABLED_LongFusedIsBitwiseUnfusedAndRight) {
  Graphs graphs;
  if (!graphs.is_open()) GTEST_SKIP() << "no Vulkan device here";
  graphs.check(10000, 12000);
}

}  // namespace
}  // namespace nxv::runtime

// Random functions with loops and branches: a call, which runs a program of fused kernels, has the
// bits of the same graph evaluated one node at a time, with loops and branches run by the host.
#include "testing/random/random_function.h"

#include <gtest/gtest.h>

#include "testing/driver/engine_pair.h"

namespace nxv::runtime {
namespace {

// A node by itself, of inputs that come from the host.
HostTensor alone(Engine& engine, const Node& node, std::span<const HostTensor* const> inputs) {
  const GraveyardRef& owner = engine.graveyard();
  if (node.op == Op::data) {
    HostTensor t(node.dtype, node.shape);
    t.bytes = *node.host_data;
    return t;
  }
  std::vector<NodeRef> nodes;
  for (const HostTensor* t : inputs) {
    nodes.push_back(host_value(owner, t->dtype, t->shape, t->bytes));
  }
  return value(engine, make_node(owner, node.op, node.dtype, node.shape, nodes, node.attributes));
}

class Functions {
 public:
  bool is_open() const { return engines_.is_open(); }

  void check(uint64_t first, uint64_t end) {
    for (uint64_t seed = first; seed < end; ++seed) {
      const RandomGraphOptions options = random_function_options(seed);
      if (needs_f64(options) && !agreement_of(engines_.fused().plan()).f64) continue;
      try {
        check(seed, options);
      } catch (const Error& e) {
        ADD_FAILURE() << "seed " << seed << ": " << e.what();
      }
    }
    const Counters fused = engines_.fused().counters(), apart = engines_.apart().counters();
    std::cout << end - first << " functions: " << fused.dispatches << " dispatches of "
              << fused.kernels_compiled << " kernels in programs, " << apart.dispatches << " of "
              << apart.kernels_compiled << " apart for " << nodes_ << " nodes\n";
  }

 private:
  using Nodes = std::vector<NodeRef>;

  static bool needs_f64(const RandomGraphOptions& options) {
    return std::any_of(options.dtypes.begin(), options.dtypes.end(),
                       [](DType t) { return to_real(t) == DType::f64; });
  }

  void check(uint64_t seed, const RandomGraphOptions& options) {
    const RandomFunction host = random_function(host_graveyard(), seed, options);
    const auto expected =
        call_by_nodes(*host.function, host.arguments,
                      [&](const Node& node, std::span<const HostTensor* const> inputs) {
                        ++nodes_;
                        return alone(engines_.apart(), node, inputs);
                      });

    Engine& engine = engines_.fused();
    const RandomFunction drawn = random_function(engine.graveyard(), seed, options);
    SCOPED_TRACE(text_of(*host.function));
    const Nodes kept = arguments(engine, drawn);
    compare(seed, "a call", engine.invoke(drawn.function, kept), expected);
    // Nobody holds these: they may be written over.
    compare(seed, "donated", engine.invoke(drawn.function, arguments(engine, drawn)), expected);
    // Temporaries that do not lie together.
    if (seed % 4 == 0) check_unplanned(seed, options, expected);
    // Scalars that the host knows, and values that are to be computed first.
    compare(seed, "known", engine.invoke(drawn.function, known(kept, drawn)), expected);
    compare(seed, "values", random_results(engine.graveyard(), seed, options, kept), expected);
  }

  static Nodes arguments(Engine& engine, const RandomFunction& drawn) {
    Nodes list;
    for (const HostTensor& t : drawn.arguments) {
      list.push_back(host_value(engine.graveyard(), t.dtype, t.shape, t.bytes));
    }
    return list;
  }

  static std::shared_ptr<Engine> open_unplanned() {
    EngineOptions options = test_options();
    options.executor.plans_temporaries = false;
    return open_or_null(options);
  }

  void check_unplanned(uint64_t seed, const RandomGraphOptions& options,
                       const std::vector<HostTensor>& expected) {
    const RandomFunction drawn = random_function(unplanned_->graveyard(), seed, options);
    const Nodes results = unplanned_->invoke(drawn.function, arguments(*unplanned_, drawn));
    compare(seed, "in blocks of their own", results, expected, *unplanned_);
  }

  Nodes known(const Nodes& kept, const RandomFunction& drawn) {
    Nodes list;
    for (size_t i = 0; i < kept.size(); ++i) {
      const HostTensor& t = drawn.arguments[i];
      list.push_back(t.shape.empty() ? constant(engines_.fused().graveyard(), t.at(0), {})
                                     : reverse(reverse(kept[i], {0}), {0}));
    }
    return list;
  }

  void compare(uint64_t seed, const std::string& how, const Nodes& results,
               const std::vector<HostTensor>& expected) {
    compare(seed, how, results, expected, engines_.fused());
  }
  static void compare(uint64_t seed, const std::string& how, const Nodes& results,
                      const std::vector<HostTensor>& expected, Engine& engine) {
    engine.evaluate(results);
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_EQ(difference(value(engine, results[i]), expected[i]), "")
          << "seed " << seed << ", " << how << ", result " << i;
    }
  }

  EnginePair engines_;
  const std::shared_ptr<Engine> unplanned_ = open_unplanned();
  uint64_t nodes_ = 0;
};

TEST(RandomFunction, ProgramsHaveTheBitsOfTheirNodes) {
  Functions functions;
  if (!functions.is_open()) GTEST_SKIP() << "no Vulkan device here";
  functions.check(0, 40);
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(RandomFunction, DISABLED_LongProgramsHaveTheBitsOfTheirNodes) {
  Functions functions;
  if (!functions.is_open()) GTEST_SKIP() << "no Vulkan device here";
  functions.check(10000, 11000);
}

}  // namespace
}  // namespace nxv::runtime

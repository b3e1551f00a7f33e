// Operations one at a time on random operands: shapes of ranks 0 to 6, types, values, options. The
// device agrees with the reference evaluator, fused and not.
#include <gtest/gtest.h>

#include "testing/driver/engine_fixture.h"
#include "testing/driver/engine_pair.h"

namespace nxv::runtime {
namespace {

void check_calls(uint64_t first, uint64_t count, const std::vector<std::string>& disabled = {}) {
  EnginePair engines(disabled);
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  for (uint64_t seed = first; seed < first + count; ++seed) engines.check_call(seed);
}

TEST(RandomCall, AgreesWithTheReference) { check_calls(0, 1000); }

// Each fallback by itself, and all at once.
TEST(RandomCall, WithoutCapabilities) {
  check_calls(2000, 25, {"f64"});
  check_calls(3000, 25, {"int64"});
  check_calls(4000, 25, {"fast_f64", "native_div", "native_sqrt"});
  check_calls(5000, 25, {"subgroup_shuffle", "subgroup_arithmetic", "subgroup_ballot"});
  check_calls(6000, 25, {"f64", "int64", "native_div", "native_sqrt", "subgroup_shuffle"});
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(RandomCall, DISABLED_LongAgreesWithTheReference) { check_calls(100000, 20000); }

TEST(RandomCall, DISABLED_LongWithoutCapabilities) {
  for (const plan::CapabilityInfo& capability : plan::capability_table()) {
    check_calls(200000, 300, {std::string(capability.name)});
  }
}

}  // namespace
}  // namespace nxv::runtime

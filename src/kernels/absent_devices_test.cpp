// Every family of kernels on devices that are not there, in the interpreter: results agree with the
// reference, and have the same bits on devices that compute alike.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "graph/build.h"
#include "schedule/schedule.h"
#include "testing/corpus/kernel_cases.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/graph_check.h"
#include "testing/random/random_call.h"
#include "testing/random/random_products.h"
#include "testing/random/random_rows.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

// ---- Devices ----

GraphEvaluator evaluator(InterpretedDevice& device) {
  return {host_graveyard(), [&](std::span<const NodeRef> nodes) { return device.evaluate(nodes); }};
}

schedule::Options one_at_a_time() {
  schedule::Options options;
  options.fuse = false;
  return options;
}

class Interpreted {
 public:
  explicit Interpreted(const AbsentDevice& d)
      : device(d),
        agreement(agreement_of(d.plan)),
        fused(d.plan, d.interpreter),
        apart(d.plan, d.interpreter, one_at_a_time()) {}

  std::string check(const std::string& label, const GraphBuilder& build) {
    return checked(label, [&] {
      return check_graph(label, build, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_call(uint64_t seed) {
    return checked("call " + std::to_string(seed), [&] {
      return check_random_call(seed, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_graph_of(uint64_t seed) {
    return checked("graph " + std::to_string(seed), [&] {
      RandomGraphOptions options = random_graph_options(seed);
      options.max_elements = seed % 5 == 0 ? 1000 : 150;
      return check_random_graph(seed, options, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_rows(uint64_t seed) {
    return checked("rows " + std::to_string(seed), [&] {
      return check_random_rows(seed, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::string check_products(uint64_t seed) {
    return checked("products " + std::to_string(seed), [&] {
      return check_random_products(seed, evaluator(fused), evaluator(apart), agreement);
    });
  }
  std::vector<HostTensor> values(const GraphBuilder& build) {
    const GraphEvaluator device_evaluator = evaluator(fused);
    return device_evaluator.evaluate(build(device_evaluator.owner));
  }

  const AbsentDevice device;
  const AgreementOptions agreement;
  InterpretedDevice fused, apart;

 private:
  template <typename Check>
  std::string checked(const std::string& label, Check check) const {
    std::string wrong;
    try {
      wrong = check();
    } catch (const Error& e) {
      wrong = label + ": " + e.what();
    }
    return wrong.empty() ? wrong : device.name + ": " + wrong;
  }
};

std::vector<std::unique_ptr<Interpreted>> open_all() {
  std::vector<std::unique_ptr<Interpreted>> all;
  for (const AbsentDevice& d : absent_devices()) all.push_back(std::make_unique<Interpreted>(d));
  return all;
}

std::string same_bits(Interpreted& a, Interpreted& b, const GraphBuilder& build) {
  const std::vector<HostTensor> x = a.values(build), y = b.values(build);
  for (size_t i = 0; i < x.size(); ++i) {
    const std::string off = difference(x[i], y[i]);
    if (!off.empty()) return b.device.name + ", result " + std::to_string(i) + ": " + off;
  }
  return {};
}

TEST(AbsentDevices, EveryFamilyOfKernels) {
  const auto devices = open_all();
  std::set<std::string> kernels;
  for (const nxv::testing::KernelCase& c : nxv::testing::kernel_cases()) {
    SCOPED_TRACE(c.name);
    for (const auto& device : devices) {
      if (c.large && !device->device.plan.has.coopmat) continue;
      EXPECT_EQ(device->check(c.name, c.build), "");
      if (device == devices[0] || !device->device.is_alike || c.bits_follow_lanes) continue;
      EXPECT_EQ(same_bits(*devices[0], *device, c.build), "");
    }
  }
  for (const auto& device : devices) {
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
    kernels.insert(device->fused.kernels().begin(), device->fused.kernels().end());
  }
  for (const char* name : {"pointwise", "transpose", "reduction", "row_program", "matmul_plain",
                           "matmul_blocks", "matmul_totals", "matmul_shared", "matmul_registers",
                           "matmul_units", "fold", "scan", "scan_totals", "rank_sort", "merge_sort",
                           "radix_count", "radix_move", "radix_count_tile", "radix_move_tile"}) {
    EXPECT_TRUE(kernels.count(name)) << "no device ran " << name;
  }
}

// Whether a call's sums follow the number of lanes.
bool has_lanes(const std::string& name) {
  static const std::set<std::string> linear = {
      "lu", "qr", "eigh", "svd", "cholesky", "solve", "invert", "determinant", "triangular_solve"};
  return linear.contains(name);
}

// Takes turns with the devices.
void check_random(uint64_t first, uint64_t count) {
  const auto devices = open_all();
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Interpreted& device = *devices[seed % devices.size()];
    EXPECT_EQ(device.check_call(seed), "");
    EXPECT_EQ(device.check_graph_of(seed), "");
    if (!device.device.is_alike) continue;
    const GraphBuilder call = [&](const GraveyardRef& owner) {
      return random_call(owner, seed).results;
    };
    if (has_lanes(random_call(host_graveyard(), seed).name)) continue;
    EXPECT_EQ(same_bits(*devices[0], device, call), "") << "seed " << seed;
  }
  for (const auto& device : devices) {
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
  }
}

// Values of the same points, of which several are asked for. What the graphs have become is
// counted: kernels of several roots, of every kind.
TEST(AbsentDevices, RootsOfOneKernel) {
  const auto devices = open_all();
  int pointwise = 0, rows = 0, programs = 0, mixed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    EXPECT_EQ(devices[seed % devices.size()]->check_rows(seed), "");
    std::vector<Node*> asked_for;
    const auto roots = random_rows(host_graveyard(), seed);
    for (const NodeRef& n : roots) asked_for.push_back(n.get());
    for (const schedule::Item& step : schedule::make_schedule(asked_for, {})) {
      const Region& region = step.region;
      if (step.is_alias || region.roots.size() == 1) continue;
      const bool has_rows = has_roots_of(region, Level::row);
      pointwise += region.kind == RegionKind::pointwise;
      rows += region.kind == RegionKind::reduction;
      programs += region.kind == RegionKind::row_program;
      mixed += has_rows && has_roots_of(region, Level::element);
    }
  }
  for (const auto& device : devices) {
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
  }
  EXPECT_GT(std::min({pointwise, rows, programs, mixed}), 10)
      << pointwise << " pointwise, " << rows << " reductions, " << programs << " row programs, "
      << mixed << " of them of both levels";
}

// Bytes among their factors are multiplied by dot products on one of the devices.
TEST(AbsentDevices, RandomProducts) {
  const auto devices = open_all();
  for (const auto& device : devices) {
    const bool has_dots = device->device.plan.has.packed_dot;
    for (uint64_t seed = 0; seed < (has_dots ? 150 : 10); ++seed) {
      EXPECT_EQ(device->check_products(seed), "");
      if (!device->device.is_alike) continue;
      const GraphBuilder build = [&](const GraveyardRef& owner) {
        return random_products(owner, seed);
      };
      EXPECT_EQ(same_bits(*devices[0], *device, build), "") << "seed " << seed;
    }
    EXPECT_EQ(device->fused.invalid() + device->apart.invalid(), "") << device->device.name;
  }
}

TEST(AbsentDevices, RandomCallsAndGraphs) { check_random(0, 64); }

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(AbsentDevices, DISABLED_LongRandomCallsAndGraphs) { check_random(1000, 8000); }

}  // namespace
}  // namespace nxv::kernels

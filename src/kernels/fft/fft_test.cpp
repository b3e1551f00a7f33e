// Fourier transforms in the interpreter, on devices that are not there.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/error.h"
#include "graph/build.h"
#include "kernels/fft/fft_butterfly.h"
#include "library/registry.h"
#include "schedule/schedule.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/reference/fourier.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

HostTensor noise(DType type, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> real(-1, 1);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    t.set(i, make_scalar(type, std::complex<double>(real(random), real(random))));
  }
  return t;
}

NodeRef transform(const NodeRef& x, bool inverse) {
  return library::make_node(Op::fft, x->dtype, x->shape, {x}, FftAttr{inverse, 0});
}

double error(InterpretedDevice& device, DType type, const Shape& shape, bool inverse) {
  const HostTensor x = noise(type, shape, static_cast<uint32_t>(shape.back()));
  const NodeRef in = host_value(host_graveyard(), type, shape, x.bytes);
  return reference::fourier_error(device.evaluate(transform(in, inverse)), x, inverse);
}

void check(const plan::DevicePlan& plan, DType type, const std::vector<int64_t>& lengths,
           double bound) {
  InterpretedDevice device(plan);
  for (int64_t n : lengths) {
    for (bool inverse : {false, true}) {
      EXPECT_LE(error(device, type, {3, n}, inverse), bound) << n << (inverse ? ", inverse" : "");
    }
  }
  EXPECT_EQ(device.invalid(), "");
}

// Every radix alone, in front and at the end; Bluestein; more than two passes.
const std::vector<int64_t> kLengths = {
    1,  2,  3,  4,  5,  6,  7,  8,   9,   10,  11,  12,  13,  14,  15,  16,  17,   19,  32,
    34, 48, 60, 66, 77, 91, 99, 121, 140, 169, 210, 225, 256, 257, 509, 512, 1000, 1728};

TEST(Fft, OnABareDevice) { check(bare_plan(), DType::c64, kLengths, 4e-7); }

// Everything inside is f64: only the last rounding shows.
TEST(Fft, ThroughFastF64) { check(discrete_plan(), DType::c64, kLengths, 6e-8); }

TEST(Fft, InF32BesideSlowF64) {
  plan::DevicePlan plan = discrete_plan();
  plan.has.fast_f64 = false;
  check(plan, DType::c64, kLengths, 4e-7);
}

TEST(Fft, OfC128) {
  check(discrete_plan(), DType::c128, kLengths, 1e-15);
  check(cpu_plan(), DType::c128, kLengths, 1e-15);
}

TEST(Fft, OnACpu) { check(cpu_plan(), DType::c64, kLengths, 6e-8); }

// Beyond the lengths that compute in f64, and of more passes.
TEST(Fft, LongRowsInF32) { check(discrete_plan(), DType::c64, {8192, 4099}, 1e-6); }

TEST(Fft, C128NeedsF64) {
  InterpretedDevice device(bare_plan());
  EXPECT_THROW(error(device, DType::c128, {4}, false), Error);
}

std::set<std::string> keys(const plan::DevicePlan& plan, int64_t rows, int64_t n) {
  const Target target = make_target(plan);
  const NodeRef in = iota(host_graveyard(), DType::c64, {}, -1);
  const NodeRef x = broadcast(in, Shape{rows, n});
  std::set<std::string> all;
  for (const schedule::Item& step : schedule::make_schedule(transform(x, false), {})) {
    if (step.is_alias || step.region.root->op != Op::fft) continue;
    for (const Launch& d : lower(step.region, target).launches) all.insert(d.key);
  }
  return all;
}

TEST(Fft, KeysDoNotDependOnSizes) {
  const plan::DevicePlan plan = discrete_plan();
  EXPECT_EQ(keys(plan, 1, 1 << 16), keys(plan, 700, 1 << 16));
  EXPECT_EQ(keys(plan, 1, 65537), keys(plan, 5, 99991));
  EXPECT_EQ(keys(plan, 1, 256), keys(plan, 9, 256));
  EXPECT_EQ(keys(plan, 1, 1 << 24).size(), keys(plan, 1, 1 << 28).size());
}

}  // namespace
}  // namespace nxv::kernels

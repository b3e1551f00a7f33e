// Functions of 16-bit floats, of every number that there is.
#include <gtest/gtest.h>

#include <cmath>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

NodeRef every_number(const GraveyardRef& owner, DType type) {
  return bitcast(cast(iota(owner, DType::s32, {1 << 16}, 0), DType::u16), type);
}

// They are computed in a few f32 operations: what lies near the middle between two numbers may be
// rounded to the other one. tanh has steps exact enough.
TEST(NarrowFunctions, AreTheNearestNumberButForTies) {
  NXV_OPEN_OR_SKIP(engine);
  for (const DType type : {DType::f16, DType::bf16}) {
    for (const Op op : {Op::exp, Op::log, Op::sigmoid, Op::tanh, Op::erf}) {
      const NodeRef y = elementwise(op, {every_number(engine->graveyard(), type)});
      const std::vector<int64_t> got =
          elements<int64_t>(*engine, cast(bitcast(y, DType::s16), DType::s64));
      const HostTensor want =
          reference_evaluate(*elementwise(op, {every_number(host_graveyard(), type)}));
      int others = 0;
      for (int64_t i = 0; i < want.count(); ++i) {
        const auto bits = static_cast<int16_t>(want.at(i).lo);
        const Scalar g{type, static_cast<uint16_t>(got[static_cast<size_t>(i)]), 0};
        // Arithmetic of f32 may flush them: negative ones, whose logarithm is none, to zero.
        const double x = to_double({type, static_cast<uint64_t>(i), 0});
        const bool is_subnormal =
            std::fabs(to_double(want.at(i))) < 0x1p-126 || std::fabs(x) < 0x1p-126;
        if (is_subnormal && !engine->plan().has.f32_subnormals) continue;
        if (std::isnan(to_double(want.at(i)))) {
          EXPECT_TRUE(std::isnan(to_double(g))) << name(op) << " of " << name(type) << ' ' << i;
          continue;
        }
        const int64_t distance = std::abs(got[static_cast<size_t>(i)] - bits);
        EXPECT_LE(distance, 1) << name(op) << " of " << name(type) << ' ' << i << ": "
                               << to_double(g) << " and " << to_double(want.at(i));
        others += distance != 0;
      }
      EXPECT_LE(others, op == Op::tanh ? 0 : 40) << name(op) << " of " << name(type);
    }
  }
}

}  // namespace
}  // namespace nxv::runtime

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "testing/interpreter/apply_test.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Opcode;
using ir::Type;
using ir::Value;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Interpreter, ComparisonsWithNaN) {
  const auto masks = map<uint32_t, float>({1.0f, 2.0f, 3.0f, kNaN}, [](Builder& b, Value v) {
    const Value two = b.f32(2.0f);
    Value mask = b.u32(0);
    int bit = 0;
    for (Opcode op : {Opcode::eq, Opcode::ne, Opcode::lt, Opcode::le, Opcode::gt, Opcode::ge}) {
      mask = mask | (b.convert(b.compare(op, v, two), ir::kU32) << bit++);
    }
    return mask;
  });
  EXPECT_EQ(masks, (std::vector{0b001110u, 0b101001u, 0b110010u, 0b000010u}));
}

TEST(Interpreter, Conversions) {
  const auto to = [](Type t) { return [t](Builder& b, Value v) { return b.convert(v, t); }; };
  EXPECT_EQ((map<int64_t, int32_t>({-1}, to(ir::kS64))[0]), -1);
  EXPECT_EQ((map<uint64_t, int32_t>({-1}, to(ir::kU64))[0]), ~uint64_t{0});
  EXPECT_EQ((map<int64_t, uint32_t>({0xffffffff}, to(ir::kS64))[0]), 0xffffffffll);
  EXPECT_EQ((map<uint32_t, uint64_t>({0x123456789}, to(ir::kU32))[0]), 0x23456789u);
  EXPECT_EQ((map<float, uint32_t>({0xffffffff}, to(ir::kF32))[0]), 4294967296.0f);
  EXPECT_EQ((map<float, int32_t>({-1}, to(ir::kF32))[0]), -1.0f);
  EXPECT_EQ((map<float, double>({1 + 0x1p-24}, to(ir::kF32))[0]), 1.0f);
  EXPECT_EQ((map<uint64_t, double>({0x1p63}, to(ir::kU64))[0]), 1ull << 63);
  const auto truth = [](Builder& b, Value v) {
    return b.convert(b.convert(v, ir::kBool), ir::kF32);
  };
  EXPECT_EQ((map<float, float>({0.0f, -0.0f, 1e-45f, kNaN}, truth)),
            (std::vector{0.0f, 0.0f, 1.0f, 1.0f}));
}

TEST(Interpreter, VectorsAndBitcasts) {
  const auto swapped = map<uint64_t, uint64_t>({0x0123456789abcdef}, [](Builder& b, Value v) {
    const Value halves = b.bitcast(v, vec(ir::kU32, 2));
    return b.bitcast(b.pack({b.extract(halves, 1), b.extract(halves, 0)}), ir::kU64);
  });
  EXPECT_EQ(swapped[0], 0x89abcdef01234567u);
  EXPECT_EQ(
      (map<uint32_t, float>({1.0f}, [](Builder& b, Value v) { return b.bitcast(v, ir::kU32); })[0]),
      0x3f800000u);

  Builder b("vectors", 2);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(Builtin::local_index);
  const Value v = b.load(in, i, vec(ir::kU32, 4));
  b.store(out, i, b.select(i == b.u32(0), v + v, v << 4));
  const std::vector<uint32_t> from{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<uint32_t> to(8);
  run(b.finish(), {}, std::vector{Argument::buffer(from), Argument::buffer(to)});
  EXPECT_EQ(to, (std::vector<uint32_t>{2, 4, 6, 8, 80, 96, 112, 128}));
}

}  // namespace
}  // namespace nxv::testing

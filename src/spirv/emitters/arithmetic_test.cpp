#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "ir/builder.h"
#include "ir/passes/legalize_int64.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Opcode;
using ir::Type;
using ir::Value;
using ir::Var;

const Type kNumbers[] = {ir::kU32, ir::kS32, ir::kU64, ir::kS64, ir::kF32, ir::kF64};

std::string name_of(const ::testing::TestParamInfo<std::tuple<Type, int>>& info) {
  return to_string(vec(std::get<0>(info.param), std::get<1>(info.param)));
}

class EmitNumbers : public ::testing::TestWithParam<std::tuple<Type, int>> {
 protected:
  Type type() const { return vec(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};

TEST_P(EmitNumbers, EveryOpcodeOfTheTypeIsValid) {
  Builder b("numbers", 64);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write, true);
  const Value i = b.builtin(ir::Builtin::local_index);
  const Type t = type();
  const Value x = b.load(in, i, t);
  const Value y = b.load(in, i + 1, t);
  Var sum = b.var(x);
  const auto use = [&](Value v) { sum.set(sum.get() + v); };
  const auto use_bool = [&](Value c) { use(b.select(c, x, y)); };

  for (Opcode op : {Opcode::neg, Opcode::abs}) use(b.unary(op, x));
  for (Opcode op : {Opcode::add, Opcode::sub, Opcode::mul, Opcode::div, Opcode::rem, Opcode::min,
                    Opcode::max}) {
    use(b.binary(op, x, y));
  }
  for (Opcode op : {Opcode::eq, Opcode::ne, Opcode::lt, Opcode::le, Opcode::gt, Opcode::ge}) {
    use_bool(b.compare(op, x, y));
  }
  const Value both = b.binary(Opcode::logical_and, x < y, x == y);
  use_bool(b.binary(Opcode::logical_or, both, b.unary(Opcode::logical_not, both)));
  use_bool(b.compare(Opcode::ne, both, x < y));
  use_bool(b.builtin(ir::Builtin::group_x) == b.u32(0));  // one condition for all lanes
  if (is_float(t)) {
    use(b.unary(Opcode::sqrt, x));
    for (Opcode op : {Opcode::floor, Opcode::ceil, Opcode::trunc, Opcode::round_even}) {
      if (element(t) == ir::kF32) use(b.unary(op, x));
    }
    use(b.fma(x, y, x));
  } else {
    for (Opcode op : {Opcode::bit_and, Opcode::bit_or, Opcode::bit_xor}) use(b.binary(op, x, y));
    use(b.unary(Opcode::bit_not, x));
    use(x << 3);
    use(x >> 3);
    if (bytes(element(t)) == 4) use(b.binary(Opcode::mul_hi, x, y));
    if (!is_signed(t)) {
      use(b.convert(b.unary(Opcode::clz, x), t));
      use(b.convert(b.unary(Opcode::popcount, x), t));
    }
  }
  for (Type other : kNumbers) {
    const Value there = b.convert(x, vec(other, t.lanes));
    use(b.convert(there, t));
    if (bytes(element(t)) == bytes(other)) use(b.bitcast(b.bitcast(x, vec(other, t.lanes)), t));
  }
  use_bool(b.convert(x, {ir::Scalar::boolean, t.lanes}));
  use(b.convert(x < y, t));
  if (t.lanes == 1 && bytes(t) == 8) use(b.bitcast(b.bitcast(x, vec(ir::kU32, 2)), t));
  if (t.lanes > 1) {
    std::vector<Value> lanes;
    for (int lane = t.lanes; lane-- > 0;) lanes.push_back(b.extract(x, lane));
    use(b.pack(lanes));
  }
  for (Opcode op : {Opcode::subgroup_add, Opcode::subgroup_min, Opcode::subgroup_max,
                    Opcode::subgroup_broadcast_first}) {
    use(b.subgroup(op, x));
  }
  use(b.subgroup(Opcode::subgroup_shuffle_xor, x, 4));
  use(b.subgroup_shuffle(x, b.builtin(ir::Builtin::subgroup_lane) ^ b.u32(1)));

  const ir::Shared tile = b.shared("tile", t, 64);
  b.shared_store(tile, i, x);
  b.barrier();
  use(b.shared_load(tile, i ^ b.u32(1)));
  b.store(out, i, sum.get());
  const ir::Kernel kernel = b.finish();
  check(kernel);
  EXPECT_FALSE(has_capability(check(legalize_int64(kernel)), spv::Capability::Int64));
}

INSTANTIATE_TEST_SUITE_P(Types, EmitNumbers,
                         ::testing::Combine(::testing::ValuesIn(kNumbers),
                                            ::testing::Values(1, 2, 4)),
                         name_of);

TEST(EmitFloats, ArithmeticIsNeverContracted) {
  Builder b("exact", 1);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), ir::kF32);
  const Value y = b.load(in, b.u32(1), ir::kF32);
  b.store(out, b.u32(0), b.fma(x * y + x, -y, (x - y) / b.unary(Opcode::sqrt, x) % y));
  const Words words = check(b.finish());
  int decorated = 0;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    decorated += op == spv::Op::OpDecorate && operands[1] == word(spv::Decoration::NoContraction);
  });
  EXPECT_EQ(decorated, 8);
}

// MSL of a decorated product is fma(a, b, 0): -0 becomes 0.
TEST(EmitFloats, ProductsMayBePlainWhereSumsAreNot) {
  Builder b("plain", 1);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), ir::kF32);
  const Value y = b.load(in, b.u32(1), ir::kF32);
  b.store(out, b.u32(0), x * y + (x - y) * y);
  Options options = kAllControls;
  options.plain_products = true;
  const Words words = check(b.finish(), options);
  std::set<uint32_t> decorated, products, sums;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    if (op == spv::Op::OpDecorate && operands[1] == word(spv::Decoration::NoContraction)) {
      decorated.insert(operands[0]);
    }
    if (op == spv::Op::OpFMul) products.insert(operands[1]);
    if (op == spv::Op::OpFAdd || op == spv::Op::OpFSub) sums.insert(operands[1]);
  });
  EXPECT_EQ(products.size(), 2u);
  EXPECT_EQ(decorated, sums);
}

}  // namespace
}  // namespace nxv::spirv

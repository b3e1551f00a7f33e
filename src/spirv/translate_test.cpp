#include "spirv/translate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <functional>

#include "ir/builder.h"
#include "ir/passes/legalize_int64.h"
#include "spirv/module_builder.h"
#include "testing/driver/spirv_validate.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Opcode;
using ir::Type;
using ir::Value;
using ir::Var;

constexpr Options kAllControls{.signed_zero_inf_nan_f32 = true,
                               .signed_zero_inf_nan_f64 = true,
                               .denorm_preserve_f32 = true,
                               .denorm_preserve_f64 = true,
                               .round_to_even_f32 = true,
                               .round_to_even_f64 = true};

Words check(const ir::Kernel& kernel, const Options& options = kAllControls) {
  Words words = translate(kernel, options);
  EXPECT_EQ(testing::validate_spirv(words), "") << to_string(kernel);
  return words;
}

// Calls see(opcode, first word of operands) for every instruction.
template <typename See>
void each_instruction(const Words& words, See see) {
  for (size_t at = 5; at < words.size(); at += words[at] >> 16) {
    see(static_cast<spv::Op>(words[at] & 0xffff), &words[at + 1]);
  }
}

int count(const Words& words, spv::Op wanted) {
  int n = 0;
  each_instruction(words, [&](spv::Op op, const uint32_t*) { n += op == wanted; });
  return n;
}

bool has_capability(const Words& words, spv::Capability c) {
  bool found = false;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    found |= op == spv::Op::OpCapability && operands[0] == word(c);
  });
  return found;
}

bool has_mode(const Words& words, spv::ExecutionMode mode, uint32_t width) {
  bool found = false;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    found |= op == spv::Op::OpExecutionMode && operands[1] == word(mode) && operands[2] == width;
  });
  return found;
}

const Type kNumbers[] = {ir::kU32, ir::kS32, ir::kU64, ir::kS64, ir::kF32, ir::kF64};

std::string name_of(const ::testing::TestParamInfo<std::tuple<Type, int>>& info) {
  return to_string(vec(std::get<0>(info.param), std::get<1>(info.param)));
}

class TranslateNumbers : public ::testing::TestWithParam<std::tuple<Type, int>> {
 protected:
  Type type() const { return vec(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};

TEST_P(TranslateNumbers, EveryOpcodeOfTheTypeIsValid) {
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

INSTANTIATE_TEST_SUITE_P(Types, TranslateNumbers,
                         ::testing::Combine(::testing::ValuesIn(kNumbers),
                                            ::testing::Values(1, 2, 4)),
                         name_of);

TEST(Translate, ControlFlowAndVariables) {
  Builder b("flow", 32);
  const Value n = b.param("n", ir::kU32);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  Var sum = b.var(b.u32(0));
  b.for_range(b.u32(0), n, b.u32(1), [&](Value j) {
    b.if_(
        j < i, [&] { sum.set(sum.get() + j); },
        [&] {
          b.loop([&] {
            b.break_if(sum.get() > n);
            sum.set(sum.get() + 1);
            b.break_if(sum.get() == i);
          });
        });
  });
  b.if_(i == n, [&] { sum.set(b.u32(7)); });
  b.store(out, i, sum.get());
  const Words words = check(b.finish());
  EXPECT_EQ(count(words, spv::Op::OpLoopMerge), 2);
  EXPECT_EQ(count(words, spv::Op::OpSelectionMerge), 2);
}

TEST(Translate, LoopsSayWhetherTheyMayBeUnrolled) {
  Builder b("unrolling");
  const Value out = b.buffer("out", Access::read_write);
  for (const auto unrolling : {ir::Unrolling::allowed, ir::Unrolling::never}) {
    b.for_range(
        b.u32(0), b.u32(4), b.u32(1), [&](Value i) { b.store(out, i, i); }, unrolling);
  }
  std::vector<uint32_t> controls;
  const ir::Kernel kernel = b.finish();
  for (const ir::Kernel& k : {kernel, ir::legalize_int64(kernel)}) {
    each_instruction(check(k), [&](spv::Op op, const uint32_t* operands) {
      if (op == spv::Op::OpLoopMerge) controls.push_back(operands[2]);
    });
  }
  const auto kept = static_cast<uint32_t>(spv::LoopControlMask::DontUnroll);
  EXPECT_EQ(controls, (std::vector<uint32_t>{0, kept, 0, kept}));
}

TEST(Translate, BuiltinsAtomicsAndBallot) {
  Builder b("builtins", 32);
  const Value out = b.buffer("out", Access::read_write);
  Value sum = b.u32(0);
  for (uint32_t i = 0; i <= static_cast<uint32_t>(ir::Builtin::subgroup_size); ++i) {
    sum = sum + b.builtin(static_cast<ir::Builtin>(i));
  }
  for (Opcode op : {Opcode::atomic_add, Opcode::atomic_min, Opcode::atomic_max, Opcode::atomic_or,
                    Opcode::atomic_exchange}) {
    sum = sum + b.atomic(op, out, b.u32(0), sum);
    b.atomic(op, out, b.u32(1), b.s32(-1));
  }
  const ir::Shared counts = b.shared("counts", ir::kU32, 8);
  const ir::Shared bounds = b.shared("bounds", ir::kS32, 8);
  for (Opcode op : {Opcode::shared_atomic_add, Opcode::shared_atomic_min, Opcode::shared_atomic_max,
                    Opcode::shared_atomic_or, Opcode::shared_atomic_exchange}) {
    sum = sum + b.shared_atomic(op, counts, b.u32(3), sum);
    b.shared_atomic(op, bounds, b.u32(3), b.s32(-1));
  }
  b.atomic_store(out, b.u32(1), sum + b.atomic_load(out, b.u32(0)));
  b.atomic_store(out, b.u32(1), b.atomic_load(out, b.u32(0), ir::kS32));
  const Value ballot = b.subgroup(Opcode::subgroup_ballot, sum > b.u32(3));
  b.store(out, b.u32(2), ballot);
  const Words words = check(b.finish());
  EXPECT_EQ(count(words, spv::Op::OpAtomicUMax), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicSMin), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicExchange), 4);
  EXPECT_EQ(count(words, spv::Op::OpAtomicLoad), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicStore), 2);
}

TEST(Translate, IndicesOf64BitsAndPairs) {
  Builder b("wide", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  const Value wide = b.load(in, b.convert(i, ir::kU64), ir::kF32);
  const Value pair = b.load(in, b.pack({i, i}), vec(ir::kF32, 4));
  b.store(out, i, wide + b.extract(pair, 0));
  check(b.finish());
}

TEST(Translate, AddressesNeedNo64BitIntegers) {
  Builder b("copy", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  b.store(out, i, b.load(in, b.pack({i, b.u32(0)}), ir::kU32));
  const Words words = check(b.finish());
  EXPECT_FALSE(has_capability(words, spv::Capability::Int64));
  EXPECT_FALSE(has_capability(words, spv::Capability::Float64));
  EXPECT_FALSE(has_capability(words, spv::Capability::GroupNonUniform));
}

TEST(Translate, WordPairsMoveVectorsAs64BitIntegers) {
  Builder b("copy", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  b.store(out, i, b.load(in, i, vec(ir::kF32, 4)));
  const ir::Kernel kernel = b.finish();
  EXPECT_FALSE(has_capability(check(kernel), spv::Capability::Int64));
  Options options = kAllControls;
  options.word_pairs = true;
  EXPECT_TRUE(has_capability(check(kernel, options), spv::Capability::Int64));
}

TEST(Translate, SingleWordsAreNoPairs) {
  Builder b("copy", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  b.store(out, i, b.load(in, i, ir::kU32));
  Options options = kAllControls;
  options.word_pairs = true;
  EXPECT_FALSE(has_capability(check(b.finish(), options), spv::Capability::Int64));
}

TEST(Translate, ParamsBeyondThePushConstantsComeFromABlock) {
  Builder b("many", 32);
  std::vector<Value> params;
  for (int i = 0; i < 20; ++i) params.push_back(b.buffer("in" + std::to_string(i), Access::read));
  const Value scale = b.param("scale", ir::kF64);
  const Value offsets = b.param("offsets", vec(ir::kU32, 4));
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index) + b.extract(offsets, 2);
  Value sum = scale;
  for (Value p : params) sum = sum + b.load(p, i, ir::kF64);
  b.store(out, i, sum);
  const ir::Kernel kernel = b.finish();
  EXPECT_TRUE(kernel.params_in_block());
  check(kernel);
}

TEST(Translate, FloatArithmeticIsNeverContracted) {
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

TEST(Translate, FloatControlsFollowTheDeviceAndTheTypesInUse) {
  Builder b("controls", 1);
  const Value in = b.buffer("in", Access::read_write);
  const Value x = b.load(in, b.u32(0), ir::kF32);
  b.store(in, b.u32(0), x + x);
  const ir::Kernel kernel = b.finish();
  const Words with = check(kernel);
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::SignedZeroInfNanPreserve, 32));
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::DenormPreserve, 32));
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::RoundingModeRTE, 32));
  EXPECT_FALSE(has_mode(with, spv::ExecutionMode::SignedZeroInfNanPreserve, 64));
  const Words without = check(kernel, {false, false, false, false, false, false});
  EXPECT_EQ(count(without, spv::Op::OpExecutionMode), 1);
}

TEST(Translate, ConstantsAreDeclaredOnce) {
  Builder b("constants", 1);
  const Value out = b.buffer("out", Access::write);
  Value sum = b.builtin(ir::Builtin::group_x);
  for (uint32_t i = 0; i < 300; ++i) sum = sum + b.u32(100 + i % 100);
  b.store(out, b.u32(100), sum);
  // The literals 100 to 199, and the 0 that indexes the blocks.
  EXPECT_EQ(count(check(b.finish()), spv::Op::OpConstant), 101);
}

// Member decorations of the buffers' blocks: how many have each.
int count_members(const Words& words, spv::Decoration d) {
  int n = 0;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    n += op == spv::Op::OpMemberDecorate && operands[2] == word(d);
  });
  return n;
}

TEST(Translate, ReadOnlyRestrictBuffersSaySo) {
  Builder b("restrict", 1);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write);
  b.store(out, b.u32(0), b.load(in, b.u32(0), ir::kU32));
  const Words words = check(b.finish());
  EXPECT_EQ(count_members(words, spv::Decoration::NonWritable), 1);
  EXPECT_EQ(count_members(words, spv::Decoration::Restrict), 1);
}

TEST(Translate, WrittenBuffersAreRestrictWhileOnePointerAccessesThem) {
  const auto restricted = [](const std::function<void(Builder&, Value)>& body) {
    Builder b("restrict", 1);
    body(b, b.buffer("out", Access::read_write, true));
    return count_members(check(b.finish()), spv::Decoration::Restrict);
  };
  EXPECT_EQ(restricted([](Builder& b, Value out) {
              b.store(out, b.u32(0), b.load(out, b.u32(0), ir::kF32));
            }),
            1);
  EXPECT_EQ(restricted([](Builder& b, Value out) {
              b.store(out, b.u32(0), b.load(out, b.u32(0), vec(ir::kF32, 2)));
              b.store(out, b.u32(0), b.f32(1));
            }),
            0);
  EXPECT_EQ(restricted([](Builder& b, Value out) {
              b.store(out, b.pack({b.u32(0), b.u32(0)}), b.f32(1));
            }),
            0);
}

TEST(Translate, ThirtyInstructionsTakeMicroseconds) {
  Builder b("small", 64);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write, true);
  const Value n = b.param("n", ir::kU32);
  const Value i = b.builtin(ir::Builtin::group_x) * 64 + b.builtin(ir::Builtin::local_index);
  b.if_(i < n, [&] {
    Value x = b.load(in, i, ir::kF32);
    for (int j = 0; j < 8; ++j) x = x * b.f32(1.5f + static_cast<float>(j)) + x;
    b.store(out, i, x);
  });
  const ir::Kernel kernel = b.finish();
  constexpr int kRuns = 200;
  const auto begin = std::chrono::steady_clock::now();
  size_t words = 0;
  for (int run = 0; run < kRuns; ++run) words += translate(kernel).size();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("microseconds", std::to_string(took.count() / kRuns));
  std::printf("%zu instructions, %zu words: %.1f us\n", kernel.body.size(), words / kRuns,
              took.count() / kRuns);
  EXPECT_LT(took.count() / kRuns, 1000);
}

}  // namespace
}  // namespace nxv::spirv

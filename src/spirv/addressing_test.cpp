#include "spirv/addressing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ir/builder.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Value;

// Member decorations of the buffers' blocks: how many have each.
int count_members(const Words& words, spv::Decoration d) {
  int n = 0;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    n += op == spv::Op::OpMemberDecorate && operands[2] == word(d);
  });
  return n;
}

TEST(Addressing, IndicesOf64BitsAndPairs) {
  Builder b("wide", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  const Value wide = b.load(in, b.convert(i, ir::kU64), ir::kF32);
  const Value pair = b.load(in, b.pack({i, i}), vec(ir::kF32, 4));
  b.store(out, i, wide + b.extract(pair, 0));
  check(b.finish());
}

TEST(Addressing, AddressesNeedNo64BitIntegers) {
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

TEST(Addressing, WordPairsMoveVectorsAs64BitIntegers) {
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

TEST(Addressing, SingleWordsAreNoPairs) {
  Builder b("copy", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  b.store(out, i, b.load(in, i, ir::kU32));
  Options options = kAllControls;
  options.word_pairs = true;
  EXPECT_FALSE(has_capability(check(b.finish(), options), spv::Capability::Int64));
}

TEST(Addressing, ParamsBeyondThePushConstantsComeFromABlock) {
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

// A short array would move the one behind it, where a matrix must begin at 16 bytes.
TEST(Addressing, ArraysBesideMatricesArePadded) {
  const auto lengths = [](bool has_matrix) {
    Builder b("arrays", 32);
    b.set_subgroup_size(32);
    const Value out = b.buffer("out", Access::write);
    const ir::Shared word = b.shared("word", ir::kU32, 1), slab = b.shared("slab", ir::kF32, 256);
    b.shared_store(word, b.u32(0), b.u32(1));
    if (has_matrix) {
      b.matrix_store(slab, b.u32(0), 16, b.matrix_fill(b.f32(1)));
    } else {
      b.shared_store(slab, b.u32(0), b.f32(1));
    }
    b.store(out, b.u32(0), b.shared_load(word, b.u32(0)));
    const Words words = check(b.finish());
    std::map<uint32_t, uint32_t> constants;
    std::vector<uint32_t> all;
    each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
      if (op == spv::Op::OpConstant) constants[operands[1]] = operands[2];
      if (op == spv::Op::OpTypeArray) all.push_back(constants[operands[2]]);
    });
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(lengths(true), (std::vector<uint32_t>{4, 256}));
  EXPECT_EQ(lengths(false), (std::vector<uint32_t>{1, 256}));
}

TEST(Addressing, ReadOnlyRestrictBuffersSaySo) {
  Builder b("restrict", 1);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write);
  b.store(out, b.u32(0), b.load(in, b.u32(0), ir::kU32));
  const Words words = check(b.finish());
  EXPECT_EQ(count_members(words, spv::Decoration::NonWritable), 1);
  EXPECT_EQ(count_members(words, spv::Decoration::Restrict), 1);
}

TEST(Addressing, WrittenBuffersAreRestrictWhileOnePointerAccessesThem) {
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

}  // namespace
}  // namespace nxv::spirv

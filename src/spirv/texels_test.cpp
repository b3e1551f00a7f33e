#include "spirv/texels.h"

#include <gtest/gtest.h>

#include "ir/builder.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Type;
using ir::Value;
using ir::vec;

Words with_texels(const ir::Kernel& kernel) {
  Options options;
  options.texels = true;
  return check(kernel, options);
}

ir::Kernel copy(Type t) {
  Builder b("copy", 32);
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  b.store(out, i, b.load(in, i, t));
  return b.finish();
}

TEST(Texels, AFetchGivesUpTo16Bytes) {
  for (const Type t : {ir::kU32, ir::kS32, ir::kF32, ir::kU64, ir::kF64, vec(ir::kF32, 2),
                       vec(ir::kU32, 4), vec(ir::kF32, 4), vec(ir::kU64, 2), vec(ir::kF64, 2)}) {
    EXPECT_EQ(count(with_texels(copy(t)), spv::Op::OpImageFetch), 1) << to_string(copy(t));
  }
  for (const Type t : {vec(ir::kS64, 4), vec(ir::kF64, 4)}) {
    EXPECT_EQ(count(with_texels(copy(t)), spv::Op::OpImageFetch), 2) << to_string(copy(t));
  }
}

TEST(Texels, NothingIsFetchedUnlessAskedFor) {
  EXPECT_EQ(count(translate(copy(ir::kF32)), spv::Op::OpImageFetch), 0);
  EXPECT_EQ(count(translate(copy(ir::kF32)), spv::Op::OpTypeImage), 0);
}

TEST(Texels, OnlyBuffersThatNothingButLoadsTouch) {
  Builder b("mixed", 32);
  const Value plain = b.buffer("plain", Access::read_write);
  const Value both = b.buffer("both", Access::read_write);
  const Value counted = b.buffer("counted", Access::read_write);
  const Value watched = b.buffer("watched", Access::read_write);
  const Value far = b.buffer("far", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  Value sum = b.load(plain, i, ir::kU32) + b.load(both, i, ir::kU32);
  b.store(both, i, sum);
  sum = sum + b.atomic(ir::Opcode::atomic_add, counted, i, sum);
  sum = sum + b.load(watched, i, ir::kU32) + b.atomic_load(watched, i);
  sum = sum + b.load(far, b.pack({i, i}), ir::kU32);
  b.store(out, i, sum);
  EXPECT_EQ(texel_params(b.finish()), (std::vector<uint32_t>{0}));
}

TEST(Texels, FurtherBuffersAreReadByAddress) {
  Builder b("many", 32);
  const Value i = b.builtin(ir::Builtin::local_index);
  Value sum = i;
  for (int p = 0; p < 20; ++p) {
    sum = sum + b.load(b.buffer("in" + std::to_string(p), Access::read), i, ir::kU32);
  }
  b.store(b.buffer("out", Access::write), i, sum);
  const ir::Kernel kernel = b.finish();
  EXPECT_EQ(texel_params(kernel).size(), 16u);
  EXPECT_EQ(count(with_texels(kernel), spv::Op::OpImageFetch), 16);
}

}  // namespace
}  // namespace nxv::spirv

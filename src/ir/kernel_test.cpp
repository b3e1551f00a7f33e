#include "ir/kernel.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/builder.h"

namespace nxv::ir {
namespace {

TEST(Kernel, SizesOfTypes) {
  EXPECT_EQ(bytes(kF32), 4);
  EXPECT_EQ(bytes(vec(kS64, 2)), 16);
  EXPECT_EQ(bytes({Scalar::bf16}), 2);
  EXPECT_THROW(bytes(kBool), Error);
}

TEST(Kernel, ParamsAreNaturallyAligned) {
  Builder b("params");
  b.param("a", kU32);
  b.buffer("b", Access::read);
  b.param("c", kF32);
  b.param("d", vec(kU32, 4));
  b.param("e", kU32);
  const Kernel k = b.finish();
  EXPECT_EQ(k.param_offsets(), (std::vector<uint32_t>{0, 8, 16, 32, 48}));
  EXPECT_EQ(k.param_bytes(), 52u);
  EXPECT_FALSE(k.params_in_block());
}

TEST(Kernel, PushConstantsHoldSixteenBuffers) {
  Builder full("full"), over("over");
  for (int i = 0; i < 16; ++i) full.buffer(std::to_string(i), Access::read);
  for (int i = 0; i < 16; ++i) over.buffer(std::to_string(i), Access::read);
  over.param("n", kU32);
  EXPECT_FALSE(full.finish().params_in_block());
  EXPECT_TRUE(over.finish().params_in_block());
  EXPECT_EQ(Kernel{}.param_bytes(), 0u);
}

TEST(Kernel, SharedBytesCountPadding) {
  Builder b("shared");
  b.shared("a", kU32, 3);
  b.shared("b", vec(kF32, 4), 2);
  EXPECT_EQ(b.finish().shared_bytes(), 16u + 32u);
}

TEST(Kernel, EndsWithWhatWasAskedFor) {
  Builder b("end");
  const Value out = b.buffer("out", Access::write);
  const Var sum = b.var(b.u32(1));
  b.at_end([&] { b.store(out, b.u32(0), sum.get()); });
  b.if_(sum.get() == 1u, [&] { sum.set(sum.get() + 1u); });
  const Kernel k = b.finish();
  EXPECT_EQ(k.body.back().op, Opcode::store);
}

TEST(Kernel, AddressesRequireNothing) {
  Builder b("copy");
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  b.store(out, b.u32(0), b.load(in, b.u32(0), kF32));
  const Requirements r = requirements(b.finish());
  EXPECT_FALSE(r.int64 || r.f64 || r.f16 || r.bf16);
  EXPECT_FALSE(r.subgroup_arithmetic || r.subgroup_shuffle || r.subgroup_ballot);
}

TEST(Kernel, RequirementsFollowTypesAndOperations) {
  Builder types("types");
  types.param("n", kS64);
  types.convert(types.f32(1), kF64);
  const Requirements t = requirements(types.finish());
  EXPECT_TRUE(t.int64 && t.f64);

  Builder groups("groups");
  const Value v = groups.u32(1);
  groups.subgroup(Opcode::subgroup_add, v);
  EXPECT_TRUE(requirements(groups.finish()).subgroup_arithmetic);
  Builder shuffle("shuffle");
  shuffle.subgroup(Opcode::subgroup_shuffle_xor, shuffle.u32(1), 1);
  const Requirements s = requirements(shuffle.finish());
  EXPECT_TRUE(s.subgroup_shuffle);
  EXPECT_FALSE(s.subgroup_arithmetic || s.subgroup_ballot);
  Builder ballot("ballot");
  ballot.subgroup(Opcode::subgroup_ballot, ballot.boolean(true));
  EXPECT_TRUE(requirements(ballot.finish()).subgroup_ballot);
}

TEST(Print, IsReadable) {
  Builder b("scale", 64);
  b.set_subgroup_size(32);
  const Value n = b.param("n", kU32);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write);
  const Shared tile = b.shared("tile", kF32, 64);
  const Value i = b.builtin(Builtin::local_index);
  const Var sum = b.var(b.f32(1.5f));
  b.if_(
      i < n,
      [&] {
        b.loop([&] {
          const Value before = sum.get();
          b.break_if(before > 2);
          const Value loaded = b.load(in, i, kF32);
          sum.set(loaded + before);
        });
      },
      [&] { b.shared_store(tile, i, sum.get()); });
  b.barrier();
  b.store(out, i, b.pack({sum.get(), b.extract(b.load(in, n, vec(kF32, 4)), 3)}));
  EXPECT_EQ(to_string(b.finish()),
            "kernel scale, local_size 64, subgroup_size 32\n"
            "param n: u32\n"
            "param in: buffer read restrict\n"
            "param out: buffer write\n"
            "shared tile: f32[64]\n"
            "  %5 = var f32\n"
            "  var_store %5, 1.5\n"
            "  %7 = lt bool local_index, n\n"
            "  if %7\n"
            "    loop\n"
            "      %10 = var_load f32 %5\n"
            "      %12 = gt bool %10, 2\n"
            "      break_if %12\n"
            "      %14 = load f32 in[local_index]\n"
            "      %15 = add f32 %14, %10\n"
            "      var_store %5, %15\n"
            "    end\n"
            "  else\n"
            "    %19 = var_load f32 %5\n"
            "    shared_store tile[local_index], %19\n"
            "  end\n"
            "  barrier\n"
            "  %23 = var_load f32 %5\n"
            "  %24 = load f32x4 in[n]\n"
            "  %25 = extract f32 %24, 3\n"
            "  %26 = pack f32x2 %23, %25\n"
            "  store out[local_index], %26\n");
}

TEST(Print, AtomicsNameTheirPlace) {
  Builder b("atomics");
  const Value memory = b.buffer("memory", Access::read_write), place = b.u32(0);
  const Value loaded = b.atomic_load(memory, place);
  b.atomic_store(memory, place, loaded);
  const Shared counts = b.shared("counts", kU32, 4);
  b.shared_atomic(Opcode::shared_atomic_max, counts, place, loaded);
  EXPECT_EQ(to_string(b.finish()),
            "kernel atomics, local_size 1\n"
            "param memory: buffer read_write\n"
            "shared counts: u32[4]\n"
            "  %2 = atomic_load u32 memory[0]\n"
            "  atomic_store memory[0], %2\n"
            "  %4 = shared_atomic_max u32 counts[0], %2\n");
}

TEST(Builder, IntegerLiteralsKeepAllTheirBits) {
  Builder b("bits");
  const Value x = b.u64(1);
  (void)(x & 0x7fffffffffffffffull);
  (void)(b.s32(1) == 0x80000000u);
  const Kernel k = b.finish();
  EXPECT_EQ(k.body[1].imm, 0x7fffffffffffffffu);
  EXPECT_EQ(k.body[4].imm, 0x80000000u);
}

}  // namespace
}  // namespace nxv::ir

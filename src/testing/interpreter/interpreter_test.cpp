#include "testing/interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/error.h"
#include "ir/builder.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Opcode;
using ir::Type;
using ir::Value;
using ir::Var;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <typename T>
constexpr Type kTypeOf = ir::kU32;
template <>
constexpr Type kTypeOf<int32_t> = ir::kS32;
template <>
constexpr Type kTypeOf<uint64_t> = ir::kU64;
template <>
constexpr Type kTypeOf<int64_t> = ir::kS64;
template <>
constexpr Type kTypeOf<float> = ir::kF32;
template <>
constexpr Type kTypeOf<double> = ir::kF64;

// f applied to every element of `in`, one invocation each.
template <typename To, typename From>
std::vector<To> map(const std::vector<From>& in, const std::function<Value(Builder&, Value)>& f,
                    const InterpreterOptions& options = {}) {
  Builder b("map", static_cast<uint32_t>(in.size()));
  const Value from = b.buffer("from", Access::read);
  const Value to = b.buffer("to", Access::write);
  const Value i = b.builtin(Builtin::local_index);
  b.store(to, i, f(b, b.load(from, i, kTypeOf<From>)));
  std::vector<To> out(in.size());
  run(b.finish(), {}, std::vector{Argument::buffer(in), Argument::buffer(out)}, options);
  return out;
}

template <typename T>
T apply(Opcode op, T x, const InterpreterOptions& options = {}) {
  return map<T, T>(
      {x}, [op](Builder& b, Value v) { return b.unary(op, v); }, options)[0];
}

template <typename T>
T apply(Opcode op, T x, T y, const InterpreterOptions& options = {}) {
  Builder b("binary");
  const Value out = b.buffer("out", Access::write);
  const Value a = b.param("x", kTypeOf<T>);
  b.store(out, b.u32(0), b.binary(op, a, b.param("y", kTypeOf<T>)));
  std::vector<T> result(1);
  run(b.finish(), {},
      std::vector{Argument::buffer(result), Argument::number(x), Argument::number(y)}, options);
  return result[0];
}

TEST(Interpreter, IntegerArithmetic) {
  EXPECT_EQ(apply<uint32_t>(Opcode::add, 0xffffffff, 2), 1u);
  EXPECT_EQ(apply<uint32_t>(Opcode::sub, 1, 2), 0xffffffffu);
  EXPECT_EQ(apply<int32_t>(Opcode::mul, -3, 5), -15);
  EXPECT_EQ(apply<int32_t>(Opcode::div, -7, 2), -3);
  EXPECT_EQ(apply<int32_t>(Opcode::rem, -7, 2), -1);
  EXPECT_EQ(apply<uint32_t>(Opcode::div, 0xfffffff9, 2), 0x7ffffffcu);
  EXPECT_EQ(apply<uint32_t>(Opcode::rem, 7, 4), 3u);
  EXPECT_EQ(apply<int64_t>(Opcode::mul, int64_t{1} << 40, -3), -(int64_t{3} << 40));
  EXPECT_EQ(apply<int64_t>(Opcode::div, std::numeric_limits<int64_t>::min(), 3),
            std::numeric_limits<int64_t>::min() / 3);
  EXPECT_EQ(apply<int32_t>(Opcode::min, -1, 1), -1);
  EXPECT_EQ(apply<uint32_t>(Opcode::min, 0xffffffff, 1), 1u);
  EXPECT_EQ(apply<int64_t>(Opcode::max, -1, 1), 1);
  EXPECT_EQ(apply<uint32_t>(Opcode::mul_hi, 0xffffffff, 0xffffffff), 0xfffffffeu);
  EXPECT_EQ(apply<int32_t>(Opcode::mul_hi, -1, 5), -1);
  EXPECT_EQ(apply<int32_t>(Opcode::neg, 5), -5);
  EXPECT_EQ(apply<int32_t>(Opcode::abs, -5), 5);
  EXPECT_EQ(apply<int32_t>(Opcode::abs, std::numeric_limits<int32_t>::min()),
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(apply<uint64_t>(Opcode::neg, 1), ~uint64_t{0});
}

TEST(Interpreter, WhatTheIrLeavesUndefinedIsPoison) {
  const auto poison = static_cast<uint32_t>(kPoison);
  EXPECT_EQ(apply<uint32_t>(Opcode::div, 5, 0), poison);
  EXPECT_EQ(apply<int32_t>(Opcode::rem, std::numeric_limits<int32_t>::min(), -1),
            static_cast<int32_t>(poison));
  const auto shifted =
      map<uint32_t, uint32_t>({31, 32, 33}, [](Builder& b, Value v) { return b.u32(1) << v; });
  EXPECT_EQ(shifted, (std::vector{0x80000000u, poison, poison}));
  const auto converted =
      map<int32_t, float>({1e10f, -2147483648.0f, kNaN, -2.9f},
                          [](Builder& b, Value v) { return b.convert(v, ir::kS32); });
  EXPECT_EQ(converted, (std::vector{static_cast<int32_t>(poison), INT32_MIN,
                                    static_cast<int32_t>(poison), -2}));
  EXPECT_EQ(apply<float>(Opcode::max, kNaN, 1.0f), std::bit_cast<float>(poison));
}

TEST(Interpreter, FloatArithmetic) {
  EXPECT_EQ(apply<float>(Opcode::add, 1.0f, 0x1p-24f), 1.0f);
  EXPECT_EQ(apply<double>(Opcode::add, 1.0, 0x1p-24), 1.0 + 0x1p-24);
  EXPECT_EQ(apply<float>(Opcode::div, 1.0f, 3.0f), 1.0f / 3.0f);
  EXPECT_EQ(apply<float>(Opcode::rem, -7.5f, 2.0f), -1.5f);
  EXPECT_EQ(apply<float>(Opcode::mul, kInf, -2.0f), -kInf);
  EXPECT_TRUE(std::isnan(apply<float>(Opcode::sub, kInf, kInf)));
  EXPECT_EQ(apply<double>(Opcode::sqrt, 2.0), std::sqrt(2.0));
  EXPECT_EQ(apply<float>(Opcode::floor, -1.5f), -2.0f);
  EXPECT_EQ(apply<float>(Opcode::ceil, -1.5f), -1.0f);
  EXPECT_EQ(apply<float>(Opcode::trunc, -1.5f), -1.0f);
  EXPECT_EQ(apply<float>(Opcode::round_even, 2.5f), 2.0f);
  EXPECT_EQ(apply<float>(Opcode::round_even, 3.5f), 4.0f);
  EXPECT_EQ(apply<float>(Opcode::min, 2.0f, 1.0f), 1.0f);
  EXPECT_TRUE(std::signbit(apply<float>(Opcode::neg, 0.0f)));
}

TEST(Interpreter, SubnormalsAreFlushedByF32ArithmeticOnRequest) {
  const InterpreterOptions flushing{.flush_subnormals = true};
  EXPECT_EQ(apply<float>(Opcode::add, 1e-40f, 1e-40f), 1e-40f + 1e-40f);
  EXPECT_EQ(apply<float>(Opcode::add, 1e-40f, 1e-40f, flushing), 0.0f);
  EXPECT_EQ(apply<float>(Opcode::mul, 1e-30f, 1e-10f, flushing), 0.0f);
  EXPECT_TRUE(std::signbit(apply<float>(Opcode::mul, -1e-30f, 1e-10f, flushing)));
  EXPECT_EQ(apply<double>(Opcode::add, 1e-310, 1e-310, flushing), 2e-310);
  const auto moved = map<float, float>(
      {1e-40f},
      [](Builder& b, Value v) { return b.select(b.boolean(true), b.bitcast(v, ir::kF32), v); },
      flushing);
  EXPECT_EQ(moved[0], 1e-40f);
  const auto widened = map<double, float>(
      {1e-40f}, [](Builder& b, Value v) { return b.convert(v, ir::kF64); }, flushing);
  EXPECT_EQ(widened[0], 0.0);
  const auto narrowed = map<float, double>(
      {1e-40}, [](Builder& b, Value v) { return b.convert(v, ir::kF32); }, flushing);
  EXPECT_EQ(narrowed[0], 1e-40f);
}

TEST(Interpreter, FmaIsFusedOnRequest) {
  const auto square_minus_one = [](Builder& b, Value v) { return b.fma(v, v, b.f32(-1.0f)); };
  const float x = 1 + 0x1p-20f;
  EXPECT_EQ((map<float, float>({x}, square_minus_one)[0]), x * x - 1);
  EXPECT_EQ((map<float, float>({x}, square_minus_one, {.fused_fma = true})[0]),
            std::fma(x, x, -1.0f));
  EXPECT_NE(x * x - 1, std::fma(x, x, -1.0f));
}

TEST(Interpreter, Bits) {
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_and, 12, 10), 8u);
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_or, 12, 10), 14u);
  EXPECT_EQ(apply<uint64_t>(Opcode::bit_xor, 12, 10), 6u);
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_not, 0), 0xffffffffu);
  EXPECT_EQ((map<int32_t, int32_t>({-8}, [](Builder&, Value v) { return v >> 1; })[0]), -4);
  EXPECT_EQ((map<uint32_t, uint32_t>({0xfffffff8}, [](Builder&, Value v) { return v >> 1; })[0]),
            0x7ffffffcu);
  EXPECT_EQ((map<int64_t, int64_t>({-8}, [](Builder&, Value v) { return v << 60; })[0]), INT64_MIN);
  const auto clz = [](Builder& b, Value v) { return b.unary(Opcode::clz, v); };
  const auto popcount = [](Builder& b, Value v) { return b.unary(Opcode::popcount, v); };
  EXPECT_EQ((map<uint32_t, uint32_t>({0, 1, 0xffffffff}, clz)), (std::vector{32u, 31u, 0u}));
  EXPECT_EQ((map<uint32_t, uint64_t>({0, 1, 1ull << 40}, clz)), (std::vector{64u, 63u, 23u}));
  EXPECT_EQ((map<uint32_t, uint64_t>({0, 0x8000000100000001}, popcount)), (std::vector{0u, 3u}));
}

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

TEST(Interpreter, DivergentLoopsAndBranches) {
  const auto steps = map<uint32_t, uint32_t>({1, 6, 7, 27}, [](Builder& b, Value start) {
    const Var n = b.var(start);
    const Var count = b.var(b.u32(0));
    b.loop([&] {
      b.break_if(n.get() == 1);
      b.if_((n.get() & 1) == 0, [&] { n.set(n.get() >> 1); }, [&] { n.set(n.get() * 3 + 1); });
      count.set(count.get() + 1);
    });
    return count.get();
  });
  EXPECT_EQ(steps, (std::vector{0u, 8u, 16u, 111u}));
}

// Sum of a workgroup: subgroups first, then one number each through shared memory.
TEST(Interpreter, SharedMemoryAndSubgroups) {
  for (const uint32_t subgroup_size : {4u, 8u, 64u}) {
    Builder b("sum", 24);
    const Value out = b.buffer("out", Access::write);
    const ir::Shared partial = b.shared("partial", ir::kU32, 24);
    const Value lane = b.builtin(Builtin::subgroup_lane);
    const Value index = b.builtin(Builtin::subgroup_index);
    const Value sum = b.subgroup(Opcode::subgroup_add, b.builtin(Builtin::local_index) + 1);
    b.if_(lane == 0, [&] { b.shared_store(partial, index, sum); });
    b.barrier();
    const Value groups =
        (b.u32(24) + b.builtin(Builtin::subgroup_size) - 1) / b.builtin(Builtin::subgroup_size);
    const Var total = b.var(b.u32(0));
    b.for_range(b.u32(0), groups, b.u32(1),
                [&](Value i) { total.set(total.get() + b.shared_load(partial, i)); });
    b.store(out, b.builtin(Builtin::local_index), total.get());
    std::vector<uint32_t> result(24);
    run(b.finish(), {}, std::vector{Argument::buffer(result)}, {.subgroup_size = subgroup_size});
    EXPECT_EQ(result, std::vector<uint32_t>(24, 300)) << subgroup_size;
  }
}

TEST(Interpreter, SubgroupMoves) {
  const std::vector<int32_t> in{5, -7, 2, 9};
  const InterpreterOptions four{.subgroup_size = 4};
  const auto through = [&](const std::function<Value(Builder&, Value)>& f) {
    return map<int32_t, int32_t>(in, f, four);
  };
  EXPECT_EQ(through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_min, v); }),
            std::vector<int32_t>(4, -7));
  EXPECT_EQ(through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_max, v); }),
            std::vector<int32_t>(4, 9));
  EXPECT_EQ(
      through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_shuffle_xor, v, 1); }),
      (std::vector<int32_t>{-7, 5, 9, 2}));
  EXPECT_EQ(through([](Builder& b, Value v) {
              return b.subgroup_shuffle(v, b.u32(3) - b.builtin(Builtin::subgroup_lane));
            }),
            (std::vector<int32_t>{9, 2, -7, 5}));
  EXPECT_EQ(
      through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_broadcast_first, v); }),
      std::vector<int32_t>(4, 5));
  EXPECT_EQ((map<uint32_t, int32_t>(
                in,
                [](Builder& b, Value v) {
                  return b.extract(b.subgroup(Opcode::subgroup_ballot, v > 3), 0);
                },
                four)),
            std::vector<uint32_t>(4, 0b1001));
}

TEST(Interpreter, GroupsAndAtomics) {
  Builder b("count", 4);
  const Value out = b.buffer("out", Access::read_write);
  const Value id =
      b.builtin(Builtin::group_x) + b.builtin(Builtin::group_y) * b.builtin(Builtin::groups_x) +
      b.builtin(Builtin::group_z) * b.builtin(Builtin::groups_x) * b.builtin(Builtin::groups_y);
  b.atomic(Opcode::atomic_add, out, b.u32(0), id);
  b.atomic(Opcode::atomic_max, out, b.u32(1), id);
  b.atomic(Opcode::atomic_min, out, b.u32(2), b.bitcast(b.u32(0) - id, ir::kS32));
  b.atomic(Opcode::atomic_or, out, b.u32(3), b.u32(1) << id);
  std::vector<uint32_t> result(4);
  run(b.finish(), {2, 3, 2}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{4 * 66, 11, static_cast<uint32_t>(-11), 0xfff}));
}

// Each workgroup adds its number to what the one before left.
TEST(Interpreter, AtomicLoadsSeeAtomicStores) {
  Builder b("chain");
  const Value out = b.buffer("out", Access::read_write);
  const Value group = b.builtin(Builtin::group_x);
  b.atomic_store(out, group + 1u, b.atomic_load(out, group) + group);
  std::vector<uint32_t> result(5);
  run(b.finish(), {4, 1, 1}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{0, 0, 1, 3, 6}));
}

// Every invocation changes the same elements.
TEST(Interpreter, AtomicsOnSharedArrays) {
  Builder b("shared_atomics", 8);
  const Value out = b.buffer("out", Access::write);
  const ir::Shared words = b.shared("words", ir::kU32, 5), number = b.shared("n", ir::kS32, 1);
  const Value i = b.builtin(Builtin::local_index);
  b.if_(i < 5u, [&] { b.shared_store(words, i, b.u32(3)); });
  b.if_(i == 0u, [&] { b.shared_store(number, i, b.s32(2)); });
  b.barrier();
  b.shared_atomic(Opcode::shared_atomic_add, words, b.u32(0), i);
  b.shared_atomic(Opcode::shared_atomic_min, words, b.u32(1), i);
  b.shared_atomic(Opcode::shared_atomic_max, words, b.u32(2), i);
  b.shared_atomic(Opcode::shared_atomic_or, words, b.u32(3), i);
  const Value old = b.shared_atomic(Opcode::shared_atomic_exchange, words, b.u32(4), i + 10u);
  b.shared_atomic(Opcode::shared_atomic_min, number, b.u32(0), -b.convert(i, ir::kS32));
  b.barrier();
  b.if_(i < 5u, [&] { b.store(out, i, b.shared_load(words, i)); });
  b.if_(i == 5u, [&] { b.store(out, i, b.bitcast(b.shared_load(number, b.u32(0)), ir::kU32)); });
  b.store(out, i + 6u, old);
  std::vector<uint32_t> result(14);
  run(b.finish(), {}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{31, 0, 7, 7, 17, static_cast<uint32_t>(-7), 3, 10, 11,
                                           12, 13, 14, 15, 16}));
}

// Two subgroups multiply a matrix by the identity, given by rows and by columns.
ir::Kernel matrix_kernel(bool forgets_barrier = false, bool diverges = false) {
  Builder b("matrices", 64);
  const Value from = b.buffer("from", Access::read), to = b.buffer("to", Access::write);
  const ir::Shared x = b.shared("x", ir::kU32, 128), sums = b.shared("sums", ir::kF32, 512);
  const ir::Shared identity = b.shared("identity", ir::kU32, 128);
  const Value i = b.builtin(Builtin::local_index);
  for (uint32_t at = 0; at < 128; at += 64) {
    const Value word = i + at, row = word >> 3, column = (word & 7u) << 1;
    b.shared_store(x, word, b.load(from, word, ir::kU32));
    const auto one = [&](Value c, uint32_t bits) {
      return b.select(c == row, b.u32(bits), b.u32(0));
    };
    b.shared_store(identity, word, one(column, 0x3c00) | one(column + 1u, 0x3c000000));
  }
  if (!forgets_barrier) b.barrier();
  const auto product = [&] {
    const auto load = [&](ir::Shared s, ir::Matrix use, bool by_columns) {
      return b.matrix_load(s, b.u32(0), 8, ir::matrix(ir::Scalar::f16, use), by_columns);
    };
    const Value sum =
        b.matrix_multiply_add(load(x, ir::Matrix::a, true), load(identity, ir::Matrix::b, false),
                              b.matrix_fill(b.f32(0.5f)));
    b.matrix_store(sums, b.builtin(Builtin::subgroup_index) * 256u, 16, b.matrix_add(sum, sum));
  };
  if (diverges) {
    b.if_(i < 40u, product);
  } else {
    product();
  }
  b.barrier();
  for (uint32_t at = 0; at < 512; at += 64) b.store(to, i + at, b.shared_load(sums, i + at));
  return b.finish();
}

// Halves 0 .. 255: exact in f16.
std::vector<uint32_t> counting_halves() {
  std::vector<uint32_t> words(128);
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(i)) >> 13;
    const uint32_t half = i == 0 ? 0 : bits - (112u << 10);
    words[i / 2] |= half << (i % 2 * 16);
  }
  return words;
}

TEST(Interpreter, CooperativeMatrices) {
  const std::vector<uint32_t> from = counting_halves();
  std::vector<float> to(512);
  run(matrix_kernel(), {}, std::vector{Argument::buffer(from), Argument::buffer(to)});
  for (uint32_t i = 0; i < 512; ++i) {
    const uint32_t row = i % 256 / 16, column = i % 16;  // read by columns: transposed
    EXPECT_EQ(to[i], 2 * (static_cast<float>(column * 16 + row) + 0.5f)) << i;
  }
}

TEST(InterpreterRefuses, MatricesWithoutBarrierOrInDivergentControlFlow) {
  const std::vector<uint32_t> from = counting_halves();
  std::vector<float> to(512);
  const std::vector arguments{Argument::buffer(from), Argument::buffer(to)};
  EXPECT_THROW(run(matrix_kernel(true), {}, arguments), Error);
  EXPECT_THROW(run(matrix_kernel(false, true), {}, arguments), Error);
}

TEST(Interpreter, WideIndices) {
  Builder b("wide");
  const Value buffer = b.buffer("buffer", Access::read_write);
  b.store(buffer, b.u64(2), b.load(buffer, b.pack({b.u32(1), b.u32(0)}), ir::kU32));
  std::vector<uint32_t> memory{7, 8, 9};
  run(b.finish(), {}, std::vector{Argument::buffer(memory)});
  EXPECT_EQ(memory, (std::vector<uint32_t>{7, 8, 8}));
}

// ---- What it refuses

// Runs a workgroup of 8 with one buffer "memory" of 8 words and one shared array of 8.
std::string refusal(const std::function<void(Builder&, Value memory, ir::Shared)>& body,
                    const InterpreterOptions& options = {.subgroup_size = 4}) {
  Builder b("strict", 8);
  const Value memory = b.buffer("memory", Access::read_write);
  const ir::Shared shared = b.shared("shared", ir::kU32, 8);
  body(b, memory, shared);
  std::vector<uint32_t> words(8);
  try {
    run(b.finish(), {}, std::vector{Argument::buffer(words)}, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(InterpreterRefuses, AccessesOutOfBounds) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.store(memory, b.builtin(Builtin::local_index) + 1, b.u32(1));
                  }),
                  "accesses element 8 of 8 (invocation 7)");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.load(memory, b.u32(0x80000000), ir::kU32);
                  }),
                  "32-bit index");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.load(memory, b.u64(1ull << 62), ir::kU64);
                  }),
                  "accesses element");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index) + 1, b.u32(1));
                  }),
                  "accesses element 8 of 8");
}

TEST(InterpreterRefuses, RacesInSharedMemory) {
  EXPECT_CONTAINS(
      refusal([](Builder& b, Value, ir::Shared shared) { b.shared_load(shared, b.u32(0)); }),
      "nobody wrote");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.shared_store(shared, i, i);
                    b.shared_load(shared, i ^ b.u32(1));
                  }),
                  "without a barrier");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.shared_store(shared, i, i);
                    b.barrier();
                    b.shared_load(shared, i ^ b.u32(1));
                    b.shared_store(shared, i, i);
                  }),
                  "overwrites what another invocation read");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.u32(0), b.builtin(Builtin::local_index));
                  }),
                  "overwrites what another invocation wrote");
  const auto add = [](Builder& b, ir::Shared shared) {
    b.shared_atomic(Opcode::shared_atomic_add, shared, b.u32(0), b.u32(1));
  };
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) { add(b, shared); }),
                  "changes what nobody wrote");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    add(b, shared);
                  }),
                  "changes what another invocation uses");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    b.shared_load(shared, b.u32(0));
                    add(b, shared);
                  }),
                  "changes what another invocation uses");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    add(b, shared);
                    b.shared_load(shared, b.u32(0));
                  }),
                  "reads what another invocation wrote");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    add(b, shared);
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                  }),
                  "overwrites what another invocation changed");
  EXPECT_EQ(refusal([&](Builder& b, Value, ir::Shared shared) {
              b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
              b.barrier();
              add(b, shared);
              b.barrier();
              b.shared_load(shared, b.u32(0));
            }),
            "");
  EXPECT_EQ(refusal([](Builder& b, Value, ir::Shared shared) {
              const Value i = b.builtin(Builtin::local_index);
              b.shared_store(shared, i, i);
              b.barrier();
              b.shared_load(shared, i ^ b.u32(1));
              b.barrier();
              b.shared_store(shared, i, i);
            }),
            "");
}

TEST(InterpreterRefuses, RacesInBuffers) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.store(memory, i, i);
                    b.load(memory, i ^ b.u32(1), ir::kU32);
                  }),
                  "reads what another invocation writes");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.store(memory, b.u32(0), b.builtin(Builtin::local_index));
                  }),
                  "writes another value");
  EXPECT_EQ(
      refusal([](Builder& b, Value memory, ir::Shared) { b.store(memory, b.u32(0), b.u32(5)); }),
      "");
}

TEST(InterpreterRefuses, DivergentBarriersAndSubgroupOperations) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared) {
                    b.if_(b.builtin(Builtin::local_index) < 4, [&] { b.barrier(); });
                  }),
                  "not reached by every invocation");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared) {
                    b.if_(b.builtin(Builtin::local_index) < 3,
                          [&] { b.subgroup(Opcode::subgroup_add, b.u32(1)); });
                  }),
                  "every invocation of the subgroup");
  EXPECT_EQ(refusal([](Builder& b, Value, ir::Shared) {
              b.if_(b.builtin(Builtin::local_index) < 4,
                    [&] { b.subgroup(Opcode::subgroup_add, b.u32(1)); });
            }),
            "");
}

TEST(InterpreterRefuses, TooManyIterations) {
  const auto nested = [](Builder& b, Value, ir::Shared) {
    b.for_range(b.u32(0), b.u32(10), b.u32(1),
                [&](Value) { b.for_range(b.u32(0), b.u32(10), b.u32(1), [](Value) {}); });
  };
  EXPECT_CONTAINS(refusal(nested, {.max_iterations = 120}), "more than 120 iterations");
  EXPECT_EQ(refusal(nested, {.max_iterations = 121}), "");
}

TEST(InterpreterRefuses, ArgumentsThatDoNotFit) {
  Builder b("arguments");
  b.set_subgroup_size(32);
  b.buffer("out", Access::write);
  b.param("n", ir::kU32);
  const ir::Kernel kernel = b.finish();
  std::vector<uint32_t> words(1);
  const std::vector<uint32_t> constant(1);
  const Argument n = Argument::number(1u);
  EXPECT_NO_THROW(run(kernel, {}, std::vector{Argument::buffer(words), n}));
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words)}), Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(constant), n}), Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words), Argument::buffer(words)}),
               Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words), n}, {.subgroup_size = 8}),
               Error);
}

}  // namespace
}  // namespace nxv::testing

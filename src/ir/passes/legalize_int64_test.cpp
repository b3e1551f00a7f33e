#include "ir/passes/legalize_int64.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir {
namespace {

using testing::Argument;
using testing::InterpreterOptions;

constexpr uint32_t kCount = 64;  // invocations, and operands of each input

// Operands in which something happens: extremes, small numbers, numbers near powers of two.
std::vector<uint64_t> operands(uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> v{
      0,          1,           ~uint64_t{0},       0x7fffffffffffffff, 0x8000000000000000,
      0xffffffff, 0x100000000, 0xffffffff00000000, 0x80000000,         0x7fffffff};
  std::shuffle(v.begin(), v.end(), random);
  while (v.size() < kCount) {
    const uint64_t bits = random();
    const int kind = static_cast<int>(random() % 4);
    const int shift = static_cast<int>(random() % 64);
    v.push_back(kind == 0   ? bits
                : kind == 1 ? bits >> shift
                : kind == 2 ? (uint64_t{1} << shift) + random() % 3 - 1
                            : ~(bits >> shift));
  }
  return v;
}

// Runs the kernel and its legalised form with the same inputs; both must leave the same bytes.
void expect_equal(const Kernel& kernel, const std::vector<std::vector<uint64_t>>& inputs,
                  size_t output_bytes, const InterpreterOptions& options = {}) {
  const Kernel legal = legalize_int64(kernel);
  EXPECT_TRUE(requirements(kernel).int64);
  EXPECT_FALSE(requirements(legal).int64) << to_string(legal);
  EXPECT_EQ(legal.param_offsets(), kernel.param_offsets());
  std::vector<std::byte> expected(output_bytes), actual(output_bytes);
  const auto run = [&](const Kernel& k, std::vector<std::byte>& out) {
    std::vector<Argument> arguments;
    for (const auto& input : inputs) arguments.push_back(Argument::buffer(input));
    arguments.push_back(Argument::buffer(out));
    testing::run(k, {}, arguments, options);
  };
  run(kernel, expected);
  run(legal, actual);
  for (size_t i = 0; i + 8 <= output_bytes; i += 8) {
    uint64_t e, a;
    std::memcpy(&e, &expected[i], 8);
    std::memcpy(&a, &actual[i], 8);
    const size_t n = i / 8 % inputs[0].size();
    ASSERT_EQ(e, a) << std::hex << "operands " << inputs[0][n] << " " << inputs[1][n] << "\n"
                    << to_string(kernel);
  }
}

using Body = std::function<Value(Builder&, Value x, Value y)>;

// out[i] = body(x[i], y[i]) with operands of the type, for several seeds.
void expect_equal(Type type, const Body& body, const InterpreterOptions& options = {}) {
  Builder b("pairs", kCount / type.lanes);
  const Value xs = b.buffer("x", Access::read);
  const Value ys = b.buffer("y", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(Builtin::local_index);
  const Value result = body(b, b.load(xs, i, type), b.load(ys, i, type));
  b.store(out, i, result);
  const size_t bytes_out = static_cast<size_t>(bytes(result.type())) * kCount / type.lanes;
  const Kernel kernel = b.finish();
  for (uint32_t seed = 0; seed < 12; ++seed) {
    expect_equal(kernel, {operands(2 * seed), operands(2 * seed + 1)}, bytes_out, options);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Type, int>>& info) {
  return to_string(vec(std::get<0>(info.param), std::get<1>(info.param)));
}

class LegalizeInt64 : public ::testing::TestWithParam<std::tuple<Type, int>> {
 protected:
  Type type() const { return vec(std::get<0>(GetParam()), std::get<1>(GetParam())); }
  bool is_s64() const { return type().scalar == Scalar::s64; }
  Type with(Scalar s) const { return {s, type().lanes}; }
};

INSTANTIATE_TEST_SUITE_P(Types, LegalizeInt64,
                         ::testing::Combine(::testing::Values(kU64, kS64),
                                            ::testing::Values(1, 2, 4)),
                         name_of);

TEST_P(LegalizeInt64, Arithmetic) {
  for (Opcode op : {Opcode::add, Opcode::sub, Opcode::mul, Opcode::min, Opcode::max,
                    Opcode::bit_and, Opcode::bit_or, Opcode::bit_xor}) {
    expect_equal(type(), [&](Builder& b, Value x, Value y) { return b.binary(op, x, y); });
  }
  for (Opcode op : {Opcode::neg, Opcode::abs, Opcode::bit_not}) {
    expect_equal(type(), [&](Builder& b, Value x, Value) { return b.unary(op, x); });
  }
}

TEST_P(LegalizeInt64, DivisionWhereItIsDefined) {
  for (Opcode op : {Opcode::div, Opcode::rem}) {
    expect_equal(type(), [&](Builder& b, Value x, Value y) {
      Value undefined = y == 0;
      if (is_s64()) undefined = undefined | ((x == INT64_MIN) & (y == -1));
      return b.binary(op, x, b.select(undefined, like(y, 3), y));
    });
  }
}

TEST_P(LegalizeInt64, Shifts) {
  for (Opcode op : {Opcode::shl, Opcode::shr}) {
    expect_equal(type(), [&](Builder& b, Value x, Value y) {
      return b.binary(op, x, b.convert(y, with(Scalar::u32)) & 63);
    });
    for (uint32_t amount : {0u, 1u, 31u, 32u, 33u, 63u}) {
      expect_equal(type(),
                   [&](Builder& b, Value x, Value) { return b.binary(op, x, b.u32(amount)); });
    }
  }
}

TEST_P(LegalizeInt64, ComparisonsAndSelect) {
  for (Opcode op : {Opcode::eq, Opcode::ne, Opcode::lt, Opcode::le, Opcode::gt, Opcode::ge}) {
    expect_equal(type(), [&](Builder& b, Value x, Value y) {
      const Value close = b.select(b.compare(op, x, y), y, x);
      return b.select(b.compare(op, close, x), close + 1, close);
    });
  }
}

TEST_P(LegalizeInt64, ConversionsBetweenIntegers) {
  for (Scalar s : {Scalar::u32, Scalar::s32, Scalar::u64, Scalar::s64, Scalar::boolean}) {
    expect_equal(type(), [&](Builder& b, Value x, Value) {
      return b.convert(b.convert(x, with(s)), type());
    });
  }
  if (is_s64()) return;
  expect_equal(type(), [](Builder& b, Value x, Value) { return b.unary(Opcode::clz, x); });
  expect_equal(type(), [](Builder& b, Value x, Value) { return b.unary(Opcode::popcount, x); });
}

TEST_P(LegalizeInt64, ConversionsToFloats) {
  for (Scalar s : {Scalar::f32, Scalar::f64}) {
    expect_equal(type(), [&](Builder& b, Value x, Value) { return b.convert(x, with(s)); });
    // Halfway cases of f32: 25 significant bits.
    expect_equal(type(), [&](Builder& b, Value x, Value y) {
      return b.convert((((x & 0x1ffffff) | 0x1000000) << 30) + (y & 1), with(s));
    });
  }
}

TEST_P(LegalizeInt64, ConversionsFromFloats) {
  for (Scalar s : {Scalar::f32, Scalar::f64}) {
    expect_equal(type(), [&](Builder& b, Value x, Value) {
      const Value fitting = x >> 1;  // rounding up does not leave the range
      return b.convert(b.convert(fitting, with(s)), type());
    });
    expect_equal(type(), [&](Builder& b, Value x, Value) {
      return b.convert(b.convert(x & 0xffff, with(s)) * 0.37 + 0.25, type());
    });
  }
  if (!is_s64()) return;
  expect_equal(type(), [&](Builder& b, Value, Value) {
    return b.convert(b.number(with(Scalar::f32), -0x1p63), type());
  });
}

TEST_P(LegalizeInt64, Bitcasts) {
  const Scalar other = is_s64() ? Scalar::u64 : Scalar::s64;
  expect_equal(type(), [&](Builder& b, Value x, Value) {
    return b.bitcast(b.bitcast(x, with(other)), with(Scalar::f64));
  });
  expect_equal(type(), [&](Builder& b, Value x, Value) {
    return b.bitcast(b.bitcast(x, with(Scalar::f64)), type());
  });
  if (type().lanes == 4) return;
  expect_equal(type(), [&](Builder& b, Value x, Value y) {
    const Type words{Scalar::s32, static_cast<uint8_t>(2 * type().lanes)};
    return b.bitcast(b.bitcast(x, words) + b.bitcast(y, words), type());
  });
}

TEST_P(LegalizeInt64, VariablesAndControlFlow) {
  expect_equal(type(), [&](Builder& b, Value x, Value y) {
    const Value first = type().lanes == 1 ? x : b.extract(x, 1);
    const Value second = type().lanes == 1 ? y : b.extract(y, 1);
    const Var sum = b.var(y);
    const Var n = b.var(first & 7);
    b.loop([&] {
      b.break_if(n.get() == 0);
      b.if_(
          n.get() < (second & 7), [&] { sum.set(sum.get() + x); }, [&] { sum.set(sum.get() ^ x); });
      b.if_(second == 1, [&] { sum.set(x); });
      n.set(n.get() - 1);
    });
    return sum.get();
  });
}

TEST_P(LegalizeInt64, VectorsOfScalars) {
  if (type().lanes == 1) return;
  expect_equal(type(), [&](Builder& b, Value x, Value) {
    std::vector<Value> lanes;
    for (int i = type().lanes; i-- > 0;) lanes.push_back(b.extract(x, i));
    return b.pack(lanes);
  });
}

TEST_P(LegalizeInt64, SharedMemory) {
  expect_equal(type(), [&](Builder& b, Value x, Value) {
    const Shared tile = b.shared("tile", type(), kCount);
    const Value i = b.builtin(Builtin::local_index);
    b.shared_store(tile, i, x);
    b.barrier();
    return b.shared_load(tile, i ^ b.u32(1));
  });
}

TEST_P(LegalizeInt64, Subgroups) {
  const InterpreterOptions eight{.subgroup_size = 8};
  for (Opcode op : {Opcode::subgroup_add, Opcode::subgroup_min, Opcode::subgroup_max,
                    Opcode::subgroup_broadcast_first}) {
    expect_equal(
        type(), [&](Builder& b, Value x, Value) { return b.subgroup(op, x); }, eight);
  }
  expect_equal(
      type(),
      [&](Builder& b, Value x, Value) { return b.subgroup(Opcode::subgroup_shuffle_xor, x, 5); },
      eight);
  expect_equal(
      type(),
      [&](Builder& b, Value x, Value) {
        return b.subgroup_shuffle(x, b.u32(7) - b.builtin(Builtin::subgroup_lane));
      },
      eight);
}

TEST_P(LegalizeInt64, IndicesAndAtomics) {
  Builder b("indices", 8);
  const Value xs = b.buffer("x", Access::read);
  b.buffer("y", Access::read);
  const Value out = b.buffer("out", Access::read_write);
  const Value i = b.convert(b.builtin(Builtin::local_index), element(type()));
  b.store(out, b.convert(i, kU64) + 2, b.load(xs, b.convert(i, kU64), type()));
  b.atomic(Opcode::atomic_add, out, b.u64(1), b.u32(3));
  b.atomic_store(out, b.u64(1), b.atomic_load(out, b.u64(1)) + 5u);
  const Shared count = b.shared("count", kU32, 1);
  b.if_(b.builtin(Builtin::local_index) == 0u, [&] { b.shared_store(count, b.u32(0), b.u32(7)); });
  b.barrier();
  b.shared_atomic(Opcode::shared_atomic_max, count, b.u32(0), b.builtin(Builtin::local_index) * 3u);
  b.barrier();
  b.atomic(Opcode::atomic_add, out, b.u64(1), b.shared_load(count, b.u32(0)));
  b.store(out, b.u64(0), b.load(xs, b.pack({b.u32(3), b.u32(0)}), type()));
  expect_equal(b.finish(), {operands(1), operands(2)},
               static_cast<size_t>(bytes(type())) * (8 + 2));
}

// A kernel with matrices may index its buffers with 64 bits.
TEST(LegalizeInt64Kernels, MatricesStay) {
  Builder b("matrices", 32);
  b.buffer("x", Access::read);
  b.buffer("y", Access::read);
  const Value out = b.buffer("out", Access::write);
  const Shared tile = b.shared("tile", kF32, 256);
  const Var sum = b.var(b.matrix_fill(b.f32(0.5f)));
  sum.set(b.matrix_add(sum.get(), b.matrix_fill(b.f32(1.0f))));
  b.matrix_store(tile, b.u32(0), 16, sum.get());
  b.barrier();
  const Value i = b.builtin(Builtin::local_index);
  for (uint32_t at = 0; at < 256; at += 32) {
    b.store(out, b.convert(i, kU64) + at, b.shared_load(tile, i + at));
  }
  expect_equal(b.finish(), {operands(1), operands(2)}, 256 * sizeof(float));
}

TEST(LegalizeInt64Params, KeepTheirLayout) {
  Builder b("params");
  const Value a = b.param("a", kU32);
  const Value x = b.param("x", kU64);
  const Value y = b.param("y", vec(kS64, 2));
  const Value out = b.buffer("out", Access::write);
  b.store(out, b.u32(0), b.bitcast(x, kS64) + b.extract(y, 1) + b.convert(a, kS64));
  const Kernel kernel = b.finish();
  const Kernel legal = legalize_int64(kernel);
  EXPECT_EQ(legal.param_offsets(), kernel.param_offsets());
  EXPECT_FALSE(requirements(legal).int64);
  std::vector<int64_t> result(1);
  const int64_t big = int64_t{5} << 33;
  testing::run(legal, {},
               std::vector{Argument::number(7u), Argument::number(1u, 2u),
                           Argument::number<uint32_t>(0, 0, 0, static_cast<uint32_t>(big >> 32)),
                           Argument::buffer(result)});
  EXPECT_EQ(result[0], 7 + (int64_t{2} << 32) + 1 + big);
}

TEST(LegalizeInt64Params, KernelsWithout64BitIntegersStay) {
  Builder b("narrow");
  const Value in = b.buffer("in", Access::read);
  const Value out = b.buffer("out", Access::write);
  b.store(out, b.u32(0), b.load(in, b.u32(0), kF64));
  const Kernel kernel = b.finish();
  EXPECT_EQ(to_string(legalize_int64(kernel)), to_string(kernel));
}

}  // namespace
}  // namespace nxv::ir

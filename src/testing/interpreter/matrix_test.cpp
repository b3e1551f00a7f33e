#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "base/error.h"
#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Value;

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
      return b.matrix_load(s, b.u32(0), 8, ir::factor(ir::Scalar::f16, use), by_columns);
    };
    const Value sum =
        b.matrix_multiply_add(load(x, ir::Matrix::a, true), load(identity, ir::Matrix::b, false),
                              b.matrix_fill(b.f32(0.5f)));
    b.matrix_store(sums, b.builtin(Builtin::subgroup_index) * 256u, 16,
                   b.matrix_multiply(b.matrix_add(sum, sum), sum));
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
    const float sum = static_cast<float>(column * 16 + row) + 0.5f;
    EXPECT_EQ(to[i], 2 * sum * sum) << i;
  }
}

// Each invocation negates its elements, and stores them as halves.
TEST(Interpreter, ElementsOfMatrices) {
  Builder b("elements", 64);
  b.set_subgroup_size(32);
  const Value from = b.buffer("from", Access::read), to = b.buffer("to", Access::write);
  const ir::Shared sums = b.shared("sums", ir::kF32, 256),
                   halves = b.shared("halves", ir::kU32, 128);
  const Value i = b.builtin(Builtin::local_index);
  for (uint32_t at = 0; at < 256; at += 64) {
    b.shared_store(sums, i + at, b.load(from, i + at, ir::kF32));
  }
  b.barrier();
  b.if_(i < 32u, [&] {
    const ir::Var x = b.var(b.matrix_load(sums, b.u32(0), 16, ir::kAccumulator));
    const ir::Var y = b.var(ir::factor(ir::Scalar::bf16, ir::Matrix::a));
    for (uint32_t e = 0; e < 8; ++e) b.element_store(y, e, -b.element_load(x, e));
    b.matrix_store(halves, b.u32(0), 8, y.get());
  });
  b.barrier();
  for (uint32_t at = 0; at < 128; at += 64) b.store(to, i + at, b.shared_load(halves, i + at));
  std::vector<float> numbers(256);
  for (uint32_t n = 0; n < 256; ++n) numbers[n] = static_cast<float>(n);
  std::vector<uint32_t> words(128);
  run(b.finish(), {}, std::vector{Argument::buffer(numbers), Argument::buffer(words)});
  for (uint32_t n = 0; n < 256; ++n) {
    EXPECT_EQ(words[n / 2] >> (n % 2 * 16) & 0xffff, std::bit_cast<uint32_t>(-numbers[n]) >> 16);
  }
}

// 16 rows of 32 steps by 16 columns of 32 steps.
TEST(Interpreter, MatricesOfIntegers) {
  const auto multiplied = [](ir::Scalar x, ir::Scalar y, const std::vector<uint32_t>& bytes) {
    Builder b("integers", 32);
    const Value from = b.buffer("from", Access::read), to = b.buffer("to", Access::write);
    const ir::Shared slab = b.shared("slab", ir::kU32, 128), sums = b.shared("sums", ir::kS32, 256);
    const Value i = b.builtin(Builtin::local_index);
    for (uint32_t at = 0; at < 128; at += 32) {
      b.shared_store(slab, i + at, b.load(from, i + at, ir::kU32));
    }
    b.barrier();
    const Value a = b.matrix_load(slab, b.u32(0), 8, ir::factor(x, ir::Matrix::a, 32));
    const Value c = b.matrix_load(slab, b.u32(0), 8, ir::factor(y, ir::Matrix::b, 32), true);
    b.matrix_store(sums, b.u32(0), 16,
                   b.matrix_multiply_add(a, c, b.matrix_fill(b.number(ir::kS32, -7))));
    b.barrier();
    for (uint32_t at = 0; at < 256; at += 32) b.store(to, i + at, b.shared_load(sums, i + at));
    std::vector<int32_t> result(256);
    run(b.finish(), {}, std::vector{Argument::buffer(bytes), Argument::buffer(result)});
    return result;
  };
  std::vector<uint32_t> words(128);
  for (uint32_t i = 0; i < 128; ++i) words[i] = (i + 1) * 2654435761u;
  const auto number = [&](ir::Scalar t, int line, int k) {
    const uint32_t byte = words[static_cast<size_t>(line * 8 + k / 4)] >> (k % 4 * 8) & 0xff;
    return t == ir::Scalar::s8 ? static_cast<int>(static_cast<int8_t>(byte))
                               : static_cast<int>(byte);
  };
  for (const ir::Scalar x : {ir::Scalar::s8, ir::Scalar::u8}) {
    for (const ir::Scalar y : {ir::Scalar::s8, ir::Scalar::u8}) {
      const std::vector<int32_t> c = multiplied(x, y, words);
      for (int i = 0; i < 256; ++i) {
        int sum = -7;
        for (int k = 0; k < 32; ++k) sum += number(x, i / 16, k) * number(y, i % 16, k);
        EXPECT_EQ(c[static_cast<size_t>(i)], sum) << i;
      }
    }
  }
}

TEST(InterpreterRefuses, MatricesWithoutBarrierOrInDivergentControlFlow) {
  const std::vector<uint32_t> from = counting_halves();
  std::vector<float> to(512);
  const std::vector arguments{Argument::buffer(from), Argument::buffer(to)};
  EXPECT_THROW(run(matrix_kernel(true), {}, arguments), Error);
  EXPECT_THROW(run(matrix_kernel(false, true), {}, arguments), Error);
}

}  // namespace
}  // namespace nxv::testing

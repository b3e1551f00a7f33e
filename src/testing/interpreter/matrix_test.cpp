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
      return b.matrix_load(s, b.u32(0), 8, ir::matrix(ir::Scalar::f16, use), by_columns);
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

TEST(InterpreterRefuses, MatricesWithoutBarrierOrInDivergentControlFlow) {
  const std::vector<uint32_t> from = counting_halves();
  std::vector<float> to(512);
  const std::vector arguments{Argument::buffer(from), Argument::buffer(to)};
  EXPECT_THROW(run(matrix_kernel(true), {}, arguments), Error);
  EXPECT_THROW(run(matrix_kernel(false, true), {}, arguments), Error);
}

}  // namespace
}  // namespace nxv::testing

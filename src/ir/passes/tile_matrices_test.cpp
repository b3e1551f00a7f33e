#include "ir/passes/tile_matrices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "ir/builder.h"
#include "ir/passes/verify.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir {
namespace {

using nxv::testing::Argument;

constexpr MatrixSides kSides[] = {{16, 16}, {8, 8}, {8, 16}, {16, 8}};

// Everything that kernels do with matrices, in a loop: products of factors that lie by rows and by
// columns, sums, single elements.
Kernel product(bool a_by_columns, bool b_by_columns) {
  Builder b("product", 16);
  b.set_subgroup_size(16);
  const Value from = b.buffer("from", Access::read), to = b.buffer("to", Access::write);
  const Shared x = b.shared("x", vec(kU32, 4), 64), sums = b.shared("sums", vec(kU32, 4), 80);
  const Value i = b.builtin(Builtin::local_index);
  for (uint32_t at = 0; at < 64; at += 16) {
    b.shared_store(x, i + at, b.load(from, i + at, vec(kU32, 4)));
  }
  b.barrier();
  const Var total = b.var(b.matrix_fill(b.f32(0.5F)));
  b.for_range(b.u32(0), b.u32(2), b.u32(1), [&](Value round) {
    const auto load = [&](Matrix use, Value first, bool by_columns) {
      return b.matrix_load(x, first, 2, factor(Scalar::f16, use), by_columns);
    };
    const Value sum = b.matrix_multiply_add(load(Matrix::a, round * 16u, a_by_columns),
                                            load(Matrix::b, b.u32(32), b_by_columns), total.get());
    total.set(b.matrix_add(sum, b.matrix_multiply(sum, b.matrix_fill(b.f32(0.25F)))));
  });
  for (uint32_t e = 0; e < 16; ++e) b.element_store(total, e, b.element_load(total, e) + 1.0);
  b.matrix_store(sums, b.u32(0), 5, total.get());
  b.barrier();
  for (uint32_t row = 0; row < 16; row += 4) {
    const Value line = (i >> 2) + row, at = i & 3u;
    b.store(to, line * 4u + at, b.shared_load(sums, line * 5u + at));
  }
  return b.finish();
}

TEST(TileMatrices, EveryElementIsComputedAsItWas) {
  std::vector<uint32_t> halves(256);  // from -2 to 2
  for (size_t i = 0; i < halves.size(); ++i) {
    const auto half = [&](size_t n) {
      const auto h = static_cast<uint32_t>(n * 2654435761U >> 7);
      return (h & 0x8000) | 0x3000 | (h & 0x0fff);
    };
    halves[i] = half(2 * i) | half(2 * i + 1) << 16;
  }
  for (const bool a_by_columns : {false, true}) {
    for (const bool b_by_columns : {false, true}) {
      const Kernel whole = product(a_by_columns, b_by_columns);
      std::vector<uint32_t> want(256);
      nxv::testing::run(whole, {}, std::vector{Argument::buffer(halves), Argument::buffer(want)});
      EXPECT_EQ(std::count(want.begin(), want.end(), 0U), 0);
      for (const MatrixSides& sides : kSides) {
        const Kernel tiled = tile_matrices(whole, sides);
        verify(tiled);
        for (const Inst& inst : tiled.body) {
          if (inst.type.matrix != Matrix::accumulator) continue;
          EXPECT_EQ(rows(inst.type), sides.rows);
          EXPECT_EQ(columns(inst.type), sides.columns);
        }
        std::vector<uint32_t> got(256);
        nxv::testing::run(tiled, {}, std::vector{Argument::buffer(halves), Argument::buffer(got)});
        EXPECT_EQ(got, want) << sides.rows << " x " << sides.columns;
      }
    }
  }
}

TEST(TileMatrices, TakesTheSameProductsApart) {
  const auto count = [](const Kernel& k) {
    return std::count_if(k.body.begin(), k.body.end(),
                         [](const Inst& i) { return i.op == Opcode::matrix_multiply_add; });
  };
  const Kernel whole = product(false, false);
  EXPECT_EQ(count(tile_matrices(whole, {16, 16})), 1);
  EXPECT_EQ(count(tile_matrices(whole, {8, 16})), 2);
  EXPECT_EQ(count(tile_matrices(whole, {8, 8})), 4);
}

}  // namespace
}  // namespace nxv::ir

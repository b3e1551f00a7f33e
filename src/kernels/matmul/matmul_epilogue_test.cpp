// Expressions behind the sum of a product.
#include "kernels/matmul/matmul_problem_test.h"

namespace nxv::kernels {
namespace {

TEST(MatmulEpilogue, EveryTileComputesIt) {
  struct Case {
    int64_t m, n, k;
    bool f64;
  };
  // Groups of four and not, edges, and several blocks.
  for (const Case& c : {Case{5, 6, 20, true}, Case{33, 36, 40, true}, Case{17, 24, 600, false},
                        Case{3, 10, 600, false}}) {
    for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
      const Device device(profile, c.f64);
      Problem p(DType::f32, DType::f32, 1, c.m, c.n, c.k);
      p.fill(5, any_real);
      const Bytes product = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
      for (DType out : {DType::f32, DType::f16}) {
        Problem q = p;
        const auto finished = add_epilogue(q, out);
        const Bytes wanted = finished(product);
        int tiles = 0;
        for (const MatmulTile& tile : test_tiles(device)) {
          if (matmul_obstacle(product_of(q.region), device.target, tile)) continue;
          const Lowering lowering = lower_matmul(q.region, device.target, tile);
          EXPECT_EQ(run(q, lowering), wanted)
              << tile.name() << " " << name(out) << " " << c.m << "x" << c.n << "x" << c.k;
          // The residual, an element for each of the result, is written over.
          EXPECT_TRUE(lowering.in_place);
          const size_t residual = q.region.operands.size() - 1;
          EXPECT_FALSE(is_read_in_place(q.region, residual - 1, 0));
          EXPECT_EQ(is_read_in_place(q.region, residual, 0), out == DType::f32);
          if (out == DType::f32) {
            EXPECT_EQ(run_roots(q, lowering, 1)[0], wanted) << tile.name();
          }
          ++tiles;
        }
        EXPECT_GE(tiles, 4);
        EXPECT_EQ(run(q, lower_matmul(q.region, device.target)), wanted);
      }
    }
  }
}

// The sum itself, and whether what is made of it is positive, are stored beside it.
TEST(MatmulEpilogue, EveryTileStoresAllRoots) {
  struct Case {
    int64_t batch, m, n, k;
    DType sum, out;
  };
  for (const Case& c :
       {Case{1, 5, 6, 20, DType::f32, DType::f32}, Case{1, 33, 36, 40, DType::f32, DType::f16},
        Case{1, 17, 25, 600, DType::f32, DType::f16}, Case{1, 17, 24, 600, DType::f16, DType::f32},
        Case{1, 1, 1, 3, DType::f16, DType::f32}, Case{1, 40, 44, 40, DType::bf16, DType::bf16}}) {
    for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
      const Device device(profile, c.n % 2 == 0);
      Problem p(c.sum, c.sum, c.batch, c.m, c.n, c.k);
      p.fill(5, any_real);
      const Bytes product = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
      add_epilogue(p, c.out);
      const Bytes finished = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
      const auto sum = static_cast<int16_t>(p.region.contraction());
      const int last = p.region.roots[0].expr;
      const auto root = [&](DType t, int expr) {
        p.region.add_root(
            NodeRef::adopt(new Node(host_graveyard(), Op::data, t, {c.batch, c.m, c.n}, {})), expr);
      };
      root(c.sum, sum);
      p.region.exprs.push_back(
          {ExprKind::compute, Level::row, Op::sign, c.out, {static_cast<int16_t>(last), -1, -1}});
      p.region.exprs.push_back({ExprKind::compute,
                                Level::row,
                                Op::cast,
                                DType::u8,
                                {static_cast<int16_t>(last + 1), -1, -1}});
      root(DType::u8, last + 2);
      Bytes signs(static_cast<size_t>(c.batch * c.m * c.n));
      for (size_t i = 0; i < signs.size(); ++i) {
        const double v = to_double(load_scalar(c.out, finished.data(), static_cast<int64_t>(i)));
        signs[i] = std::byte{static_cast<unsigned char>((v > 0) - (v < 0))};
      }
      const std::vector<Bytes> wanted = {finished, product, signs};
      int tiles = 0;
      for (const MatmulTile& tile : test_tiles(device)) {
        if (matmul_obstacle(product_of(p.region), device.target, tile)) continue;
        EXPECT_EQ(run_roots(p, lower_matmul(p.region, device.target, tile)), wanted)
            << tile.name() << " " << name(c.sum) << " " << name(c.out) << " " << c.m << "x" << c.n;
        ++tiles;
      }
      EXPECT_GE(tiles, 4);
      EXPECT_EQ(run_roots(p, lower_matmul(p.region, device.target)), wanted);
    }
  }
}

TEST(MatmulEpilogue, TransposedProductsHaveTheSameBits) {
  for (DType t : {DType::f32, DType::bf16, DType::c64, DType::s32}) {
    for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
      const Device device(profile, false);
      Problem p(t, t, 2, 18, 20, 600, Pattern::padded_rows, Pattern::columns);
      p.fill(5, [](DType type, std::mt19937& random) {
        if (!is_complex(type)) return any_real(type, random);
        std::uniform_real_distribution<double> part(-1, 1);
        const double re = part(random), im = part(random);
        return make_scalar(type, std::complex<double>(re, im));
      });
      const Bytes wanted =
          transposed(p, run(p, lower_matmul(p.region, device.target, MatmulTile{})));
      const Problem q = transposed(p);
      for (const MatmulTile& tile : test_tiles(device)) {
        if (matmul_obstacle(product_of(q.region), device.target, tile)) continue;
        EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)), wanted)
            << tile.name() << " " << name(t);
      }
    }
  }
}

// C holds what is made of a sum: no total can wait there.
TEST(MatmulEpilogue, NoTotalWaitsInTheResult) {
  const Device device(plan::Profile::discrete, false);
  Problem p(DType::f32, DType::f32, 1, 2048, 2048, 1);
  ProductWords words = record_at<ProductWords>(p.region.words, 0);
  words.k = 2048;
  p.region.words.clear();
  append(p.region.words, words);
  EXPECT_TRUE(choose_matmul(product_of(p.region), device.target).total_in_output);
  add_epilogue(p, DType::f32);
  const MatmulTile chosen = choose_matmul(product_of(p.region), device.target);
  EXPECT_EQ(chosen.kind, MatmulTile::Kind::shared);
  EXPECT_FALSE(chosen.total_in_output);
}

TEST(MatmulEpilogue, FactorsAreStoredValues) {
  Problem p(DType::f32, DType::f32, 1, 4, 4, 4);
  p.region.exprs[0].kind = ExprKind::compute;
  p.region.exprs[0].op = Op::exp;
  EXPECT_THROW(product_of(p.region), Error);
}

}  // namespace
}  // namespace nxv::kernels

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
          EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)), wanted)
              << tile.name() << " " << name(out) << " " << c.m << "x" << c.n << "x" << c.k;
          ++tiles;
        }
        EXPECT_GE(tiles, 4);
        EXPECT_EQ(run(q, lower_matmul(q.region, device.target)), wanted);
      }
    }
  }
}

// C holds what is made of a sum: no total can wait there.
TEST(MatmulEpilogue, NoTotalWaitsInTheResult) {
  const Device device(plan::Profile::discrete, false);
  Problem p(DType::f32, DType::f32, 1, 1280, 1280, 1);
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

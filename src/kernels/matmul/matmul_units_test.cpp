// Matrix units in the interpreter: lavapipe has none.
#include "kernels/matmul/split_lines.h"
#include "kernels/matmul/unit_device_test.h"

namespace nxv::kernels {
namespace {

TEST(MatmulUnits, EveryTile) {
  const UnitDevice device;
  for (DType t : kTypes) {
    for (const MatmulTile& tile : device.tiles()) {
      Problem inside(t, t, 1, tile.rows, tile.columns, 2 * tile.depth);
      if (matmul_obstacle(product_of(inside.region), device.target, tile)) continue;
      inside.fill(1, small_number);
      EXPECT_EQ(run(inside, lower_matmul(inside.region, device.target, tile)), exact(inside))
          << tile.name() << " " << name_of(inside);
      Problem edges(t, t, 1, tile.rows + 8, tile.columns - 24, tile.depth + 24);
      edges.fill(2, small_number);
      EXPECT_EQ(run(edges, lower_matmul(edges.region, device.target, tile)), exact(edges))
          << tile.name() << " " << name_of(edges);
    }
  }
}

TEST(MatmulUnits, EveryPatternOfStrides) {
  const UnitDevice device;
  for (DType t : kTypes) {
    for (Pattern pa : kPatterns) {
      for (Pattern pb : kPatterns) {
        // Sizes whose chunks are whole, and others; the long way round takes both.
        if (pa != pb && pa != Pattern::rows && pb != Pattern::rows) continue;
        for (int64_t odd : {0, 1}) {
          Problem p(t, t, 2, 40 + odd, 24 - odd, 72 + odd, pa, pb);
          p.fill(3, small_number);
          // Of one element nobody can tell the substance: it may be 0.
          const MatmulTile tile = device.tile();
          EXPECT_EQ(run(p, lower_matmul(p.region, device.target, tile)), exact(p))
              << name_of(p) << " " << static_cast<int>(pa) << " " << static_cast<int>(pb);
        }
      }
    }
  }
}

TEST(MatmulUnits, RoundsToNearestEven) {
  const UnitDevice device;
  for (DType t : {DType::f16, DType::bf16}) {
    Problem p(t, t, 1, 33, 34, 64);
    p.fill(4, any_real);
    // Sums of so few products are exact in the interpreter before they are rounded to f32.
    const Bytes c = run(p, lower_matmul(p.region, device.target, device.tile()));
    const double half_ulp = t == DType::f16 ? 0x1p-11 : 0x1p-8;
    for (int64_t i = 0; i < p.m * p.n; ++i) {
      double wanted = 0;
      for (int64_t k = 0; k < p.k; ++k) {
        wanted += to_double(p.x(0, i / p.n, k)) * to_double(p.y(0, k, i % p.n));
      }
      EXPECT_NEAR(number(c, t, i), wanted, std::fabs(wanted) * half_ulp * 1.001 + 1e-6);
    }
  }
}

// Whether matrix units compute each batch of a split product: then its bits are others than those
// of the kernels for f32.
std::vector<bool> verdicts(const Problem& p, const Target& target, const MatmulTile& tile) {
  const Bytes c = run(p, lower_matmul(p.region, target, tile));
  const Bytes plain = run(p, lower_matmul(p.region, target, MatmulTile{}));
  const auto bytes = static_cast<size_t>(p.m * p.n * 4);
  std::vector<bool> accepted;
  for (size_t at = 0; at < c.size(); at += bytes) {
    accepted.push_back(std::memcmp(c.data() + at, plain.data() + at, bytes) != 0);
  }
  return accepted;
}

void scale_line(Problem& p, const Matrix& m, Bytes& bytes, int64_t batch, int64_t line, bool is_row,
                double factor) {
  for (int64_t k = 0; k < p.k; ++k) {
    const int64_t at = is_row ? m.at(batch, line, k) : m.at(batch, k, line);
    const double v = to_double(load_scalar(m.dtype, bytes.data(), at));
    store_scalar(make_scalar(m.dtype, v * factor), bytes.data(), at);
  }
}

TEST(MatmulUnits, SplitProductsBeatAChainOfFma) {
  const UnitDevice device;
  const MatmulTile tile = device.tile();
  const auto positive = [](DType t, std::mt19937& random) {
    return make_scalar(t, std::uniform_real_distribution<double>(0, 1)(random));
  };
  const auto normal = [](DType t, std::mt19937& random) {
    return make_scalar(t, std::normal_distribution<double>()(random));
  };
  const std::function<Scalar(DType, std::mt19937&)> kinds[] = {any_real, positive, normal};
  for (const auto& kind : kinds) {
    Problem p(DType::f32, DType::f32, 1, 64, 64, 512);
    p.fill(5, kind);
    EXPECT_TRUE(verdicts(p, device.target, tile)[0]);
    const Errors e = errors(p, run(p, lower_matmul(p.region, device.target, tile)));
    EXPECT_LT(e.units, e.chain);
    EXPECT_LT(e.units, 3e-7);
  }
}

TEST(MatmulUnits, LinesOfAnyScale) {
  const UnitDevice device;
  const MatmulTile tile = device.tile();
  Problem p(DType::f32, DType::f32, 1, 40, 40, 256);
  p.fill(6, any_real);
  for (int64_t line = 0; line < 40; ++line) {
    const double factor = std::ldexp(1, static_cast<int>(line * 5) - 100);
    scale_line(p, p.a, p.a_bytes, 0, line, true, factor);
    scale_line(p, p.b, p.b_bytes, 0, line, false, std::ldexp(factor, -5));
  }
  scale_line(p, p.a, p.a_bytes, 0, 7, true, 0);
  scale_line(p, p.b, p.b_bytes, 0, 9, false, 0);
  EXPECT_TRUE(verdicts(p, device.target, tile)[0]);
  const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
  for (int64_t i = 0; i < 1600; ++i) {
    double exact = 0, size = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      const double product = to_double(p.x(0, i / 40, k)) * to_double(p.y(0, k, i % 40));
      exact += product;
      size += std::fabs(product);
    }
    if (std::fabs(exact) > 0x1p128) {
      EXPECT_TRUE(std::isinf(number(c, p.out, i)));
    } else {
      EXPECT_NEAR(number(c, p.out, i), exact, 1e-6 * size + 0x1p-149);
    }
  }
}

// What two f16 cannot hold goes to the kernels for f32, bit by bit, and one batch does not decide
// for another.
TEST(MatmulUnits, VerdictsAgainstMatrixUnits) {
  const UnitDevice device;
  const MatmulTile tile = device.tile();
  const double infinity = std::numeric_limits<double>::infinity();
  Problem p(DType::f32, DType::f32, 7, 40, 36, 264);
  p.fill(7, any_real);
  const auto set_a = [&](int64_t batch, int64_t row, int64_t k, double v) {
    store_scalar(make_scalar(DType::f32, v), p.a_bytes.data(), p.a.at(batch, row, k));
  };
  const auto set_b = [&](int64_t batch, int64_t k, int64_t column, double v) {
    store_scalar(make_scalar(DType::f32, v), p.b_bytes.data(), p.b.at(batch, k, column));
  };
  set_a(1, 39, 263, infinity);
  set_b(2, 263, 35, std::nan(""));
  // One element a line: the product of the others is lost beside it.
  set_a(3, 3, 5, 0x1p60);
  set_b(4, 5, 3, 0x1p30);
  // One-hot columns select elements, which must come through exactly.
  for (int64_t k = 0; k < p.k; ++k) {
    for (int64_t column = 0; column < p.n; ++column) set_b(5, k, column, k == 3 * column);
  }
  // Nothing but subnormal numbers in one row.
  scale_line(p, p.a, p.a_bytes, 6, 11, true, 0x1p-130);
  EXPECT_EQ(verdicts(p, device.target, tile),
            (std::vector<bool>{true, false, false, false, false, false, false}));

  const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
  MatmulTile plain;
  plain.kind = MatmulTile::Kind::plain;
  const Bytes wanted = run(p, lower_matmul(p.region, device.target, plain));
  const auto batch = static_cast<size_t>(p.m * p.n * 4);
  EXPECT_EQ(std::memcmp(c.data() + batch, wanted.data() + batch, 6 * batch), 0);
  EXPECT_NE(std::memcmp(c.data(), wanted.data(), batch), 0);
}

// A block of rows and columns does not decide for another.
TEST(MatmulUnits, BlocksAreJudgedApart) {
  const UnitDevice device;
  for (const MatmulTile& tile : device.tiles()) {
    Problem p(DType::f32, DType::f32, 2, 150, 140, 64 * tile.parts);
    if (matmul_obstacle(product_of(p.region), device.target, tile)) continue;
    p.fill(7, any_real);
    store_scalar(make_scalar(DType::f32, 0x1p60), p.a_bytes.data(), p.a.at(1, 20, 5));
    const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
    const Bytes plain = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
    int accepted[2][2] = {}, rejected[2][2] = {};  // elements, by batch and block of rows
    for (int64_t i = 0; i < 2 * 150 * 140; ++i) {
      const bool is_same = number(c, DType::f32, i) == number(plain, DType::f32, i);
      ++(is_same ? rejected : accepted)[i / (150 * 140)][i / 140 % 150 / kJudged];
    }
    EXPECT_EQ(accepted[1][0], 0) << tile.name();
    EXPECT_GT(accepted[0][0], rejected[0][0]) << tile.name();
    EXPECT_GT(accepted[0][1], rejected[0][1]) << tile.name();
    EXPECT_GT(accepted[1][1], rejected[1][1]) << tile.name();
  }
}

// Numbers that one scale of the pieces does not hold, but two do: the gradient of a softmax, rows
// that are mostly 0, and all magnitudes down to 2^-28 of the largest.
TEST(MatmulUnits, WideLinesHavePiecesOfTwoScales) {
  const auto gradient = [](DType t, std::mt19937& random) {
    const bool is_target = random() % 64 == 0;
    const double small = std::uniform_real_distribution<double>(0.5, 2)(random) * 2e-5;
    return make_scalar(t, is_target ? small - 1 : small);
  };
  const auto sparse = [](DType t, std::mt19937& random) {
    const double x = std::normal_distribution<double>()(random);
    return make_scalar(t, random() % 4 < 3 ? 0 : x);
  };
  const auto wide = [](DType t, std::mt19937& random) {
    const int exponent = -static_cast<int>(random() % 28);
    const double x = std::uniform_real_distribution<double>(1, 2)(random);
    return make_scalar(t, std::ldexp(random() % 2 ? x : -x, exponent));
  };
  const std::function<Scalar(DType, std::mt19937&)> kinds[] = {gradient, sparse, wide};
  for (uint32_t subgroup : {16, 32, 64}) {
    const UnitDevice device(subgroup);
    for (const auto& kind : kinds) {
      Problem p(DType::f32, DType::f32, 1, 64, 64, 544), q = p;
      p.fill(5, any_real);
      q.fill(6, kind);
      p.a_bytes = q.a_bytes;
      const MatmulTile tile = device.tile(subgroup == 32);
      EXPECT_TRUE(verdicts(p, device.target, tile)[0]);
      const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
      const Errors e = errors(p, c);
      EXPECT_LT(e.units, e.chain);
      for (int64_t i = 0; i < p.m * p.n; ++i) {
        double exact = 0, size = 0;
        for (int64_t k = 0; k < p.k; ++k) {
          const double product = to_double(p.x(0, i / p.n, k)) * to_double(p.y(0, k, i % p.n));
          exact += product;
          size += std::fabs(product);
        }
        ASSERT_NEAR(number(c, p.out, i), exact, 0x1p-20 * size);
      }
      const Problem t = transposed(p);
      EXPECT_EQ(run(t, lower_matmul(t.region, device.target, tile)), transposed(p, c));
    }
  }
}

// f32 with narrower floats, of which a piece holds all bits.
TEST(MatmulUnits, FactorsOfTwoTypes) {
  const std::pair<DType, DType> kPairs[] = {
      {DType::f32, DType::bf16}, {DType::bf16, DType::f32}, {DType::f16, DType::f32}};
  for (uint32_t subgroup : {16, 32}) {
    const UnitDevice device(subgroup);
    for (auto [ta, tb] : kPairs) {
      for (bool is_fast : {false, true}) {
        for (Pattern pa : kPatterns) {
          for (int64_t odd : {0, 1}) {
            Problem p(ta, tb, 2, 40 + odd, 24 - odd, 72 + odd, pa,
                      pa == Pattern::columns ? Pattern::rows : Pattern::columns);
            auto& sum = p.region.exprs[static_cast<size_t>(p.region.contraction())];
            if (is_fast) sum.precision = Precision::fast, p.region.key += "fast";
            p.fill(3, small_number);
            EXPECT_EQ(run(p, lower_matmul(p.region, device.target, device.tile())), exact(p))
                << name(ta) << " " << name(tb) << " " << static_cast<int>(pa);
          }
        }
      }
      Problem p(ta, tb, 1, 64, 64, 512);
      p.fill(5, any_real);
      EXPECT_TRUE(verdicts(p, device.target, device.tile())[0]);
      const Errors e = errors(p, run(p, lower_matmul(p.region, device.target, device.tile())));
      EXPECT_LT(e.units, e.chain);
      EXPECT_LT(e.units, 3e-7);
    }
  }
}

// Each batch has the parts of the kernel that computed it.
// Lines along k, which the lanes of a subgroup measure together, or all of a workgroup.
TEST(MatmulUnits, LanesMeasureWhatAWorkgroupMeasures) {
  UnitDevice lanes(32), wide(64), others(32);
  lanes.plan.fixed_subgroup_size = lanes.plan.has.subgroup_shuffle = true;
  wide.plan.fixed_subgroup_size = wide.plan.has.subgroup_shuffle = true;
  others.plan.has.subgroup_shuffle = false;
  for (Pattern pb : {Pattern::rows, Pattern::columns}) {
    Problem p(DType::f32, DType::f32, 1, 130, 70, 300, Pattern::rows, pb);
    p.fill(12, any_real);
    scale_line(p, p.a, p.a_bytes, 0, 129, true, 0x1p-40);
    const Bytes wanted = run(p, lower_matmul(p.region, others.target, others.tile()));
    EXPECT_EQ(run(p, lower_matmul(p.region, lanes.target, lanes.tile())), wanted);
    EXPECT_EQ(run(p, lower_matmul(p.region, wide.target, wide.tile())), wanted);
  }
}

TEST(MatmulUnits, PartsOfBatchesAreJudged) {
  const UnitDevice device;
  const MatmulTile tile = device.tile(true);
  for (int64_t n : {36, 37}) {
    Problem p(DType::f32, DType::f32, 2, 40, n, 1100);
    p.fill(9, any_real);
    store_scalar(make_scalar(DType::f32, 0x1p60), p.a_bytes.data(), p.a.at(1, 3, 1099));
    ASSERT_LT(steps_of_part(p.k, tile.parts), 1100u);
    const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
    const Bytes wanted = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
    const auto batch = static_cast<size_t>(p.m * p.n * 4);
    EXPECT_EQ(std::memcmp(c.data() + batch, wanted.data() + batch, batch), 0) << n;
    EXPECT_NE(std::memcmp(c.data(), wanted.data(), batch), 0) << n;
    p.batch = 1;
    const Errors e = errors(p, c);
    EXPECT_LT(e.units, e.chain);

    Problem q(DType::f32, DType::f32, 1, 40, n, 1100);
    q.fill(10, any_real);
    const Bytes product = run(q, lower_matmul(q.region, device.target, tile));
    const auto finished = add_epilogue(q, DType::f16);
    EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)), finished(product));
  }
}

TEST(MatmulUnits, HalvesKeepInfinityAndNan) {
  const UnitDevice device;
  for (DType t : {DType::f16, DType::bf16}) {
    Problem p(t, t, 1, 40, 44, 37);
    p.fill(8, any_real);
    store_scalar(make_scalar(t, std::numeric_limits<double>::infinity()), p.a_bytes.data(),
                 p.a.at(0, 39, 36));
    store_scalar(make_scalar(t, std::nan("")), p.b_bytes.data(), p.b.at(0, 36, 43));
    const Bytes c = run(p, lower_matmul(p.region, device.target, device.tile()));
    for (int64_t i = 0; i < p.m * p.n; ++i) {
      EXPECT_EQ(std::isnan(number(c, t, i)), i % 44 == 43);
      EXPECT_EQ(std::isinf(number(c, t, i)), i / 44 == 39 && i % 44 != 43);
    }
  }
}

// Expressions behind the sum, where matrix units compute it and where they may not.
TEST(MatmulUnits, TransposedProductsHaveTheSameBits) {
  const UnitDevice device;
  for (DType t : kTypes) {
    Problem p(t, t, 2, 70, 72, 96, Pattern::rows, Pattern::columns);
    p.fill(5, any_real);
    const Problem q = transposed(p);
    const MatmulTile tile = device.tile();
    EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)),
              transposed(p, run(p, lower_matmul(p.region, device.target, tile))))
        << name_of(p);
  }
  // Whether the units may compute a product does not depend on which factor is the first.
  for (DType t : kTypes) {
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{4096, 512, 512}, {31, 4096, 4096}, {64, 64, 64}}) {
      Problem p(t, t, 1, 1, 1, 1);
      auto words = record_at<ProductWords>(p.region.words, 0);
      words.m = static_cast<uint32_t>(m), words.n = static_cast<uint32_t>(n);
      words.k = static_cast<uint32_t>(k);
      p.region.words.clear();
      append(p.region.words, words);
      const Problem q = transposed(p);
      EXPECT_EQ(choose_matmul(product_of(p.region), device.target).kind == MatmulTile::Kind::units,
                choose_matmul(product_of(q.region), device.target).kind == MatmulTile::Kind::units)
          << name(t) << " " << m << "x" << n << "x" << k;
    }
  }
}

TEST(MatmulUnits, ExpressionsBehindTheSum) {
  const UnitDevice device;
  for (DType t : {DType::f16, DType::f32}) {
    for (int64_t n : {72, 74}) {
      for (bool is_rejected : {false, true}) {
        if (is_rejected && t != DType::f32) continue;
        Problem p(t, t, 1, 70, n, 96);
        p.fill(5, any_real);
        if (is_rejected) {
          const double infinity = std::numeric_limits<double>::infinity();
          store_scalar(make_scalar(t, infinity), p.a_bytes.data(), p.a.at(0, 9, 20));
        }
        const MatmulTile tile = device.tile();
        const Bytes product = run(p, lower_matmul(p.region, device.target, tile));
        for (DType out : {DType::f16, DType::f32}) {
          Problem q = p;
          const auto finished = add_epilogue(q, out);
          EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)), finished(product))
              << name(t) << " " << name(out) << " " << n;
        }
      }
    }
  }
}

TEST(MatmulUnits, ChosenByShapeAndTypeAlone) {
  const UnitDevice device;
  const auto kernels = [&](DType t, int64_t m, int64_t n, int64_t k, Pattern pattern) {
    Problem p(t, t, 1, 1, 1, 1);
    const auto word = [](int64_t v) { return static_cast<uint32_t>(v); };
    const bool rows = pattern == Pattern::rows;
    const MatrixWords x = {0, 0, rows ? word(k) : 1, rows ? 1 : word(m)}, y = {0, 0, word(n), 1};
    p.region.words.clear();
    append(p.region.words, ProductWords{x, y, 1, word(m), word(n), word(k)});
    std::string names;
    for (const Launch& d : lower_matmul(p.region, device.target).launches) {
      names += d.generate(p.region).name + " ";
    }
    return names;
  };
  for (Pattern pattern : {Pattern::rows, Pattern::columns}) {
    for (DType t : {DType::f16, DType::bf16}) {
      EXPECT_EQ(kernels(t, 256, 256, 256, pattern), "matmul_units ");

      EXPECT_EQ(kernels(t, 1000, 1001, 1003, pattern), "matmul_units matmul_totals ");
      EXPECT_EQ(kernels(t, 96, 96, 64, pattern), "matmul_shared ");
    }
    EXPECT_EQ(kernels(DType::f32, 4096, 4096, 4096, pattern),
              "matmul_measure matmul_units matmul_shared ");
    EXPECT_EQ(kernels(DType::f32, 512, 512, 512, pattern), "matmul_shared ");
  }
}

}  // namespace
}  // namespace nxv::kernels

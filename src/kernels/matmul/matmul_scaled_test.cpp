// Fast products of f32, on matrix units in the interpreter.
#include "kernels/matmul/scaled_lines.h"
#include "kernels/matmul/unit_device_test.h"

namespace nxv::kernels {
namespace {

Problem fast(Problem p) {
  p.region.exprs[static_cast<size_t>(p.region.contraction())].precision = Precision::fast;
  p.region.key += "fast";
  return p;
}

Problem fast_problem(int64_t batch, int64_t m, int64_t n, int64_t k, Pattern pa = Pattern::rows,
                     Pattern pb = Pattern::rows) {
  return fast(Problem(DType::f32, DType::f32, batch, m, n, k, pa, pb));
}

void set(const Matrix& m, Bytes& bytes, int64_t batch, int64_t row, int64_t column, double v) {
  store_scalar(make_scalar(m.dtype, v), bytes.data(), m.at(batch, row, column));
}

std::string names(const Problem& p, const Lowering& lowering) {
  std::string all;
  for (const Launch& d : lowering.launches) all += d.generate(p.region).name + " ";
  return all;
}

// Of eleven bits each: 2^-11, and 2^-40 of the largest that share a scale.
double bound(const Problem& p, int64_t batch, int64_t row, int64_t column) {
  double products = 0, x_sum = 0, y_sum = 0, x_most = 0, y_most = 0;
  for (int64_t k = 0; k < p.k; ++k) {
    const double x = std::fabs(to_double(p.x(batch, row, k)));
    const double y = std::fabs(to_double(p.y(batch, k, column)));
    products += x * y;
    x_sum += x, y_sum += y;
    x_most = std::max(x_most, x), y_most = std::max(y_most, y);
  }
  return products * (0x1p-10 + 0x1p-21) + 0x1p-39 * (x_most * y_sum + x_sum * y_most);
}

void expect_bounded(const Problem& p, const Bytes& c) {
  for (int64_t i = 0; i < p.batch * p.m * p.n; ++i) {
    const int64_t batch = i / (p.m * p.n), row = i / p.n % p.m, column = i % p.n;
    double exact = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      exact += to_double(p.x(batch, row, k)) * to_double(p.y(batch, k, column));
    }
    if (std::fabs(exact) > 0x1.fffp127) continue;
    ASSERT_NEAR(number(c, p.out, i), exact, bound(p, batch, row, column) + 0x1p-149) << i;
  }
}

TEST(MatmulScaled, EveryTile) {
  for (uint32_t subgroup : {16, 32, 64}) {
    const UnitDevice device(subgroup);
    int tiles = 0;
    for (const MatmulTile& tile : device.tiles()) {
      Problem inside = fast_problem(1, tile.rows, tile.columns, 2 * tile.depth);
      if (matmul_obstacle(product_of(inside.region), device.target, tile)) continue;
      ++tiles;
      inside.fill(1, small_number);
      EXPECT_EQ(run(inside, lower_matmul(inside.region, device.target, tile)), exact(inside))
          << tile.name() << " " << name_of(inside);
      Problem edges = fast_problem(1, tile.rows + 8, tile.columns - 24, tile.depth + 24);
      edges.fill(2, small_number);
      EXPECT_EQ(run(edges, lower_matmul(edges.region, device.target, tile)), exact(edges))
          << tile.name() << " " << name_of(edges);
    }
    EXPECT_GE(tiles, 6) << subgroup;
  }
}

TEST(MatmulScaled, EveryPatternOfStrides) {
  const UnitDevice device;
  for (Pattern pa : kPatterns) {
    for (Pattern pb : kPatterns) {
      if (pa != pb && pa != Pattern::rows && pb != Pattern::rows) continue;
      for (int64_t odd : {0, 1}) {
        Problem p = fast_problem(2, 40 + odd, 24 - odd, 72 + odd, pa, pb);
        p.fill(3, small_number);
        EXPECT_EQ(run(p, lower_matmul(p.region, device.target, device.tile())), exact(p))
            << name_of(p) << " " << static_cast<int>(pa) << " " << static_cast<int>(pb);
      }
    }
  }
}

// The error against the norms, and element by element.
TEST(MatmulScaled, ElevenBitsOfAnyNumbers) {
  const auto positive = [](DType t, std::mt19937& random) {
    return make_scalar(t, std::uniform_real_distribution<double>(0, 1)(random));
  };
  const auto normal = [](DType t, std::mt19937& random) {
    return make_scalar(t, std::normal_distribution<double>()(random));
  };
  const auto wide = [](DType t, std::mt19937& random) {
    const int exponent = static_cast<int>(random() % 41) - 20;
    return make_scalar(t,
                       std::ldexp(std::uniform_real_distribution<double>(-1, 1)(random), exponent));
  };
  const auto widest = [](DType t, std::mt19937& random) {
    const int exponent = static_cast<int>(random() % 120) - 60;
    return make_scalar(t,
                       std::ldexp(std::uniform_real_distribution<double>(1, 2)(random), exponent));
  };
  const std::function<Scalar(DType, std::mt19937&)> kinds[] = {any_real, positive, normal, wide,
                                                               widest};
  for (uint32_t subgroup : {16, 32, 64}) {
    const UnitDevice device(subgroup);
    for (const auto& kind : kinds) {
      Problem p = fast_problem(1, 64, 64, 512);
      p.fill(5 + subgroup, kind);
      const Bytes c = run(p, lower_matmul(p.region, device.target, device.tile()));
      EXPECT_LT(errors(p, c).units, 3.5e-4);
      expect_bounded(p, c);
    }
  }
}

TEST(MatmulScaled, LinesOfAnyScale) {
  const UnitDevice device;
  Problem p = fast_problem(2, 40, 40, 256);
  p.fill(6, any_real);
  for (int64_t line = 0; line < 40; ++line) {
    const auto scale = [&](const Matrix& m, Bytes& bytes, bool is_row, int exponent) {
      for (int64_t batch = 0; batch < 2; ++batch) {
        for (int64_t k = 0; k < p.k; ++k) {
          const double v = to_double(is_row ? p.x(batch, line, k) : p.y(batch, k, line));
          set(m, bytes, batch, is_row ? line : k, is_row ? k : line,
              line == 7 ? 0 : std::ldexp(v, exponent));
        }
      }
    };
    scale(p.a, p.a_bytes, true, static_cast<int>(line * 5) - 100);
    scale(p.b, p.b_bytes, false, static_cast<int>(line * 5) - 105);
  }
  expect_bounded(p, run(p, lower_matmul(p.region, device.target, device.tile())));
}

// One scale for all: nothing of a line is rounded further than by the largest of the tensor.
TEST(MatmulScaled, FewLongLinesAreScaledWhole) {
  for (uint32_t subgroup : {16, 32, 64}) {
    const UnitDevice device(subgroup);
    for (bool is_split : {false, true}) {
      for (Pattern pattern : {Pattern::rows, Pattern::columns, Pattern::every_second}) {
        if (subgroup != 32 && pattern != Pattern::rows) continue;
        Problem p = fast_problem(1, 33, 34, 4101, pattern, pattern);
        const ScaleLayout layout = scale_layout(product_of(p.region));
        ASSERT_TRUE(layout.whole_a && layout.whole_b);
        p.fill(7, any_real);
        const Bytes c = run(p, lower_matmul(p.region, device.target, device.tile(is_split)));
        EXPECT_LT(errors(p, c).units, 3e-4);
        expect_bounded(p, c);
        p.fill(8, small_number);
        EXPECT_EQ(run(p, lower_matmul(p.region, device.target, device.tile(is_split))), exact(p));
      }
    }
  }
  // A small part of a large tensor is not, nor are short lines.
  Problem p = fast_problem(1, 33, 34, 4101);
  Product product = product_of(p.region);
  product.a.stored = 100 * 33 * 4101;
  EXPECT_FALSE(scale_layout(product).whole_a);
  EXPECT_TRUE(scale_layout(product).whole_b);
  product.k = 4096;
  EXPECT_FALSE(scale_layout(product).whole_b);
}

// What the product is where it is not finite does not depend on precision, nor does it touch
// elements that no such number has a part in.
TEST(MatmulScaled, KeepsWhatIsNotFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (uint32_t subgroup : {16, 32, 64}) {
    const UnitDevice device(subgroup);
    for (int64_t k : {72, 4100}) {  // of lines, and of tensors
      if (subgroup != 32 && k != 72) continue;
      Problem p = fast_problem(2, 70, 72, k);
      p.fill(9, any_real);
      set(p.a, p.a_bytes, 0, 3, 5, infinity);
      set(p.a, p.a_bytes, 0, 3, 6, infinity);
      set(p.a, p.a_bytes, 0, 9, k - 1, -infinity);
      set(p.a, p.a_bytes, 1, 69, 0, infinity);
      set(p.b, p.b_bytes, 0, 7, 70, std::nan(""));
      set(p.b, p.b_bytes, 1, k - 1, 71, -infinity);
      // The infinity of row 9 meets zero, and numbers that f16 would lose beside others.
      set(p.b, p.b_bytes, 0, k - 1, 10, 0);
      set(p.b, p.b_bytes, 0, k - 1, 11, 0x1p-60);
      set(p.b, p.b_bytes, 0, k - 1, 12, -0x1p-100);
      if (k == 72) {  // beside which nothing would be left of the tensor
        set(p.b, p.b_bytes, 0, 20, 13, 0x1p100);
        set(p.a, p.a_bytes, 0, 11, 20, 0x1p127);
      }
      set(p.a, p.a_bytes, 1, 5, 3, 0);
      // NaN with all bits.
      const uint32_t all_bits = 0x7fffffff;
      std::memcpy(p.a_bytes.data() + p.a.at(1, 5, 4) * 4, &all_bits, 4);

      const Bytes c = run(p, lower_matmul(p.region, device.target, device.tile()));
      const Bytes wanted = run(p, lower_matmul(p.region, device.target, MatmulTile{}));
      int special = 0;
      for (int64_t i = 0; i < 2 * p.m * p.n; ++i) {
        const double x = number(c, p.out, i), y = number(wanted, p.out, i);
        if (std::isfinite(y)) {
          const int64_t row = i / p.n % p.m;
          ASSERT_NEAR(x, y, bound(p, i / (p.m * p.n), row, i % p.n)) << i;
          continue;
        }
        ++special;
        ASSERT_EQ(std::isnan(x), std::isnan(y)) << i;
        if (!std::isnan(y)) {
          ASSERT_EQ(x, y) << i;
        }
      }
      EXPECT_GT(special, 400);
    }
  }
}

TEST(MatmulScaled, TransposedProductsHaveTheSameBits) {
  const UnitDevice device;
  Problem p = fast_problem(2, 70, 72, 96, Pattern::rows, Pattern::columns);
  p.fill(5, any_real);
  const Problem q = fast(transposed(p));
  const MatmulTile tile = device.tile();
  EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)),
            transposed(p, run(p, lower_matmul(p.region, device.target, tile))));
}

TEST(MatmulScaled, ExpressionsBehindTheSum) {
  const UnitDevice device;
  for (bool is_split : {false, true}) {
    for (int64_t n : {72, 74}) {
      Problem p = fast_problem(1, 70, n, is_split ? 1100 : 96);
      p.fill(5, any_real);
      const MatmulTile tile = device.tile(is_split);
      const Bytes product = run(p, lower_matmul(p.region, device.target, tile));
      for (DType out : {DType::f16, DType::f32}) {
        Problem q = p;
        const auto finished = add_epilogue(q, out);
        EXPECT_EQ(run(q, lower_matmul(q.region, device.target, tile)), finished(product))
            << name(out) << " " << n;
      }
    }
  }
}

TEST(MatmulScaled, ChosenByShapeAndPrecisionAlone) {
  UnitDevice device;
  const auto kernels = [&](DType t, int64_t batch, int64_t m, int64_t n, int64_t k) {
    Problem p(t, t, 1, 1, 1, 1);
    const auto word = [](int64_t v) { return static_cast<uint32_t>(v); };
    p.region.words.clear();
    append(p.region.words, ProductWords{{0, word(m * k), word(k), 1},
                                        {0, word(k * n), word(n), 1},
                                        word(batch),
                                        word(m),
                                        word(n),
                                        word(k)});
    const Problem q = fast(p);
    return names(q, lower_matmul(q.region, device.target));
  };
  const DType f32 = DType::f32;
  EXPECT_EQ(kernels(f32, 1, 4096, 4096, 4096), "matmul_scales matmul_units ");
  EXPECT_EQ(kernels(f32, 1, 1024, 1024, 512), "matmul_scales matmul_units ");
  EXPECT_EQ(kernels(f32, 12, 512, 512, 256), "matmul_scales matmul_units ");
  EXPECT_EQ(kernels(f32, 1, 512, 768, 3072), "matmul_scales matmul_units matmul_totals ");
  EXPECT_EQ(kernels(f32, 1, 64, 576, 131072), "matmul_scales matmul_units matmul_totals ");
  EXPECT_EQ(kernels(f32, 1, 4096, 4096, 32), "matmul_shared ");
  EXPECT_EQ(kernels(f32, 1, 512, 768, 768), "matmul_shared ");
  // Other types have one precision.
  EXPECT_EQ(kernels(DType::f16, 1, 512, 512, 512), "matmul_units ");
  // Without what scales need, products are accurate.
  device.plan.has.subgroup_arithmetic = false;
  EXPECT_EQ(kernels(f32, 1, 4096, 4096, 4096), "matmul_measure matmul_units matmul_shared ");
  device.plan.has.coopmat = false;
  EXPECT_EQ(kernels(f32, 1, 4096, 4096, 4096), "matmul_shared ");
}

// Small memories take smaller tiles.
TEST(MatmulScaled, SixteenKilobytes) {
  UnitDevice device;
  device.plan.shared_memory_bytes = 16384;
  Problem p = fast_problem(1, 2048, 2048, 256);
  const MatmulTile tile = choose_matmul(product_of(p.region), device.target);
  EXPECT_EQ(tile.kind, MatmulTile::Kind::units);
  EXPECT_LT(tile.rows * tile.depth, 128u * 32u);
}

}  // namespace
}  // namespace nxv::kernels

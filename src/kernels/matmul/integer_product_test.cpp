// Products of 8-bit integers on matrix units and by dot products of packed words, in the
// interpreter: the same bits as the plain kernel's, whatever the types, strides and device.
#include "kernels/matmul/matmul_problem_test.h"

namespace nxv::kernels {
namespace {

using plan::MatrixType;

// Units of matrices of `steps`, all combinations of signs or those alone that are alike.
struct IntegerDevice : Device {
  explicit IntegerDevice(uint32_t steps = 32, bool mixes = true, uint32_t subgroup = 32,
                         uint32_t shared_bytes = 49152)
      : Device(plan::Profile::discrete) {
    plan.has.coopmat = plan.has.int8 = plan.has.packed_dot = true;
    plan.has.mixed_dot = mixes;
    plan.subgroup_size = plan.matrix_subgroup_size = plan.min_subgroup_size =
        plan.max_subgroup_size = subgroup;
    plan.shared_memory_bytes = shared_bytes;
    for (MatrixType a : {MatrixType::s8, MatrixType::u8}) {
      for (MatrixType b : {MatrixType::s8, MatrixType::u8}) {
        const bool is_unsigned = a == MatrixType::u8 && b == MatrixType::u8;
        if (a != b && !mixes) continue;
        plan.matrix_shapes.push_back(
            {16, 16, steps, a, b, is_unsigned ? MatrixType::u32 : MatrixType::s32});
      }
    }
  }

  // Those for 8-bit integers.
  std::vector<MatmulTile> tiles() const {
    std::vector<MatmulTile> all;
    for (const MatmulTile& t : candidate_tiles(target)) {
      if (t.kind == MatmulTile::Kind::units || t.is_packed) all.push_back(t);
    }
    return all;
  }
};

std::string name_of(const Problem& p) {
  return std::string(name(p.a.dtype)) + " " + std::string(name(p.b.dtype)) + " " +
         std::string(name(p.out)) + " " + std::to_string(p.batch) + "x" + std::to_string(p.m) +
         "x" + std::to_string(p.n) + "x" + std::to_string(p.k);
}

// All values of the type, the ends among them.
Scalar any_byte(DType t, std::mt19937& random) {
  const int64_t range = int64_t{1} << bits(t);
  const int64_t least = is_unsigned(t) ? 0 : -range / 2;
  const auto n = static_cast<int64_t>(random() % static_cast<uint32_t>(range + 16));
  return make_scalar(t, least + std::max<int64_t>(n - 16, 0));
}

Bytes computed(const Problem& p, const Device& device, const MatmulTile& tile) {
  return run(p, lower_matmul(p.region, device.target, tile));
}

TEST(IntegerProducts, EveryTile) {
  for (uint32_t subgroup : {16u, 32u, 64u}) {
    const IntegerDevice device(subgroup == 64 ? 16 : 32, true, subgroup);
    for (const MatmulTile& tile : device.tiles()) {
      const DType t = tile.columns % 3 == 1 ? DType::s8 : DType::u8;
      Problem inside(t, t, 1, tile.rows, tile.columns, 2 * tile.depth, Pattern::rows, Pattern::rows,
                     DType::s32);
      if (matmul_obstacle(product_of(inside.region), device.target, tile)) continue;
      inside.fill(1, any_byte);
      EXPECT_EQ(computed(inside, device, tile), exact(inside)) << tile.name() << " " << subgroup;
      Problem edges(DType::s8, DType::u8, 1, tile.rows + 8, tile.columns - 24, tile.depth + 23,
                    Pattern::rows, Pattern::columns, DType::s32);
      edges.fill(2, any_byte);
      EXPECT_EQ(computed(edges, device, tile), exact(edges)) << tile.name() << " " << subgroup;
    }
  }
}

// The smallest tile on units and the smallest of packed words.
std::vector<MatmulTile> small_tiles(const IntegerDevice& device) {
  return {unit_tile(device.plan, 64, 64, 64, 32, 32), packed(shared_tile(32, 32, 16, 4, 4))};
}

TEST(IntegerProducts, EveryType) {
  const IntegerDevice device;
  constexpr DType kBytes[] = {DType::s8, DType::u8, DType::s4, DType::u4, DType::s2, DType::u2};
  constexpr DType kResults[] = {DType::s8,  DType::u8,  DType::u4,  DType::s16,
                                DType::u16, DType::s32, DType::u32, DType::s64,
                                DType::u64, DType::f32, DType::f64};
  for (DType ta : kBytes) {
    for (DType tb : kBytes) {
      if (bits(ta) < 8 && bits(tb) < 8 && ta != tb) continue;
      for (DType out : kResults) {
        Problem p(ta, tb, 1, 34, 36, 72, Pattern::rows, Pattern::rows, out);
        p.fill(3, any_byte);
        for (const MatmulTile& tile : small_tiles(device)) {
          EXPECT_EQ(computed(p, device, tile), exact(p)) << name_of(p) << " " << tile.name();
        }
      }
    }
  }
}

TEST(IntegerProducts, EveryPatternOfStrides) {
  for (const IntegerDevice& device : {IntegerDevice(32), IntegerDevice(16)}) {
    for (Pattern pa : kPatterns) {
      for (Pattern pb : kPatterns) {
        // Sizes of whole words and chunks, and others.
        for (auto [m, n, k] : {std::array<int64_t, 3>{40, 24, 80}, {41, 23, 73}, {36, 28, 68}}) {
          Problem p(DType::s8, DType::s8, 2, m, n, k, pa, pb, DType::s32);
          p.fill(4, any_byte);
          for (const MatmulTile& tile : small_tiles(device)) {
            EXPECT_EQ(computed(p, device, tile), exact(p))
                << name_of(p) << " " << tile.name() << " " << static_cast<int>(pa) << " "
                << static_cast<int>(pb);
          }
        }
      }
    }
  }
}

// A sum of 64 bits comes from one of 32 only where that cannot overflow.
TEST(IntegerProducts, WideSumsOfShortProductsAlone) {
  const IntegerDevice device;
  const auto has_units = [&](DType t, DType out, int64_t k) {
    const Problem p(t, t, 1, 1, 1, k, Pattern::rows, Pattern::rows, out);
    const Product product = product_of(p.region);
    EXPECT_EQ(has_word_sums(product), has_dots(product, device.target));
    EXPECT_EQ(has_word_sums(product), integer_shape(product, device.target).has_value());
    return has_word_sums(product);
  };
  EXPECT_TRUE(has_units(DType::s8, DType::s64, 131071));
  EXPECT_FALSE(has_units(DType::s8, DType::s64, 131072));
  EXPECT_TRUE(has_units(DType::u8, DType::u64, 33025));
  EXPECT_FALSE(has_units(DType::u8, DType::u64, 33026));
  EXPECT_TRUE(has_units(DType::s8, DType::f32, 1024));
  EXPECT_FALSE(has_units(DType::s8, DType::f32, 1025));
  EXPECT_TRUE(has_units(DType::s8, DType::s32, 1 << 20));
  EXPECT_FALSE(has_units(DType::s16, DType::s32, 64));
  EXPECT_FALSE(has_units(DType::f8_e4m3fn, DType::f32, 64));
}

// Sums at the bound, of the most negative and of the largest products.
TEST(IntegerProducts, LongSumsKeepTheirSign) {
  const IntegerDevice device;
  for (auto [a, b] : {std::pair{-128, -128}, {-128, 127}, {127, 127}}) {
    Problem p(DType::s8, DType::s8, 1, 32, 32, 8192, Pattern::one_element, Pattern::one_element,
              DType::s64);
    p.fill(0, [](DType t, std::mt19937&) { return make_scalar(t, int64_t{0}); });
    store_scalar(make_scalar(DType::s8, int64_t{a}), p.a_bytes.data(), 1);
    store_scalar(make_scalar(DType::s8, int64_t{b}), p.b_bytes.data(), 1);
    for (const MatmulTile& tile : small_tiles(device)) {
      EXPECT_EQ(computed(p, device, tile), exact(p)) << a << " " << b << " " << tile.name();
    }
  }
}

TEST(IntegerProducts, MixedSignsWhereTheDeviceHasThem) {
  const Problem mixed(DType::s8, DType::u8, 1, 256, 256, 256);
  const Problem alike(DType::s8, DType::s8, 1, 256, 256, 256);
  const auto chosen = [](const Problem& p, const Device& device) {
    return choose_matmul(product_of(p.region), device.target);
  };
  const IntegerDevice all;
  EXPECT_EQ(chosen(mixed, all).kind, MatmulTile::Kind::units);
  EXPECT_EQ(chosen(alike, all).kind, MatmulTile::Kind::units);
  const IntegerDevice some(32, false);
  EXPECT_EQ(chosen(alike, some).kind, MatmulTile::Kind::units);
  EXPECT_EQ(chosen(mixed, some).kind, MatmulTile::Kind::shared);
  EXPECT_FALSE(chosen(mixed, some).is_packed);
  IntegerDevice dots;
  dots.plan.has.int8 = false;
  EXPECT_EQ(chosen(mixed, dots).kind, MatmulTile::Kind::shared);
  EXPECT_TRUE(chosen(mixed, dots).is_packed);
}

// Whatever the device chooses, also with little shared memory.
TEST(IntegerProducts, ChosenKernels) {
  for (uint32_t subgroup : {16u, 32u, 64u}) {
    for (bool has_units : {true, false}) {
      IntegerDevice device(32, true, subgroup, subgroup == 32 ? 49152 : 16384);
      device.plan.has.int8 = has_units;
      for (auto [m, n, k] :
           {std::array<int64_t, 3>{256, 160, 112}, {100, 65, 1100}, {5, 300, 64}}) {
        Problem p(DType::s8, DType::s8, 1, m, n, k);
        p.fill(5, any_byte);
        const Lowering lowering = lower_matmul(p.region, device.target);
        EXPECT_EQ(run(p, lowering), exact(p))
            << name_of(p) << " " << choose_matmul(product_of(p.region), device.target).name();
      }
    }
  }
}

TEST(IntegerProducts, ExpressionsBehindTheSum) {
  const IntegerDevice device;
  for (int64_t n : {72, 74}) {
    for (const MatmulTile& tile : small_tiles(device)) {
      Problem p(DType::s8, DType::s8, 1, 70, n, 96, Pattern::rows, Pattern::rows, DType::f32);
      p.fill(6, any_byte);
      const Bytes product = computed(p, device, tile);
      const auto finished = add_epilogue(p, DType::f16);
      EXPECT_EQ(computed(p, device, tile), finished(product)) << tile.name() << " " << n;
    }
  }
}

TEST(IntegerProducts, TransposedProducts) {
  const IntegerDevice device;
  Problem p(DType::s8, DType::u8, 2, 70, 72, 96, Pattern::rows, Pattern::columns);
  p.fill(7, any_byte);
  const Problem q = transposed(p);
  for (const MatmulTile& tile : small_tiles(device)) {
    EXPECT_EQ(computed(q, device, tile), transposed(p, computed(p, device, tile)));
  }
}

}  // namespace
}  // namespace nxv::kernels

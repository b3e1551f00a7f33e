// Products with few rows or columns.
#include "kernels/matmul/line_choice.h"
#include "kernels/matmul/matmul_problem_test.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

// Every tile of lines that takes the problem gives the same bits. Returns how many do.
int expect_everywhere(const Problem& p, const Bytes& wanted, const Device& device) {
  int tiles = 0;
  for (const MatmulTile& tile : line_tiles()) {
    if (matmul_obstacle(product_of(p.region), device.target, tile)) continue;
    EXPECT_EQ(run(p, lower_matmul(p.region, device.target, tile)), wanted)
        << tile.name() << " " << name(p.a.dtype) << " " << name(p.b.dtype) << " " << p.batch << "x"
        << p.m << "x" << p.n << "x" << p.k;
    ++tiles;
  }
  return tiles;
}

// In the blocks that every kernel adds up.
Bytes model_on(const Problem& p, const Device& device) {
  return model<float>(p, accumulation(product_of(p.region), device.target).block);
}

// Few rows, and few columns.
constexpr std::array<std::array<int64_t, 2>, 2> kSides = {{{3, 37}, {37, 3}}};

TEST(MatmulLines, EveryPatternOfStrides) {
  const Device device(plan::Profile::discrete, false);
  for (auto [m, n] : kSides) {
    int taken = 0;
    for (Pattern pa : kPatterns) {
      for (Pattern pb : kPatterns) {
        Problem p(DType::f32, DType::f32, 2, m, n, 300, pa, pb);
        p.fill(7, any_real);
        const int tiles = expect_everywhere(p, model_on(p, device), device);
        EXPECT_TRUE(tiles == 0 || tiles >= 4);
        taken += tiles > 0;
      }
    }
    // Those whose lines are neighbours, or whose elements are: but not every second, nor reversed,
    // nor one for all.
    EXPECT_EQ(taken, 6 * 9);
  }
}

TEST(MatmulLines, EveryType) {
  const Device device(plan::Profile::discrete);
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto t = static_cast<DType>(i);
    for (Pattern pattern : {Pattern::rows, Pattern::columns}) {
      for (auto [m, n] : {std::array<int64_t, 2>{2, 64}, {64, 5}, {1, 35}, {35, 1}}) {
        Problem p(t, t, 2, m, n, 96, pattern, pattern);
        p.fill(static_cast<uint32_t>(i), small_number);
        EXPECT_EQ(expect_everywhere(p, exact(p), device) > 0, !is_complex(t)) << name(t);
      }
    }
  }
}

// Integers go by blocks of their own.
TEST(MatmulLines, LongSumsOfIntegers) {
  const Device device(plan::Profile::discrete);
  for (DType t : {DType::u8, DType::s16, DType::s64}) {
    for (Pattern pattern : {Pattern::rows, Pattern::columns}) {
      Problem p(t, t, 1, 2, 48, 3000, Pattern::rows, pattern);
      p.fill(3, small_number);
      EXPECT_GE(expect_everywhere(p, exact(p), device), 4);
      EXPECT_EQ(run(p, lower_matmul(p.region, device.target)), exact(p));
    }
  }
}

TEST(MatmulLines, EveryEdge) {
  const Device device(plan::Profile::discrete, false);
  for (int64_t vectors : {1, 2, 4, 9, 16}) {
    for (int64_t lines : {32, 33, 66, 128}) {
      for (int64_t k : {1, 31, 256, 511, 768, 1024}) {
        const bool are_rows = (vectors + lines + k) % 2 == 0;
        for (Pattern pattern : {Pattern::rows, Pattern::columns}) {
          Problem p(DType::f32, DType::f32, 1, are_rows ? lines : vectors,
                    are_rows ? vectors : lines, k, pattern, pattern);
          p.fill(static_cast<uint32_t>(lines * k), any_real);
          EXPECT_GT(expect_everywhere(p, model_on(p, device), device), 0);
        }
      }
    }
  }
}

TEST(MatmulLines, InfinityAndNanStayWhereTheyAre) {
  const Device device(plan::Profile::discrete);
  for (Pattern pattern : {Pattern::rows, Pattern::columns}) {
    Problem p(DType::f32, DType::f32, 1, 3, 34, 21, Pattern::rows, pattern);
    p.fill(5, any_real);
    const double infinity = std::numeric_limits<double>::infinity();
    store_scalar(make_scalar(DType::f32, infinity), p.a_bytes.data(), p.a.at(0, 2, 20));
    store_scalar(make_scalar(DType::f32, std::nan("")), p.b_bytes.data(), p.b.at(0, 20, 33));
    for (const MatmulTile& tile : line_tiles()) {
      if (matmul_obstacle(product_of(p.region), device.target, tile)) continue;
      const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
      for (int64_t i = 0; i < 3 * 34; ++i) {
        const double v = to_double(load_scalar(DType::f32, c.data(), i));
        EXPECT_EQ(std::isnan(v), i % 34 == 33) << tile.name() << " " << i;
        EXPECT_EQ(std::isinf(v), i / 34 == 2 && i % 34 != 33) << tile.name() << " " << i;
      }
    }
  }
}

TEST(MatmulLines, Epilogues) {
  const Device device(plan::Profile::discrete, false);
  for (auto [m, n] : {std::array<int64_t, 2>{3, 64}, {2, 37}, {64, 4}, {37, 3}, {36, 1}}) {
    Problem p(DType::f32, DType::f32, 1, m, n, 600);
    p.fill(5, any_real);
    const Bytes product = model_on(p, device);
    for (DType out : {DType::f32, DType::f16}) {
      Problem q = p;
      const auto finished = add_epilogue(q, out);
      EXPECT_GE(expect_everywhere(q, finished(product), device), 2);
    }
  }
}

// What is chosen computes the same, also where subgroups and shared memory are others.
TEST(MatmulLines, Chosen) {
  struct Case {
    DType type;
    int64_t batch, m, n, k;
    Pattern a, b;
  };
  const auto rows = Pattern::rows, columns = Pattern::columns;
  for (const Case& c :
       {Case{DType::bf16, 1, 1, 512, 1024, rows, rows},
        Case{DType::bf16, 1, 1, 512, 1024, rows, columns},
        Case{DType::f16, 8, 4, 96, 64, rows, columns}, Case{DType::f32, 8, 4, 64, 520, rows, rows},
        Case{DType::f32, 1, 300, 7, 700, columns, rows},
        Case{DType::f16, 2, 16, 130, 300, columns, columns}}) {
    for (uint32_t shared : {49152, 16384}) {
      for (uint32_t lanes : {0, 16, 32, 64}) {
        Device device(plan::Profile::discrete, false);
        device.plan.shared_memory_bytes = shared;
        device.plan.subgroup_size = device.plan.min_subgroup_size = device.plan.max_subgroup_size =
            lanes;
        Problem p(c.type, c.type, c.batch, c.m, c.n, c.k, c.a, c.b);
        p.fill(5, any_real);
        EXPECT_EQ(choose_matmul(product_of(p.region), device.target).kind, Kind::lines);
        EXPECT_EQ(run(p, lower_matmul(p.region, device.target)), model_on(p, device));
      }
    }
  }
}

}  // namespace
}  // namespace nxv::kernels

#include "kernels/matmul/matmul.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/matmul/matmul_problem_test.h"

namespace nxv::kernels {
namespace {

// Every tile that can compute the problem gives the same bits.
void expect_everywhere(const Problem& p, const std::function<Bytes(const Device&)>& model,
                       bool f64 = true) {
  for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
    const Device device(profile, f64);
    const Bytes wanted = model(device);
    for (const MatmulTile& tile : test_tiles(device)) {
      Lowering lowering;
      try {
        lowering = lower_matmul(p.region, device.target, tile);
      } catch (const Error& e) {
        if (e.status() != Status::invalid_argument) throw;
        continue;
      }
      EXPECT_EQ(run(p, lowering), wanted)
          << tile.name() << " " << name(p.a.dtype) << " " << name(p.b.dtype) << " " << p.batch
          << "x" << p.m << "x" << p.n << "x" << p.k;
    }
  }
}

void expect_everywhere(const Problem& p, const Bytes& wanted) {
  expect_everywhere(p, [&](const Device&) { return wanted; });
}

TEST(Matmul, EveryType) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto t = static_cast<DType>(i);
    Problem p(t, t, 2, 5, 7, 9);
    p.fill(static_cast<uint32_t>(i), small_number);
    expect_everywhere(p, exact(p));
    Problem whole_words(t, t, 1, 9, 12, 35, Pattern::columns);
    whole_words.fill(static_cast<uint32_t>(i), small_number);
    expect_everywhere(whole_words, exact(whole_words));
  }
}

TEST(Matmul, MixedTypes) {
  for (auto [ta, tb] : {std::pair{DType::u8, DType::s16},
                        {DType::f32, DType::s64},
                        {DType::bf16, DType::u2},
                        {DType::f16, DType::f64},
                        {DType::s8, DType::c64},
                        {DType::c64, DType::f64},
                        {DType::f8_e4m3fn, DType::f32}}) {
    Problem p(ta, tb, 1, 6, 8, 20);
    p.fill(1, small_number);
    expect_everywhere(p, exact(p));
  }
}

TEST(Matmul, EveryPatternOfStrides) {
  for (Pattern pa : kPatterns) {
    for (Pattern pb : kPatterns) {
      Problem p(DType::f32, DType::f32, 2, 9, 10, 37, pa, pb);
      p.fill(7, any_real);
      const Bytes wanted = model<double>(p, 64);
      for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
        const Device device(profile);
        const bool is_cpu = profile == plan::Profile::cpu;
        const MatmulTile tile = is_cpu ? test_tiles(device).back() : shared_tile(32, 32, 32, 4, 4);
        EXPECT_EQ(run(p, lower_matmul(p.region, device.target, tile)), wanted);
        EXPECT_EQ(run(p, lower_matmul(p.region, device.target)), wanted);
      }
    }
  }
}

TEST(Matmul, EveryEdge) {
  for (int64_t m : {1, 3, 8, 33, 64}) {
    for (int64_t n : {1, 4, 31, 66}) {
      for (int64_t k : {1, 4, 31, 32}) {
        Problem p(DType::f32, DType::f32, 1, m, n, k);
        p.fill(static_cast<uint32_t>(m * n * k), any_real);
        expect_everywhere(p, model<double>(p, 64));
      }
    }
  }
}

TEST(Matmul, BlocksOfF32) {
  for (auto [m, n, k] :
       {std::array<int64_t, 3>{5, 6, 256}, {5, 8, 257}, {64, 64, 768}, {40, 33, 1100}}) {
    Problem p(DType::f32, DType::f32, 1, m, n, k, Pattern::columns, Pattern::rows);
    p.fill(3, any_real);
    const auto wanted = [&](const Device& device) {
      return model<float>(p, accumulation(product_of(p.region), device.target).block);
    };
    expect_everywhere(p, wanted, false);
  }
}

// Of few rows or columns blocks are shorter, but no more than 64 as long as 256 steps suffice; on
// CPUs, which take one element after the other, they are not.
TEST(Matmul, LengthOfBlocks) {
  const auto block = [](plan::Profile profile, int64_t m, int64_t n, int64_t k) {
    const Device device(profile, false);
    const Problem p(DType::f32, DType::f32, 1, m, n, k);
    return accumulation(product_of(p.region), device.target).block;
  };
  const auto gpu = plan::Profile::discrete;
  EXPECT_EQ(block(gpu, 16, 1024, 100), 64u);
  EXPECT_EQ(block(gpu, 1024, 16, 4096), 64u);
  EXPECT_EQ(block(gpu, 1, 1024, 4097), 128u);
  EXPECT_EQ(block(gpu, 1, 1024, 8193), 256u);
  EXPECT_EQ(block(gpu, 1, 16, 1 << 20), 256u);
  EXPECT_EQ(block(gpu, 17, 1024, 100), 256u);
  EXPECT_EQ(block(plan::Profile::cpu, 1, 1024, 100), 256u);
}

TEST(Matmul, LargeTiles) {
  const Device device(plan::Profile::discrete, false);
  Problem p(DType::f32, DType::f32, 1, 128, 128, 512);
  p.fill(3, any_real);
  const uint32_t block = accumulation(product_of(p.region), device.target).block;
  const Bytes wanted = model<float>(p, block);
  for (const MatmulTile& tile : candidate_tiles(device.target)) {
    if (tile.rows < 128 && tile.columns < 128) continue;
    EXPECT_EQ(run(p, lower_matmul(p.region, device.target, tile)), wanted) << tile.name();
  }
}

TEST(Matmul, SmallProductsRoundOnce) {
  Problem p(DType::f32, DType::f32, 1, 8, 12, 300);
  p.fill(5, any_real);
  expect_everywhere(p, model<double>(p, 64));
}

TEST(Matmul, InfinityAndNanStayWhereTheyAre) {
  Problem p(DType::f32, DType::f32, 1, 10, 12, 21);
  p.fill(5, any_real);
  const double infinity = std::numeric_limits<double>::infinity();
  store_scalar(make_scalar(DType::f32, infinity), p.a_bytes.data(), p.a.at(0, 9, 20));
  store_scalar(make_scalar(DType::f32, std::nan("")), p.b_bytes.data(), p.b.at(0, 20, 11));
  for (plan::Profile profile : {plan::Profile::cpu, plan::Profile::discrete}) {
    const Device device(profile);
    for (const MatmulTile& tile : test_tiles(device)) {
      if (matmul_obstacle(product_of(p.region), device.target, tile)) continue;
      const Bytes c = run(p, lower_matmul(p.region, device.target, tile));
      for (int64_t i = 0; i < 120; ++i) {
        const double v = to_double(load_scalar(DType::f32, c.data(), i));
        EXPECT_EQ(std::isnan(v), i % 12 == 11) << tile.name() << " " << i;
        EXPECT_EQ(std::isinf(v), i / 12 == 9 && i % 12 != 11) << tile.name() << " " << i;
      }
    }
  }
}

// Beyond what one invocation may loop over, and in several passes.
TEST(Matmul, LongProducts) {
  for (auto [t, m, k] : {std::tuple{DType::s32, int64_t{1}, int64_t{70001}},
                         {DType::u8, int64_t{3}, int64_t{40000}},
                         {DType::f32, int64_t{2}, int64_t{33000}}}) {
    Problem p(t, t, 1, m, 1, k);
    p.fill(5, small_number);
    const Device device(plan::Profile::cpu);
    const Lowering lowering = lower_matmul(p.region, device.target);
    EXPECT_EQ(run(p, lowering), exact(p));
  }
}

TEST(Matmul, SeveralPasses) {
  const Device device(plan::Profile::cpu, false);
  // 4 096 blocks of 256 a pass.
  Problem p(DType::f32, DType::f32, 1, 1, 1, 4096 * 256 * 2 + 700, Pattern::one_element);
  p.fill(5, any_real);
  const Lowering lowering = lower_matmul(p.region, device.target);
  EXPECT_EQ(lowering.launches.size(), 6u);
  EXPECT_EQ(run(p, lowering), model<float>(p, 256));
}

TEST(Matmul, ChoosesLargerKernelsForLargerProducts) {
  const auto kernel_of = [](plan::Profile profile, int64_t m, int64_t n, int64_t k) {
    const Device device(profile);
    const Problem p(DType::f32, DType::f32, 1, m, n, k);
    return lower_matmul(p.region, device.target).launches[0].generate(p.region).name;
  };
  EXPECT_EQ(kernel_of(plan::Profile::cpu, 16, 16, 16), "matmul_plain");
  EXPECT_EQ(kernel_of(plan::Profile::cpu, 128, 128, 128), "matmul_registers");
  EXPECT_EQ(kernel_of(plan::Profile::discrete, 8, 8, 8), "matmul_plain");
  EXPECT_EQ(kernel_of(plan::Profile::discrete, 32, 32, 32), "matmul_plain");
  EXPECT_EQ(kernel_of(plan::Profile::discrete, 128, 128, 128), "matmul_shared");
  EXPECT_EQ(kernel_of(plan::Profile::discrete, 512, 512, 512), "matmul_shared");
  EXPECT_EQ(kernel_of(plan::Profile::discrete, 1, 1, 1 << 20), "matmul_blocks");
}

}  // namespace
}  // namespace nxv::kernels

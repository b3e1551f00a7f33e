#include "kernels/matmul/matmul_choice.h"

#include <gtest/gtest.h>

#include <array>

#include "testing/driver/snapshots.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

plan::DevicePlan cpu_plan() {
  plan::DevicePlan plan;
  plan.tuning = plan::tuning_of(plan::Profile::cpu, nxv::testing::lavapipe_25());
  plan.has.subgroup_shuffle = plan.fixed_subgroup_size = true;
  plan.subgroup_size = plan.matrix_subgroup_size = 8;
  plan.max_workgroup_invocations = 1024;
  plan.shared_memory_bytes = 32768;
  return plan;
}

plan::DevicePlan gpu_plan() {
  plan::DevicePlan plan = cpu_plan();
  plan.tuning = {};
  plan.subgroup_size = plan.matrix_subgroup_size = 32;
  plan.shared_memory_bytes = 49152;
  return plan;
}

plan::DevicePlan unit_plan() {
  plan::DevicePlan plan = gpu_plan();
  plan.has.coopmat = true;
  const auto f16 = plan::MatrixType::f16;
  plan.matrix_shapes = {{16, 16, 16, f16, f16, plan::MatrixType::f32}};
  return plan;
}

// Of matrices whose rows lie one after the other.
Product product(DType type, uint64_t m, uint64_t n, uint64_t k) {
  Product p;
  p.type = type;
  p.m = m;
  p.n = n;
  p.k = k;
  p.a = {type, m, 0, 0, static_cast<uint32_t>(k), 1};
  p.b = {type, n, 0, 0, 1, static_cast<uint32_t>(n)};
  return p;
}

Product transposed(Product p) {
  p.b = {p.type, p.n, 0, 0, static_cast<uint32_t>(p.k), 1};
  return p;
}

// Why no kernel of the kind computes the product: the reason of its last tile; null where one
// could.
const char* refusal(const Product& p, const plan::DevicePlan& plan, Kind kind) {
  const char* why = "no candidate";
  for (const MatmulCandidate& c : matmul_candidates(p, make_target(plan))) {
    if (c.tile.kind != kind) continue;
    if (!c.refusal) return nullptr;
    why = c.refusal;
  }
  return why;
}

TEST(MatmulChoice, PlainIsTheLastAndTakesEverything) {
  for (const plan::DevicePlan& plan : {cpu_plan(), gpu_plan(), unit_plan()}) {
    for (int i = 0; i < kDTypeCount; ++i) {
      const auto all =
          matmul_candidates(product(static_cast<DType>(i), 512, 512, 512), make_target(plan));
      EXPECT_EQ(all.back().tile.kind, Kind::plain);
      EXPECT_EQ(all.back().refusal, nullptr);
    }
  }
}

TEST(MatmulChoice, TheFirstThatIsNotRefused) {
  for (const plan::DevicePlan& plan : {cpu_plan(), gpu_plan(), unit_plan()}) {
    const Target target = make_target(plan);
    for (uint64_t size : {1, 8, 20, 40, 64, 100, 512, 2048}) {
      for (DType t : {DType::f16, DType::f32, DType::f64, DType::c64, DType::s8}) {
        const Product p = product(t, size, size, size);
        const MatmulTile chosen = choose_matmul(p, target);
        for (const MatmulCandidate& c : matmul_candidates(p, target)) {
          if (c.refusal) continue;
          EXPECT_EQ(c.tile.name(), chosen.name());
          break;
        }
        if (chosen.kind != Kind::plain) {
          EXPECT_EQ(matmul_obstacle(p, target, chosen), nullptr);
        }
      }
    }
  }
}

TEST(MatmulChoice, RefusalsByDevice) {
  const Product p = product(DType::f32, 512, 512, 512);
  EXPECT_STREQ(refusal(p, cpu_plan(), Kind::shared), "the device has no shared memory of its own");
  EXPECT_EQ(refusal(p, cpu_plan(), Kind::registers), nullptr);
  EXPECT_EQ(refusal(p, gpu_plan(), Kind::shared), nullptr);
  EXPECT_STREQ(refusal(p, gpu_plan(), Kind::registers),
               "tiles in registers are for CPUs, whose caches serve all lanes");
  EXPECT_STREQ(refusal(p, gpu_plan(), Kind::units), "the device has no matrix units for its types");
  plan::DevicePlan small = gpu_plan();
  small.shared_memory_bytes = 4096;
  EXPECT_STREQ(refusal(p, small, Kind::shared), "the slabs do not fit into shared memory");
  small = gpu_plan();
  small.max_workgroup_invocations = 32;
  EXPECT_STREQ(refusal(p, small, Kind::shared), "the workgroup is too large");
}

TEST(MatmulChoice, RefusalsBySize) {
  EXPECT_STREQ(refusal(product(DType::f32, 512, 512, 8), gpu_plan(), Kind::shared),
               "it has fewer than 16 rows, columns or steps");
  EXPECT_STREQ(refusal(product(DType::f32, 64, 64, 128), gpu_plan(), Kind::shared),
               "its tiles are too few to keep the device busy");
  EXPECT_EQ(refusal(product(DType::f32, 64, 64, 129), gpu_plan(), Kind::shared), nullptr);
  EXPECT_STREQ(refusal(product(DType::f32, 63, 64, 64), cpu_plan(), Kind::registers),
               "it is too small to pay for compiling the kernel");
  EXPECT_EQ(refusal(product(DType::f32, 64, 64, 64), cpu_plan(), Kind::registers), nullptr);
  EXPECT_STREQ(refusal(product(DType::c64, 64, 64, 64), cpu_plan(), Kind::registers),
               "the type is complex");
}

TEST(MatmulChoice, RefusalsOfMatrixUnits) {
  const plan::DevicePlan plan = unit_plan();
  const auto why = [&](DType t, uint64_t m, uint64_t n, uint64_t k) {
    return refusal(product(t, m, n, k), plan, Kind::units);
  };
  EXPECT_EQ(why(DType::f16, 256, 256, 256), nullptr);
  EXPECT_STREQ(why(DType::f16, 31, 4096, 4096), "it has fewer than 32 rows, columns or steps");
  EXPECT_STREQ(why(DType::f16, 161, 161, 161), "it is too small for matrix units");
  EXPECT_STREQ(why(DType::f16, 8192, 8192, 32769), "k is too long for one chain of additions");
  EXPECT_EQ(why(DType::f16, 64, 64, 32769), nullptr);  // in parts
  EXPECT_EQ(why(DType::f32, 1024, 1024, 1024), nullptr);
  EXPECT_STREQ(why(DType::f32, 1024, 1024, 767), "it is too small for splitting f32 to pay");
  EXPECT_STREQ(why(DType::f32, 4096, 4096, 191), "k is too short for splitting f32 to pay");
  EXPECT_STREQ(why(DType::f32, 64, 288, 131072), "its lines are too few and too long to measure");
  Product gradient = product(DType::f32, 128, 1152, 32768);
  EXPECT_EQ(refusal(gradient, unit_plan(), Kind::units), nullptr);
  gradient.b.is_gathered = true;
  EXPECT_STREQ(refusal(gradient, unit_plan(), Kind::units),
               "its lines are too few and too long to measure");
  EXPECT_STREQ(why(DType::f64, 1024, 1024, 1024), "the device has no matrix units for its types");
}

TEST(MatmulChoice, FastProductsOfModels) {
  plan::DevicePlan plan = unit_plan();
  plan.has.subgroup_arithmetic = true;
  const auto fast = [](uint64_t batch, uint64_t m, uint64_t n, uint64_t k) {
    Product p = product(DType::f32, m, n, k);
    p.precision = Precision::fast;
    p.batch = batch;
    return p;
  };
  const auto chosen = [&](const Product& p) { return choose_matmul(p, make_target(plan)).name(); };
  // Layers of transformers, scores and what they weigh.
  EXPECT_EQ(chosen(fast(1, 512, 2304, 768)), "units_128_128_32_64_32");
  EXPECT_EQ(chosen(fast(1, 512, 768, 3072)), "units_64_64_32_32_32_w3");
  EXPECT_EQ(chosen(fast(1, 4096, 4096, 4096)), "units_128_256_32_64_64");
  EXPECT_EQ(chosen(fast(1, 512, 50304, 768)), "units_128_256_32_64_64");
  // Convolutions and the gradients of their kernels.
  EXPECT_EQ(chosen(fast(1, 131072, 64, 576)), "units_128_64_32_32_32");
  EXPECT_EQ(chosen(fast(1, 64, 576, 131072)), "units_64_64_32_32_32_w32");
  const auto why = [&](uint64_t m, uint64_t n, uint64_t k) {
    return refusal(fast(1, m, n, k), plan, Kind::units);
  };
  EXPECT_STREQ(why(256, 512, 784), "it is too small for scaling f32 to pay");
  EXPECT_STREQ(why(512, 768, 768), "it is too small for scaling f32 to pay");
  EXPECT_STREQ(why(4096, 4096, 255), "k is too short for scaling f32 to pay");
  EXPECT_STREQ(why(4096, 31, 4096), "it has fewer than 32 rows, columns or steps");
  EXPECT_STREQ(why(1024, 1024, 32769), "k is too long for one chain of additions");
  // Without what scales take, they are accurate.
  EXPECT_STREQ(refusal(fast(1, 512, 512, 512), unit_plan(), Kind::units),
               "it is too small for splitting f32 to pay");
}

// As gradients of convolutions and of layers ask for.
TEST(MatmulChoice, FewTilesOfLongProductsAreSplit) {
  plan::DevicePlan plan = unit_plan();
  const auto chosen = [&](DType t, uint64_t m, uint64_t n, uint64_t k) {
    return choose_matmul(product(t, m, n, k), make_target(plan)).name();
  };
  EXPECT_EQ(chosen(DType::f32, 64, 288, 131072), "shared_64_64_16_8_4_w");
  EXPECT_EQ(chosen(DType::f32, 64, 27, 131072), "shared_32_32_32_4_4_w");
  EXPECT_EQ(chosen(DType::f32, 512, 768, 3072), "units_128_128_32_64_32_w4");
  EXPECT_EQ(chosen(DType::f16, 512, 768, 3072), "units_128_128_64_64_64_w4");
  EXPECT_EQ(chosen(DType::f16, 4096, 768, 3072), "units_128_128_64_64_64");
  EXPECT_EQ(chosen(DType::f16, 4096, 768, 3080), "units_128_128_32_64_64");
  // Nor are tiles wider than the product.
  EXPECT_EQ(chosen(DType::f32, 131072, 64, 576), "units_128_64_32_32_32");
  EXPECT_EQ(chosen(DType::f16, 64, 131072, 576), "units_64_128_32_32_32");
  EXPECT_EQ(chosen(DType::f32, 131072, 64, 27), "shared_128_64_8_8_8");
  // The last round of tiles is as long as a full one: 144 of them on 132 cores take two.
  plan.tuning.cores = 132;
  EXPECT_EQ(chosen(DType::f32, 768, 3072, 2048), "units_128_128_32_64_32_w4");
  EXPECT_EQ(chosen(DType::f32, 768, 3072, 4096), "units_128_128_32_64_32_w6");
  EXPECT_EQ(chosen(DType::f32, 4096, 768, 50304), "units_128_128_32_64_32_w11");
  EXPECT_EQ(chosen(DType::f32, 2048, 768, 2048), "units_128_128_32_64_32");
  EXPECT_EQ(chosen(DType::f32, 512, 768, 3072), "units_128_128_32_64_32_w5");
  EXPECT_EQ(chosen(DType::f16, 768, 3072, 4096), "units_128_128_64_64_64_w3");
  EXPECT_EQ(chosen(DType::f16, 3152, 768, 3072), "units_128_128_64_64_64_w3");
  EXPECT_EQ(chosen(DType::f16, 256, 2048, 8192), "units_128_128_64_64_64_w8");
  EXPECT_EQ(chosen(DType::f16, 1024, 768, 3072), "units_128_128_64_64_64_w5");
  EXPECT_EQ(chosen(DType::f16, 4096, 768, 3072), "units_128_128_64_64_64");
  EXPECT_EQ(chosen(DType::f16, 2048, 768, 3072), "units_128_128_64_64_64");
  EXPECT_EQ(chosen(DType::f16, 1024, 768, 768), "units_64_128_64_32_64");
  // Parts are whole numbers of slabs.
  EXPECT_EQ(steps_of_part(3072, 3), 1024u);
  EXPECT_EQ(steps_of_part(100000, 195), 576u);
  EXPECT_EQ(steps_of_part(4096, 1), 4096u);
}

// With units of 8-bit integers of one sign, and dot products of both.
plan::DevicePlan integer_plan() {
  plan::DevicePlan plan = unit_plan();
  plan.has.int8 = plan.has.packed_dot = plan.has.mixed_dot = true;
  const auto s8 = plan::MatrixType::s8;
  plan.matrix_shapes.push_back({16, 16, 32, s8, s8, plan::MatrixType::s32});
  return plan;
}

// Of bytes behind casts.
Product byte_product(DType type, DType bytes, uint64_t m, uint64_t n, uint64_t k) {
  Product p = product(type, m, n, k);
  p.a.type = p.b.type = bytes;
  return p;
}

TEST(MatmulChoice, ProductsOfBytes) {
  const auto chosen = [](const Product& p, const plan::DevicePlan& plan) {
    return choose_matmul(p, make_target(plan)).name();
  };
  const DType s8 = DType::s8, u8 = DType::u8, s32 = DType::s32;
  struct {
    Product product;
    const char *units, *dots, *neither;
  } const kCases[] = {
      {byte_product(s32, s8, 4096, 4096, 4096), "units_128_128_64_64_64",
       "shared_128_128_32_8_16_c_p", "shared_128_128_8_8_16_c"},
      {byte_product(s32, s8, 1024, 1024, 1024), "units_64_128_64_32_64", "shared_64_64_64_8_4_p",
       "shared_64_64_16_8_4"},
      {product(s8, 512, 512, 512), "units_64_64_64_32_32", "shared_32_32_64_4_4_p",
       "shared_32_32_32_4_4"},
      {byte_product(s32, s8, 512, 512, 4096), "units_64_64_64_32_32_w4", "shared_32_32_64_4_4_p",
       "shared_32_32_32_4_4"},
      {byte_product(DType::f32, s8, 512, 512, 1024), "units_64_64_64_32_32_w2",
       "shared_32_32_64_4_4_p", "shared_32_32_32_4_4"},
      {product(u8, 1024, 1024, 1024), "shared_64_64_64_8_4_p", "shared_64_64_64_8_4_p",
       "shared_64_64_16_8_4"},
      {product(s8, 100, 100, 100), "shared_32_32_64_4_4_p", "shared_32_32_64_4_4_p",
       "shared_32_32_32_4_4"},
  };
  plan::DevicePlan dots = integer_plan(), neither = gpu_plan();
  dots.has.int8 = false;
  for (const auto& c : kCases) {
    EXPECT_EQ(chosen(c.product, integer_plan()), c.units);
    EXPECT_EQ(chosen(c.product, dots), c.dots);
    EXPECT_EQ(chosen(c.product, neither), c.neither);
  }
  const auto why = [&](const Product& p) { return refusal(p, integer_plan(), Kind::units); };
  EXPECT_STREQ(why(product(u8, 512, 512, 512)), "the device has no matrix units for its types");
  EXPECT_STREQ(why(byte_product(DType::s64, s8, 512, 512, 131072)),
               "k is too long for sums of 32 bits");
  EXPECT_EQ(why(byte_product(s32, s8, 512, 512, 131072)), nullptr);
  EXPECT_STREQ(why(product(s8, 64, 64, 64)), "it is too small for matrix units");
  EXPECT_STREQ(why(product(s8, 1, 4096, 4096)), "it has fewer than 32 rows, columns or steps");
}

// As large as still gives every core a tile: half as wide where those are few.
TEST(MatmulChoice, ProductsOfF64) {
  const auto chosen = [](uint64_t n) {
    return choose_matmul(product(DType::f64, n, n, n), make_target(integer_plan())).name();
  };
  EXPECT_EQ(chosen(512), "shared_32_32_32_4_4");
  EXPECT_EQ(chosen(1024), "shared_128_64_8_8_4");
  EXPECT_EQ(chosen(2048), "shared_128_128_8_8_8");
  EXPECT_EQ(chosen(8192), "shared_128_128_8_8_8");
}

// Sums take at most half of an invocation's registers, unless they are a single quad of quads; no
// workgroup is larger than leaves it those.
TEST(MatmulChoice, FewRegisters) {
  int shared = 0, lines = 0;
  for (const plan::Snapshot& device : nxv::testing::known_devices()) {
    const plan::DevicePlan plan = plan::make_plan(device);
    if (!plan.tuning.has_few_registers()) continue;
    const Target target = make_target(plan);
    for (const DType type : {DType::f32, DType::f16, DType::s32}) {
      for (const auto& [m, n, k] : {std::array<uint64_t, 3>{4096, 4096, 4096},
                                    {1024, 1024, 1024},
                                    {1000, 1001, 999},
                                    {64, 64, 100000},
                                    {256, 512, 784},
                                    {20, 20, 20},
                                    {1, 8192, 2048},
                                    {8192, 1, 2048}}) {
        const Product p = product(type, m, n, k);
        const MatmulTile tile = choose_matmul(p, target);
        SCOPED_TRACE(device.name + ' ' + tile.name());
        if (tile.kind == Kind::lines) {
          ++lines;
          EXPECT_LE(tile.threads(), plan.tuning.line_workgroup);
        }
        if (tile.kind != Kind::shared) continue;
        ++shared;
        const bool has_totals =
            !tile.total_in_output && !tile.split && p.k > accumulation(p, target).block;
        const uint32_t sums = tile.thread_rows * tile.thread_columns;
        EXPECT_TRUE(sums == 16 || 2 * sums * (has_totals ? 2 : 1) <= plan.tuning.lane_registers);
        EXPECT_LE(tile.depth, 8U);
      }
    }
  }
  EXPECT_GT(shared, 50);
  EXPECT_GT(lines, 20);
}

// The least of shared memory that Vulkan promises is enough for tiles, and so is the least
// workgroup.
TEST(MatmulChoice, SmallWorkgroups) {
  plan::DevicePlan plan = gpu_plan();
  plan.shared_memory_bytes = 16384;
  for (const uint32_t invocations : {1024, 256, 128}) {
    plan.max_workgroup_invocations = invocations;
    for (const DType type : {DType::f32, DType::f16, DType::f64, DType::s32}) {
      for (const uint64_t n : {256, 512, 1024, 4096}) {
        const Product p = product(type, n, n, n);
        const MatmulTile tile = choose_matmul(p, make_target(plan));
        EXPECT_EQ(tile.kind, Kind::shared) << n << ' ' << name(type);
        EXPECT_EQ(matmul_obstacle(p, make_target(plan), tile), nullptr);
      }
    }
  }
}

// Two instructions for a product and its sum have more to keep.
TEST(MatmulChoice, LargeTilesOfIntegers) {
  const Product integers = product(DType::s32, 4096, 4096, 4096);
  const auto chosen = [&](const plan::Snapshot& device) {
    const plan::DevicePlan plan = plan::make_plan(device);
    return choose_matmul(integers, make_target(plan)).thread_columns;
  };
  EXPECT_EQ(chosen(nxv::testing::h200()), 16U);
  EXPECT_EQ(chosen(nxv::testing::rdna3()), 8U);
}

// Of one token: weights as they are, and transposed; keys and values of eight heads.
TEST(MatmulChoice, LinesOfDecoding) {
  const auto chosen = [](const Product& p) {
    return choose_matmul(p, make_target(gpu_plan())).name();
  };
  const auto batched = [](Product p, uint64_t batch) {
    p.batch = batch;
    p.a.batch_stride = static_cast<uint32_t>(p.m * p.k);
    p.b.batch_stride = static_cast<uint32_t>(p.n * p.k);
    return p;
  };
  const DType bf16 = DType::bf16, f32 = DType::f32;
  EXPECT_EQ(chosen(product(bf16, 1, 2048, 2048)), "lines_1_32_64_1_2_t32");
  EXPECT_EQ(chosen(product(bf16, 1, 8192, 2048)), "lines_1_64_64_1_2_t32");
  EXPECT_EQ(chosen(product(bf16, 1, 128256, 2048)), "lines_1_64_64_1_2_t32");
  EXPECT_EQ(chosen(product(bf16, 16, 8192, 2048)), "lines_16_64_16_16_2_t32");
  EXPECT_EQ(chosen(transposed(product(bf16, 1, 8192, 2048))), "lines_1_8_64_1_1_t8");
  EXPECT_EQ(chosen(transposed(product(bf16, 4, 8192, 2048))), "lines_4_8_64_4_1_t8");
  EXPECT_EQ(chosen(product(f32, 1, 8192, 2048)), "lines_1_64_64_1_1_t16");
  EXPECT_EQ(chosen(product(f32, 8192, 2, 2048)), "lines_8_4_64_1_4_t8");
  EXPECT_EQ(chosen(product(bf16, 1, 2048, 8192)), "lines_1_32_64_1_2_t64");
  // Few lines that are long: blocks of the same by several workgroups.
  EXPECT_EQ(chosen(product(bf16, 1, 4096, 14336)), "lines_1_64_32_1_2_w_t16");
  EXPECT_EQ(chosen(product(bf16, 1, 16384, 16384)), "lines_1_64_32_1_2_t16");
  EXPECT_EQ(chosen(transposed(product(f32, 1, 16384, 16384))), "lines_1_16_64_1_1_t8");
  const auto keys = [&](uint64_t count) { return transposed(product(bf16, 4, count, 64)); };
  EXPECT_EQ(chosen(batched(keys(1000), 8)), "lines_4_32_64_4_1");
  EXPECT_EQ(chosen(batched(keys(32768), 8)), "lines_4_128_64_4_1");
  EXPECT_EQ(chosen(batched(product(bf16, 4, 64, 1000), 8)), "lines_4_32_64_4_4_t16");
  EXPECT_EQ(chosen(batched(product(bf16, 4, 64, 32768), 8)), "lines_4_64_64_4_4_w_t8");
}

TEST(MatmulChoice, RefusalsOfLines) {
  EXPECT_STREQ(refusal(product(DType::f32, 1, 4096, 4096), cpu_plan(), Kind::lines),
               "the device has no shared memory of its own");
  const auto why = [](const Product& p) { return refusal(p, gpu_plan(), Kind::lines); };
  EXPECT_EQ(why(product(DType::f32, 4, 32, 32)), nullptr);
  EXPECT_EQ(why(product(DType::f32, 16, 1024, 32)), nullptr);
  EXPECT_STREQ(why(product(DType::f32, 16, 1023, 32)), "its lines are too few or too short");
  EXPECT_STREQ(why(product(DType::f32, 17, 4096, 4096)), "it has more than 16 rows and columns");
  EXPECT_STREQ(why(product(DType::f32, 16, 31, 4096)), "its lines are too few or too short");
  EXPECT_STREQ(why(product(DType::f32, 1, 4096, 31)), "its lines are too few or too short");
  EXPECT_STREQ(why(product(DType::c64, 1, 4096, 4096)), "the type is complex");
  Product spread = product(DType::f32, 1, 4096, 4096);
  spread.b.free_stride = 2;
  EXPECT_STREQ(why(spread), "the larger factor has no elements side by side");
  plan::DevicePlan small = gpu_plan();
  small.shared_memory_bytes = 1024;
  EXPECT_STREQ(refusal(transposed(product(DType::f32, 16, 4096, 4096)), small, Kind::lines),
               "the slabs do not fit into shared memory");
}

TEST(MatmulChoice, BlocksWhereTheResultIsSmall) {
  const plan::DevicePlan cpu = cpu_plan(), gpu = gpu_plan();
  EXPECT_TRUE(adds_by_blocks(product(DType::f32, 1, 1, 1 << 20), make_target(cpu)));
  EXPECT_TRUE(adds_by_blocks(product(DType::f32, 1, 128, 8192), make_target(gpu)));
  EXPECT_FALSE(adds_by_blocks(product(DType::f32, 8, 8, 8192), make_target(cpu)));
  EXPECT_FALSE(adds_by_blocks(product(DType::f32, 128, 128, 100), make_target(gpu)));
  EXPECT_TRUE(adds_by_blocks(product(DType::f32, 1024, 1024, 32769), make_target(gpu)));
}

}  // namespace
}  // namespace nxv::kernels

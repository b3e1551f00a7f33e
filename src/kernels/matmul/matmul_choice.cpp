#include "kernels/matmul/matmul_choice.h"

#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

// On GPUs, products of which the plain kernel computes all elements at once.
constexpr uint64_t kMaxPlainElements = 64 * 64, kMaxPlainSteps = 128;
// Steps along k that units may add up of f16 and bf16: the error stays far below that of rounding
// the sum to them.
constexpr uint64_t kMaxChain = 32768;

// Why matrix units cannot compute the region with a tile, or null.
const char* unit_obstacle(const Product& product, const Target& target, const MatmulTile& tile) {
  const plan::DevicePlan& plan = *target.plan;
  const auto factors = unit_factors(product, target);
  if (!factors) return "the device has no matrix units for its types";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  if (tile.lanes != plan.subgroup_size) return "subgroups are of another size";
  if (product.k / tile.steps() + 2 > plan.max_loop_iterations) {
    return "the loop along k is too long";
  }
  const uint32_t planes = *factors == UnitFactors::split ? 2 : 1;
  const uint64_t shared = planes * (2 * uint64_t{tile.depth} * (tile.rows + tile.columns) + 512);
  if (shared > plan.shared_memory_bytes) return "the slabs do not fit into shared memory";
  if (tile.rows * tile.depth % (kChunk * tile.threads()) != 0 ||
      tile.columns * tile.depth % (kChunk * tile.threads()) != 0) {
    return "invocations do not share the slabs evenly";
  }
  if (*factors != UnitFactors::split) return nullptr;
  return matmul_obstacle(product, target, choose_shared(product, target));
}

bool can_shuffle(const plan::DevicePlan& plan) {
  return plan.has.subgroup_shuffle && plan.fixed_subgroup_size && plan.subgroup_size == 8;
}

// By sizes alone, since bits depend on it.
bool prefers_units(const Product& product, const Target& target) {
  const auto factors = unit_factors(product, target);
  if (!factors || product.m < 32 || product.n < 32 || product.k < 32) return false;
  if (*factors != UnitFactors::split) {
    return product.k <= kMaxChain && product.m * product.n * product.k >= (uint64_t{1} << 22);
  }
  return product.k >= 256 && product.m * product.n * product.k >= (uint64_t{1} << 30);
}

// The largest tiles that still give every core work, best first.
std::vector<MatmulTile> unit_tiles(const Product& product, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const auto tiles = [&](uint64_t rows, uint64_t columns) {
    return product.batch * divide_up(product.m, rows) * divide_up(product.n, columns);
  };
  std::vector<MatmulTile> best;
  if (unit_factors(product, target) == UnitFactors::split) {
    if (tiles(128, 128) >= 96) {
      best.push_back(unit_tile(plan.subgroup_size, 128, 128, 32, 64, 32, kSplitChain));
      best.push_back(unit_tile(plan.subgroup_size, 128, 128, 16, 64, 32, kSplitChain));
    }
    best.push_back(unit_tile(plan.subgroup_size, 64, 64, 32, 32, 32, kSplitChain));
    return best;
  }
  if (tiles(128, 128) >= 96) best.push_back(unit_tile(plan.subgroup_size, 128, 128, 32, 64, 64));
  if (tiles(64, 128) >= 96) best.push_back(unit_tile(plan.subgroup_size, 64, 128, 64, 32, 64));
  best.push_back(unit_tile(plan.subgroup_size, 64, 64, 64, 32, 32));
  return best;
}

MatmulTile choose_plain(const Product& product, const Target& target);

MatmulTile choose_suitable(const Product& product, const Target& target) {
  if (prefers_units(product, target)) {
    for (const MatmulTile& tile : unit_tiles(product, target)) {
      if (!matmul_obstacle(product, target, tile)) return tile;
    }
  }
  return choose_plain(product, target);
}

MatmulTile choose_plain(const Product& product, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (plan.profile == plan::Profile::cpu) {
    // Smaller products take less time than compiling the larger kernel.
    const bool worth = product.m >= 2 && product.n >= 8 && product.steps() >= (uint64_t{1} << 18);
    if (!worth) return {};
    if (!can_shuffle(plan)) return register_tile(8, 8, 8, false);
    return register_tile(8, product.m > 8 ? 16 : 8, 4, true);
  }
  if (product.m < 16 || product.n < 16 || product.k < 16) return {};
  // Few tiles leave most cores idle: what matters is then how long one invocation takes.
  if (product.count() <= kMaxPlainElements && product.k <= kMaxPlainSteps) return {};
  return choose_shared(product, target);
}

}  // namespace

// The largest tile that still gives every core work.
MatmulTile choose_shared(const Product& product, const Target& target) {
  const auto tiles = [&](uint64_t rows, uint64_t columns) {
    return product.batch * divide_up(product.m, rows) * divide_up(product.n, columns);
  };
  if (tiles(128, 128) >= 96) {
    const Accumulation sums = accumulation(product, target);
    if (storage_bytes(sums.type) == 8) {
      return shared_tile(128, 128, 8, 8, 8, product.type == sums.type);
    }
    // Twice as many elements an invocation, if their totals need no registers.
    const bool one_set = product.k <= sums.block || product.type == sums.type;
    return one_set ? shared_tile(128, 128, 8, 8, 16, true) : shared_tile(128, 128, 8, 8, 8);
  }
  if (tiles(64, 64) >= 96) return shared_tile(64, 64, 16, 8, 4);
  return shared_tile(32, 32, 16, 4, 4);
}

const char* matmul_obstacle(const Product& product, const Target& target, const MatmulTile& tile) {
  if (tile.kind == Kind::units) return unit_obstacle(product, target, tile);
  const plan::DevicePlan& plan = *target.plan;
  const Accumulation sums = accumulation(product, target);
  if (is_complex(product.type)) return "the type is complex";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  // Iterations of an invocation, over all of its loops.
  const uint64_t iterations = tile.kind == Kind::registers
                                  ? product.k / 4 + 4 + 2 * (product.k / sums.block)
                                  : product.k / (2 * tile.depth) + 1 + product.k / sums.block;
  if (iterations > plan.max_loop_iterations) return "the loop along k is too long";
  if (tile.kind == Kind::registers) {
    const bool lanes_fit = plan.fixed_subgroup_size && plan.subgroup_size == tile.threads() &&
                           tile.thread_rows % tile.threads() == 0 && plan.has.subgroup_shuffle;
    if (tile.shuffle && !lanes_fit) return "subgroups are of another size or cannot shuffle";
    return nullptr;
  }
  const uint64_t shared = 2 * uint64_t{tile.depth} * (tile.rows + tile.columns + 2 * kGroup) *
                          static_cast<uint64_t>(std::max(4, storage_bytes(sums.type)));
  if (shared > plan.shared_memory_bytes) return "the slabs do not fit into shared memory";
  if (tile.rows * tile.depth % (kGroup * tile.threads()) != 0 ||
      tile.columns * tile.depth % (kGroup * tile.threads()) != 0) {
    return "invocations do not share the slabs evenly";
  }
  if (sums.block % (2 * tile.depth) != 0) return "blocks are no whole number of slabs";
  if (tile.total_in_output && product.type != sums.type && product.k > sums.block) {
    return "C is of another type than its sums";
  }
  return nullptr;
}

MatmulTile choose_matmul(const Product& product, const Target& target) {
  const MatmulTile tile = choose_suitable(product, target);
  const bool fits = tile.kind == Kind::plain || !matmul_obstacle(product, target, tile);
  return fits ? tile : MatmulTile{};
}

std::vector<MatmulTile> candidate_tiles(const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  std::vector<MatmulTile> tiles{MatmulTile{}};
  if (target.plan->profile == plan::Profile::cpu) {
    for (auto [rows, columns] : {std::pair{4u, 8u}, {8u, 4u}, {8u, 8u}, {16u, 4u}}) {
      tiles.push_back(register_tile(8, rows, columns, false));
    }
    if (can_shuffle(*target.plan)) {
      for (auto [rows, columns] : {std::pair{8u, 4u}, {8u, 8u}, {16u, 4u}, {16u, 8u}, {24u, 4u}}) {
        tiles.push_back(register_tile(8, rows, columns, true));
      }
    }
    return tiles;
  }
  for (bool in_output : {false, true}) {
    tiles.push_back(shared_tile(128, 128, 8, 8, 8, in_output));
    tiles.push_back(shared_tile(128, 128, 8, 8, 16, in_output));
    tiles.push_back(shared_tile(128, 128, 8, 16, 8, in_output));
    tiles.push_back(shared_tile(128, 128, 16, 8, 8, in_output));
    tiles.push_back(shared_tile(128, 64, 8, 8, 8, in_output));
    tiles.push_back(shared_tile(64, 128, 8, 8, 8, in_output));
    tiles.push_back(shared_tile(64, 64, 16, 8, 8, in_output));
    tiles.push_back(shared_tile(64, 64, 16, 8, 4, in_output));
  }
  tiles.push_back(shared_tile(64, 64, 16, 4, 4));
  tiles.push_back(shared_tile(32, 32, 16, 4, 4));
  tiles.push_back(shared_tile(32, 32, 32, 4, 4));
  if (plan.has.coopmat) {
    tiles.push_back(unit_tile(plan.subgroup_size, 128, 256, 32, 64, 64));
    tiles.push_back(unit_tile(plan.subgroup_size, 128, 128, 32, 64, 64));
    for (uint32_t chain : {0u, kSplitChain}) {
      tiles.push_back(unit_tile(plan.subgroup_size, 128, 128, 32, 64, 32, chain));
      tiles.push_back(unit_tile(plan.subgroup_size, 128, 128, 16, 64, 32, chain));
      tiles.push_back(unit_tile(plan.subgroup_size, 64, 128, 32, 32, 32, chain));
      tiles.push_back(unit_tile(plan.subgroup_size, 64, 64, 32, 32, 32, chain));
    }
    tiles.push_back(unit_tile(plan.subgroup_size, 64, 128, 64, 32, 64));
    tiles.push_back(unit_tile(plan.subgroup_size, 64, 64, 64, 32, 32));
  }
  return tiles;
}

}  // namespace nxv::kernels

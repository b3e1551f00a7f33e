#include "kernels/matmul/matmul_choice.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <utility>

#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"
#include "kernels/matmul/line_choice.h"
#include "kernels/matmul/line_walk.h"
#include "kernels/matmul/matmul_units.h"
#include "kernels/matmul/packed_factor.h"
#include "kernels/matmul/split_lines.h"
#include "kernels/matmul/unit_slab.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

// On GPUs, products of which the plain kernel computes all elements at once.
constexpr uint64_t kMaxPlainElements = 64 * 64, kMaxPlainSteps = 128;
constexpr uint32_t kMaxPlainTeams = 16;
// Steps along k that units may add up of f16 and bf16: the error stays far below that of rounding
// the sum to them, or f32 to f16.
constexpr uint64_t kMaxChain = 32768;
// Multiplications, of all batches, from which matrix units are worth it, of f16 and bf16; of f32
// that are split or scaled first, and steps along k.
constexpr uint64_t kMinUnitSteps = uint64_t{1} << 22;
constexpr uint64_t kMinSplitSteps = uint64_t{3} << 28, kMinSplitDepth = 192;
constexpr uint64_t kMinSplitPart = 256;  // steps of a part
constexpr uint64_t kMinScaledSteps = uint64_t{1} << 29, kMinScaledDepth = 256;
// Multiplications from which a CPU gains by the kernel of tiles.
constexpr uint64_t kMinRegisterSteps = uint64_t{1} << 18;
// Parts of a product that is split along k: steps, on matrix units at least; blocks, of others;
// elements that their sums may be.
constexpr uint64_t kMinPartSteps = 512;
constexpr uint32_t kMaxSplitParts = 16;
constexpr uint64_t kMinParts = 8;
constexpr uint64_t kMaxPartSums = uint64_t{1} << 26;
// Of an invocation, below which few steps are under way.
constexpr uint32_t kFewestRegisters = 64;
// Steps from which the largest tiles in shared memory pay.
constexpr uint64_t kMinLargeDepth = 128;
// The plain kernel takes this many steps along k; longer products are added up by blocks.
constexpr uint64_t kMaxPlainDepth = 32768;
// On a CPU products of so few multiplications are not worth a second dispatch.
constexpr uint64_t kQuickSteps = 1 << 16;

uint64_t tile_count(const Product& product, uint64_t rows, uint64_t columns) {
  return product.batch * divide_up(product.m, rows) * divide_up(product.n, columns);
}

bool are_halves(std::optional<UnitFactors> factors) {
  return factors == UnitFactors::f16 || factors == UnitFactors::bf16;
}

// The side of the tiles that f16 and bf16 are best multiplied in.
constexpr uint32_t kHalfSide = 128;

bool has_enough(const Product& product, const Target& target, uint64_t rows, uint64_t columns) {
  return tile_count(product, rows, columns) >= target.plan->tuning.busy_tiles;
}

// Parts along k of such tiles, where they leave cores idle otherwise: more than one if that takes a
// tenth less. Two tiles share a core's speed, of which a lone one reaches three quarters; without
// parts smaller tiles take the place of few. The sums of parts are written and read once. As
// measured on an H200.
uint32_t half_parts(const Product& product, const Target& target) {
  constexpr double kAlone = 1 / 3.0;             // of a tile, that a lone one takes longer
  constexpr double kLaunch = 4.5e6, kSum = 2.6;  // multiplications that a core does meanwhile
  if (product.m < kHalfSide || product.n < kHalfSide) return 1;
  const uint64_t tiles = tile_count(product, kHalfSide, kHalfSide);
  const double steps = static_cast<double>(product.k) * kHalfSide * kHalfSide;
  const auto time = [&](uint64_t parts) {
    const uint64_t of_core = divide_up(parts * tiles, uint64_t{target.plan->tuning.cores});
    const double rounds = static_cast<double>(of_core) + (of_core % 2 == 1 ? kAlone : 0);
    const auto sums = static_cast<double>(parts * product.count());
    const double adding = parts == 1 ? 0 : kLaunch + kSum * sums;
    return rounds * steps / static_cast<double>(parts) + adding;
  };
  const bool is_large = has_enough(product, target, kHalfSide, kHalfSide);
  double least = 0.9 * (is_large ? time(1) : steps);
  uint32_t best = 1;
  for (uint32_t n = 2; n <= kMaxSplitParts; ++n) {
    if (product.k / n < kMinPartSteps || n * product.count() > kMaxPartSums) break;
    if (time(n) < least) best = n, least = time(n);
  }
  return best;
}

// Parts along k of a product on matrix units, but of f32 that is split. A function of sizes and
// plan alone, since bits depend on it.
uint32_t unit_parts(const Product& product, const Target& target) {
  if (are_halves(unit_factors(product, target))) {
    const uint32_t parts = half_parts(product, target);
    if (parts > 1) return parts;
  }
  const uint64_t enough = target.plan->tuning.busy_tiles, tiles = tile_count(product, 64, 64);
  const uint64_t most = std::min(product.k / kMinPartSteps, kMaxPartSums / product.count());
  // Three are under way on a core.
  const uint64_t parts = std::min(3 * uint64_t{target.plan->tuning.cores} / tiles, most);
  return tiles > enough || parts < 2 ? 1 : static_cast<uint32_t>(parts);
}

bool shares_cheaply(const Target& target) { return target.plan->tuning.shares_cheaply; }

// Of a workgroup that demands their size: some drivers allow few more.
constexpr uint32_t kMostSubgroups = 32;

// Why matrix units cannot compute the region with a tile, or null.
const char* unit_obstacle(const Product& product, const Target& target, const MatmulTile& tile) {
  const plan::DevicePlan& plan = *target.plan;
  const auto factors = unit_factors(product, target);
  if (!factors) {
    const bool are_bytes = is_byte(product.a.type) && is_byte(product.b.type);
    return are_bytes && !has_word_sums(product) ? "k is too long for sums of 32 bits"
                                                : "the device has no matrix units for its types";
  }
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  if (tile.lanes != plan.matrix_subgroup_size) return "subgroups are of another size";
  if (tile.threads() / tile.lanes > kMostSubgroups) return "its subgroups are too many";
  if (product.count() * tile.parts > kMaxPartSums && tile.split) {
    return "the sums of its parts are too many";
  }
  if (steps_of_part(product.k, tile.parts) / tile.depth + 2 > plan.max_loop_iterations) {
    return "the loop along k is too long";
  }
  const bool are_integers = *factors == UnitFactors::integers;
  const auto slab = [&](DType type, uint32_t extent) {
    return planes_of(type, *factors) *
           (uint64_t{tile.depth} * extent * (are_integers ? 1 : 2) + 256);
  };
  const uint64_t slabs = slab(product.a.type, tile.rows) + slab(product.b.type, tile.columns);
  const uint64_t care = *factors == UnitFactors::scaled ? 4 : 0;
  const uint64_t shifts = are_f32(*factors) ? 4 * (uint64_t{tile.rows} + tile.columns) : 0;
  const uint64_t pieces = 16 * uint64_t{piece_chunks(tile)};
  if (std::max(slabs, pieces) + care + shifts > plan.shared_memory_bytes) {
    return "the slabs do not fit into shared memory";
  }
  if (are_integers) {
    const bool is_whole = tile.depth % integer_shape(product, target)->k == 0;
    return is_whole ? nullptr : "the slabs are no whole number of matrices";
  }
  if (tile.rows * tile.depth % (kChunk * tile.threads()) != 0 ||
      tile.columns * tile.depth % (kChunk * tile.threads()) != 0) {
    return "invocations do not share the slabs evenly";
  }
  if (*factors != UnitFactors::split) return nullptr;
  if (std::max(tile.rows, tile.columns) > kJudged) return "it is larger than what is judged";
  return matmul_obstacle(product, target, choose_shared(product, target));
}

bool can_shuffle(const plan::DevicePlan& plan) {
  return plan.has.subgroup_shuffle && plan.fixed_subgroup_size && plan.subgroup_size == 8;
}

// Why the device should not compute the product on matrix units although it can, or null. By sizes
// alone, since bits depend on it.
const char* unit_objection(const Product& product, const Target& target, UnitFactors factors) {
  const uint64_t steps = product.steps();
  if (product.m < 32 || product.n < 32 || product.k < 32) {
    return "it has fewer than 32 rows, columns or steps";
  }
  if (factors != UnitFactors::split) {
    const bool may_round = factors != UnitFactors::integers;
    if (may_round && steps_of_part(product.k, unit_parts(product, target)) > kMaxChain)
      return "k is too long for one chain of additions";
    if (factors == UnitFactors::scaled) {
      if (product.k < kMinScaledDepth) return "k is too short for scaling f32 to pay";
      return steps >= kMinScaledSteps ? nullptr : "it is too small for scaling f32 to pay";
    }
    return steps >= kMinUnitSteps ? nullptr : "it is too small for matrix units";
  }
  // Few lines, of which each takes long to measure.
  const uint64_t lines = product.m + product.n;
  const bool is_gathered = product.a.is_gathered || product.b.is_gathered;
  const uint64_t few = is_gathered ? kGatheredLines * kFewMeasured : kFewMeasured;
  if (lines < few && product.k > 4 * lines && product.k > kLongMeasured) {
    return "its lines are too few and too long to measure";
  }
  if (product.k < kMinSplitDepth) return "k is too short for splitting f32 to pay";
  return steps >= kMinSplitSteps ? nullptr : "it is too small for splitting f32 to pay";
}

// On a CPU smaller products take less time than compiling the larger kernel.
const char* register_objection(const Product& product, const Target& target) {
  if (shares_cheaply(target))
    return "tiles in registers are for CPUs, whose caches serve all lanes";
  const bool worth = product.m >= 2 && product.n >= 8 && product.steps() >= kMinRegisterSteps;
  return worth ? nullptr : "it is too small to pay for compiling the kernel";
}

std::optional<MatmulTile> split_tile(const Product& product, const Target& target);

const char* shared_objection(const Product& product, const Target& target) {
  if (!shares_cheaply(target)) return "the device has no shared memory of its own";
  if (product.m >= 8 && product.n >= 8 && plain_teams(product, target) == 1 &&
      split_tile(product, target)) {
    return nullptr;
  }
  if (product.m < 16 || product.n < 16 || product.k < 16) {
    return "it has fewer than 16 rows, columns or steps";
  }
  // Few tiles leave most cores idle: what matters is then how long one invocation takes.
  const bool is_short = product.count() <= kMaxPlainElements && product.k <= kMaxPlainSteps;
  return is_short ? "its tiles are too few to keep the device busy" : nullptr;
}

// How fast a core computes tiles of f32 on matrix units: a workgroup has so many registers that few
// are under way on a core, and the last round of them takes as long as a full one.
struct UnitSpeed {
  uint32_t rows, columns, subgroup_rows, subgroup_columns;
  uint32_t resident;  // workgroups of a core; 0: many, whose ends level out
  double rate;        // of a full core, relative; as measured on an H200

  // In multiplications for each step along k, of a core at rate 1. Parts are less work in the last
  // round, and are then added up.
  double time(const Product& product, const Target& target, uint32_t parts) const {
    constexpr double kLaunch = 4e6, kSum = 0.8;  // of such multiplications
    const uint64_t cores = target.plan->tuning.cores;
    const uint64_t tiles = parts * tile_count(product, rows, columns);
    const double rounds = resident == 0
                              ? static_cast<double>(tiles) / static_cast<double>(cores) + 0.5
                              : static_cast<double>(divide_up(tiles, cores * resident) * resident);
    const double sums = static_cast<double>(parts * product.count());
    const double adding = parts == 1 ? 0 : kLaunch + kSum * sums;
    return rounds * rows * columns / rate / parts + adding / static_cast<double>(product.k);
  }
  // As many as take the least time; more than one if that is a tenth less.
  uint32_t parts(const Product& product, const Target& target) const {
    const double whole = time(product, target, 1);
    double least = 0.9 * whole;
    uint32_t best = 1;
    for (uint32_t n = 2; n <= kMaxSplitParts; ++n) {
      if (product.k / n < kMinSplitPart || n * product.count() > kMaxPartSums) break;
      const double in_parts = time(product, target, n);
      if (in_parts < least) best = n, least = in_parts;
    }
    return best;
  }
};
constexpr UnitSpeed kSplitSpeeds[] = {{128, 128, 64, 32, 1, 1}, {64, 64, 32, 32, 0, 0.72}};
// Where one factor is narrow.
constexpr UnitSpeed kMixedSpeeds[] = {{128, 128, 64, 32, 1, 1.27}, {64, 64, 32, 32, 0, 1.05}};
constexpr UnitSpeed kScaledSpeeds[] = {{128, 256, 64, 64, 1, 1.35},
                                       {128, 128, 64, 64, 2, 1.25},
                                       {128, 128, 64, 32, 1, 1},
                                       {64, 64, 32, 32, 0, 0.825}};

std::span<const UnitSpeed> speeds(const Product& product, UnitFactors factors) {
  if (factors == UnitFactors::scaled) return kScaledSpeeds;
  const bool is_mixed = product.a.type != product.b.type;
  return is_mixed ? std::span<const UnitSpeed>(kMixedSpeeds) : kSplitSpeeds;
}

// Those of f32, the fastest first.
std::vector<MatmulTile> float_tiles(const Product& product, const Target& target,
                                    UnitFactors factors) {
  std::vector<std::pair<double, MatmulTile>> timed;
  for (const UnitSpeed& s : speeds(product, factors)) {
    const uint32_t parts = factors == UnitFactors::split ? s.parts(product, target) : 1;
    const MatmulTile tile =
        unit_tile(*target.plan, s.rows, s.columns, 32, s.subgroup_rows, s.subgroup_columns);
    timed.emplace_back(s.time(product, target, parts), with_parts(tile, parts));
  }
  std::stable_sort(timed.begin(), timed.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<MatmulTile> best;
  for (const auto& [time, tile] : timed) best.push_back(tile);
  return best;
}

// Tiles for matrix units, best first: of f32 the fastest, else the largest that still give every
// core work.
std::vector<MatmulTile> unit_tiles(const Product& product, const Target& target) {
  const auto enough = [&](uint64_t rows, uint64_t columns) {
    return has_enough(product, target, rows, columns);
  };
  const auto factors = unit_factors(product, target);
  const bool is_f32 = factors && are_f32(*factors);
  const bool are_integers = integer_shape(product, target).has_value();
  const bool is_gathered = product.a.is_gathered || product.b.is_gathered;
  // Whether slabs of 64 steps fit, and pay: twice as many of 8 bits do.
  const bool has_long_slabs = are_integers || (!is_gathered && product.k % 64 == 0);
  std::vector<MatmulTile> best;
  const auto add = [&](uint32_t rows, uint32_t columns, uint32_t depth, uint32_t subgroup_rows,
                       uint32_t subgroup_columns) {
    best.push_back(unit_tile(*target.plan, rows, columns, depth, subgroup_rows, subgroup_columns));
  };
  const uint32_t parts = unit_parts(product, target);
  if (parts > 1 && factors != UnitFactors::split) {
    if (are_halves(factors) && half_parts(product, target) > 1) {
      add(kHalfSide, kHalfSide, has_long_slabs ? 64 : 32, 64, 64);
    }
    add(64, 64, is_f32 ? 32 : 64, 32, 32);
    for (MatmulTile& tile : best) tile = with_parts(tile, parts);
    return best;
  }
  // Wider tiles would be empty beyond the edge.
  if (!are_integers && product.n <= 64 && enough(128, 64)) {
    add(128, 64, 32, 32, 32);
  } else if (!are_integers && product.m <= 64 && enough(64, 128)) {
    add(64, 128, 32, 32, 32);
  }
  if (is_f32) {
    for (const MatmulTile& tile : float_tiles(product, target, *factors)) best.push_back(tile);
    add(128, 128, 16, 64, 32);
    return best;
  }
  if (enough(128, 128)) {
    if (has_long_slabs) add(128, 128, 64, 64, 64);
    if (!are_integers) add(128, 128, 32, 64, 64);
  }
  if (enough(64, 128)) add(64, 128, 64, 32, 64);
  add(64, 64, 64, 32, 32);
  return best;
}

MatmulTile choose_registers(const Product& product, const Target& target) {
  if (!can_shuffle(*target.plan)) return register_tile(8, 8, 8, false);
  return register_tile(8, product.m > 8 ? 16 : 8, 4, true);
}

// Of invocations with few registers: half of them, at most, for sums.
MatmulTile lean_tile(const Product& product, const Target& target) {
  const Accumulation sums = accumulation(product, target);
  const uint32_t words = storage_bytes(sums.type) == 8 ? 2 : 1;
  const bool in_output = product.holds_totals(sums.type);
  const uint32_t sets = product.k <= sums.block || in_output ? 1 : 2;
  uint32_t most = target.plan->tuning.lane_registers / 4 / (words * sets);
  if (product.a.is_gathered || product.b.is_gathered) most /= 2;  // addresses take as many
  if (is_integer(product.type) && !target.plan->tuning.large_integer_tiles) most /= 2;
  const uint32_t depth = (target.plan->tuning.lane_registers < kFewestRegisters ? 2 : 8) / words;
  if (tile_count(product, 64, 64) < 2 * target.plan->tuning.busy_tiles || most < 16) {
    return shared_tile(32, 32, depth, 4, 4);
  }
  return most < 32 ? shared_tile(64, 64, depth, 4, 4, in_output)
                   : shared_tile(64, 64, depth, 8, 4, in_output);
}

// Of a product of few tiles and many blocks.
std::optional<MatmulTile> split_tile(const Product& product, const Target& target) {
  const uint64_t enough = target.plan->tuning.busy_tiles;
  const Accumulation sums = accumulation(product, target);
  const uint64_t blocks = divide_up(product.k, uint64_t{sums.block});
  if (2 * tile_count(product, 64, 64) > enough || blocks < kMinParts) return {};
  const bool is_narrow = product.m <= 32 || product.n <= 32;
  MatmulTile tile = is_narrow ? shared_tile(32, 32, 32, 4, 4) : shared_tile(64, 64, 16, 8, 4);
  if (target.plan->tuning.has_few_registers()) {
    tile = is_narrow ? shared_tile(32, 32, 8, 4, 4) : lean_tile(product, target);
    tile.total_in_output = false;
  }
  tile.split = true;
  if (has_dots(product, target)) tile = packed(tile);
  if (matmul_obstacle(product, target, tile)) return {};
  return tile;
}

// The largest tile that still gives every core work, without packing.
MatmulTile whole_tile(const Product& product, const Target& target) {
  if (target.plan->tuning.has_few_registers()) return lean_tile(product, target);
  const uint64_t enough = target.plan->tuning.busy_tiles;
  if (product.n <= 64 && tile_count(product, 128, 64) >= 4 * enough) {
    return shared_tile(128, 64, 8, 8, 8);
  }
  if (product.m <= 64 && tile_count(product, 64, 128) >= 4 * enough) {
    return shared_tile(64, 128, 8, 8, 8);
  }
  const Accumulation sums = accumulation(product, target);
  const bool are_large = storage_bytes(sums.type) == 8 && !has_dots(product, target);
  // A core hides what it waits for by working at two of these.
  if (tile_count(product, 128, 128) >= 2 * enough && product.k >= kMinLargeDepth) {
    if (are_large) return shared_tile(128, 128, 8, 8, 8, product.holds_totals(sums.type));
    // Twice as many elements an invocation, if their totals need no registers.
    const bool may_be = !is_integer(product.type) || target.plan->tuning.large_integer_tiles;
    const bool one_set = may_be && (product.k <= sums.block || product.holds_totals(sums.type));
    return one_set ? shared_tile(128, 128, 8, 8, 16, true) : shared_tile(128, 128, 8, 8, 8);
  }
  if (are_large && tile_count(product, 128, 64) >= enough && product.k >= kMinLargeDepth) {
    return shared_tile(128, 64, 8, 8, 4);
  }
  return tile_count(product, 64, 64) >= 2 * enough ? shared_tile(64, 64, 16, 8, 4)
                                                   : shared_tile(32, 32, 16, 4, 4);
}

// The tile, or the next smaller one that the device's workgroups hold.
MatmulTile fitted(const Product& product, const Target& target, const MatmulTile& tile) {
  if (!matmul_obstacle(product, target, tile)) return tile;
  for (const MatmulTile& smaller : {shared_tile(128, 64, 8, 8, 8), shared_tile(64, 64, 8, 8, 4),
                                    shared_tile(32, 32, 8, 4, 4)}) {
    const bool is_smaller = smaller.rows * smaller.columns <= tile.rows * tile.columns;
    if (is_smaller && !matmul_obstacle(product, target, smaller)) return smaller;
  }
  return tile;
}

}  // namespace

// Several teams where the tiles are the smallest and still few.
MatmulTile choose_shared(const Product& product, const Target& target) {
  const uint64_t enough = target.plan->tuning.busy_tiles;
  if (const auto tile = split_tile(product, target)) return *tile;
  const bool is_packed = has_dots(product, target);
  const MatmulTile whole = fitted(product, target, whole_tile(product, target));
  if (is_packed && !matmul_obstacle(product, target, packed(whole))) return packed(whole);
  if (whole.rows > 32) return whole;
  const Accumulation sums = accumulation(product, target);
  for (auto [teams, depth] : {std::pair{4u, 16u}, {2u, 32u}, {2u, 16u}, {1u, 32u}}) {
    const uint32_t steps = target.plan->tuning.has_few_registers() ? whole.depth : depth;
    const MatmulTile tile = with_teams(shared_tile(32, 32, steps, 4, 4), teams);
    const bool is_wanted = product.k > (teams / 2) * uint64_t{sums.block} &&
                           tile_count(product, 32, 32) * teams <= 6 * enough;
    if (is_wanted && !matmul_obstacle(product, target, tile)) return tile;
  }
  return whole;
}

const char* matmul_obstacle(const Product& product, const Target& target, const MatmulTile& tile) {
  if (tile.kind == Kind::plain) return nullptr;
  if (tile.kind == Kind::lines) return line_obstacle(product, target, tile);
  if (tile.kind == Kind::units) return unit_obstacle(product, target, tile);
  const plan::DevicePlan& plan = *target.plan;
  const Accumulation sums = accumulation(product, target);
  if (is_complex(product.type)) return "the type is complex";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  // Iterations of an invocation, over all of its loops.
  const uint64_t k = tile.split ? sums.block : product.k;
  const uint64_t iterations = tile.kind == Kind::registers
                                  ? k / 4 + 4 + 2 * (k / sums.block)
                                  : k / (2 * tile.depth) + 1 + k / sums.block;
  if (iterations > plan.max_loop_iterations) return "the loop along k is too long";
  if (tile.kind == Kind::registers) {
    const bool lanes_fit = plan.fixed_subgroup_size && plan.subgroup_size == tile.threads() &&
                           tile.thread_rows % tile.threads() == 0 && plan.has.subgroup_shuffle;
    if (tile.shuffle && !lanes_fit) return "subgroups are of another size or cannot shuffle";
    return nullptr;
  }
  if (tile.teams > 1 && tile.total_in_output) return "teams add up in registers";
  if (tile.split && (tile.teams > 1 || tile.total_in_output)) return "parts are a team's";
  if (tile.split && divide_up(product.k, uint64_t{sums.block}) * product.count() > kMaxPartSums) {
    return "the sums of its parts are too many";
  }
  if (tile.is_packed && !has_dots(product, target)) {
    return "the device has no dot products of packed integers of its types";
  }
  const uint32_t steps = tile.is_packed ? tile.depth / kPacked : tile.depth;  // or words of four
  const uint64_t slabs = 2 * uint64_t{steps} * (tile.rows + tile.columns + 2 * kGroup);
  const uint64_t exchanged = tile.teams > 1 ? uint64_t{tile.rows} * tile.columns : 0;
  const uint64_t bytes =
      tile.is_packed ? 4 : static_cast<uint64_t>(std::max(4, storage_bytes(sums.type)));
  const uint64_t shared = (tile.teams * slabs + exchanged) * bytes;
  if (shared > plan.shared_memory_bytes) return "the slabs do not fit into shared memory";
  const auto are_shared = [&](uint32_t quads) {
    return quads % tile.team_threads() == 0 ||
           (std::has_single_bit(quads) && quads < tile.team_threads());
  };
  if (!are_shared(tile.rows * steps / kGroup) || !are_shared(tile.columns * steps / kGroup)) {
    return "invocations do not share the slabs evenly";
  }
  if (sums.block % (2 * tile.depth) != 0) return "blocks are no whole number of slabs";
  if (tile.total_in_output && !product.holds_totals(sums.type) && product.k > sums.block) {
    return "C cannot hold totals";
  }
  return nullptr;
}

std::vector<MatmulCandidate> matmul_candidates(const Product& product, const Target& target) {
  std::vector<MatmulCandidate> all;
  const auto add = [&](const MatmulTile& tile, const char* objection) {
    all.push_back({tile, objection ? objection : matmul_obstacle(product, target, tile)});
  };
  const auto factors = unit_factors(product, target);
  const char* const objection = factors ? unit_objection(product, target, *factors) : nullptr;
  for (const MatmulTile& tile : unit_tiles(product, target)) add(tile, objection);
  add(choose_lines(product, target), line_objection(product, target));
  add(choose_shared(product, target), shared_objection(product, target));
  add(choose_registers(product, target), register_objection(product, target));
  all.push_back({MatmulTile{}, nullptr});
  return all;
}

MatmulTile choose_matmul(const Product& product, const Target& target) {
  for (const MatmulCandidate& c : matmul_candidates(product, target)) {
    if (!c.refusal) return c.tile;
  }
  return {};
}

bool adds_by_blocks(const Product& product, const Target& target) {
  if (product.k > kMaxPlainDepth) return true;
  if (!shares_cheaply(target) && product.steps() <= kQuickSteps) return false;
  const bool is_long = product.k >= 2 * accumulation(product, target).block;
  return is_long && product.words_of_result() < target.plan->tuning.busy_products;
}

uint32_t plain_teams(const Product& product, const Target& target) {
  const uint64_t blocks = divide_up(product.k, uint64_t{accumulation(product, target).block});
  const bool is_short = blocks <= kMaxPlainTeams && product.k <= kMaxPlainDepth;
  if (!shares_cheaply(target) || is_complex(product.type) || !is_short) return 1;
  if (product.words_of_result() >= target.plan->tuning.busy_products) return 1;
  return static_cast<uint32_t>(std::min<uint64_t>(std::bit_floor(blocks), kMaxPlainTeams));
}

std::vector<MatmulTile> candidate_tiles(const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  std::vector<MatmulTile> tiles{MatmulTile{}};
  if (!shares_cheaply(target)) {
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
  tiles.push_back(shared_tile(128, 64, 8, 8, 4));
  tiles.push_back(shared_tile(64, 64, 16, 4, 4));
  tiles.push_back(shared_tile(32, 32, 16, 4, 4));
  for (uint32_t teams : {2u, 4u}) tiles.push_back(with_teams(shared_tile(32, 32, 16, 4, 4), teams));
  for (uint32_t teams : {1u, 2u}) tiles.push_back(with_teams(shared_tile(32, 32, 32, 4, 4), teams));
  for (const MatmulTile& whole : {shared_tile(64, 64, 16, 8, 4), shared_tile(32, 32, 16, 4, 4),
                                  shared_tile(128, 128, 8, 8, 8)}) {
    tiles.push_back(whole);
    tiles.back().split = true;
  }
  if (plan.has.packed_dot) {
    for (size_t i = tiles.size(); i-- > 1;) tiles.push_back(packed(tiles[i]));
  }
  for (const MatmulTile& tile : line_tiles()) tiles.push_back(tile);
  if (plan.has.coopmat) {
    tiles.push_back(unit_tile(plan, 128, 256, 32, 64, 64));
    tiles.push_back(unit_tile(plan, 128, 128, 64, 64, 64));
    tiles.push_back(unit_tile(plan, 128, 128, 32, 64, 64));
    tiles.push_back(unit_tile(plan, 128, 128, 32, 64, 32));
    tiles.push_back(unit_tile(plan, 128, 128, 16, 64, 32));
    tiles.push_back(unit_tile(plan, 64, 128, 32, 32, 32));
    tiles.push_back(unit_tile(plan, 128, 64, 32, 32, 32));
    tiles.push_back(unit_tile(plan, 64, 64, 32, 32, 32));
    tiles.push_back(with_parts(tiles.back(), 2));
    tiles.push_back(unit_tile(plan, 64, 128, 64, 32, 64));
    tiles.push_back(unit_tile(plan, 64, 128, 64, 32, 32));
    tiles.push_back(unit_tile(plan, 64, 64, 64, 32, 32));
    tiles.push_back(with_parts(tiles.back(), 2));
    if (plan.has.int8) {
      tiles.push_back(unit_tile(plan, 128, 256, 64, 64, 64));
      tiles.push_back(unit_tile(plan, 128, 128, 64, 64, 32));
      tiles.push_back(unit_tile(plan, 128, 128, 128, 64, 64));
      tiles.push_back(unit_tile(plan, 128, 128, 128, 64, 32));
      tiles.push_back(unit_tile(plan, 64, 64, 128, 32, 32));
    }
  }
  return tiles;
}

}  // namespace nxv::kernels

#include "kernels/matmul/line_choice.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/matmul/matmul_lines.h"

namespace nxv::kernels {
namespace {

// More vectors take an invocation too many registers.
constexpr uint64_t kMaxVectors = 16;
// Fewer or shorter lines are for the plain kernel.
constexpr uint64_t kMinLines = 32, kMinDepth = 32;
// So do few lines of many vectors, which leave the device idle.
constexpr uint64_t kFewLines = 1024, kManyVectors = 8;
// Lanes of a team, at least: they read 32 bytes together.
constexpr uint32_t kMinLanes = 8, kLoneLanes = 128;
// Steps of aligned lines that pass through shared memory together.
constexpr uint32_t kSlabDepth = 64;
// Of blocks this short a workgroup takes many at a time, and none waits for another workgroup.
constexpr uint32_t kShortBlock = 128;
constexpr uint64_t kManyShortBlocks = 4;
// Steps of neighbouring lines that an invocation may have under way.
constexpr uint32_t kMaxDepth = 64;
// Neighbouring lines of a workgroup, at least and at most, and invocations for each busy workgroup
// where lines are contiguous.
constexpr uint32_t kMinAdjacent = 32, kMaxAdjacent = 64, kBusyInvocations = 512;
constexpr uint32_t kMinWorkgroup = 64;
// Of workgroups that share a vector: more leave each invocation fewer registers than it has loads
// under way, which it starts before it waits for the others (27 % slower on an H200 with 1 024).
constexpr uint32_t kMaxSharing = 512;
// Sums of blocks that may wait in a workspace.
constexpr uint64_t kMaxBlockSums = uint64_t{1} << 24;

// Of neighbouring lines, in bytes, where an invocation has few registers.
constexpr uint32_t kFewUnderWay = 64;

bool lines_are_rows(const Product& p) { return p.m > p.n; }
const Factor& line_factor(const Product& p, bool are_rows) { return are_rows ? p.a : p.b; }
uint64_t line_count(const Product& p) { return std::max(p.m, p.n); }
uint64_t vector_count(const Product& p) { return std::min(p.m, p.n); }

uint32_t sum_bytes(DType sum) { return static_cast<uint32_t>(std::max(4, storage_bytes(sum))); }

uint64_t shared_bytes(const Product& product, DType sum, const MatmulTile& tile) {
  const bool are_rows = tile.lines_are_rows();
  const FactorAccess access = line_access(product, are_rows, tile.thread_lines());
  const uint64_t lines = uint64_t{tile.teams} * tile.lines();
  uint64_t bytes = tile.split ? 0 : lines * tile.exchanged_vectors() * sum_bytes(sum);
  if (access.unit != FactorAccess::Unit::depth) return bytes;
  const Factor& factor = line_factor(product, are_rows);
  const uint32_t piece =
      access.aligned ? 16 / static_cast<uint32_t>(storage_bytes(factor.type)) : 1;
  return bytes + lines * ((tile.depth / piece) | 1) * (access.aligned ? 16 : sum_bytes(sum));
}

// What an invocation takes: lines, steps that it has under way, lanes of a team at most.
struct Share {
  uint32_t lines, depth, lanes;
};

// What was fastest of many on an H200, for 1, 2, 4 and 8 vectors; others lie between. Of one vector
// an invocation reads a word of each step, or the device would have too few invocations; of one and
// four it has whole short blocks under way.
Share share_of_adjacent(const Product& product, const Target& target, const Accumulation& sums,
                        uint32_t vectors) {
  const auto bytes =
      static_cast<uint32_t>(storage_bytes(line_factor(product, lines_are_rows(product)).type));
  const uint32_t most = 64 * 4 / sum_bytes(sums.type);  // sums in registers
  const uint32_t wanted = vectors == 1   ? std::max(1u, 4 / bytes)
                          : vectors == 2 ? std::max(1u, 16 / bytes)
                          : vectors < 16 ? 4
                                         : 2;
  const uint32_t lines = std::min(wanted, most / vectors);
  // Bytes of an invocation.
  const uint32_t under_way = vectors == 1 && sums.block <= kShortBlock ? 256
                             : vectors == 1                            ? 128
                             : vectors == 2                            ? 2048
                             : vectors < 16                            ? 512
                                                                       : 64;
  const uint32_t depth = std::clamp(
      std::min(under_way, target.plan->tuning.has_few_registers() ? kFewUnderWay : under_way) /
          (lines * bytes),
      4u, kMaxDepth);
  return {lines, std::min(depth, sums.block), vectors == 2 || vectors == 16 ? 16u : 32u};
}

Share share_of_contiguous(const Product& product, const Target& target, const Accumulation& sums,
                          uint32_t vectors) {
  const uint32_t lines = vectors <= 4 ? 1 : 2;
  const bool are_rows = lines_are_rows(product);
  const FactorAccess access = line_access(product, are_rows, lines);
  const uint32_t piece =
      16 / static_cast<uint32_t>(storage_bytes(line_factor(product, are_rows).type));
  uint32_t depth = access.aligned && !target.plan->tuning.has_few_registers() ? kSlabDepth : 32;
  while (depth > sums.block || (depth / 2 >= product.k && depth / 2 >= piece)) depth /= 2;
  return {lines, depth, 16};
}

class Choosing {
 public:
  Choosing(const Product& product, const Target& target, const Share& share, uint32_t vectors,
           uint64_t blocks, bool adjacent)
      : product_(product),
        target_(target),
        share_(share),
        vectors_(vectors),
        blocks_(blocks),
        adjacent_(adjacent) {}

  // All blocks by one workgroup, many at a time.
  MatmulTile of_short_blocks() const {
    const uint32_t most = target_.plan->tuning.line_workgroup;
    const bool many = vectors_ > 8;
    uint32_t lanes = kMinLanes;
    uint64_t teams = std::bit_ceil(blocks_);
    if (adjacent_) {
      if (!many) lanes = std::max(lanes, kMinAdjacent / share_.lines);
      while (lanes * share_.lines < kMaxAdjacent && tiles_of(2 * lanes) >= enough()) lanes *= 2;
    } else {
      if (many) lanes *= 2;
      const uint64_t wanted = enough() * kBusyInvocations / (lanes * tiles_of(lanes));
      teams = std::min(teams, std::max(std::bit_floor(wanted), kManyShortBlocks));
      while (lanes * teams < kMinWorkgroup) lanes *= 2;
    }
    while (lanes * teams > most && teams > 1) teams /= 2;
    MatmulTile tile = tile_of(lanes);
    for (tile.teams = static_cast<uint32_t>(teams); tile.teams > 1; tile.teams /= 2) {
      if (!line_obstacle(product_, target_, tile)) break;
    }
    return tile;
  }

  MatmulTile of_long_blocks() const {
    uint32_t lanes = share_.lanes;
    const uint64_t lines = line_count(product_);
    while (lanes > kMinLanes && uint64_t{lanes} * share_.lines >= 2 * lines) lanes /= 2;
    // Of few blocks the lanes alone make whole workgroups.
    while (lanes * std::min<uint64_t>(blocks_, 8) < kLoneLanes &&
           tiles_of(2 * lanes) >= 2 * enough()) {
      lanes *= 2;
    }
    const uint64_t tiles = tiles_of(lanes);
    MatmulTile tile = tile_of(lanes);
    for (uint32_t threads = target_.plan->tuning.line_workgroup / 2;; threads /= 2) {
      // Teams that take a block each; where tiles are few, of as many workgroups as keep the device
      // busy.
      const bool is_idle = tiles < enough();
      const uint64_t wanted = is_idle ? std::max<uint64_t>(tiles * blocks_ / enough(), 2) : blocks_;
      uint32_t teams = 1;
      while (teams * lanes < threads && 2 * teams <= std::bit_ceil(wanted)) teams *= 2;
      tile = with_teams(tile, teams);
      tile.split = is_idle && blocks_ > teams;
      if (tile.split && line_obstacle(product_, target_, tile)) tile.split = false;
      if (threads <= lanes || !line_obstacle(product_, target_, tile)) return tile;
    }
  }

 private:
  uint64_t enough() const { return target_.plan->tuning.busy_line_tiles; }
  uint64_t tiles_of(uint32_t lanes) const {
    return product_.batch * divide_up(line_count(product_), uint64_t{lanes} * share_.lines);
  }
  MatmulTile tile_of(uint32_t lanes) const {
    return line_tile(lines_are_rows(product_), vectors_, lanes, share_.lines, share_.depth);
  }

  const Product& product_;
  const Target& target_;
  const Share share_;
  const uint32_t vectors_;
  const uint64_t blocks_;
  const bool adjacent_;
};

}  // namespace

Accumulation line_accumulation(const Product& product, const Target& target) {
  Accumulation sums = accumulation(product, target);
  if (is_integer(product.type) || has_word_sums(product)) {
    // They may be added up in any order.
    sums.block = short_block(product);
  }
  return sums;
}

FactorAccess line_access(const Product& product, bool are_rows, uint32_t thread_lines) {
  const Factor& factor = line_factor(product, are_rows);
  FactorAccess access = access_of(product, factor);
  if (access.unit == FactorAccess::Unit::free) {
    const auto bytes = static_cast<uint32_t>(storage_bytes(factor.type));
    access.aligned = thread_lines * bytes >= 4 && starts_steps(product, factor, thread_lines);
  } else if (access.unit == FactorAccess::Unit::depth) {
    const auto piece = static_cast<uint32_t>(16 / storage_bytes(factor.type));
    access.aligned = starts_lines(product, factor, piece);
  }
  return access;
}

const char* shared_vector_obstacle(const LineLayout& layout, const Target& target) {
  const MatmulTile& tile = layout.tile;
  const uint32_t bytes = sum_bytes(layout.sums.type);
  if (layout.lines.unit != FactorAccess::Unit::free) return "lines pass through shared memory";
  if (tile.vectors() > 1) return "there are several vectors";
  if (tile.threads() > kMaxSharing) return "invocations have few registers";
  if (!layout.vector_groups || !layout.whole_depth || tile.depth % kGroup != 0) {
    return "its steps are no whole groups";
  }
  if (bytes != 4) return "sums are no words";
  const uint64_t shared = uint64_t{tile.teams} * (layout.sums.block + tile.lines()) * bytes;
  return shared > target.plan->shared_memory_bytes ? "it does not fit into shared memory" : nullptr;
}

const char* line_objection(const Product& product, const Target& target) {
  if (!target.plan->tuning.shares_cheaply) return "the device has no shared memory of its own";
  if (vector_count(product) > kMaxVectors) return "it has more than 16 rows and columns";
  const bool is_long = line_count(product) >= kMinLines && product.k >= kMinDepth;
  const bool is_small = vector_count(product) >= kManyVectors && product.batch == 1 &&
                        line_count(product) < kFewLines;
  return is_long && !is_small ? nullptr : "its lines are too few or too short";
}

const char* line_obstacle(const Product& product, const Target& target, const MatmulTile& tile) {
  using Unit = FactorAccess::Unit;
  const plan::DevicePlan& plan = *target.plan;
  const bool are_rows = tile.lines_are_rows();
  if (is_complex(product.type)) return "the type is complex";
  if (product.a.is_gathered || product.b.is_gathered) return "a factor is gathered from windows";
  if (tile.vectors() < (are_rows ? product.n : product.m)) {
    return "it has more rows and columns than an invocation takes";
  }
  const bool has_quads =
      are_rows && tile.vectors() > 1 ? tile.vectors() % kGroup == 0 : tile.lines() % kGroup == 0;
  if (!has_quads) return "its rows of C are no whole number of quads";
  const FactorAccess access = line_access(product, are_rows, tile.thread_lines());
  if (access.unit == Unit::none) return "the larger factor has no elements side by side";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  const Accumulation sums = line_accumulation(product, target);
  if (shared_bytes(product, sums.type, tile) > plan.shared_memory_bytes) {
    return "the slabs do not fit into shared memory";
  }
  if (sums.block % tile.depth != 0) return "blocks are no whole number of slabs";
  if (access.unit == Unit::depth && access.aligned &&
      tile.depth * storage_bytes(line_factor(product, are_rows).type) % 16 != 0) {
    return "slabs are no whole number of pieces";
  }
  const uint64_t blocks = divide_up(product.k, uint64_t{sums.block});
  if (tile.split && blocks * product.count() > kMaxBlockSums) return "its sums are too many";
  const uint64_t rounds = tile.split ? 1 : divide_up(blocks, uint64_t{tile.teams});
  const uint64_t iterations = rounds * (2 * uint64_t{sums.block} / 4 + tile.vectors() * 8);
  return iterations > plan.max_loop_iterations ? "the loop along k is too long" : nullptr;
}

MatmulTile choose_lines(const Product& product, const Target& target) {
  const Accumulation sums = line_accumulation(product, target);
  const bool are_rows = lines_are_rows(product);
  auto vectors = static_cast<uint32_t>(std::bit_ceil(std::min(vector_count(product), kMaxVectors)));
  if (are_rows && vectors == 2) vectors = kGroup;  // quads of C
  const bool adjacent = line_access(product, are_rows, kGroup).unit == FactorAccess::Unit::free;
  const Share share = adjacent ? share_of_adjacent(product, target, sums, vectors)
                               : share_of_contiguous(product, target, sums, vectors);
  const uint64_t blocks = divide_up(product.k, uint64_t{sums.block});
  const Choosing choosing{product, target, share, vectors, blocks, adjacent};
  const bool is_short = sums.block <= kShortBlock && blocks >= kManyShortBlocks;
  return is_short ? choosing.of_short_blocks() : choosing.of_long_blocks();
}

std::vector<MatmulTile> line_tiles() {
  std::vector<MatmulTile> tiles;
  for (bool are_rows : {false, true}) {
    const auto add = [&](uint32_t vectors, uint32_t lanes, uint32_t lines, uint32_t depth,
                         uint32_t teams, bool split = false) {
      tiles.push_back(with_teams(line_tile(are_rows, vectors, lanes, lines, depth), teams));
      tiles.back().split = split;
    };
    add(1, 16, 4, 32, 4);
    add(1, 32, 1, 64, 1);
    add(1, 16, 1, 16, 2, true);
    add(4, 16, 4, 16, 2);
    add(4, 16, 2, 32, 4, true);
    add(8, 16, 4, 8, 8);
    add(16, 16, 4, 16, 2);
    add(16, 8, 2, 32, 1);
  }
  return tiles;
}

}  // namespace nxv::kernels

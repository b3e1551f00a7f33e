// Batched matrix products C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n]: the choice of
// kernels.
//
// Operands are read by their strides. The order of additions is the same in all kernels (see
// matmul_kernel.h), so the choice is free to look at strides and alignment.
#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_units.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

// The plain kernel takes this many steps along k; longer products are added up by blocks.
constexpr uint64_t kMaxPlainDepth = 32768;
// On GPUs, products of which it computes all elements at once.
constexpr uint64_t kMaxPlainElements = 64 * 64, kMaxPlainSteps = 128;
// Sums of blocks that one pass adds up, and the elements that they take at most.
constexpr uint64_t kMaxPassBlocks = 4096;
constexpr uint64_t kMaxPassElements = uint64_t{1} << 24;

std::string class_key(const Region& region, const Target& target) {
  const Accumulation sums = accumulation(region, target);
  std::string key = "m";
  key += static_cast<char>('a' + static_cast<int>(sums.type));
  key += MatmulSize(region).k > sums.block ? '+' : '1';
  return key + access_of(region, 0).key() + access_of(region, 1).key();
}

class PlainLowering {
 public:
  PlainLowering(const Region& region, const Target& target)
      : region_(region), target_(target), size_(region), sums_(accumulation(region, target)) {
    const bool cpu = target.plan->profile == plan::Profile::cpu;
    base_.workgroup = cpu ? std::max(target.plan->subgroup_size, 1u) : 64;
    base_.unroll = cpu ? 4 : 32;
  }

  uint64_t units() const {
    return divide_up(size_.count(), static_cast<uint64_t>(elements_per_word(region_.root->dtype)));
  }

  // Adding up by blocks keeps a device busy where C alone would not.
  bool wants_blocks() const {
    const uint64_t enough = target_.plan->profile == plan::Profile::cpu ? 64 : 16384;
    return size_.k > kMaxPlainDepth || (size_.k >= 2 * sums_.block && units() < enough);
  }

  Lowering whole() {
    add(base_, units(), 0, 0, size_.count() * size_.k);
    return std::move(lowering_);
  }

  Lowering blocks() {
    const uint64_t all = divide_up(size_.k, sums_.block);
    const uint64_t count = size_.count();
    const uint64_t pass =
        std::clamp<uint64_t>(kMaxPassElements / count, 1, std::min(all, kMaxPassBlocks));
    const auto bytes = static_cast<uint64_t>(std::max(4, storage_bytes(sums_.type)));
    const int sums = workspace(pass * count * bytes);
    const int total = pass < all ? workspace(count * bytes) : -1;
    for (uint64_t first = 0; first < all; first += pass) {
      const uint64_t now = std::min(pass, all - first);
      PlainLayout blocks = base_;
      blocks.stage = PlainStage::blocks;
      Dispatch& partial = add(blocks, now * count, first, now, count * now * sums_.block);
      partial.workspaces = {writes(sums)};
      partial.writes_output = false;
      add_totals(sums, total, first > 0, first + now == all, now);
    }
    return std::move(lowering_);
  }

  // After a tiled kernel that left its totals in a workspace: rounds them into C.
  void finish(Lowering& lowering, int totals) {
    lowering_ = std::move(lowering);
    add_totals(totals, -1, false, true, 1);
    lowering = std::move(lowering_);
  }

 private:
  int workspace(uint64_t bytes) { return lowering_.add_workspace(bytes); }

  void add_totals(int sums, int total, bool resumes, bool finishes, uint64_t blocks) {
    PlainLayout layout = base_;
    layout.stage = PlainStage::totals;
    layout.resumes = resumes;
    layout.finishes = finishes;
    Dispatch& d =
        add(layout, finishes ? units() : size_.count(), 0, blocks, size_.count() * blocks);
    d.workspaces = {reads(sums)};
    d.reads_operands = false;
    d.writes_output = finishes;
    if (resumes || !finishes) d.workspaces.push_back({total, resumes, !finishes});
  }

  Dispatch& add(const PlainLayout& layout, uint64_t units, uint64_t first_block, uint64_t blocks,
                uint64_t work) {
    Dispatch d;
    d.key = class_key(region_, target_) + 'p' + std::to_string(static_cast<int>(layout.stage)) +
            (layout.resumes ? 'r' : '-') + (layout.finishes ? 'f' : '-') + region_.key;
    d.generate = [target = target_, layout](const Region& r) {
      return generate_plain_matmul(r, target, layout);
    };
    d.groups = fold_groups(divide_up(units, layout.workgroup), *target_.plan);
    d.words = plain_words(region_, units, first_block, blocks);
    d.work = work;
    lowering_.dispatches.push_back(std::move(d));
    return lowering_.dispatches.back();
  }

  const Region& region_;
  const Target& target_;
  const MatmulSize size_;
  const Accumulation sums_;
  PlainLayout base_;
  Lowering lowering_;
};

MatmulTile shared_tile(uint32_t rows, uint32_t columns, uint32_t depth, uint32_t thread_rows,
                       uint32_t thread_columns, bool total_in_output = false) {
  MatmulTile t;
  t.kind = Kind::shared;
  t.rows = rows;
  t.columns = columns;
  t.depth = depth;
  t.thread_rows = thread_rows;
  t.thread_columns = thread_columns;
  t.total_in_output = total_in_output;
  return t;
}

// The largest tile that still gives every core work.
MatmulTile choose_shared(const Region& region, const Target& target) {
  const MatmulSize size(region);
  const auto tiles = [&](uint64_t rows, uint64_t columns) {
    return size.batch * divide_up(size.m, rows) * divide_up(size.n, columns);
  };
  if (tiles(128, 128) >= 96) {
    const Accumulation sums = accumulation(region, target);
    if (storage_bytes(sums.type) == 8) {
      return shared_tile(128, 128, 8, 8, 8, region.root->dtype == sums.type);
    }
    // Twice as many elements an invocation, if their totals need no registers.
    const bool one_set = size.k <= sums.block || region.root->dtype == sums.type;
    return one_set ? shared_tile(128, 128, 8, 8, 16, true) : shared_tile(128, 128, 8, 8, 8);
  }
  if (tiles(64, 64) >= 96) return shared_tile(64, 64, 16, 8, 4);
  return shared_tile(32, 32, 16, 4, 4);
}

const char* obstacle(const Region& region, const Target& target, const MatmulTile& tile);

// Why matrix units cannot compute the region with a tile, or null.
const char* unit_obstacle(const Region& region, const Target& target, const MatmulTile& tile) {
  const plan::DevicePlan& plan = *target.plan;
  const auto factors = unit_factors(region, target);
  if (!factors) return "the device has no matrix units for its types";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  if (tile.lanes != plan.subgroup_size) return "subgroups are of another size";
  if (MatmulSize(region).k / tile.steps() + 2 > plan.max_loop_iterations) {
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
  return obstacle(region, target, choose_shared(region, target));
}

// Why a tile cannot compute the region, or null.
const char* obstacle(const Region& region, const Target& target, const MatmulTile& tile) {
  if (tile.kind == Kind::units) return unit_obstacle(region, target, tile);
  const plan::DevicePlan& plan = *target.plan;
  const MatmulSize size(region);
  const Accumulation sums = accumulation(region, target);
  if (is_complex(region.root->dtype)) return "the type is complex";
  if (tile.threads() > plan.max_workgroup_invocations) return "the workgroup is too large";
  // Iterations of an invocation, over all of its loops.
  const uint64_t iterations = tile.kind == Kind::registers
                                  ? size.k / 4 + 4 + 2 * (size.k / sums.block)
                                  : size.k / (2 * tile.depth) + 1 + size.k / sums.block;
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
  if (tile.total_in_output && region.root->dtype != sums.type && size.k > sums.block) {
    return "C is of another type than its sums";
  }
  return nullptr;
}

void append_line_words(const Region& region, Dispatch& d) {
  const LineLayout lines(region);
  for (uint64_t word :
       {lines.row_stride, lines.column_stride, lines.columns, lines.substances, lines.verdicts}) {
    d.words.push_back(static_cast<uint32_t>(word));
  }
}

// A split product looks at verdicts, in workspace 0.
Lowering lower_tiled(const Region& region, const Target& target, const MatmulTile& tile,
                     bool is_split = false) {
  const MatmulSize size(region);
  const uint64_t columns = divide_up(size.n, tile.columns), rows = divide_up(size.m, tile.rows);
  const uint64_t tiles = size.batch * rows * columns;
  // Elements that share a word of C must belong to one invocation.
  const bool to_workspace = elements_per_word(region.root->dtype) > 1 && size.n % kGroup != 0;
  const bool full = size.m % tile.rows == 0 && size.n % tile.columns == 0 &&
                    size.k % (tile.kind == Kind::units ? tile.steps() : 2 * tile.depth) == 0;
  Lowering lowering;
  Dispatch d;
  d.key = class_key(region, target) + 't' + tile.name() + (to_workspace ? 'w' : '-') +
          (size.n % kGroup == 0 ? '4' : '1') + (full ? 'f' : 'g') + (is_split ? 's' : '-') +
          chunk_access(region, 0).key() + chunk_access(region, 1).key() + region.key;
  d.generate = [target, tile, to_workspace, full, is_split](const Region& r) {
    switch (tile.kind) {
      case Kind::registers:
        return generate_register_matmul(r, target, tile, to_workspace);
      case Kind::units:
        return generate_unit_matmul(r, target, tile, to_workspace, full);
      default:
        return generate_shared_matmul(r, target, tile, to_workspace, full, is_split);
    }
  };
  d.groups = fold_groups(tiles, *target.plan);
  d.words = {static_cast<uint32_t>(tiles)};
  for (uint64_t n : {columns, rows}) {
    append(d.words, Divisor(n));
  }
  d.work = size.count() * size.k;
  if (to_workspace) {
    lowering.workspaces.push_back(size.count() * 8);
    d.workspaces = {writes(0)};
    d.writes_output = false;
  }
  if (is_split) {
    d.workspaces = {reads(0)};
    append_line_words(region, d);
  }
  lowering.dispatches.push_back(std::move(d));
  if (to_workspace) PlainLowering(region, target).finish(lowering, 0);
  return lowering;
}

// Measures the lines, judges, and dispatches both the kernel for matrix units and the one that
// computes what they may not.
Lowering lower_split(const Region& region, const Target& target, const MatmulTile& tile) {
  const MatmulSize size(region);
  const LineLayout lines(region);
  const uint32_t largest = target.plan->max_workgroup_invocations >= 1024 ? 1024 : 256;
  Lowering lowering;
  lowering.workspaces.push_back(lines.words * 4);
  const auto add = [&](char stage, uint64_t groups, uint32_t workgroup, uint64_t work) {
    Dispatch d;
    d.key = class_key(region, target) + 'l' + stage + (size.k % kGroup == 0 ? '4' : '1') +
            std::to_string(workgroup) + region.key;
    d.generate = [=](const Region& r) {
      return stage == 'm' ? generate_line_measure(r, target, workgroup)
                          : generate_verdicts(r, target, workgroup);
    };
    d.groups = fold_groups(groups, *target.plan);
    d.words.assign(kTileWords, 0);
    append_line_words(region, d);
    d.workspaces = {writes(0)};
    d.writes_output = false;
    d.work = work;
    lowering.dispatches.push_back(std::move(d));
  };
  const uint64_t row_groups = divide_up(size.m, kMeasuredLines);
  const uint64_t column_groups = divide_up(size.n, kMeasuredLines);
  const uint64_t measured = size.batch * (row_groups + column_groups);
  add('m', measured, largest, measured * kMeasuredLines * size.k);
  for (uint64_t word : {size.batch * row_groups, measured, row_groups, column_groups}) {
    lowering.dispatches.back().words.push_back(static_cast<uint32_t>(word));
  }
  add('v', size.batch, 256, size.batch * (size.m + size.n));
  lowering.dispatches.back().workspaces = {updates(0)};
  lowering.dispatches.back().reads_operands = false;
  for (const MatmulTile& t : {tile, choose_shared(region, target)}) {
    lowering.dispatches.push_back(lower_tiled(region, target, t, true).dispatches[0]);
  }
  return lowering;
}

MatmulTile register_tile(uint32_t lanes, uint32_t rows, uint32_t columns, bool shuffle) {
  MatmulTile t;
  t.kind = Kind::registers;
  t.rows = t.thread_rows = rows;
  t.columns = columns * lanes;
  t.thread_columns = columns;
  t.depth = 4;
  t.shuffle = shuffle;
  return t;
}

bool can_shuffle(const plan::DevicePlan& plan) {
  return plan.has.subgroup_shuffle && plan.fixed_subgroup_size && plan.subgroup_size == 8;
}

MatmulTile unit_tile(const plan::DevicePlan& plan, uint32_t rows, uint32_t columns, uint32_t depth,
                     uint32_t subgroup_rows, uint32_t subgroup_columns, uint32_t chain = 0) {
  MatmulTile t;
  t.kind = Kind::units;
  t.rows = rows;
  t.columns = columns;
  t.depth = depth;
  t.thread_rows = subgroup_rows;
  t.thread_columns = subgroup_columns;
  t.lanes = plan.subgroup_size;
  t.chain = chain;
  return t;
}

// Steps along k that units may add up in one accumulator, which they truncate: of f16 and bf16, the
// error stays far below that of rounding the sum to them; of f32, below that of a chain of fma.
constexpr uint64_t kMaxChain = 32768;
constexpr uint32_t kSplitChain = 32;

// By sizes alone, since bits depend on it.
bool prefers_units(const Region& region, const Target& target) {
  const auto factors = unit_factors(region, target);
  const MatmulSize size(region);
  if (!factors || size.m < 32 || size.n < 32 || size.k < 32) return false;
  if (*factors != UnitFactors::split) {
    return size.k <= kMaxChain && size.m * size.n * size.k >= (uint64_t{1} << 22);
  }
  return size.k >= 256 && size.m * size.n * size.k >= (uint64_t{1} << 30);
}

// The largest tiles that still give every core work, best first.
std::vector<MatmulTile> unit_tiles(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const MatmulSize size(region);
  const auto tiles = [&](uint64_t rows, uint64_t columns) {
    return size.batch * divide_up(size.m, rows) * divide_up(size.n, columns);
  };
  std::vector<MatmulTile> best;
  if (unit_factors(region, target) == UnitFactors::split) {
    if (tiles(128, 128) >= 96) {
      best.push_back(unit_tile(plan, 128, 128, 32, 64, 32, kSplitChain));
      best.push_back(unit_tile(plan, 128, 128, 16, 64, 32, kSplitChain));
    }
    best.push_back(unit_tile(plan, 64, 64, 32, 32, 32, kSplitChain));
    return best;
  }
  if (tiles(128, 128) >= 96) best.push_back(unit_tile(plan, 128, 128, 32, 64, 64));
  if (tiles(64, 128) >= 96) best.push_back(unit_tile(plan, 64, 128, 64, 32, 64));
  best.push_back(unit_tile(plan, 64, 64, 64, 32, 32));
  return best;
}

MatmulTile choose_plain(const Region& region, const Target& target);

MatmulTile choose(const Region& region, const Target& target) {
  if (prefers_units(region, target)) {
    for (const MatmulTile& tile : unit_tiles(region, target)) {
      if (!obstacle(region, target, tile)) return tile;
    }
  }
  return choose_plain(region, target);
}

MatmulTile choose_plain(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const MatmulSize size(region);
  if (plan.profile == plan::Profile::cpu) {
    // Smaller products take less time than compiling the larger kernel.
    const bool worth = size.m >= 2 && size.n >= 8 && size.count() * size.k >= (uint64_t{1} << 18);
    if (!worth) return {};
    if (!can_shuffle(plan)) return register_tile(8, 8, 8, false);
    return register_tile(8, size.m > 8 ? 16 : 8, 4, true);
  }
  if (size.m < 16 || size.n < 16 || size.k < 16) return {};
  // Few tiles leave most cores idle: what matters is then how long one invocation takes.
  if (size.count() <= kMaxPlainElements && size.k <= kMaxPlainSteps) return {};
  return choose_shared(region, target);
}

}  // namespace

std::string MatmulTile::name() const {
  static constexpr const char* kNames[] = {"plain", "registers", "shared", "units"};
  std::string s = kNames[static_cast<int>(kind)];
  for (uint32_t v : {rows, columns, depth, thread_rows, thread_columns}) {
    s += '_' + std::to_string(v);
  }
  if (total_in_output) s += "_c";
  if (shuffle) s += "_s";
  if (chain) s += "_k" + std::to_string(chain);
  return s;
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
    tiles.push_back(unit_tile(plan, 128, 256, 32, 64, 64));
    tiles.push_back(unit_tile(plan, 128, 128, 32, 64, 64));
    for (uint32_t chain : {0u, kSplitChain}) {
      tiles.push_back(unit_tile(plan, 128, 128, 32, 64, 32, chain));
      tiles.push_back(unit_tile(plan, 128, 128, 16, 64, 32, chain));
      tiles.push_back(unit_tile(plan, 64, 128, 32, 32, 32, chain));
      tiles.push_back(unit_tile(plan, 64, 64, 32, 32, 32, chain));
    }
    tiles.push_back(unit_tile(plan, 64, 128, 64, 32, 64));
    tiles.push_back(unit_tile(plan, 64, 64, 64, 32, 32));
  }
  return tiles;
}

Lowering lower_matmul(const Region& region, const Target& target, const MatmulTile& tile) {
  if (tile.kind == Kind::plain) {
    PlainLowering plain(region, target);
    return plain.wants_blocks() ? plain.blocks() : plain.whole();
  }
  if (const char* why = obstacle(region, target, tile)) {
    throw Error(Status::invalid_argument, "matmul tile " + tile.name() + ": " + why);
  }
  if (tile.kind == Kind::units && unit_factors(region, target) == UnitFactors::split) {
    return lower_split(region, target, tile);
  }
  return lower_tiled(region, target, tile);
}

Lowering lower_small_units(const Region& region, const Target& target) {
  const bool is_split = unit_factors(region, target) == UnitFactors::split;
  return lower_matmul(region, target,
                      unit_tile(*target.plan, 64, 64, 32, 32, 32, is_split ? kSplitChain : 0));
}

Lowering lower_matmul(const Region& region, const Target& target) {
  const MatmulTile tile = choose(region, target);
  const bool fits = tile.kind == Kind::plain || !obstacle(region, target, tile);
  return lower_matmul(region, target, fits ? tile : MatmulTile{});
}

}  // namespace nxv::kernels

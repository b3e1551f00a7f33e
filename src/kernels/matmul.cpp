// Batched matrix products C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n]: the choice of
// kernels.
//
// Operands are read by their strides. The order of additions is the same in all kernels (see
// matmul_kernel.h), so the choice is free to look at strides and alignment.
#include "kernels/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/matmul_kernel.h"

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

uint64_t divide_up(uint64_t n, uint64_t d) { return (n + d - 1) / d; }

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
      partial.workspaces = {sums};
      partial.writes = {sums};
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
  int workspace(uint64_t bytes) {
    lowering_.workspaces.push_back(bytes);
    return static_cast<int>(lowering_.workspaces.size()) - 1;
  }

  void add_totals(int sums, int total, bool resumes, bool finishes, uint64_t blocks) {
    PlainLayout layout = base_;
    layout.stage = PlainStage::totals;
    layout.resumes = resumes;
    layout.finishes = finishes;
    Dispatch& d =
        add(layout, finishes ? units() : size_.count(), 0, blocks, size_.count() * blocks);
    d.workspaces = {sums};
    d.reads = {sums};
    d.reads_operands = false;
    d.writes_output = finishes;
    if (resumes || !finishes) d.workspaces.push_back(total);
    if (resumes || !finishes) d.writes = {total};
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
    d.extra_words = plain_words(region_, units, first_block, blocks);
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

// Why a tile cannot compute the region, or null.
const char* obstacle(const Region& region, const Target& target, const MatmulTile& tile) {
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

Lowering lower_tiled(const Region& region, const Target& target, const MatmulTile& tile) {
  const MatmulSize size(region);
  const uint64_t columns = divide_up(size.n, tile.columns), rows = divide_up(size.m, tile.rows);
  const uint64_t tiles = size.batch * rows * columns;
  // Elements that share a word of C must belong to one invocation.
  const bool to_workspace = elements_per_word(region.root->dtype) > 1 && size.n % kGroup != 0;
  const bool full = size.m % tile.rows == 0 && size.n % tile.columns == 0 &&
                    size.k % (2 * uint64_t{tile.depth}) == 0;
  Lowering lowering;
  Dispatch d;
  d.key = class_key(region, target) + 't' + tile.name() + (to_workspace ? 'w' : '-') +
          (size.n % kGroup == 0 ? '4' : '1') + (full ? 'f' : 'g') + region.key;
  d.generate = [target, tile, to_workspace, full](const Region& r) {
    return tile.kind == Kind::registers
               ? generate_register_matmul(r, target, tile, to_workspace)
               : generate_shared_matmul(r, target, tile, to_workspace, full);
  };
  d.groups = fold_groups(tiles, *target.plan);
  d.extra_words = {static_cast<uint32_t>(tiles)};
  for (uint64_t n : {columns, rows}) {
    for (uint32_t w : divisor_words(n)) d.extra_words.push_back(w);
  }
  d.work = size.count() * size.k;
  if (to_workspace) {
    lowering.workspaces.push_back(size.count() * 8);
    d.workspaces = {0};
    d.writes = {0};
    d.writes_output = false;
  }
  lowering.dispatches.push_back(std::move(d));
  if (to_workspace) PlainLowering(region, target).finish(lowering, 0);
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

bool can_shuffle(const plan::DevicePlan& plan) {
  return plan.has.subgroup_shuffle && plan.fixed_subgroup_size && plan.subgroup_size == 8;
}

MatmulTile choose(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const MatmulSize size(region);
  if (plan.profile == plan::Profile::cpu) {
    // Smaller products take less time than compiling the larger kernel.
    const bool worth = size.m >= 2 && size.n >= 8 && size.count() * size.k >= (uint64_t{1} << 18);
    if (!worth) return {};
    if (!can_shuffle(plan)) return register_tile(8, 8, 8, false);
    return register_tile(8, size.m > 8 ? 16 : 8, 4, true);
  }
  // The largest tile that still gives every core work.
  const auto tiles = [&](uint64_t rows, uint64_t columns) {
    return size.batch * divide_up(size.m, rows) * divide_up(size.n, columns);
  };
  if (size.m < 16 || size.n < 16 || size.k < 16) return {};
  // Few tiles leave most cores idle: what matters is then how long one invocation takes.
  if (size.count() <= kMaxPlainElements && size.k <= kMaxPlainSteps) return {};
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

}  // namespace

std::string MatmulTile::name() const {
  static constexpr const char* kNames[] = {"plain", "registers", "shared"};
  std::string s = kNames[static_cast<int>(kind)];
  for (uint32_t v : {rows, columns, depth, thread_rows, thread_columns}) {
    s += '_' + std::to_string(v);
  }
  if (total_in_output) s += "_c";
  if (shuffle) s += "_s";
  return s;
}

std::vector<MatmulTile> candidate_tiles(const Target& target) {
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
  return lower_tiled(region, target, tile);
}

Lowering lower_matmul(const Region& region, const Target& target) {
  const MatmulTile tile = choose(region, target);
  const bool fits = tile.kind == Kind::plain || !obstacle(region, target, tile);
  return lower_matmul(region, target, fits ? tile : MatmulTile{});
}

}  // namespace nxv::kernels

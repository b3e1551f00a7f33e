// From a product and its tile to dispatches.
#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"
#include "kernels/matmul/line_choice.h"
#include "kernels/matmul/line_walk.h"
#include "kernels/matmul/matmul_lines.h"
#include "kernels/matmul/matmul_plain.h"
#include "kernels/matmul/matmul_tiled.h"
#include "kernels/matmul/matmul_totals.h"
#include "kernels/matmul/matmul_units.h"
#include "kernels/matmul/scaled_lines.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using Kind = MatmulTile::Kind;

// Sums of blocks that one pass adds up, and the elements that they take at most.
constexpr uint64_t kMaxPassBlocks = 4096;
constexpr uint64_t kMaxPassElements = uint64_t{1} << 24;

// Invocations of a workgroup where totals would not keep the device busy.
constexpr uint32_t kFewTotals = 32;

class MatmulLowering {
 public:
  MatmulLowering(const Region& region, const Target& target)
      : region_(region),
        target_(target),
        plan_(*target.plan),
        product_(product_of(region)),
        sums_(accumulation(product_, target)) {
    // Whoever stores an element of a result has read the operands for it before, and nobody else
    // reads them there.
    lowering_.in_place = true;
  }

  Lowering plain() {
    const uint32_t teams = plain_teams(product_, target_);
    if (teams == 1 && adds_by_blocks(product_, target_)) {
      add_blocks();
    } else {
      PlainLayout layout = plain_layout();
      layout.teams = teams;
      if (teams > 1) layout.workgroup = plan_.tuning.team_workgroup / teams;
      add_plain(layout, product_.words_of_result(), 0, 0, product_.steps());
    }
    return std::move(lowering_);
  }

  Lowering tiled(const MatmulTile& tile) {
    if (const char* why = matmul_obstacle(product_, target_, tile)) {
      throw Error(Status::invalid_argument, "matmul tile " + tile.name() + ": " + why);
    }
    if (tile.kind == Kind::lines) {
      add_lines(tile);
      return std::move(lowering_);
    }
    const bool is_unit = tile.kind == Kind::units;
    const auto factors = is_unit ? unit_factors(product_, target_) : std::nullopt;
    if (factors == UnitFactors::split) {
      add_split(tile);
      return std::move(lowering_);
    }
    if (factors == UnitFactors::scaled) {
      add_scaled(tile);
      return std::move(lowering_);
    }
    StoreLayout store = store_layout();
    store.to_workspace = store.to_workspace || tile.split;
    Launch& d = is_unit
                    ? add(kUnitMatmul, unit_layout(tile, store), tile_words(tile), product_.steps())
                    : add_tiles(tile_layout(tile, store), tile_words(tile));
    place(d, tile, store);
    return std::move(lowering_);
  }

 private:
  template <typename L, typename W>
  Launch& add(const Family<L>& family, const L& layout, const W& words, uint64_t work) {
    Launch& d = lowering_.add(launch_of(family, region_, target_, layout, words));
    d.work = work;
    return d;
  }

  // ---- One element after the other

  PlainLayout plain_layout() const {
    PlainLayout layout;
    layout.sums = sums_;
    layout.workgroup = plan_.tuning.lone_workgroup;
    layout.unroll = plan_.tuning.plain_unroll;
    return layout;
  }

  void add_blocks() {
    const uint64_t all = divide_up(product_.k, sums_.block);
    const uint64_t count = product_.count();
    const uint64_t pass =
        std::clamp<uint64_t>(kMaxPassElements / count, 1, std::min(all, kMaxPassBlocks));
    const auto bytes = static_cast<uint64_t>(std::max(4, storage_bytes(sums_.type)));
    const int sums = lowering_.add_workspace(pass * count * bytes);
    const int total = pass < all ? lowering_.add_workspace(count * bytes) : -1;
    for (uint64_t first = 0; first < all; first += pass) {
      const uint64_t now = std::min(pass, all - first);
      PlainLayout layout = plain_layout();
      layout.stage = PlainStage::blocks;
      Launch& d = add_plain(layout, now * count, first, now, count * now * sums_.block);
      d.workspaces = {writes(sums)};
      d.writes_output = false;
      add_totals(sums, total, first > 0, first + now == all, now);
    }
  }

  // Adds up the sums of blocks, on top of an earlier total or not: into C, or a total.
  void add_totals(int sums, int total, bool resumes, bool finishes, uint64_t blocks) {
    if (finishes && !resumes && are_groups()) {
      Launch& d =
          add_group_totals(plain_words(product_.count() / kGroup, 0, blocks), blocks, false);
      d.workspaces = {reads(sums)};
      return;
    }
    PlainLayout layout = plain_layout();
    layout.stage = PlainStage::totals;
    layout.resumes = resumes;
    layout.finishes = finishes;
    Launch& d = add_plain(layout, finishes ? product_.words_of_result() : product_.count(), 0,
                          blocks, product_.count() * blocks);
    d.workspaces = {reads(sums)};
    d.reads_operands = finishes && product_.has_epilogue;
    d.writes_output = finishes;
    if (resumes || !finishes) d.workspaces.push_back({total, resumes, !finishes});
  }

  // Whether an invocation may finish four elements of C at once.
  bool are_groups() const { return product_.n % kGroup == 0 && !is_complex(product_.type); }
  template <typename W>
  Launch& add_group_totals(const W& words, uint64_t parts, bool judged) {
    TotalsLayout layout;
    layout.sums = sums_;
    const uint64_t units = product_.count() / kGroup;
    const bool are_few = units < uint64_t{plan_.tuning.cores} * plan_.tuning.workgroup;
    layout.workgroup =
        are_few ? std::min(kFewTotals, plan_.tuning.workgroup) : plan_.tuning.workgroup;
    if (parts >= kManyParts && !plan_.tuning.has_few_registers()) layout.together = kManyParts;
    layout.judged = judged;
    Launch& d = add(kMatmulTotals, layout, words, product_.count() * parts);
    d.groups = fold_groups(divide_up(units, layout.workgroup), plan_);
    d.reads_operands = product_.has_epilogue;
    return d;
  }

  Launch& add_plain(const PlainLayout& layout, uint64_t units, uint64_t first_block,
                    uint64_t blocks, uint64_t work) {
    Launch& d = add(kPlainMatmul, layout, plain_words(units, first_block, blocks), work);
    d.groups = fold_groups(divide_up(units, layout.workgroup), plan_);
    return d;
  }
  PlainWords plain_words(uint64_t units, uint64_t first_block, uint64_t blocks) const {
    PlainWords words;
    words.units = static_cast<uint32_t>(units);
    words.columns = Divisor(product_.n);
    words.rows = Divisor(product_.m);
    words.count = Divisor(product_.count());
    words.first_block = static_cast<uint32_t>(first_block);
    words.blocks = static_cast<uint32_t>(blocks);
    return words;
  }

  // ---- Lines

  void add_lines(const MatmulTile& tile) {
    const bool are_rows = tile.lines_are_rows();
    const uint64_t lines = are_rows ? product_.m : product_.n;
    const uint64_t vectors = are_rows ? product_.n : product_.m;
    const Accumulation sums = line_accumulation(product_, target_);
    const uint64_t blocks = divide_up(product_.k, uint64_t{sums.block});

    LineLayout layout;
    layout.tile = tile;
    layout.sums = sums;
    layout.lines = line_access(product_, are_rows, tile.thread_lines());
    layout.vector_groups = access_of(product_, are_rows ? product_.b : product_.a)
                               .by_groups_along(FactorAccess::Unit::depth);
    layout.is_full = lines % tile.lines() == 0 && vectors == tile.vectors();
    // A lone team stops at the end of k, in steps of its slabs.
    const bool has_slabs = layout.lines.unit == FactorAccess::Unit::depth;
    layout.whole_depth = product_.k % sums.block == 0 ||
                         (has_slabs && tile.teams == 1 && product_.k % tile.depth == 0);
    layout.whole_rounds = blocks % tile.teams == 0;
    layout.shared_vector = shared_vector_obstacle(layout, target_) == nullptr;
    // Of one vector the lines lie side by side in C.
    if (!tile.split) layout.store = store_layout(are_rows && tile.vectors() > 1 ? vectors : lines);

    const uint64_t tiles = divide_up(lines, uint64_t{tile.lines()});
    const uint64_t block_groups = tile.split ? divide_up(blocks, uint64_t{tile.teams}) : 1;
    const uint64_t groups = product_.batch * tiles * block_groups;
    LineTileWords words;
    words.groups = static_cast<uint32_t>(groups);
    words.tiles = Divisor(tiles);
    words.block_groups = Divisor(block_groups);
    words.blocks = static_cast<uint32_t>(blocks);
    words.count = static_cast<uint32_t>(product_.count());
    Launch& d = add(kLineMatmul, layout, words, product_.steps());
    d.groups = fold_groups(groups, plan_);
    if (tile.split) {
      const auto bytes = static_cast<uint64_t>(std::max(4, storage_bytes(sums.type)));
      const int space = lowering_.add_workspace(blocks * product_.count() * bytes);
      write_totals(d, space);
      add_totals(space, -1, false, true, blocks);
    } else if (layout.store.to_workspace) {
      const int totals = add_total_space();
      write_totals(d, totals);
      add_totals(totals, -1, false, true, 1);
    }
  }

  // ---- Tiles

  StoreLayout store_layout() const { return store_layout(product_.n); }
  StoreLayout store_layout(uint64_t columns) const {
    StoreLayout store;
    store.whole_groups = columns % kGroup == 0;
    store.to_workspace = elements_per_word(product_.stored) > 1 && !store.whole_groups;
    return store;
  }

  // Totals of tiles, or of their parts, that other kernels make C of.
  int add_total_space(uint64_t parts = 1) {
    const auto bytes = static_cast<uint64_t>(std::max(4, storage_bytes(sums_.type)));
    return lowering_.add_workspace(parts * product_.count() * bytes);
  }
  static void write_totals(Launch& d, int totals) {
    d.workspaces.push_back(writes(totals));
    d.writes_output = false;
  }

  // The one kernel that multiplies: its totals, if they go to a workspace, are added up after it.
  void place(Launch& d, const MatmulTile& tile, const StoreLayout& store) {
    d.groups = fold_groups(group_count(tile), plan_);
    if (!store.to_workspace) return;
    const int totals = add_total_space(parts(tile));
    write_totals(d, totals);
    add_totals(totals, -1, false, true, parts(tile));
  }

  bool is_full(const MatmulTile& tile) const {
    const uint32_t steps = tile.kind == Kind::units
                               ? unit_steps(tile, *unit_factors(product_, target_))
                           : tile.teams > 1 ? tile.teams * sums_.block
                                            : 2 * tile.depth;
    return product_.m % tile.rows == 0 && product_.n % tile.columns == 0 && product_.k % steps == 0;
  }

  TileLayout tile_layout(const MatmulTile& tile, const StoreLayout& store) const {
    TileLayout layout;
    layout.tile = tile;
    layout.sums = sums_;
    layout.a = access_of(product_, product_.a);
    layout.b = access_of(product_, product_.b);
    if (tile.is_packed) {
      layout.packed_a = packed_access(product_, product_.a);
      layout.packed_b = packed_access(product_, product_.b);
    }
    layout.several_blocks = product_.k > sums_.block;
    layout.store = store;
    layout.is_full = tile.kind == Kind::shared && is_full(tile);
    return layout;
  }

  UnitLayout unit_layout(const MatmulTile& tile, const StoreLayout& store) const {
    UnitLayout layout;
    layout.tile = tile;
    layout.tile.parts = 1;  // a word
    layout.factors = *unit_factors(product_, target_);
    layout.sums = {DType::f32, 0};  // in an order of their own
    if (const auto shape = integer_shape(product_, target_)) {
      layout.sums.type = sums_.type;
      layout.matrix_steps = shape->k;
      layout.signed_sums = shape->accumulator == plan::MatrixType::s32;
      layout.packed_a = packed_access(product_, product_.a);
      layout.packed_b = packed_access(product_, product_.b);
    } else {
      layout.a = chunk_access(product_, product_.a);
      layout.b = chunk_access(product_, product_.b);
    }
    if (layout.factors == UnitFactors::scaled) layout.scales = scale_layout(product_);
    layout.own_scales = layout.factors == UnitFactors::split && has_own_scales(product_);
    layout.store = store;
    layout.is_full = is_full(tile);
    return layout;
  }

  uint64_t row_tiles(const MatmulTile& tile) const { return divide_up(product_.m, tile.rows); }
  uint64_t column_tiles(const MatmulTile& tile) const {
    return divide_up(product_.n, tile.columns);
  }
  uint64_t tile_count(const MatmulTile& tile) const {
    return product_.batch * row_tiles(tile) * column_tiles(tile);
  }

  uint64_t part_steps(const MatmulTile& tile) const {
    if (!tile.split) return product_.k;
    return tile.kind == Kind::units ? steps_of_part(product_.k, tile.parts) : sums_.block;
  }
  uint64_t parts(const MatmulTile& tile) const { return divide_up(product_.k, part_steps(tile)); }
  uint64_t group_count(const MatmulTile& tile) const { return tile_count(tile) * parts(tile); }

  TileWords tile_words(const MatmulTile& tile) const {
    TileWords words;
    words.groups = static_cast<uint32_t>(group_count(tile));
    words.column_tiles = Divisor(column_tiles(tile));
    words.row_tiles = Divisor(row_tiles(tile));
    words.tiles = Divisor(tile_count(tile));
    words.part_steps = static_cast<uint32_t>(part_steps(tile));
    words.count = static_cast<uint32_t>(product_.count());
    return words;
  }

  template <typename W>
  Launch& add_tiles(const TileLayout& layout, const W& words) {
    const bool is_shared = layout.tile.kind == Kind::shared;
    return add(is_shared ? kSharedMatmul : kRegisterMatmul, layout, words, product_.steps());
  }

  // ---- f32 on matrix units

  // Measures the lines, and dispatches both the kernel for matrix units and the one that computes
  // what they may not.
  void add_split(const MatmulTile& tile) {
    const LineSpace space(product_);
    const int lines = lowering_.add_workspace(space.bytes);
    add_measure(space, lines);

    const MatmulTile other = choose_shared(product_, target_);
    StoreLayout store = store_layout();
    store.to_workspace = store.to_workspace || tile.split || other.split;
    const uint64_t unit_parts = parts(tile), other_parts = parts(other);
    const int totals = store.to_workspace ? add_total_space(unit_parts + other_parts) : -1;
    const auto place = [&](Launch& d, const MatmulTile& t, Use of_lines) {
      d.groups = fold_groups(group_count(t), plan_);
      d.workspaces = {of_lines};
      if (store.to_workspace) write_totals(d, totals);
    };
    place(add(kUnitMatmul, unit_layout(tile, store), SplitWords{tile_words(tile), space.words},
              product_.steps()),
          tile, updates(lines));
    TileLayout layout = tile_layout(other, store);
    layout.rejected = true;
    TileWords words = tile_words(other);
    words.first_part = static_cast<uint32_t>(unit_parts);
    place(add_tiles(layout, SplitWords{words, space.words}), other, reads(lines));
    if (store.to_workspace) add_judged_totals(lines, totals, space, unit_parts, other_parts);
  }

  void add_judged_totals(int lines, int totals, const LineSpace& space, uint64_t unit_parts,
                         uint64_t other_parts) {
    const uint64_t units = are_groups() ? product_.count() / kGroup : product_.words_of_result();
    const JudgedWords words{plain_words(units, 0, other_parts), space.words,
                            static_cast<uint32_t>(unit_parts)};
    if (are_groups()) {
      Launch& d = add_group_totals(words, unit_parts, true);
      d.workspaces = {reads(lines), reads(totals)};
      return;
    }
    PlainLayout layout = plain_layout();
    layout.stage = PlainStage::totals;
    layout.judged = true;
    Launch& d = add(kPlainMatmul, layout, words, product_.count() * unit_parts);
    d.groups = fold_groups(divide_up(units, layout.workgroup), plan_);
    d.workspaces = {reads(lines), reads(totals)};
    d.reads_operands = product_.has_epilogue;
  }

  void add_measure(const LineSpace& space, int lines) {
    MeasureLayout layout;
    layout.a = access_of(product_, product_.a);
    layout.b = access_of(product_, product_.b);
    const auto is_along_k = [](const FactorAccess& f) {
      return f.unit == FactorAccess::Unit::depth;
    };
    if (product_.a.is_gathered || product_.b.is_gathered) layout.times = kGatheredLines;
    choose_measured(layout, is_along_k(layout.a), is_along_k(layout.b));
    // Lines up to the end of the last block that is judged.
    const uint64_t together = uint64_t{layout.lines} * layout.times;
    const uint64_t row_groups = space.words.row_stride / together;
    const uint64_t column_groups = space.words.column_stride / together;
    const uint64_t groups = product_.batch * (row_groups + column_groups);
    layout.whole_groups = product_.k % kGroup == 0;
    MeasureWords words;
    words.split.lines = space.words;
    words.rows = static_cast<uint32_t>(product_.batch * row_groups);
    words.all = static_cast<uint32_t>(groups);
    words.row_groups = static_cast<uint32_t>(row_groups);
    words.column_groups = static_cast<uint32_t>(column_groups);
    Launch& d = add(kLineMeasure, layout, words, groups * together * product_.k);
    d.groups = fold_groups(groups, plan_);
    d.workspaces = {writes(lines)};
    d.writes_output = false;
  }

  // Few lines a workgroup where they lie along k, since invocations read whole sectors then, and
  // where there are few in all.
  void choose_measured(MeasureLayout& layout, bool a_along_k, bool b_along_k) const {
    const uint64_t lines = product_.batch * (product_.m + product_.n);
    const bool are_along_k = a_along_k && b_along_k && layout.times == 1;
    layout.lines = are_along_k ? kMeasuredLines / 4 : kMeasuredLines;
    const bool is_small = are_along_k || plan_.max_workgroup_invocations < 1024;
    layout.workgroup = is_small ? 256 : 1024;
    while (layout.times == 1 && layout.lines > kJudgedTogether &&
           3 * lines < 2 * uint64_t{plan_.tuning.cores} * layout.lines) {
      layout.lines /= 2;
    }
    const uint32_t sharers = layout.workgroup / layout.lines;
    // Two gathered lines that are kept take fewer loads than four.
    if (layout.times > 2 && kept_elements(product_.k, sharers, 2) > 0) layout.times = 2;
    layout.kept = kept_elements(product_.k, sharers, layout.times);
    const bool shuffles = (a_along_k || b_along_k) && plan_.has.subgroup_shuffle &&
                          plan_.fixed_subgroup_size && plan_.subgroup_size % sharers == 0;
    if (shuffles) layout.subgroup_size = plan_.subgroup_size;
  }

  void add_scaled(const MatmulTile& tile) {
    const ScaleSpace space(product_);
    const int scales = lowering_.add_workspace(space.bytes);
    add_scale_measure(space, scales);
    StoreLayout store = store_layout();
    store.to_workspace = store.to_workspace || tile.split;
    Launch& d = add(kUnitMatmul, unit_layout(tile, store),
                    ScaledWords{tile_words(tile), space.words}, product_.steps());
    d.workspaces = {reads(scales)};
    place(d, tile, store);
  }

  void add_scale_measure(const ScaleSpace& space, int scales) {
    ScaleMeasureLayout layout;
    layout.scales = scale_layout(product_);
    layout.workgroup = plan_.max_workgroup_invocations >= 1024 ? 1024 : 256;
    layout.a = access_of(product_, product_.a);
    layout.b = access_of(product_, product_.b);
    layout.whole_groups = product_.k % kGroup == 0;
    const auto groups = [&](bool is_whole, uint64_t lines) -> uint64_t {
      return is_whole ? kWholeParts : product_.batch * divide_up(lines, layout.together);
    };
    const auto all = [&] {
      return groups(layout.scales.whole_a, product_.m) + groups(layout.scales.whole_b, product_.n);
    };
    layout.together = kMeasuredLines;
    if (all() < 2 * plan_.tuning.busy_tiles) layout.together = kMeasuredLines / 4;
    ScaleMeasureWords words;
    words.scales = space.words;
    words.rows = static_cast<uint32_t>(groups(layout.scales.whole_a, product_.m));
    words.all = static_cast<uint32_t>(all());
    words.row_groups = static_cast<uint32_t>(divide_up(product_.m, layout.together));
    words.column_groups = static_cast<uint32_t>(divide_up(product_.n, layout.together));
    words.row_count = static_cast<uint32_t>(product_.a.stored);
    words.column_count = static_cast<uint32_t>(product_.b.stored);
    Launch& d =
        add(kScaleMeasure, layout, words, product_.batch * (product_.m + product_.n) * product_.k);
    d.groups = fold_groups(all(), plan_);
    d.workspaces = {writes(scales)};
    d.writes_output = false;
  }

  const Region& region_;
  const Target& target_;
  const plan::DevicePlan& plan_;
  const Product product_;
  const Accumulation sums_;
  Lowering lowering_;
};

}  // namespace

Lowering lower_matmul(const Region& region, const Target& target, const MatmulTile& tile) {
  MatmulLowering lowering(region, target);
  return tile.kind == Kind::plain ? lowering.plain() : lowering.tiled(tile);
}

Lowering lower_small_units(const Region& region, const Target& target) {
  return lower_matmul(region, target, unit_tile(*target.plan, 64, 64, 32, 32, 32));
}

std::vector<Candidate> candidates_of_product(const Region& region, const Target& target) {
  std::vector<Candidate> all;
  for (const MatmulCandidate& c : matmul_candidates(product_of(region), target)) {
    all.push_back({c.tile.name(), c.refusal});
  }
  return all;
}

Lowering lower_matmul(const Region& region, const Target& target) {
  return lower_matmul(region, target, choose_matmul(product_of(region), target));
}

}  // namespace nxv::kernels

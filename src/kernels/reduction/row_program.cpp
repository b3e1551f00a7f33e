// Rows in registers.
//
// A team of 32 lanes, of a subgroup that may be wider, holds a block of 1 024 columns, 32 elements
// a lane, such that lane l is accumulator l of the fold's tree (fold.h). A row takes one team, or a
// workgroup of as many teams as it has blocks, rounded up to a power of two. Everything is
// straight-line code: an element is loaded once, and what was computed of it for one reduction
// serves the later ones and the result. Results of blocks meet in shared memory, with one barrier a
// reduction; every invocation then folds them by the tree.
//
// Few rows would leave most of a device idle while some lanes go through 32 elements each. There
// several teams share a block: each has some groups of every accumulator, and leaves what is to be
// folded in shared memory, where the block's first team takes it up in the accumulator's order.
#include "kernels/reduction/row_program.h"

#include <algorithm>
#include <bit>

#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/fold.h"
#include "kernels/common/grid.h"
#include "kernels/common/region_cost.h"
#include "kernels/common/region_emitter.h"
#include "kernels/common/team.h"
#include "kernels/reduction/reduction.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

constexpr uint32_t kLanes = kFoldAccumulators;
constexpr uint32_t kGroupsOfBlock = kFoldBlock / kFoldStride;  // that a lane holds
constexpr uint32_t kMaxBlocks = 32;
constexpr uint32_t kRowsOfWorkgroup = 8;  // when a team takes a row
// Blocks that an accumulator of the tree's next level takes in order.
constexpr uint32_t kBlocksOfAccumulator = kGroup;
// Reductions alone: up to here a loop by one team does as well.
constexpr int64_t kShortReduction = 512;
// Of rows that are as many as invocations: most lanes of a team would have none of their elements.
constexpr int64_t kShortProgram = 32;
// Of one element (kOps), and bytes of operands an element: bounds of code size and registers.
constexpr int kMaxCost = 256;
constexpr int kMaxBytes = 16;

struct RowProgramLayout {
  uint32_t subgroup_size = kLanes;   // a multiple of a team's lanes
  uint32_t blocks = 1;               // of a row, a power of two; a team each
  uint32_t groups = kGroupsOfBlock;  // of an accumulator: fewer where rows are short
  uint32_t sharers = 1;              // teams of a block, which have as many groups each
  Choice<bool> aligned = false;      // rows start at multiples of four elements
  Choice<bool> full = false;         // every lane has all of its elements

  bool is_alone() const { return blocks == 1 && sharers == 1; }  // a team has a row
  uint32_t rows() const { return is_alone() ? kRowsOfWorkgroup : 1; }
  uint32_t workgroup() const { return kLanes * blocks * sharers * rows(); }
};

struct RowProgramWords {
  uint32_t rows = 0, columns = 0;
};

class RowProgramKernel {
 public:
  RowProgramKernel(const Region& region, const Target& target, const RowProgramLayout& layout)
      : region_(region),
        layout_(layout),
        b_(region.kind == RegionKind::reduction ? "reduction" : "row_program", layout.workgroup()),
        emitter_(b_, region, target.math, kWordsOf<RowProgramWords>),
        words_(emitter_.words_as<RowProgramWords>()),
        target_(target),
        team_(b_, kLanes, layout.subgroup_size, layout.workgroup()) {
    b_.set_subgroup_size(layout.subgroup_size);
  }

  ir::Kernel run() {
    lane_ = team_.lane();
    const Value team = team_.index();
    const bool alone = layout_.is_alone();
    block_ = layout_.blocks == 1 ? b_.u32(0) : team & (layout_.blocks - 1);
    share_ = layout_.sharers == 1 ? b_.u32(0) : team / layout_.blocks;
    row_ = alone ? linear_group(b_) * kRowsOfWorkgroup + team : linear_group(b_);
    const Value rows = words_[&RowProgramWords::rows];
    if (goes_together()) {
      exists_ = row_ < rows;
      row_ = b_.binary(Opcode::min, row_, rows - 1u);
      row();
    } else {
      b_.if_(row_ < rows, [&] { row(); });
    }
    return b_.finish();
  }

 private:
  // A subgroup has several rows; beyond the end it takes the last one once more.
  bool goes_together() const { return layout_.is_alone() && layout_.subgroup_size > kLanes; }
  uint32_t own_groups() const { return layout_.groups / layout_.sharers; }

  Value columns() const { return words_[&RowProgramWords::columns]; }

  void row() {
    place();
    for (int id : emitter_.reductions()) {
      const Expr& e = region_.exprs[id];
      const Fold fold(b_, e.op, region_.exprs[e.args[0]].dtype, e.dtype, target_.math);
      emitter_.set(id, fold.result(fold_row(fold, e.args[0])));
    }
    for (const Root& root : region_.roots) emitter_.evaluate(root.expr, points_);
    if (has_roots_of(region_, Level::row)) {
      Value first = lane_ == 0u;
      if (layout_.blocks > 1) first = first & (block_ == 0u);
      if (layout_.sharers > 1) first = first & (share_ == 0u);
      if (goes_together()) first = first & exists_;
      b_.if_(first, [&] {
        each_root_of(region_, Level::row, [&](size_t r, int root) {
          store_element(emitter_.output(r), row_, emitter_.value(root, 0));
        });
      });
    }
    if (!has_roots_of(region_, Level::element)) return;
    const auto store_all = [&] {
      each_root_of(region_, Level::element, [&](size_t r, int root) { store(r, root); });
    };
    goes_together() ? b_.if_(exists_, store_all) : store_all();
  }

  // The elements of this lane.
  void place() {
    points_.rows = {row_};
    points_.row_end = words_[&RowProgramWords::rows];
    points_.col_end = columns();
    points_.element_base = row_ * columns();
    Value first = first_column();
    if (layout_.sharers > 1) first = first + share_ * (own_groups() * kFoldStride);
    for (uint32_t j = 0; j < own_groups(); ++j) {
      Value column = j == 0 ? first : first + j * kFoldStride;
      columns_.push_back(column);
      // Beyond the row's end a lane reads the last elements again and leaves them out.
      if (layout_.aligned && !layout_.full) {
        column = b_.binary(Opcode::min, column, columns() - kGroup);
      }
      for (uint32_t i = 0; i < kGroup; ++i) {
        Value at = i == 0 ? column : column + i;
        if (!layout_.aligned) at = b_.binary(Opcode::min, at, columns() - 1u);
        points_.cols.push_back(at);
      }
      if (layout_.aligned) {
        points_.element_groups.push_back((points_.element_base + column) >> 2);
      }
    }
  }

  // Of the lane's accumulator.
  Value first_column() const { return block_ * kFoldBlock + (lane_ << 2); }

  // Whether element i of the group that begins at the column is one of the row; the same for a
  // group when aligned.
  Value is_real(Value column, uint32_t i) const {
    return (layout_.aligned || i == 0 ? column : column + i) < columns();
  }

  Accumulator fold_row(const Fold& fold, int x) {
    emitter_.evaluate(x, points_);
    if (layout_.sharers > 1) return fold_shared(fold, x);
    const Accumulator a = fold_elements(fold, columns_, [&](uint32_t k) {
      return std::pair{emitter_.value(x, static_cast<int>(k)), points_.cols[k]};
    });
    return layout_.blocks == 1 ? a : across_blocks(fold, a);
  }

  // The block's result: of the elements that `element` gives, with their columns, of the groups
  // that begin at `firsts`.
  template <typename F>
  Accumulator fold_elements(const Fold& fold, const std::vector<Value>& firsts, F&& element) {
    Accumulator a = fold.identity();
    for (uint32_t j = 0; j < layout_.groups; ++j) {
      Accumulator next = a;
      for (uint32_t i = 0; i < kGroup; ++i) {
        const auto [x, column] = element(j * kGroup + i);
        next = fold.insert(next, x, column);
        if (!layout_.aligned) next = a = fold.select(is_real(firsts[j], i), next, a);
      }
      a = layout_.aligned && !layout_.full ? fold.select(is_real(firsts[j], 0), next, a) : next;
    }
    return team_.fold(fold, a);
  }

  // The first team of each block folds what all of its teams have; in wider subgroups those beside
  // it do the same.
  Accumulator fold_shared(const Fold& fold, int x) {
    const Number& first = emitter_.value(x, 0);
    const uint32_t elements = layout_.groups * kGroup;
    const ir::Shared values = b_.shared("values" + std::to_string(shared_count_++), first.re.type(),
                                        layout_.blocks * elements * kLanes);
    const Value block = block_ * (elements * kLanes) + lane_;
    const Value own = block + share_ * (own_groups() * kGroup * kLanes);
    for (uint32_t k = 0; k < own_groups() * kGroup; ++k) {
      b_.shared_store(values, own + k * kLanes, emitter_.value(x, static_cast<int>(k)).re);
    }
    b_.barrier();
    const std::vector<ir::Shared> slots = make_slots(fold);
    const uint32_t folding = std::max(layout_.blocks, layout_.subgroup_size / kLanes);
    b_.if_(team_.index() < folding, [&] {
      std::vector<Value> firsts;
      for (uint32_t j = 0; j < layout_.groups; ++j) {
        firsts.push_back(first_column() + j * kFoldStride);
      }
      const Accumulator a = fold_elements(fold, firsts, [&](uint32_t k) {
        const Value column = firsts[k / kGroup] + k % kGroup;
        return std::pair{Number{first.dtype, b_.shared_load(values, block + k * kLanes), {}},
                         column};
      });
      leave(slots, a);
    });
    b_.barrier();
    return folded(fold, slots);
  }

  // The tree over the results of the blocks; those beyond the row's end are identities.
  Accumulator across_blocks(const Fold& fold, const Accumulator& own) {
    const std::vector<ir::Shared> slots = make_slots(fold);
    leave(slots, own);
    b_.barrier();
    return folded(fold, slots);
  }
  std::vector<ir::Shared> make_slots(const Fold& fold) {
    std::vector<ir::Shared> slots;
    for (const ir::Type& type : fold.parts()) {
      slots.push_back(b_.shared("partial" + std::to_string(shared_count_++), type, layout_.blocks));
    }
    return slots;
  }
  void leave(const std::vector<ir::Shared>& slots, const Accumulator& own) {
    const Value is_first = lane_ == 0u;
    b_.if_(layout_.sharers == 1 ? is_first : is_first & (share_ == 0u), [&] {
      for (size_t p = 0; p < slots.size(); ++p) b_.shared_store(slots[p], block_, own[p]);
    });
  }
  Accumulator folded(const Fold& fold, const std::vector<ir::Shared>& slots) {
    std::vector<Accumulator> level;
    for (uint32_t first = 0; first < layout_.blocks; first += kBlocksOfAccumulator) {
      Accumulator a = fold.identity();
      for (uint32_t i = first; i < std::min(first + kBlocksOfAccumulator, layout_.blocks); ++i) {
        Accumulator block;
        for (const ir::Shared& slot : slots) block.push_back(b_.shared_load(slot, b_.u32(i)));
        a = fold.combine(a, block);
      }
      level.push_back(a);
    }
    while (level.size() > 1) {
      std::vector<Accumulator> pairs;
      for (size_t i = 0; i < level.size(); i += 2) {
        pairs.push_back(fold.combine(level[i], level[i + 1]));
      }
      level = pairs;
    }
    return level[0];
  }

  void store(size_t r, int root) {
    for (uint32_t j = 0; j < own_groups(); ++j) {
      const auto element = [&](uint32_t i) -> const Number& {
        return emitter_.value(root, static_cast<int>(j * kGroup + i));
      };
      if (layout_.aligned) {
        const auto whole = [&] {
          store_group(emitter_.output(r), points_.element_groups[j],
                      {element(0), element(1), element(2), element(3)});
        };
        layout_.full ? whole() : b_.if_(is_real(columns_[j], 0), whole);
        continue;
      }
      for (uint32_t i = 0; i < kGroup; ++i) {
        b_.if_(is_real(columns_[j], i), [&] {
          store_element(emitter_.output(r), points_.element_base + points_.cols[j * kGroup + i],
                        element(i));
        });
      }
    }
  }

  const Region& region_;
  const RowProgramLayout layout_;
  Builder b_;
  RegionEmitter emitter_;
  const WordValues<RowProgramWords> words_;
  const Target& target_;
  Team team_;
  Value lane_, block_, share_, row_, exists_;
  Points points_;
  std::vector<Value> columns_;  // first of each group, also where that is beyond the end
  int shared_count_ = 0;
};

ir::Kernel generate(const Region& region, const Target& target, const RowProgramLayout& layout) {
  return RowProgramKernel(region, target, layout).run();
}

constexpr Family<RowProgramLayout> kRowProgram = {"row_program", generate};

uint32_t block_count(const Region& region) {
  return static_cast<uint32_t>(divide_up(static_cast<uint64_t>(region.col_count), kFoldBlock));
}

uint32_t shared_bytes(const Region& region, const Target& target, uint32_t blocks) {
  uint32_t bytes = 0;
  for (const Expr& e : region.exprs) {
    if (e.kind != ExprKind::reduce) continue;
    const int parts = Fold::part_count(e.op, region.exprs[e.args[0]].dtype, e.dtype, target.math);
    bytes += blocks * static_cast<uint32_t>(parts) * 8;
  }
  return bytes;
}

// Teams of a block, each with as many groups: more than one where rows are few, and values that are
// folded fit into shared memory.
uint32_t sharers_of_blocks(const Region& region, const Target& target,
                           const RowProgramLayout& layout) {
  const plan::DevicePlan& plan = *target.plan;
  uint64_t bytes = shared_bytes(region, target, layout.blocks);
  for (const Expr& e : region.exprs) {
    if (e.kind != ExprKind::reduce) continue;
    const DType type = region.exprs[e.args[0]].dtype;
    if (is_complex(type)) return 1;
    const auto of_element = static_cast<uint64_t>(std::max(4, storage_bytes(type)));
    bytes += of_element * layout.blocks * layout.groups * kGroup * kLanes;
  }
  if (bytes > plan.shared_memory_bytes) return 1;
  const uint64_t teams = static_cast<uint64_t>(region.row_count) * layout.blocks;
  uint32_t sharers = 1;
  while (layout.groups % (2 * sharers) == 0 &&
         2 * sharers * teams <= plan.tuning.busy_subgroups / 2 &&
         2 * sharers * layout.blocks * kLanes <= plan.max_row_workgroup) {
    sharers *= 2;
  }
  // Whole subgroups.
  return sharers * layout.blocks * kLanes < layout.subgroup_size ? 1 : sharers;
}

}  // namespace

bool unrolls(const Region& region, int max_cost) {
  for (const Expr& e : region.exprs) {
    if (e.level != Level::element) continue;
    if (e.kind == ExprKind::inside || e.addressing == Addressing::mapped) return false;
  }
  const auto side_by_side = [](const Operand& o) {
    return o.level != Level::element || o.addressing == Addressing::linear ||
           o.addressing == Addressing::uniform ||
           (o.addressing == Addressing::strided && o.unit_columns);
  };
  return cost_of(region, Level::element) <= max_cost &&
         std::all_of(region.operands.begin(), region.operands.end(), side_by_side);
}

const char* registers_obstacle(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (region.fixed_columns) return "rows are small windows";
  if (!plan.tuning.holds_rows) return "registers are few, and caches hold rows";
  if (plan.row_subgroup_size < kLanes) return "no subgroups of 32 lanes shuffle";
  if (region.col_count > int64_t{kMaxBlocks} * kFoldBlock) return "rows are too long";
  const uint32_t blocks = std::bit_ceil(block_count(region));
  const uint32_t rows = blocks == 1 ? kRowsOfWorkgroup : 1;
  if (std::max(blocks, kRowsOfWorkgroup) * kLanes > plan.max_row_workgroup) {
    return "the workgroup is too large";
  }
  if (kLanes * blocks * rows < plan.row_subgroup_size) return "a row is less than a subgroup";
  if (shared_bytes(region, target, blocks) > plan.shared_memory_bytes) {
    return "shared memory is too small";
  }
  const uint64_t invocations = uint64_t{kInvocationsOfCore} * plan.tuning.cores;
  if (region.col_count <= kShortProgram &&
      2 * static_cast<uint64_t>(region.row_count) >= invocations) {
    return "rows are short, and an invocation takes each";
  }
  if (region.kind == RegionKind::reduction) {
    if (region.col_count <= kShortReduction) return "rows are short, and a loop does as well";
    if (region.row_count * blocks < plan.tuning.busy_subgroups)
      return "rows are few, and better split";
  }
  for (const Root& root : region.roots) {
    if (storage_bytes(root.node->dtype) < 4 &&
        (root.level == Level::row || region.col_count % kGroup != 0)) {
      return "an invocation owns no whole words of the output";
    }
  }
  int bytes = 0;
  for (const Operand& o : region.operands) {
    if (o.level != Level::element || o.addressing == Addressing::uniform) continue;
    bytes += std::max<int>(4, storage_bytes(o.node->dtype));
  }
  if (bytes > kMaxBytes) return "elements take too many registers";
  return unrolls(region, kMaxCost) ? nullptr : "the code of a row would be too long";
}

Lowering lower_rows_in_registers(const Region& region, const Target& target) {
  const auto rows = static_cast<uint64_t>(region.row_count);
  const auto columns = static_cast<uint32_t>(region.col_count);
  RowProgramLayout layout;
  layout.subgroup_size = target.plan->row_subgroup_size;
  layout.blocks = std::bit_ceil(block_count(region));
  if (layout.blocks == 1) {
    // Rows of other lengths share the kernels of four numbers of groups.
    const auto groups = static_cast<uint32_t>(divide_up(columns, kFoldStride));
    layout.groups = columns % kFoldStride == 0 ? groups : std::bit_ceil(groups);
  }
  layout.aligned = columns % kGroup == 0;
  layout.full = columns == layout.blocks * layout.groups * kFoldStride;
  layout.sharers = sharers_of_blocks(region, target, layout);

  const RowProgramWords words = {static_cast<uint32_t>(rows), columns};
  Launch d = launch_of(kRowProgram, region, target, layout, words);
  d.groups = fold_groups(divide_up(rows, layout.rows()), *target.plan);
  d.work = rows * columns * std::max<uint64_t>(1, region.exprs.size());
  Lowering lowering;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels

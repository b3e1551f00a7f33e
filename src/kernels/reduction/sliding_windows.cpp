#include "kernels/reduction/sliding_windows.h"

#include <algorithm>

#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/fold.h"
#include "kernels/common/grid.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_emitter.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;

constexpr uint32_t kGroupsOfChunk = 256;  // that a workgroup of a CPU walks
constexpr uint32_t kWorkgroup = 128;      // of a GPU

struct SlidingLayout {
  uint32_t workgroup = kWorkgroup;
  Choice<bool> chunked = false;  // a workgroup walks kGroupsOfChunk groups
  Choice<bool> aligned = false;  // lines of results have whole groups
};

struct SlidingWords {
  uint32_t groups = 0, rows = 0;
  uint32_t line = 0;  // results of one
  Divisor groups_of_line;
};

// The size of the windows along the last axis.
uint32_t width(const Region& region) {
  const Shape& dims =
      region.element_base.dims.empty() ? region.element_cols.dims : region.element_base.dims;
  return static_cast<uint32_t>(dims.back());
}

// Results in a line, along the last axis.
uint32_t line(const Region& region) {
  const int64_t results = region.element_base.dims.empty()
                              ? region.element_rows.dims.back()
                              : region.element_base.dims[region.element_row_rank - 1];
  return static_cast<uint32_t>(results);
}

// Whether a step to the next result of a line moves by as much as one to the next column.
bool slides_strided(const Region& region, WordIndex words) {
  const Shape& rows = region.element_rows.dims;
  const Shape& cols = region.element_cols.dims;
  if (rows.empty() || cols.empty() || rows.back() % line(region) != 0) return false;
  const uint32_t* strides = &region.words[words + 1];
  return strides[rows.size() - 1] == strides[rows.size() + cols.size() - 1];
}

bool slides_mapped(const Region& region, int32_t path) {
  while (region.paths[path].parent >= 0) path = region.paths[path].parent;
  const Node& view = *region.paths[path].view;
  if (view.op != Op::windows) return false;
  const auto& w = view.attribute<WindowsAttr>();
  const size_t rank = w.window.size();
  const bool in_order = std::is_sorted(region.element_axes.begin(), region.element_axes.end());
  return in_order && region.element_row_rank == rank && w.strides.back() == 1 &&
         w.dilations.back() == 1;
}

bool slides_at(const Region& region, Addressing addressing, WordIndex words, int32_t path) {
  switch (addressing) {
    case Addressing::uniform:
      return true;
    case Addressing::strided:
      return slides_strided(region, words);
    case Addressing::mapped:
      return slides_mapped(region, path);
    case Addressing::linear:
    case Addressing::gathered:
      return false;
  }
  return false;
}

// Whether an expression's value depends on the element's place in the windows' input alone.
bool slides(const Region& region, const Expr& e) {
  const auto args_slide = [&] {
    return std::all_of(e.args.begin(), e.args.end(),
                       [&](int16_t arg) { return arg < 0 || slides(region, region.exprs[arg]); });
  };
  switch (e.kind) {
    case ExprKind::load: {
      const Operand& o = region.operands[e.operand];
      const bool is_uniform = o.addressing == Addressing::uniform;
      return (is_uniform || e.level == Level::element) &&
             slides_at(region, o.addressing, o.words, o.path);
    }
    case ExprKind::generate:
      return e.op == Op::constant;
    case ExprKind::inside:
      return e.level == Level::element && slides_at(region, e.addressing, e.words, e.path);
    case ExprKind::compute:
    case ExprKind::choose:
      return args_slide();
    case ExprKind::reduce:
    case ExprKind::contract:
    case ExprKind::gather:
      return false;
  }
  return false;
}

const Expr* only_reduction(const Region& region) {
  const Expr* found = nullptr;
  for (const Expr& e : region.exprs) {
    if (e.kind != ExprKind::reduce) continue;
    if (found) return nullptr;
    found = &e;
  }
  return found;
}

class SlidingKernel {
 public:
  SlidingKernel(const Region& region, const Target& target, const SlidingLayout& layout)
      : region_(region),
        reduction_(*only_reduction(region)),
        layout_(layout),
        b_("sliding_windows", layout.workgroup),
        emitter_(b_, region, target.math, kWordsOf<SlidingWords>),
        words_(emitter_.words_as<SlidingWords>()),
        fold_(b_, reduction_.op, region.exprs[reduction_.args[0]].dtype, reduction_.dtype,
              target.math),
        width_(width(region)) {}

  ir::Kernel run() {
    const Value groups = words_[&SlidingWords::groups];
    const Value local = b_.builtin(ir::Builtin::local_index);
    if (layout_.chunked) {
      const Value begin = linear_group(b_) * kGroupsOfChunk;
      const Value end = b_.binary(ir::Opcode::min, begin + kGroupsOfChunk, groups);
      b_.for_range(begin + local, end, b_.u32(layout_.workgroup), [&](Value g) { group(g); });
    } else {
      const Value g = linear_group(b_) * layout_.workgroup + local;
      b_.if_(g < groups, [&] { group(g); });
    }
    return b_.finish();
  }

 private:
  void group(Value group) {
    if (layout_.aligned) {
      store_group(emitter_.output(), group, results(group << 2));
      return;
    }
    const Value line = words_[&SlidingWords::line];
    const Value index = words_.divide(group, &SlidingWords::groups_of_line);
    const Value start = (group - index * words_[&SlidingWords::groups_of_line]) << 2;
    const Value first = b_.binary(ir::Opcode::min, start, line - kGroup);
    const Value base = index * line + first;
    const Group group_results = results(base);
    for (uint32_t i = 0; i < kGroup; ++i) {
      const auto store = [&] { store_element(emitter_.output(), base + i, group_results[i]); };
      if (i + 1 == kGroup) {
        store();
      } else {
        b_.if_(first + i >= start, store);
      }
    }
  }

  // Of the four rows from `first` on.
  Group results(Value first) {
    const int x = reduction_.args[0];
    emitter_.evaluate(x, all_elements(first));
    std::vector<Accumulator> folds;
    for (uint32_t row = 0; row < kGroup; ++row) folds.push_back(fold_window(x, row));
    emitter_.forget_all();

    const int root = region_.roots[0].expr;
    const auto reduction = static_cast<int>(&reduction_ - region_.exprs.data());
    Group results;
    for (uint32_t row = 0; row < kGroup; ++row) {
      emitter_.set(reduction, fold_.result(folds[row]));
      Points points;
      points.rows = {first + row};
      points.row_end = words_[&SlidingWords::rows];
      emitter_.evaluate(root, points);
      results[row] = emitter_.value(root, 0);
      emitter_.forget_all();
    }
    return results;
  }

  // Those of all four windows: the first one's, with three more columns at the end of each of its
  // lines.
  Points all_elements(Value first) {
    Points points;
    points.rows = {first};
    points.row_end = words_[&SlidingWords::rows];
    points.element_base = first * static_cast<uint32_t>(region_.col_count);
    for (uint32_t line = 0; line < region_.col_count; line += width_) {
      for (uint32_t i = 0; i < width_ + kGroup - 1; ++i) {
        const uint32_t column = line + std::min(i, width_ - 1);
        points.fixed_cols.push_back(column);
        points.beyond.push_back(line + i - column);
        points.cols.push_back(b_.u32(column));
      }
    }
    return points;
  }

  Accumulator fold_window(int x, uint32_t row) {
    std::vector<Accumulator> level;
    for (uint32_t c = 0; c < region_.col_count; ++c) {
      if (c % kGroup == 0) level.push_back(fold_.identity());
      const uint32_t line = c / width_, i = c % width_;
      const auto lane = static_cast<int>(line * (width_ + kGroup - 1) + i + row);
      level.back() = fold_.insert(level.back(), emitter_.value(x, lane), b_.u32(c));
    }
    return fold_.combine_pairwise(std::move(level));
  }

  const Region& region_;
  const Expr& reduction_;
  const SlidingLayout layout_;
  Builder b_;
  RegionEmitter emitter_;
  const WordValues<SlidingWords> words_;
  Fold fold_;
  const uint32_t width_;
};

ir::Kernel generate(const Region& region, const Target& target, const SlidingLayout& layout) {
  return SlidingKernel(region, target, layout).run();
}

constexpr Family<SlidingLayout> kSlidingWindows = {"sliding_windows", generate};

}  // namespace

const char* sliding_obstacle(const Region& region, const Target& target) {
  if (!region.fixed_columns) return "rows are no small windows";
  if (region.roots.size() > 1) return "there are several results";
  if (region.root_level != Level::row) return "the result has an element for each of a window";
  if (region.can_fault()) return "faults name the first window of an element";
  if (region.row_count < int64_t{target.plan->tuning.busy_windows}) {
    return "groups of four windows would leave a GPU idle";
  }
  const Expr* reduction = only_reduction(region);
  if (!reduction) return "there are several reductions";
  const bool has_rows = !region.element_base.dims.empty() || !region.element_rows.dims.empty();
  if (!has_rows || line(region) < kGroup) return "lines of windows are short";
  if (width(region) < 2) return "windows do not overlap";
  if (line(region) % kGroup != 0 && elements_per_word(region.root->dtype) > 1) {
    return "an invocation owns no whole words of the output";
  }
  return slides(region, region.exprs[reduction->args[0]])
             ? nullptr
             : "windows do not move by one element along the last axis";
}

Lowering lower_sliding_windows(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const auto rows = static_cast<uint32_t>(region.row_count), of_line = line(region);
  const auto groups_of_line = static_cast<uint32_t>(divide_up(of_line, kGroup));
  SlidingLayout layout;
  layout.chunked = plan.tuning.chunk_elements > 0;
  layout.workgroup =
      layout.chunked ? plan.tuning.workgroup : std::min(kWorkgroup, plan.max_workgroup_invocations);
  layout.aligned = of_line % kGroup == 0;

  SlidingWords words;
  words.groups = rows / of_line * groups_of_line;
  words.rows = rows;
  words.line = of_line;
  words.groups_of_line = Divisor(groups_of_line);
  Launch d = launch_of(kSlidingWindows, region, target, layout, words);
  const uint32_t groups_of_workgroup = layout.chunked ? kGroupsOfChunk : layout.workgroup;
  d.groups = fold_groups(divide_up(words.groups, groups_of_workgroup), plan);
  d.work = static_cast<uint64_t>(region.row_count * region.col_count) * region.exprs.size();
  Lowering lowering;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels

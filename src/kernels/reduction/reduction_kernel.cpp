#include <bit>

#include "ir/pick.h"
#include "kernels/common/grid.h"
#include "kernels/common/region_emitter.h"
#include "kernels/reduction/reduction.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Value;

class Generator {
 public:
  Generator(const Region& region, const Target& target, const ReductionLayout& layout)
      : region_(region),
        layout_(layout),
        b_(region.kind == RegionKind::reduction ? "reduction" : "row_program", layout.workgroup),
        emitter_(b_, region, target.math, kReductionWords,
                 int{layout.from_partials} + int{layout.to_partials}) {
    b_.set_subgroup_size(layout.lanes > 1 ? layout.lanes : 0);
    for (int id : emitter_.reductions()) {
      const Expr& e = region.exprs[id];
      folds_.emplace_back(b_, e.op, region.exprs[e.args[0]].dtype, e.dtype, target.math);
    }
  }

  ir::Kernel run() {
    if (layout_.chunked) {
      lane_ = b_.u32(0);
      const Value begin = linear_group(b_) * kRowsOfChunk;
      const Value end = b_.binary(Opcode::min, begin + kRowsOfChunk, word(kUnits));
      b_.for_range(begin + b_.builtin(ir::Builtin::local_index), end, b_.u32(layout_.workgroup),
                   [&](Value unit) { rows(unit); });
      return b_.finish();
    }
    if (layout_.rows > 1) {
      several_rows();
      return b_.finish();
    }
    const Value unit = unit_index();
    const auto fold = [&](Value u) {
      if (layout_.to_partials) {
        partial(u);
      } else {
        rows(u);
      }
    };
    if (layout_.team > 1) {  // all meet at barriers: those beyond the end do the last unit again
      exists_ = unit < word(kUnits);
      fold(b_.binary(Opcode::min, unit, word(kUnits) - 1u));
    } else {
      b_.if_(unit < word(kUnits), [&] { fold(unit); });
    }
    return b_.finish();
  }

 private:
  Value word(int i) { return emitter_.extra_word(i); }
  Value partials_out() const { return emitter_.workspace(layout_.from_partials ? 1 : 0); }

  uint32_t tile() const { return layout_.workgroup / layout_.team; }  // units of teams

  Value unit_index() {
    if (layout_.team > 1) {
      const Value local = b_.builtin(ir::Builtin::local_index);
      lane_ = local / tile();
      return linear_group(b_) * tile() + local % tile();
    }
    if (layout_.lanes == 1) {
      lane_ = b_.u32(0);
      return linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
    }
    lane_ = b_.builtin(ir::Builtin::subgroup_lane);
    if (layout_.unit_is_workgroup()) return linear_group(b_);
    return linear_group(b_) * (layout_.workgroup / layout_.lanes) +
           b_.builtin(ir::Builtin::subgroup_index);
  }

  // Whether this lane stores what its unit has found.
  Value is_first() {
    const Value first = lane_ == 0u;
    if (layout_.team > 1) return first & exists_;
    if (!layout_.unit_is_workgroup()) return first;
    return first & (b_.builtin(ir::Builtin::subgroup_index) == 0u);
  }

  // A block of a row, or 32 blocks, -> one accumulator. Single invocations take neighbouring rows,
  // subgroups neighbouring blocks.
  void partial(Value unit) {
    Value row, block;
    if (layout_.lanes == 1) {
      block = emitter_.extra_divide(unit, kRowsDivisor);
      row = unit - block * word(kRows);
    } else {
      row = emitter_.extra_divide(unit, kBlocks);
      block = unit - row * word(kBlocks);
    }
    hoist(0, row);
    const Accumulator a =
        layout_.to_second_level ? fold_second_level(0, row, block) : fold_block(0, row, block);
    const auto store = [&] { folds_[0].store(partials_out(), row * word(kBlocks) + block, a); };
    if (layout_.shares_units()) {
      b_.if_(is_first(), store);
    } else {
      store();
    }
  }

  // The rows that share a word of the output.
  void rows(Value unit) {
    const uint32_t per_word = layout_.rows_per_word;
    if (per_word == 1) {
      finish_row(unit,
                 [&](Value row, const Number& x) { store_element(emitter_.output(), row, x); });
      return;
    }
    const ir::Var bits = b_.var(b_.u32(0));
    const uint32_t width = 32 / per_word;
    b_.for_range(b_.u32(0), b_.u32(per_word), b_.u32(1), [&](Value i) {
      const Value row = b_.binary(Opcode::min, unit * per_word + i, word(kRows) - 1u);
      finish_row(row, [&](Value, const Number& x) {
        bits.set(bits.get() | (stored_bits(x) << (i * width)));
      });
    });
    const auto store = [&] { b_.store(emitter_.output(), unit, bits.get()); };
    if (layout_.lanes == 1) {
      store();
    } else {
      b_.if_(is_first(), store);
    }
  }

  // Rows a workgroup's width apart: neighbouring invocations take neighbouring ones. None is stored
  // before all are computed, so that their loads overlap.
  void several_rows() {
    lane_ = b_.u32(0);
    const Value first = linear_group(b_) * (layout_.rows * layout_.workgroup) +
                        b_.builtin(ir::Builtin::local_index);
    std::vector<std::pair<Value, Number>> results;
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      const Value row = first + i * layout_.workgroup;
      finish_row(b_.binary(Opcode::min, row, word(kRows) - 1u),
                 [&](Value, const Number& x) { results.emplace_back(row, x); });
    }
    for (const auto& [row, x] : results) {
      b_.if_(row < word(kRows),
             [&, row = row, &x = x] { store_element(emitter_.output(), row, x); });
    }
  }

  template <typename Sink>
  void finish_row(Value row, Sink sink) {
    const std::vector<int> reductions = emitter_.reductions();
    for (size_t i = 0; i < reductions.size(); ++i) {
      hoist(i, row);
      emitter_.set(reductions[i], folds_[i].result(fold_row(i, row)));
    }
    const int root = static_cast<int>(region_.exprs.size()) - 1;
    if (region_.root_level == Level::row) {
      Points points = row_points(row);
      emitter_.evaluate(root, points);
      const auto store = [&] { sink(row, emitter_.value(root, 0)); };
      if (layout_.shares_units() && layout_.rows_per_word == 1) {
        b_.if_(is_first(), store);
      } else {
        store();
      }
    } else {
      hoist_into(root, row);
      store_elements(root, row);
    }
    emitter_.forget_all();
  }

  // The elements of a row-wide root, lanes adjacent.
  void store_elements(int root, Value row) {
    const Value first = lane_ << 2;
    b_.for_range(first, word(kColumns), b_.u32(kGroup * layout_.lanes), [&](Value column) {
      const Points points = element_points(row, column);
      if (layout_.in_turn) return store_in_turn(root, points, column);
      emitter_.evaluate(root, points);
      if (layout_.aligned) {
        Group group;
        for (int i = 0; i < kGroup; ++i) group[i] = emitter_.value(root, i);
        store_group(emitter_.output(), points.element_groups[0], group);
      } else {
        for (uint32_t i = 0; i < kGroup; ++i) {
          b_.if_(column + i < word(kColumns), [&] {
            store_element(emitter_.output(), points.element_base + points.cols[i],
                          emitter_.value(root, static_cast<int>(i)));
          });
        }
      }
      emitter_.forget(Level::element);
    });
  }

  void store_in_turn(int root, const Points& points, Value column) {
    if (layout_.aligned) {
      const GroupWriter writer(b_, region_.root->dtype);
      emitter_.evaluate_in_turn(root, points,
                                [&](Value lane, const Number& x) { writer.set(lane, x); });
      writer.store(emitter_.output(), points.element_groups[0]);
    } else {
      emitter_.evaluate_in_turn(root, points, [&](Value lane, const Number& x) {
        b_.if_(column + lane < word(kColumns),
               [&] { store_element(emitter_.output(), points.element_base + column + lane, x); });
      });
    }
    emitter_.forget(Level::element);
  }

  Points row_points(Value row) {
    Points points;
    points.rows = {row};
    points.row_end = word(kRows);
    points.col_end = word(kColumns);
    return points;
  }

  Points element_points(Value row, Value column) {
    Points points = row_points(row);
    points.element_base = row * word(kColumns);
    for (uint32_t i = 0; i < kGroup; ++i) {
      Value at = i == 0 ? column : column + i;
      if (!layout_.aligned) at = b_.binary(Opcode::min, at, word(kColumns) - 1u);
      points.cols.push_back(at);
    }
    if (layout_.aligned) points.element_groups = {(points.element_base + column) >> 2};
    return points;
  }

  // Evaluates, outside of the loops over columns, what does not change along a row.
  void hoist(size_t reduction, Value row) {
    if (layout_.from_partials) return;
    hoist_into(region_.exprs[emitter_.reductions()[reduction]].args[0], row);
  }

  void hoist_into(int expr, Value row) {
    const Expr& e = region_.exprs[expr];
    if (e.kind == ExprKind::reduce) return;
    if (e.level == Level::row) {
      const Points points = row_points(row);
      emitter_.evaluate(expr, points);
      return;
    }
    for (int16_t arg : e.args) {
      if (arg >= 0) hoist_into(arg, row);
    }
  }

  // All blocks of a row, and the tree over their results.
  Accumulator fold_row(size_t reduction, Value row) {
    if (layout_.gathers) return gather(reduction, row);
    if (layout_.short_columns > 0) return fold_short(reduction, row);
    if (layout_.one_block) return fold_block(reduction, row, b_.u32(0));
    const Fold& fold = folds_[reduction];
    const Value blocks = word(kBlocks);
    const PairwiseTree tree(fold, 5);
    const auto four = fold.variables(fold.identity());  // an accumulator takes four blocks in order
    b_.for_range(b_.u32(0), blocks, b_.u32(1), [&](Value block) {
      Fold::write(four, fold.combine(Fold::read(four), fold_block(reduction, row, block)));
      const Value complete = ((block & 3u) == 3u) | (block + 1u == blocks);
      b_.if_(complete, [&] {
        tree.push(Fold::read(four));
        Fold::write(four, fold.identity());
      });
    });
    return tree.finish();
  }

  // A row of a few groups of columns, each an accumulator of the tree.
  Accumulator fold_short(size_t reduction, Value row) {
    const Fold& fold = folds_[reduction];
    Points points = row_points(row);
    points.element_base = row * word(kColumns);
    // Beyond the row's end the last elements are read again and left out.
    for (uint32_t c = 0; c < layout_.short_columns; ++c) {
      Value column = b_.u32(c);
      if (region_.fixed_columns) points.fixed_cols.push_back(c);
      if (layout_.aligned && c % kGroup == 0) {
        if (may_lack(c)) column = b_.binary(Opcode::min, column, word(kColumns) - kGroup);
        points.element_groups.push_back((points.element_base + column) >> 2);
      } else if (layout_.aligned) {
        column = points.cols[c - c % kGroup] + c % kGroup;
      } else if (may_lack(c)) {
        column = b_.binary(Opcode::min, column, word(kColumns) - 1u);
      }
      points.cols.push_back(column);
    }
    const int x = region_.exprs[emitter_.reductions()[reduction]].args[0];
    emitter_.evaluate(x, points);
    std::vector<Accumulator> level;
    for (uint32_t c = 0; c < points.cols.size(); ++c) {
      if (c % kGroup == 0) level.push_back(fold.identity());
      Accumulator& a = level.back();
      const Accumulator next = fold.insert(a, emitter_.value(x, static_cast<int>(c)), b_.u32(c));
      a = may_lack(c) ? fold.select(b_.u32(c) < word(kColumns), next, a) : next;
    }
    emitter_.forget(Level::element);
    return fold.combine_pairwise(std::move(level));
  }

  // Whether a short row may end before this column.
  bool may_lack(uint32_t column) const {
    if (layout_.exact) return false;
    return column >= (layout_.short_columns == kGroup ? 1 : layout_.short_columns / 2);
  }

  // Accumulator `index` % 32 of second-level block `index` / 32, its blocks shared out among the
  // subgroups of the workgroup; missing blocks count as identities.
  Accumulator fold_second_level(size_t reduction, Value row, Value index) {
    const Fold& fold = folds_[reduction];
    const SharedAccumulators results(fold, kBlocksOfAccumulator);
    const uint32_t own = kBlocksOfAccumulator / (layout_.workgroup / layout_.lanes);
    const Value first =
        (index / kFoldAccumulators) * kFoldBlock + (index % kFoldAccumulators) * kGroup;
    const Value blocks = (word(kColumns) - 1u) / kFoldBlock + 1u;
    const Value begin = b_.builtin(ir::Builtin::subgroup_index) * own;
    b_.for_range(begin, begin + own, b_.u32(1), [&](Value at) {
      const Value block = first + (at / kGroup) * kFoldStride + at % kGroup;
      const auto a = fold.variables(fold.identity());
      b_.if_(block < blocks, [&] { Fold::write(a, fold_block(reduction, row, block)); });
      b_.if_(lane_ == 0u, [&] { results.store(at, Fold::read(a)); });
    });
    b_.barrier();
    const auto total = fold.variables(fold.identity());
    b_.if_(is_first(), [&] {
      b_.for_range(b_.u32(0), b_.u32(kBlocksOfAccumulator), b_.u32(kGroup), [&](Value at) {
        Accumulator a = Fold::read(total);
        for (uint32_t i = 0; i < kGroup; ++i) a = fold.combine(a, results.load(at + i));
        Fold::write(total, a);
      });
    });
    return Fold::read(total);
  }

  // All blocks, by all subgroups of the workgroup. The results of at most 128 blocks meet in shared
  // memory, where lane l of the first subgroup takes 4l .. 4l + 3; only that one has the total.
  Accumulator gather(size_t reduction, Value row) {
    const Fold& fold = folds_[reduction];
    const SharedAccumulators results(fold, kMaxBlocksOfSubgroup);
    const Value blocks = word(kBlocks), subgroup = b_.builtin(ir::Builtin::subgroup_index);
    b_.for_range(subgroup, blocks, b_.u32(layout_.workgroup / layout_.lanes), [&](Value block) {
      const Accumulator a = fold_block(reduction, row, block);
      b_.if_(lane_ == 0u, [&] { results.store(block, a); });
    });
    b_.barrier();
    const auto total = fold.variables(fold.identity());
    b_.if_(subgroup == 0u, [&] {
      Accumulator a = fold.identity();
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Value at = (lane_ << 2) + i, safe = b_.binary(Opcode::min, at, blocks - 1u);
        a = fold.select(at < blocks, fold.combine(a, results.load(safe)), a);
      }
      for (uint32_t mask = 1; mask < layout_.lanes; mask *= 2) a = fold.exchange(a, mask);
      Fold::write(total, a);
    });
    if (layout_.rows_per_word > 1) b_.barrier();  // before the next row's results
    return Fold::read(total);
  }

  // The team's invocations take neighbouring accumulators; only the first one has the result.
  Accumulator fold_block_by_team(size_t reduction, Value row, Value begin, Value end) {
    const Fold& fold = folds_[reduction];
    const SharedAccumulators results(fold, layout_.workgroup);
    const Value local = b_.builtin(ir::Builtin::local_index);
    const uint32_t own = kFoldAccumulators / layout_.team;
    std::vector<Accumulator> level;
    for (uint32_t i = 0; i < own; ++i) {
      const Value start = begin + (lane_ * own + i) * kGroup;
      level.push_back(fold_accumulator(reduction, row, start, end));
    }
    results.store(local, fold.combine_pairwise(std::move(level)));
    b_.barrier();
    const auto total = fold.variables(fold.identity());
    b_.if_(lane_ == 0u, [&] {
      std::vector<Accumulator> members;
      for (uint32_t i = 0; i < layout_.team; ++i) {
        members.push_back(results.load(local + i * tile()));
      }
      Fold::write(total, fold.combine_pairwise(std::move(members)));
    });
    b_.barrier();  // before the next block's results
    return Fold::read(total);
  }

  Accumulator fold_block(size_t reduction, Value row, Value block) {
    const Fold& fold = folds_[reduction];
    const Value begin = block * kFoldBlock;
    const Value end = b_.binary(Opcode::min, begin + kFoldBlock, word(kColumns));
    if (layout_.team > 1) return fold_block_by_team(reduction, row, begin, end);
    const uint32_t own = kFoldAccumulators / layout_.lanes;
    Accumulator result;
    if (own == 1) {
      const Value first = begin + (lane_ << 2);
      if (!layout_.unrolled) {
        result = fold_accumulator(reduction, row, first, end);
      } else {
        const auto sum = fold.variables(fold.identity());
        b_.if_(
            begin + kFoldBlock <= word(kColumns),
            [&] { Fold::write(sum, fold_whole(reduction, row, first)); },
            [&] { Fold::write(sum, fold_accumulator(reduction, row, first, end)); });
        result = Fold::read(sum);
      }
    } else {
      const PairwiseTree tree(fold, std::countr_zero(own));
      const Value first = begin + lane_ * (own * kGroup);
      const Value last = b_.binary(Opcode::min, first + own * kGroup, end);
      b_.for_range(first, last, b_.u32(kGroup),
                   [&](Value start) { tree.push(fold_accumulator(reduction, row, start, end)); });
      result = tree.finish();
    }
    for (uint32_t mask = 1; mask < layout_.lanes; mask *= 2) result = fold.exchange(result, mask);
    return result;
  }

  // The elements of an accumulator of a whole block, in order.
  Accumulator fold_whole(size_t reduction, Value row, Value start) {
    const Fold& fold = folds_[reduction];
    Points points = row_points(row);
    points.element_base = row * word(kColumns);
    for (uint32_t offset = 0; offset < kFoldBlock; offset += kFoldStride) {
      const Value column = offset == 0 ? start : start + offset;
      for (uint32_t i = 0; i < kGroup; ++i) points.cols.push_back(i == 0 ? column : column + i);
      if (layout_.aligned) points.element_groups.push_back((points.element_base + column) >> 2);
    }
    const int x = region_.exprs[emitter_.reductions()[reduction]].args[0];
    emitter_.evaluate(x, points);
    Accumulator a = fold.identity();
    for (size_t i = 0; i < points.cols.size(); ++i) {
      a = fold.insert(a, emitter_.value(x, static_cast<int>(i)), points.cols[i]);
    }
    emitter_.forget(Level::element);
    return a;
  }

  // The partial results start .. start + 3, start + 128 .. of so many groups, below end, into `to`
  // in order; all are loaded before the first is used.
  Accumulator take_partials(const Fold& fold, Accumulator to, Value row, Value start, Value end,
                            uint32_t groups) {
    const Value base = row * word(kColumns), last = end - 1u;
    const bool whole_groups = layout_.aligned && fold.parts() == std::vector{ir::kF64};
    std::vector<std::pair<Value, Accumulator>> loaded;
    for (uint32_t g = 0; g < groups; ++g) {
      if (whole_groups) {
        const Value first = g == 0 ? start : start + g * kFoldStride;
        const Value safe = (base + b_.binary(Opcode::min, first, last)) >> 2;
        const Group group = load_group(emitter_.workspace(0), safe, DType::f64);
        for (uint32_t i = 0; i < kGroup; ++i) {
          loaded.emplace_back(first + i < end, Accumulator{group[i].re});
        }
        continue;
      }
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Value at = start + (g * kFoldStride + i);
        const Value safe = b_.binary(Opcode::min, at, last);
        loaded.emplace_back(at < end, fold.load(emitter_.workspace(0), base + safe));
      }
    }
    for (const auto& [exists, partial] : loaded) {
      to = fold.select(exists, fold.combine(to, partial), to);
    }
    return to;
  }

  // Elements start .. start + 3, start + 128 .., ... below end, in order.
  Accumulator fold_accumulator(size_t reduction, Value row, Value start, Value end) {
    const Fold& fold = folds_[reduction];
    if (layout_.from_second_level) {
      const Value block = row * word(kBlocks) + start / kFoldBlock;
      const Value in_block = start % kFoldBlock / kGroup;
      return fold.load(emitter_.workspace(0), block * kFoldAccumulators + in_block);
    }
    if (layout_.from_partials && layout_.lanes == kFoldAccumulators) {
      return take_partials(fold, fold.identity(), row, start, end, kFoldBlock / kFoldStride);
    }
    const auto sum = fold.variables(fold.identity());
    b_.for_range(start, end, b_.u32(kFoldStride), [&](Value column) {
      Accumulator a = Fold::read(sum);
      if (layout_.from_partials) {
        a = take_partials(fold, a, row, column, end, 1);
      } else {
        const int x = region_.exprs[emitter_.reductions()[reduction]].args[0];
        const Points points = element_points(row, column);
        if (layout_.in_turn && emitter_.depends_on_elements(x)) {
          emitter_.evaluate_in_turn(x, points, [&](Value lane, const Number& value) {
            const Value at = column + lane;
            const Accumulator before = Fold::read(sum);
            const Accumulator next = fold.insert(before, value, pick(points.cols, lane));
            Fold::write(sum, layout_.aligned ? next : fold.select(at < end, next, before));
          });
          emitter_.forget(Level::element);
          return;
        }
        emitter_.evaluate(x, points);
        for (uint32_t i = 0; i < kGroup; ++i) {
          const Accumulator next =
              fold.insert(a, emitter_.value(x, static_cast<int>(i)), points.cols[i]);
          a = layout_.aligned ? next : fold.select(column + i < end, next, a);
        }
        emitter_.forget(Level::element);
      }
      Fold::write(sum, a);
    });
    return Fold::read(sum);
  }

  const Region& region_;
  const ReductionLayout layout_;
  Builder b_;
  RegionEmitter emitter_;
  std::vector<Fold> folds_;
  Value lane_;
  Value exists_;  // of a team: whether its unit does
};

}  // namespace

ir::Kernel generate_reduction(const Region& region, const Target& target,
                              const ReductionLayout& layout) {
  return Generator(region, target, layout).run();
}

}  // namespace nxv::kernels

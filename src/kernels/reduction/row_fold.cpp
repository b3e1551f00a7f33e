#include "kernels/reduction/row_fold.h"

#include <bit>

#include "ir/ops/pick.h"

namespace nxv::kernels {

using ir::Number;
using ir::Opcode;
using ir::Value;

using Words = ReductionWords;

RowFold::RowFold(ReductionFrame& frame, const Expr& reduction)
    : frame_(frame),
      region_(frame.region),
      layout_(frame.layout),
      b_(frame.b),
      emitter_(frame.emitter),
      words_(frame.words),
      element_(reduction.args[0]),
      fold_(frame.b, reduction.op, frame.region.exprs[element_].dtype, reduction.dtype,
            frame.math) {}

void RowFold::hoist(Value row) {
  if (!layout_.from_partials) frame_.hoist(element_, row);
}

// All blocks of a row, and the tree over their results.
Accumulator RowFold::fold(Value row) {
  if (layout_.gathers) return gather(row);
  if (layout_.short_columns > 0) return fold_short(row);
  if (layout_.one_block) return fold_block(row, b_.u32(0));
  const Value blocks = words_[&Words::blocks];
  const PairwiseTree tree(fold_, 5);
  const auto four = fold_.variables(fold_.identity());  // an accumulator takes four blocks in order
  b_.for_range(b_.u32(0), blocks, b_.u32(1), [&](Value block) {
    Fold::write(four, fold_.combine(Fold::read(four), fold_block(row, block)));
    const Value complete = ((block & 3u) == 3u) | (block + 1u == blocks);
    b_.if_(complete, [&] {
      tree.push(Fold::read(four));
      Fold::write(four, fold_.identity());
    });
  });
  return tree.finish();
}

// A row of a few groups of columns, each an accumulator of the tree.
Accumulator RowFold::fold_short(Value row) {
  const Points points = frame_.short_points(row);
  emitter_.evaluate(element_, points);
  std::vector<Accumulator> level;
  for (uint32_t c = 0; c < points.cols.size(); ++c) {
    if (c % kGroup == 0) level.push_back(fold_.identity());
    Accumulator& a = level.back();
    const Accumulator next =
        fold_.insert(a, emitter_.value(element_, static_cast<int>(c)), b_.u32(c));
    a = frame_.may_lack(c) ? fold_.select(b_.u32(c) < words_[&Words::columns], next, a) : next;
  }
  emitter_.forget(Level::element);
  return fold_.combine_pairwise(std::move(level));
}

// Accumulator `index` % 32 of second-level block `index` / 32, its blocks shared out among the
// teams of the workgroup; missing blocks count as identities.
Accumulator RowFold::fold_second_level(Value row, Value index) {
  const SharedAccumulators results(fold_, kBlocksOfAccumulator);
  const uint32_t own = kBlocksOfAccumulator / (layout_.workgroup / layout_.lanes);
  const Value first =
      (index / kFoldAccumulators) * kFoldBlock + (index % kFoldAccumulators) * kGroup;
  const Value blocks = (words_[&Words::columns] - 1u) / kFoldBlock + 1u;
  const Value begin = frame_.team.index() * own;
  b_.for_range(begin, begin + own, b_.u32(1), [&](Value at) {
    const Value block = first + (at / kGroup) * kFoldStride + at % kGroup;
    const auto a = fold_.variables(fold_.identity());
    if (layout_.meets()) {
      const Accumulator result = fold_block(row, b_.binary(Opcode::min, block, blocks - 1u));
      Fold::write(a, fold_.select(block < blocks, result, fold_.identity()));
    } else {
      b_.if_(block < blocks, [&] { Fold::write(a, fold_block(row, block)); });
    }
    b_.if_(frame_.lane() == 0u, [&] { results.store(at, Fold::read(a)); });
  });
  b_.barrier();
  const auto total = fold_.variables(fold_.identity());
  b_.if_(frame_.is_first(), [&] {
    b_.for_range(b_.u32(0), b_.u32(kBlocksOfAccumulator), b_.u32(kGroup), [&](Value at) {
      Accumulator a = Fold::read(total);
      for (uint32_t i = 0; i < kGroup; ++i) a = fold_.combine(a, results.load(at + i));
      Fold::write(total, a);
    });
  });
  return Fold::read(total);
}

// All blocks, by all teams of the workgroup. The results of at most 128 blocks meet in shared
// memory, where accumulator l of a team takes 4l .. 4l + 3. Of partial results only the first team
// has the total, unless all must go the same way.
Accumulator RowFold::gather(Value row) {
  const SharedAccumulators results(fold_, kMaxBlocksOfTeam);
  const Value blocks = words_[&Words::blocks], team = frame_.team.index();
  const uint32_t teams = layout_.workgroup / layout_.lanes;
  const auto leave = [&](Value block, Value exists) {
    const Accumulator a = fold_block(row, block);
    const Value first = frame_.lane() == 0u;
    b_.if_(exists.exists() ? first & exists : first, [&] { results.store(block, a); });
  };
  if (layout_.meets()) {
    b_.for_range(b_.u32(0), blocks, b_.u32(teams), [&](Value first) {
      const Value block = first + team;
      leave(b_.binary(Opcode::min, block, blocks - 1u), block < blocks);
    });
  } else {
    b_.for_range(team, blocks, b_.u32(teams), [&](Value block) { leave(block, {}); });
  }
  b_.barrier();
  const auto total = fold_.variables(fold_.identity());
  const auto combine = [&] { Fold::write(total, gathered(results, blocks)); };
  if (layout_.from_partials && !layout_.meets()) {
    b_.if_(team == 0u, combine);
  } else {
    combine();
  }
  if (layout_.rows_per_word > 1) b_.barrier();  // before the next row's results
  return Fold::read(total);
}

// The tree over the results of blocks.
Accumulator RowFold::gathered(const SharedAccumulators& results, Value blocks) {
  const uint32_t own = kFoldAccumulators / layout_.lanes;
  std::vector<Accumulator> level;
  for (uint32_t k = 0; k < own; ++k) {
    Accumulator a = fold_.identity();
    for (uint32_t i = 0; i < kGroup; ++i) {
      const Value first = own == 1 ? frame_.lane() << 2 : frame_.lane() * (own * kGroup);
      const Value at = first + (k * kGroup + i), safe = b_.binary(Opcode::min, at, blocks - 1u);
      a = fold_.select(at < blocks, fold_.combine(a, results.load(safe)), a);
    }
    level.push_back(a);
  }
  return frame_.team.fold(fold_, fold_.combine_pairwise(std::move(level)));
}

// The column's invocations take neighbouring accumulators; only the first one has the result.
Accumulator RowFold::fold_block_by_column(Value row, Value begin, Value end) {
  const SharedAccumulators results(fold_, layout_.workgroup);
  const Value local = b_.builtin(ir::Builtin::local_index);
  const uint32_t own = kFoldAccumulators / layout_.column;
  std::vector<Accumulator> level;
  for (uint32_t i = 0; i < own; ++i) {
    level.push_back(fold_at(row, begin, (frame_.lane() * own + i) * kGroup, end));
  }
  results.store(local, fold_.combine_pairwise(std::move(level)));
  b_.barrier();
  const auto total = fold_.variables(fold_.identity());
  b_.if_(frame_.lane() == 0u, [&] {
    std::vector<Accumulator> members;
    for (uint32_t i = 0; i < layout_.column; ++i) {
      members.push_back(results.load(local + i * frame_.columns()));
    }
    Fold::write(total, fold_.combine_pairwise(std::move(members)));
  });
  b_.barrier();  // before the next block's results
  return Fold::read(total);
}

Accumulator RowFold::fold_block(Value row, Value block) {
  const Value begin = block * kFoldBlock;
  const Value end = b_.binary(Opcode::min, begin + kFoldBlock, words_[&Words::columns]);
  if (layout_.column > 1) return fold_block_by_column(row, begin, end);
  const uint32_t own = kFoldAccumulators / layout_.lanes;
  Accumulator result;
  if (own == 1) {
    result = fold_at(row, begin, frame_.lane() << 2, end);
  } else {
    const PairwiseTree tree(fold_, std::countr_zero(own));
    const Value first = begin + frame_.lane() * (own * kGroup);
    const Value last = b_.binary(Opcode::min, first + own * kGroup, end);
    b_.for_range(first, last, b_.u32(kGroup),
                 [&](Value start) { tree.push(fold_accumulator(row, start, end)); });
    result = tree.finish();
  }
  return layout_.lanes > 1 ? frame_.team.fold(fold_, result) : result;
}

// The accumulator whose first element is `offset` behind the begin of its block, which ends at
// `end`.
Accumulator RowFold::fold_at(Value row, Value begin, Value offset, Value end) {
  const Value first = begin + offset;
  if (!layout_.unrolled) return fold_accumulator(row, first, end);
  const auto sum = fold_.variables(fold_.identity());
  b_.if_(
      begin + kFoldBlock <= words_[&Words::columns],
      [&] { Fold::write(sum, fold_whole(row, first)); },
      [&] { Fold::write(sum, fold_accumulator(row, first, end)); });
  return Fold::read(sum);
}

// The elements of an accumulator of a whole block, in order.
Accumulator RowFold::fold_whole(Value row, Value start) {
  Points points = frame_.row_points(row);
  points.element_base = row * words_[&Words::columns];
  for (uint32_t offset = 0; offset < kFoldBlock; offset += kFoldStride) {
    const Value column = offset == 0 ? start : start + offset;
    for (uint32_t i = 0; i < kGroup; ++i) points.cols.push_back(i == 0 ? column : column + i);
    if (layout_.aligned) points.element_groups.push_back((points.element_base + column) >> 2);
  }
  emitter_.evaluate(element_, points);
  Accumulator a = fold_.identity();
  for (size_t i = 0; i < points.cols.size(); ++i) {
    a = fold_.insert(a, emitter_.value(element_, static_cast<int>(i)), points.cols[i]);
  }
  emitter_.forget(Level::element);
  return a;
}

// The partial results start .. start + 3, start + 128 .. of so many groups, below end, into `to`
// in order; all are loaded before the first is used.
Accumulator RowFold::take_partials(Accumulator to, Value row, Value start, Value end,
                                   uint32_t groups) {
  const Value base = row * words_[&Words::columns], last = end - 1u;
  const bool whole_groups = layout_.aligned && fold_.parts() == std::vector{ir::kF64};
  std::vector<std::pair<Value, Accumulator>> loaded;
  for (uint32_t g = 0; g < groups; ++g) {
    if (whole_groups) {
      const Value first = g == 0 ? start : start + g * kFoldStride;
      const Value safe = (base + b_.binary(Opcode::min, first, last)) >> 2;
      const Group group = load_group(frame_.partials_in(), safe, DType::f64);
      for (uint32_t i = 0; i < kGroup; ++i) {
        loaded.emplace_back(first + i < end, Accumulator{group[i].re});
      }
      continue;
    }
    for (uint32_t i = 0; i < kGroup; ++i) {
      const Value at = start + (g * kFoldStride + i);
      const Value safe = b_.binary(Opcode::min, at, last);
      loaded.emplace_back(at < end, fold_.load(frame_.partials_in(), base + safe));
    }
  }
  for (const auto& [exists, partial] : loaded) {
    to = fold_.select(exists, fold_.combine(to, partial), to);
  }
  return to;
}

// Elements start .. start + 3, start + 128 .., ... below end, in order.
Accumulator RowFold::fold_accumulator(Value row, Value start, Value end) {
  if (layout_.from_second_level) {
    const Value block = row * words_[&Words::blocks] + start / kFoldBlock;
    const Value in_block = start % kFoldBlock / kGroup;
    return fold_.load(frame_.partials_in(), block * kFoldAccumulators + in_block);
  }
  if (layout_.from_partials && layout_.lanes == kFoldAccumulators && !layout_.rolled) {
    return take_partials(fold_.identity(), row, start, end, kFoldBlock / kFoldStride);
  }
  const auto sum = fold_.variables(fold_.identity());
  const auto fold_group = [&](Value column) {
    Accumulator a = Fold::read(sum);
    if (layout_.from_partials) {
      a = take_partials(a, row, column, end, 1);
    } else {
      const Points points = frame_.element_points(row, column);
      if (layout_.in_turn && emitter_.depends_on_elements(element_)) {
        emitter_.evaluate_in_turn(element_, points, [&](Value lane, const Number& value) {
          const Value at = column + lane;
          const Accumulator before = Fold::read(sum);
          const Accumulator next = fold_.insert(before, value, pick(points.cols, lane));
          Fold::write(sum, layout_.aligned ? next : fold_.select(at < end, next, before));
        });
        emitter_.forget(Level::element);
        return;
      }
      emitter_.evaluate(element_, points);
      for (uint32_t i = 0; i < kGroup; ++i) {
        const Accumulator next =
            fold_.insert(a, emitter_.value(element_, static_cast<int>(i)), points.cols[i]);
        a = layout_.aligned ? next : fold_.select(column + i < end, next, a);
      }
      emitter_.forget(Level::element);
    }
    Fold::write(sum, a);
  };
  b_.for_range(start, end, b_.u32(kFoldStride), fold_group,
               layout_.rolled ? ir::Unrolling::never : ir::Unrolling::allowed);
  return Fold::read(sum);
}

}  // namespace nxv::kernels

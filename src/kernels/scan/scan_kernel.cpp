// The kernels of a scan. See scan.h for the tree.
//
// One invocation walks its unit from left to right. A team of 32 invocations takes a block: it
// moves the elements into shared memory, where each invocation then finds its chunk side by side
// (rows of 33 elements, so that neither direction meets itself in a bank), folds it, adds up the
// chunks before it, and folds it once more on top of that.
#include <bit>
#include <optional>

#include "kernels/common/grid.h"
#include "kernels/scan/scan_frame.h"
#include "kernels/scan/scan_lookback.h"

namespace nxv::kernels {
namespace {

using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

using Start = ScanLayout::Start;
using Unit = ScanFrame::Unit;
using Words = ScanWords;

constexpr uint32_t kPitch = kScanChunk + 1;
constexpr uint32_t kTeamUnroll = 8;  // elements that are read from shared memory at once

uint32_t byte_count(std::span<const ir::Type> types) {
  uint32_t sum = 0;
  for (const ir::Type& t : types) sum += static_cast<uint32_t>(ir::bytes(t));
  return sum;
}

class ScanKernel {
 public:
  ScanKernel(const Region& region, const Target& target, const ScanLayout& layout)
      : frame_(region, target, layout),
        layout_(frame_.layout),
        b_(frame_.b),
        words_(frame_.words),
        fold_(frame_.fold),
        identity_(frame_.identity()) {
    if (layout.start == Start::look_back) {
      look_back_.emplace(b_, fold_, identity_, frame_.blocks_buffer(), layout.levels);
    }
  }

  ir::Kernel run() {
    if (layout_.team == 1) {
      const Value unit =
          linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
      b_.if_(unit < words_[&Words::units], [&] { walk_unit(unit); });
    } else if (layout_.adjacent_lines) {
      team_of_adjacent_lines();
    } else {
      team();
    }
    return b_.finish();
  }

 private:
  void walk_unit(Value index) {
    const Unit u = frame_.unit(index);
    if (layout_.totals) {
      frame_.store_total(u, frame_.walk(1, u, u.begin, u.end, nullptr));
    } else {
      const Accumulator prefix = frame_.load_prefix(u);
      frame_.walk(layout_.lines ? 2 : 1, u, u.begin, u.end, &prefix);
    }
  }

  // The number of the workgroup: in a look-back, of those that have begun.
  Value group() { return look_back_ ? look_back_->ticket() : linear_group(b_); }

  // The invocation's team has unit `index`, if there is one, and the totals of its chunks in slots.
  Unit join_team(Value index, Value lane, std::function<Value(Value)> slot) {
    totals_.emplace(fold_, layout_.workgroup);
    lane_ = lane;
    total_slot_ = std::move(slot);
    works_ = index < words_[&Words::units];
    return frame_.unit(b_.binary(Opcode::min, index, words_[&Words::units] - 1u));
  }

  Accumulator chunks_before(Value end) {
    const std::vector<Var> sum = fold_.variables(identity_);
    b_.for_range(b_.u32(0), end, b_.u32(1), [&](Value chunk) {
      Fold::write(sum, fold_.combine(Fold::read(sum), totals_->load(total_slot_(chunk))));
    });
    return Fold::read(sum);
  }

  // Of the chunks before the invocation's own, and of all.
  struct Sums {
    Accumulator before, all;
  };
  // In whole groups of kTeamUnroll.
  Sums sums_of_chunks(Value chunks) {
    const std::vector<Var> own = fold_.variables(identity_), all = fold_.variables(identity_);
    b_.for_range(b_.u32(0), chunks, b_.u32(kTeamUnroll), [&](Value first) {
      std::vector<Accumulator> totals;
      for (uint32_t k = 0; k < kTeamUnroll; ++k) {
        totals.push_back(totals_->load(total_slot_(first + k)));
      }
      Accumulator before = Fold::read(own), a = Fold::read(all);
      for (uint32_t k = 0; k < kTeamUnroll; ++k) {
        before = fold_.select(first + k == lane_, a, before);
        a = fold_.combine(a, totals[k]);
      }
      Fold::write(own, before);
      Fold::write(all, a);
    });
    return {Fold::read(own), Fold::read(all)};
  }

  // What the invocation's chunk starts from, the totals of all chunks being known. Has barriers.
  Accumulator look_back(const Unit& u, Value chunks) {
    const std::vector<Var> before = fold_.variables(identity_), all = fold_.variables(identity_);
    b_.if_(works_, [&] {
      const Sums sums = sums_of_chunks(chunks);
      Fold::write(before, sums.before);
      Fold::write(all, sums.all);
    });
    const LookBack::Block block = {
        u.line, u.block_of_line, words_[&Words::blocks], works_, lane_, &*totals_, total_slot_};
    return fold_.combine(look_back_->prefix(block, Fold::read(all)), Fold::read(before));
  }

  // ---- A team a unit, units side by side ----

  void team_of_adjacent_lines() {
    const uint32_t teams = layout_.workgroup / kScanChunk;
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value chunk = local / teams, team = local - chunk * teams;
    const Unit u =
        join_team(group() * teams + team, chunk, [=](Value of) { return of * teams + team; });
    const Value begin = u.begin + chunk * kScanChunk;
    const Value end = b_.binary(Opcode::min, begin + kScanChunk, u.end);
    const Value active = works_ & (begin < end);

    // Chunks behind the end are empty.
    b_.if_(works_,
           [&] { totals_->store(total_slot_(chunk), frame_.walk(0, u, begin, end, nullptr)); });
    b_.barrier();
    if (layout_.totals) {
      const Value chunks = (u.end - u.begin + (kScanChunk - 1)) >> 5;
      b_.if_(active & (chunk == 0u), [&] { frame_.store_total(u, chunks_before(chunks)); });
      return;
    }
    Accumulator prefix;
    if (look_back_) prefix = look_back(u, b_.u32(kScanChunk));
    b_.if_(active, [&] {
      if (!look_back_) prefix = fold_.combine(frame_.load_prefix(u), chunks_before(chunk));
      frame_.walk(0, u, begin, end, &prefix);
    });
  }

  // ---- A team a unit ----

  void team() {
    const uint32_t teams = layout_.workgroup / kScanChunk;
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value team = local >> 5;
    team_items_ = team * (kScanChunk * kPitch);
    for (const ir::Type& type : item_types(layout_, fold_)) {
      items_.push_back(
          b_.shared("items" + std::to_string(items_.size()), type, teams * kScanChunk * kPitch));
    }
    Unit u = join_team(group() * teams + team, local & (kScanChunk - 1),
                       [=](Value of) { return team * kScanChunk + of; });
    if (!layout_.lines) {
      const std::vector<Var> prefix = fold_.variables(identity_);
      if (layout_.start == Start::prefix || layout_.start == Start::totals)
        b_.if_(works_, [&] { Fold::write(prefix, frame_.load_prefix(u)); });
      block(u, Fold::read(prefix), nullptr);
      return;
    }
    const std::vector<Var> carry = fold_.variables(identity_);
    b_.for_range(b_.u32(0), words_[&Words::length], b_.u32(kScanBlock), [&](Value begin) {
      u.begin = begin;
      u.end = b_.binary(Opcode::min, begin + kScanBlock, words_[&Words::length]);
      const Accumulator prefix = Fold::read(carry);
      block(u, prefix,
            [&](const Accumulator& total) { Fold::write(carry, fold_.combine(prefix, total)); });
    });
  }

  Value slot(Value chunk, Value element) { return team_items_ + chunk * kPitch + element; }

  // Barriers: all teams have equally many blocks.
  void block(const Unit& u, const Accumulator& prefix,
             const std::function<void(const Accumulator&)>& take_total) {
    // Chunks are loaded in whole groups; what lies beyond the end repeats the last element.
    const int group_shift = std::countr_zero(layout_.unroll);
    const Value groups = (u.end - u.begin + (layout_.unroll * kScanChunk - 1)) >> (5 + group_shift);
    const Value chunks = groups << group_shift;
    b_.if_(works_, [&] { load_block(u, chunks); });
    b_.barrier();
    const Value active = works_ & (lane_ < chunks);
    b_.if_(active, [&] { totals_->store(total_slot_(lane_), walk_chunk(u, identity_, false)); });
    b_.barrier();
    if (layout_.totals) {
      b_.if_(works_ & (lane_ == 0u), [&] { frame_.store_total(u, chunks_before(chunks)); });
      return;
    }
    Accumulator start;
    if (look_back_) start = look_back(u, chunks);
    b_.if_(active, [&] {
      if (take_total) {
        const Sums sums = sums_of_chunks(chunks);
        take_total(sums.all);
        start = fold_.combine(prefix, sums.before);
      } else if (!look_back_) {
        start = fold_.combine(prefix, chunks_before(lane_));
      }
      walk_chunk(u, start, true);
    });
    b_.barrier();
    b_.if_(works_, [&] { store_block(u, chunks); });
  }

  void load_block(const Unit& u, Value chunks) {
    b_.for_range(b_.u32(0), chunks, b_.u32(layout_.unroll), [&](Value first) {
      std::vector<ScanItem> loaded;
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        const Value i = u.begin + (first + k) * kScanChunk + lane_;
        loaded.push_back(frame_.load(frame_.address(u, b_.binary(Opcode::min, i, u.end - 1u))));
      }
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        write_shared(items_, slot(first + k, lane_), loaded[k]);
      }
    });
  }

  void store_block(const Unit& u, Value chunks) {
    b_.for_range(b_.u32(0), chunks, b_.u32(1), [&](Value chunk) {
      const Value i = u.begin + chunk * kScanChunk + lane_;
      b_.if_(i < u.end,
             [&] { frame_.store(frame_.address(u, i), read_shared(items_, slot(chunk, lane_))); });
    });
  }

  // The invocation's chunk; results replace the elements.
  Accumulator walk_chunk(const Unit& u, const Accumulator& prefix, bool results) {
    const std::vector<Var> sum = fold_.variables(identity_);
    const Value begin = u.begin + lane_ * kScanChunk;
    b_.for_range(b_.u32(0), b_.u32(kScanChunk), b_.u32(kTeamUnroll), [&](Value first) {
      Accumulator a = Fold::read(sum);
      for (uint32_t k = 0; k < kTeamUnroll; ++k) {
        const Value at = slot(lane_, first + k);
        const Accumulator with = frame_.insert(a, read_shared(items_, at), begin + first + k);
        if (results) {
          write_shared(items_, at,
                       frame_.result(fold_.combine(prefix, a), fold_.combine(prefix, with)));
        }
        a = with;
      }
      Fold::write(sum, a);
    });
    return Fold::read(sum);
  }

  ScanItem read_shared(const std::vector<Shared>& arrays, Value at) {
    ScanItem item;
    for (const Shared& s : arrays) item.push_back(b_.shared_load(s, at));
    return item;
  }
  void write_shared(const std::vector<Shared>& arrays, Value at, const ScanItem& item) {
    for (size_t i = 0; i < arrays.size(); ++i) b_.shared_store(arrays[i], at, item[i]);
  }

  ScanFrame frame_;
  const ScanLayout& layout_;
  ir::Builder& b_;
  const WordValues<ScanWords>& words_;
  const Fold& fold_;
  const Accumulator& identity_;
  std::optional<LookBack> look_back_;
  // Of the invocation's team.
  Value lane_, works_, team_items_;
  std::function<Value(Value)> total_slot_;  // of a chunk
  std::vector<Shared> items_;
  std::optional<SharedAccumulators> totals_;
};

}  // namespace

LookBackSize scan_look_back_size(const ScanLayout& layout, const Target& target, uint64_t lines,
                                 uint64_t blocks) {
  ir::Builder b("sizes");
  const Fold fold(b, layout.fold, layout.type, layout.type, target.math);
  return look_back_size(fold.parts(), lines, blocks);
}

uint32_t scan_team_bytes(const ScanLayout& layout, const Target& target) {
  ir::Builder b("sizes");
  const Fold fold(b, layout.fold, layout.type, layout.type, target.math);
  if (layout.adjacent_lines) return kScanChunk * byte_count(fold.parts());
  return kScanChunk * (kPitch * byte_count(item_types(layout, fold)) + byte_count(fold.parts()));
}

ir::Kernel generate_scan(const Region& region, const Target& target, const ScanLayout& layout) {
  return ScanKernel(region, target, layout).run();
}

}  // namespace nxv::kernels

// The kernels of a scan. See scan.h for the tree.
//
// One invocation walks its unit from left to right. A team of 32 invocations takes a block: it
// moves the elements into shared memory, where each invocation then finds its chunk side by side
// (rows of 33 elements, so that neither direction meets itself in a bank), folds it, adds up the
// chunks before it, and folds it once more on top of that.
#include <bit>
#include <optional>

#include "kernels/common/grid.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "kernels/scan/scan.h"
#include "kernels/scan/scan_lookback.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

using Data = ScanLayout::Data;
using Start = ScanLayout::Start;

constexpr uint32_t kPitch = kScanChunk + 1;
constexpr uint32_t kTeamUnroll = 8;  // elements that are read from shared memory at once

// The parts of an element, an accumulator or a counter.
using Item = std::vector<Value>;

std::vector<ir::Type> item_types(const ScanLayout& layout, const Fold& fold) {
  if (layout.data == Data::elements) {
    return std::vector<ir::Type>(is_complex(layout.type) ? 2 : 1, ir::compute_type(layout.type));
  }
  return fold.parts();
}

uint32_t byte_count(std::span<const ir::Type> types) {
  uint32_t sum = 0;
  for (const ir::Type& t : types) sum += static_cast<uint32_t>(ir::bytes(t));
  return sum;
}

class ScanKernel {
 public:
  ScanKernel(const Region& region, const Target& target, const ScanLayout& layout)
      : layout_(layout),
        b_(layout.totals ? "scan_totals" : "scan", layout.workgroup),
        arguments_(b_, region, kWordsOf<ScanWords>, {.workspaces = workspaces(layout)}),
        words_(arguments_.words_as<ScanWords>()),
        fold_(b_, layout.fold, layout.type, layout.type, target.math),
        output_type_(region.root->dtype) {
    // An empty sum is -0.0, which leaves every number as it is.
    identity_ = fold_.identity();
    if (layout.fold == Op::sum) {
      for (Value& part : identity_) {
        if (part.type() == ir::kF64) {
          part =
              b_.bitcast(b_.pack({arguments_.zero(), arguments_.zero() | 0x80000000u}), ir::kF64);
        } else if (part.type() == ir::kF32) {
          part = b_.bitcast(arguments_.zero() | 0x80000000u, ir::kF32);
        }
      }
    }
    if (layout.start == Start::look_back) {
      look_back_.emplace(b_, fold_, identity_, blocks_buffer(), layout.levels);
    }
  }

  ir::Kernel run() {
    if (layout_.team == 1) {
      const Value unit =
          linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
      b_.if_(unit < words_[&ScanWords::units], [&] { walk_unit(unit); });
    } else if (layout_.adjacent_lines) {
      team_of_adjacent_lines();
    } else {
      team();
    }
    return b_.finish();
  }

 private:
  static int workspaces(const ScanLayout& layout) {
    return (layout.data == Data::elements ? 0 : 1) +
           (layout.totals || layout.start != Start::empty ? 1 : 0);
  }

  // ---- Where things are ----

  Value data() const {
    return layout_.data == Data::elements ? arguments_.operand(0) : arguments_.workspace(0);
  }
  Value blocks_buffer() const {
    return arguments_.workspace(layout_.data == Data::elements ? 0 : 1);
  }

  // A unit's first element, its end in the line, and where the line lies. Lines that are adjacent
  // in memory belong to neighbouring units.
  struct Unit {
    Value outer, inner;  // element i of the line is at (outer * length + i) * inner size + inner
    Value line, block, block_of_line;  // the blocks' numbers: among those of all lines, of its line
    Value begin, end;
  };
  Unit unit(Value index) {
    Unit u;
    const Value rest = words_.divide(index, &ScanWords::inner);
    u.inner = index - rest * words_[&ScanWords::inner];
    if (layout_.lines) {
      u.outer = rest;
      u.begin = b_.u32(0);
      u.end = words_[&ScanWords::length];
      return u;
    }
    u.outer = words_.divide(rest, &ScanWords::blocks);
    // Blocks from the end first: a cache has seen them last when their totals were found.
    const bool from_end = layout_.start == Start::prefix || layout_.start == Start::totals;
    const Value from_start = rest - u.outer * words_[&ScanWords::blocks];
    u.block_of_line = from_end ? words_[&ScanWords::blocks] - 1u - from_start : from_start;
    u.line = u.outer * words_[&ScanWords::inner] + u.inner;
    u.block = u.line * words_[&ScanWords::blocks] + u.block_of_line;
    u.begin = u.block_of_line * kScanBlock;
    u.end = b_.binary(Opcode::min, u.begin + kScanBlock, words_[&ScanWords::length]);
    return u;
  }

  Value address(const Unit& u, Value i) {
    const Value at = layout_.reverse ? words_[&ScanWords::length] - 1u - i : i;
    return (u.outer * words_[&ScanWords::length] + at) * words_[&ScanWords::inner] + u.inner;
  }

  // ---- Items ----

  Item load(Value at) {
    switch (layout_.data) {
      case Data::elements: {
        const Number x = load_element(data(), at, layout_.type);
        return x.im ? Item{x.re, x.im} : Item{x.re};
      }
      case Data::accumulators:
        return fold_.load(data(), at);
      case Data::counters:
        return {b_.load(data(), at, ir::kU32)};
    }
    return {};
  }

  void store(Value at, const Item& item) {
    switch (layout_.data) {
      case Data::elements: {
        Number x{output_type_, item[0], {}};
        if (item.size() > 1) x.im = item[1];
        return store_element(arguments_.output(), at, x);
      }
      case Data::accumulators:
        return fold_.store(data(), at, item);
      case Data::counters:
        return b_.store(data(), at, item[0]);
    }
  }

  Accumulator load_block_value(Value at) {
    if (layout_.data == Data::counters) return {b_.load(blocks_buffer(), at, ir::kU32)};
    return fold_.load(blocks_buffer(), at);
  }

  Accumulator load_prefix(const Unit& u) {
    if (layout_.start == Start::empty) return identity_;
    if (layout_.start == Start::prefix) return load_block_value(u.block);
    // The totals before the block, some loads under way at once.
    constexpr uint32_t kLoads = 8;
    const std::vector<Var> sum = fold_.variables(identity_);
    b_.for_range(u.block - u.block_of_line, u.block, b_.u32(kLoads), [&](Value first) {
      std::vector<Accumulator> totals;
      for (uint32_t k = 0; k < kLoads; ++k) {
        totals.push_back(load_block_value(b_.binary(Opcode::min, first + k, u.block)));
      }
      Accumulator a = Fold::read(sum);
      for (uint32_t k = 0; k < kLoads; ++k) {
        a = fold_.select(first + k < u.block, fold_.combine(a, totals[k]), a);
      }
      Fold::write(sum, a);
    });
    return Fold::read(sum);
  }

  void store_total(const Unit& u, const Accumulator& total) {
    if (layout_.data == Data::counters) {
      b_.store(blocks_buffer(), u.block, total[0]);
    } else {
      fold_.store(blocks_buffer(), u.block, total);
    }
  }

  Accumulator insert(const Accumulator& to, const Item& item, Value index) {
    if (layout_.data != Data::elements) return fold_.combine(to, item);
    Number x{layout_.type, item[0], {}};
    if (item.size() > 1) x.im = item[1];
    return fold_.insert(to, x, index);
  }

  // The result at an element: with it, or, exclusively, before it.
  Item result(const Accumulator& before, const Accumulator& with) {
    if (layout_.data != Data::elements) return before;
    const Number x = fold_.result(with);
    const Value re = is_integer(layout_.type) ? ir::wrap(x.re, layout_.type) : x.re;
    return x.im ? Item{re, x.im} : Item{re};
  }

  // ---- One invocation a unit ----

  void walk_unit(Value index) {
    const Unit u = unit(index);
    if (layout_.totals) {
      store_total(u, walk(1, u, u.begin, u.end, nullptr));
    } else {
      const Accumulator prefix = load_prefix(u);
      walk(layout_.lines ? 2 : 1, u, u.begin, u.end, &prefix);
    }
  }

  // Folds [begin, end), chunks of `level` levels of chunks. Stores the results on top of a prefix,
  // if there is one.
  Accumulator walk(int level, const Unit& u, Value begin, Value end, const Accumulator* prefix) {
    const std::vector<Var> sum = fold_.variables(identity_);
    if (level > 0) {
      const uint32_t size = level == 1 ? kScanChunk : kScanBlock;
      b_.for_range(begin, end, b_.u32(size), [&](Value at) {
        const Accumulator before = Fold::read(sum);
        const Value limit = b_.binary(Opcode::min, at + size, end);
        Accumulator child_prefix;
        if (prefix) child_prefix = fold_.combine(*prefix, before);
        const Accumulator child = walk(level - 1, u, at, limit, prefix ? &child_prefix : nullptr);
        Fold::write(sum, fold_.combine(before, child));
      });
      return Fold::read(sum);
    }
    b_.for_range(begin, end, b_.u32(layout_.unroll), [&](Value at) {
      std::vector<Value> indices;
      std::vector<Item> items;
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        const Value i = k == 0 ? at : b_.binary(Opcode::min, at + k, end - 1u);
        indices.push_back(i);
        items.push_back(load(address(u, i)));
      }
      Accumulator a = Fold::read(sum);
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        // What is folded beyond the end of a line has no reader.
        const Accumulator with = insert(a, items[k], indices[k]);
        if (prefix) {
          const Item r = result(fold_.combine(*prefix, a), fold_.combine(*prefix, with));
          const auto put = [&] { store(address(u, indices[k]), r); };
          if (k == 0) {
            put();
          } else {
            b_.if_(at + k < end, put);
          }
        }
        a = with;
      }
      Fold::write(sum, a);
    });
    return Fold::read(sum);
  }

  // ---- Teams ----

  // The number of the workgroup: in a look-back, of those that have begun.
  Value group() { return look_back_ ? look_back_->ticket() : linear_group(b_); }

  // The invocation's team has unit `index`, if there is one, and the totals of its chunks in slots.
  Unit join_team(Value index, Value lane, std::function<Value(Value)> slot) {
    totals_.emplace(fold_, layout_.workgroup);
    lane_ = lane;
    total_slot_ = std::move(slot);
    works_ = index < words_[&ScanWords::units];
    return unit(b_.binary(Opcode::min, index, words_[&ScanWords::units] - 1u));
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
        u.line, u.block_of_line, words_[&ScanWords::blocks], works_, lane_, &*totals_, total_slot_};
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
    b_.if_(works_, [&] { totals_->store(total_slot_(chunk), walk(0, u, begin, end, nullptr)); });
    b_.barrier();
    if (layout_.totals) {
      const Value chunks = (u.end - u.begin + (kScanChunk - 1)) >> 5;
      b_.if_(active & (chunk == 0u), [&] { store_total(u, chunks_before(chunks)); });
      return;
    }
    Accumulator prefix;
    if (look_back_) prefix = look_back(u, b_.u32(kScanChunk));
    b_.if_(active, [&] {
      if (!look_back_) prefix = fold_.combine(load_prefix(u), chunks_before(chunk));
      walk(0, u, begin, end, &prefix);
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
        b_.if_(works_, [&] { Fold::write(prefix, load_prefix(u)); });
      block(u, Fold::read(prefix), nullptr);
      return;
    }
    const std::vector<Var> carry = fold_.variables(identity_);
    b_.for_range(b_.u32(0), words_[&ScanWords::length], b_.u32(kScanBlock), [&](Value begin) {
      u.begin = begin;
      u.end = b_.binary(Opcode::min, begin + kScanBlock, words_[&ScanWords::length]);
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
      b_.if_(works_ & (lane_ == 0u), [&] { store_total(u, chunks_before(chunks)); });
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
      std::vector<Item> loaded;
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        const Value i = u.begin + (first + k) * kScanChunk + lane_;
        loaded.push_back(load(address(u, b_.binary(Opcode::min, i, u.end - 1u))));
      }
      for (uint32_t k = 0; k < layout_.unroll; ++k) {
        write_shared(items_, slot(first + k, lane_), loaded[k]);
      }
    });
  }

  void store_block(const Unit& u, Value chunks) {
    b_.for_range(b_.u32(0), chunks, b_.u32(1), [&](Value chunk) {
      const Value i = u.begin + chunk * kScanChunk + lane_;
      b_.if_(i < u.end, [&] { store(address(u, i), read_shared(items_, slot(chunk, lane_))); });
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
        const Accumulator with = insert(a, read_shared(items_, at), begin + first + k);
        if (results) {
          write_shared(items_, at, result(fold_.combine(prefix, a), fold_.combine(prefix, with)));
        }
        a = with;
      }
      Fold::write(sum, a);
    });
    return Fold::read(sum);
  }

  Item read_shared(const std::vector<Shared>& arrays, Value at) {
    Item item;
    for (const Shared& s : arrays) item.push_back(b_.shared_load(s, at));
    return item;
  }
  void write_shared(const std::vector<Shared>& arrays, Value at, const Item& item) {
    for (size_t i = 0; i < arrays.size(); ++i) b_.shared_store(arrays[i], at, item[i]);
  }

  const ScanLayout layout_;
  Builder b_;
  const KernelArguments arguments_;
  const WordValues<ScanWords> words_;
  Fold fold_;
  const DType output_type_;
  Accumulator identity_;
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
  Builder b("sizes");
  const Fold fold(b, layout.fold, layout.type, layout.type, target.math);
  return look_back_size(fold.parts(), lines, blocks);
}

uint32_t scan_team_bytes(const ScanLayout& layout, const Target& target) {
  Builder b("sizes");
  const Fold fold(b, layout.fold, layout.type, layout.type, target.math);
  if (layout.adjacent_lines) return kScanChunk * byte_count(fold.parts());
  return kScanChunk * (kPitch * byte_count(item_types(layout, fold)) + byte_count(fold.parts()));
}

ir::Kernel generate_scan(const Region& region, const Target& target, const ScanLayout& layout) {
  return ScanKernel(region, target, layout).run();
}

}  // namespace nxv::kernels

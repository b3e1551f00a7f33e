#include "kernels/scan/scan_frame.h"

#include "kernels/common/memory_format.h"

namespace nxv::kernels {

using ir::Number;
using ir::Opcode;
using ir::Value;
using ir::Var;

using Data = ScanLayout::Data;
using Start = ScanLayout::Start;
using Words = ScanWords;

namespace {

int workspaces(const ScanLayout& layout) {
  return (layout.data == Data::elements ? 0 : 1) +
         (layout.totals || layout.start != Start::empty ? 1 : 0);
}

}  // namespace

std::vector<ir::Type> item_types(const ScanLayout& layout, const Fold& fold) {
  if (layout.data == Data::elements) {
    return std::vector<ir::Type>(is_complex(layout.type) ? 2 : 1, ir::compute_type(layout.type));
  }
  return fold.parts();
}

ScanFrame::ScanFrame(const Region& region, const Target& target, const ScanLayout& l)
    : layout(l),
      b(l.totals ? "scan_totals" : "scan", l.workgroup),
      arguments(b, region, kWordsOf<ScanWords>, {.workspaces = workspaces(l)}),
      words(arguments.words_as<ScanWords>()),
      fold(b, l.fold, l.type, l.type, target.math),
      output_type_(region.root->dtype) {
  // An empty sum is -0.0, which leaves every number as it is.
  identity_ = fold.identity();
  if (layout.fold != Op::sum) return;
  const Value zero = arguments.zero();
  for (Value& part : identity_) {
    if (part.type() == ir::kF64) {
      part = b.bitcast(b.pack({zero, zero | 0x80000000u}), ir::kF64);
    } else if (part.type() == ir::kF32) {
      part = b.bitcast(zero | 0x80000000u, ir::kF32);
    }
  }
}

ScanFrame::Unit ScanFrame::unit(Value index) {
  Unit u;
  const Value rest = words.divide(index, &Words::inner);
  u.inner = index - rest * words[&Words::inner];
  if (layout.lines) {
    u.outer = rest;
    u.begin = b.u32(0);
    u.end = words[&Words::length];
    return u;
  }
  u.outer = words.divide(rest, &Words::blocks);
  // Blocks from the end first: a cache has seen them last when their totals were found.
  const bool from_end = layout.start == Start::prefix || layout.start == Start::totals;
  const Value from_start = rest - u.outer * words[&Words::blocks];
  u.block_of_line = from_end ? words[&Words::blocks] - 1u - from_start : from_start;
  u.line = u.outer * words[&Words::inner] + u.inner;
  u.block = u.line * words[&Words::blocks] + u.block_of_line;
  u.begin = u.block_of_line * kScanBlock;
  u.end = b.binary(Opcode::min, u.begin + kScanBlock, words[&Words::length]);
  return u;
}

Value ScanFrame::address(const Unit& u, Value i) const {
  const Value at = layout.reverse ? words[&Words::length] - 1u - i : i;
  return (u.outer * words[&Words::length] + at) * words[&Words::inner] + u.inner;
}

ScanItem ScanFrame::load(Value at) {
  switch (layout.data) {
    case Data::elements: {
      const Number x = load_element(data(), at, layout.type);
      return x.im ? ScanItem{x.re, x.im} : ScanItem{x.re};
    }
    case Data::accumulators:
      return fold.load(data(), at);
    case Data::counters:
      return {b.load(data(), at, ir::kU32)};
  }
  return {};
}

void ScanFrame::store(Value at, const ScanItem& item) {
  switch (layout.data) {
    case Data::elements: {
      Number x{output_type_, item[0], {}};
      if (item.size() > 1) x.im = item[1];
      return store_element(arguments.output(), at, x);
    }
    case Data::accumulators:
      return fold.store(data(), at, item);
    case Data::counters:
      return b.store(data(), at, item[0]);
  }
}

Accumulator ScanFrame::load_block_value(Value at) {
  if (layout.data == Data::counters) return {b.load(blocks_buffer(), at, ir::kU32)};
  return fold.load(blocks_buffer(), at);
}

Accumulator ScanFrame::load_prefix(const Unit& u) {
  if (layout.start == Start::empty) return identity_;
  if (layout.start == Start::prefix) return load_block_value(u.block);
  // The totals before the block, some loads under way at once.
  constexpr uint32_t kLoads = 8;
  const std::vector<Var> sum = fold.variables(identity_);
  b.for_range(u.block - u.block_of_line, u.block, b.u32(kLoads), [&](Value first) {
    std::vector<Accumulator> totals;
    for (uint32_t k = 0; k < kLoads; ++k) {
      totals.push_back(load_block_value(b.binary(Opcode::min, first + k, u.block)));
    }
    Accumulator a = Fold::read(sum);
    for (uint32_t k = 0; k < kLoads; ++k) {
      a = fold.select(first + k < u.block, fold.combine(a, totals[k]), a);
    }
    Fold::write(sum, a);
  });
  return Fold::read(sum);
}

void ScanFrame::store_total(const Unit& u, const Accumulator& total) {
  if (layout.data == Data::counters) {
    b.store(blocks_buffer(), u.block, total[0]);
  } else {
    fold.store(blocks_buffer(), u.block, total);
  }
}

Accumulator ScanFrame::insert(const Accumulator& to, const ScanItem& item, Value index) const {
  if (layout.data != Data::elements) return fold.combine(to, item);
  Number x{layout.type, item[0], {}};
  if (item.size() > 1) x.im = item[1];
  return fold.insert(to, x, index);
}

ScanItem ScanFrame::result(const Accumulator& before, const Accumulator& with) const {
  if (layout.data != Data::elements) return before;
  const Number x = fold.result(with);
  const Value re = is_integer(layout.type) ? ir::wrap(x.re, layout.type) : x.re;
  return x.im ? ScanItem{re, x.im} : ScanItem{re};
}

Accumulator ScanFrame::walk(int level, const Unit& u, Value begin, Value end,
                            const Accumulator* prefix) {
  const std::vector<Var> sum = fold.variables(identity_);
  if (level > 0) {
    const uint32_t size = level == 1 ? kScanChunk : kScanBlock;
    b.for_range(begin, end, b.u32(size), [&](Value at) {
      const Accumulator before = Fold::read(sum);
      const Value limit = b.binary(Opcode::min, at + size, end);
      Accumulator child_prefix;
      if (prefix) child_prefix = fold.combine(*prefix, before);
      const Accumulator child = walk(level - 1, u, at, limit, prefix ? &child_prefix : nullptr);
      Fold::write(sum, fold.combine(before, child));
    });
    return Fold::read(sum);
  }
  b.for_range(begin, end, b.u32(layout.unroll), [&](Value at) {
    std::vector<Value> indices;
    std::vector<ScanItem> items;
    for (uint32_t k = 0; k < layout.unroll; ++k) {
      const Value i = k == 0 ? at : b.binary(Opcode::min, at + k, end - 1u);
      indices.push_back(i);
      items.push_back(load(address(u, i)));
    }
    Accumulator a = Fold::read(sum);
    for (uint32_t k = 0; k < layout.unroll; ++k) {
      // What is folded beyond the end of a line has no reader.
      const Accumulator with = insert(a, items[k], indices[k]);
      if (prefix) {
        const ScanItem r = result(fold.combine(*prefix, a), fold.combine(*prefix, with));
        const auto put = [&] { store(address(u, indices[k]), r); };
        if (k == 0) {
          put();
        } else {
          b.if_(at + k < end, put);
        }
      }
      a = with;
    }
    Fold::write(sum, a);
  });
  return Fold::read(sum);
}

}  // namespace nxv::kernels

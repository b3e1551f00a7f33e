#include "kernels/scan/scan_lookback.h"

#include "kernels/common/divide_up.h"
#include "kernels/scan/scan.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;
using ir::Var;

namespace {

constexpr uint32_t kTicket = 0;      // where workgroups are counted
constexpr uint32_t kPublished = 32;  // the first published word, in another cache line
constexpr uint32_t kChunkShift = 5;
static_assert(1 << kChunkShift == kScanChunk);

uint32_t published_words(std::span<const ir::Type> accumulator) {
  uint32_t words = 1;
  for (const ir::Type& part : accumulator) words += static_cast<uint32_t>(ir::bytes(part)) / 4;
  return words;
}

}  // namespace

LookBackSize look_back_size(std::span<const ir::Type> accumulator, uint64_t lines,
                            uint64_t blocks) {
  uint64_t count = blocks, all = blocks;
  uint32_t levels = 1;
  while (count > kScanChunk) {
    count = divide_up(count, kScanChunk);
    all += count;
    ++levels;
  }
  return {levels, kPublished + lines * all * published_words(accumulator)};
}

LookBack::LookBack(ir::Builder& builder, const Fold& fold, const Accumulator& identity,
                   Value workspace, uint32_t levels)
    : b_(builder),
      fold_(fold),
      identity_(identity),
      workspace_(workspace),
      levels_(levels),
      words_(published_words(fold.parts())) {}

Value LookBack::ticket() {
  const ir::Shared shared = b_.shared("ticket", ir::kU32, 1);
  b_.if_(b_.builtin(ir::Builtin::local_index) == 0u, [&] {
    const Value ticket = b_.atomic(Opcode::atomic_add, workspace_, b_.u32(kTicket), b_.u32(1));
    b_.shared_store(shared, b_.u32(0), ticket);
  });
  b_.barrier();
  return b_.shared_load(shared, b_.u32(0));
}

Accumulator LookBack::prefix(const Block& block, const Accumulator& total) {
  std::vector<Value> counts = {block.blocks};  // of a line's values, by level
  Value line_values = block.blocks;
  while (counts.size() < levels_) {
    counts.push_back((counts.back() + (kScanChunk - 1)) >> kChunkShift);
    line_values = line_values + counts.back();
  }
  Value first = block.line * line_values;  // of the line's on this level
  Value index = block.index, publishes = block.exists & (block.lane == 0u);
  Accumulator own = total;  // of what ends with this block
  std::vector<Accumulator> before;
  for (uint32_t level = 0; level < levels_; ++level) {
    b_.if_(publishes, [&] { publish(first + index, own); });
    b_.barrier();
    const Value place = index & (kScanChunk - 1);
    const std::vector<Var> found = fold_.variables(identity_);
    b_.if_(block.exists & (block.lane < place),
           [&] { Fold::write(found, wait(first + (index - place) + block.lane)); });
    block.room->store(block.slot(block.lane), Fold::read(found));
    b_.barrier();
    before.push_back(fold_room(block, place));
    own = fold_.combine(before.back(), own);
    publishes = publishes & (place == kScanChunk - 1);
    first = first + counts[level];
    index = index >> kChunkShift;
  }
  Accumulator prefix = before.back();
  for (size_t level = before.size() - 1; level-- > 0;) {
    prefix = fold_.combine(prefix, before[level]);
  }
  return prefix;
}

// The first ones, from left to right, some loads under way at once. Behind them are identities.
Accumulator LookBack::fold_room(const Block& block, Value count) {
  constexpr uint32_t kLoads = 8;
  static_assert(kScanChunk % kLoads == 0);
  const std::vector<Var> sum = fold_.variables(identity_);
  b_.for_range(b_.u32(0), count, b_.u32(kLoads), [&](Value first) {
    std::vector<Accumulator> loaded;
    for (uint32_t k = 0; k < kLoads; ++k) {
      loaded.push_back(block.room->load(block.slot(first + k)));
    }
    Accumulator a = Fold::read(sum);
    for (const Accumulator& next : loaded) a = fold_.combine(a, next);
    Fold::write(sum, a);
  });
  return Fold::read(sum);
}

void LookBack::publish(Value slot, const Accumulator& value) {
  std::vector<Value> words;
  for (const Value& part : value) {
    if (ir::bytes(part.type()) == 4) {
      words.push_back(b_.bitcast(part, ir::kU32));
    } else {
      const Value pair = b_.bitcast(part, ir::vec(ir::kU32, 2));
      words.insert(words.end(), {b_.extract(pair, 0), b_.extract(pair, 1)});
    }
  }
  const Value at = slot * words_ + kPublished;
  Value tops = b_.u32(1);
  for (uint32_t i = 0; i < words.size(); ++i) {
    b_.atomic_store(workspace_, at + i, (words[i] << 1) | 1u);
    tops = tops | ((words[i] >> 31) << static_cast<int>(i + 1));
  }
  b_.atomic_store(workspace_, at + (words_ - 1), tops);
}

Accumulator LookBack::wait(Value slot) {
  const Value at = slot * words_ + kPublished;
  std::vector<Var> published;
  for (uint32_t i = 0; i < words_; ++i) published.push_back(b_.var(b_.u32(0)));
  // Tested at its top: lavapipe of Mesa 22.3 loses what a lane loaded last in a loop that it leaves
  // before others.
  b_.loop(
      [&] {
        Value all = published[0].get();
        for (const Var& word : published) all = all & word.get();
        b_.break_if((all & 1u) != 0u);
        for (uint32_t i = 0; i < words_; ++i) published[i].set(b_.atomic_load(workspace_, at + i));
      },
      ir::Unrolling::never);
  const Value tops = published.back().get();
  uint32_t next = 0;
  const auto word = [&] {
    const Value low = published[next].get() >> 1;
    ++next;
    return low | ((tops >> static_cast<int>(next)) << 31);
  };
  Accumulator value;
  for (const ir::Type& type : fold_.parts()) {
    const Value low = word();
    value.push_back(ir::bytes(type) == 4 ? b_.bitcast(low, type)
                                         : b_.bitcast(b_.pack({low, word()}), type));
  }
  return value;
}

}  // namespace nxv::kernels

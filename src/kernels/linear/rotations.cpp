#include "kernels/linear/rotations.h"

#include <algorithm>
#include <bit>

namespace nxv::kernels {
namespace {

using ir::Value;

// Of the largest element of the sweep before: convergence is quadratic, so that what is smaller
// loses nothing by waiting.
constexpr double kShare = 0x1p-17;

struct ClearProgress {
  static constexpr std::string_view kName = "progress";
  using Layout = NoLayout;
  using Words = NoWords;
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 1}; }
  static void emit(StepKernel<ClearProgress>& k) {
    k.each_item([&](Value i) { k.b.store(k.workspace(0), i, k.b.u32(0)); });
  }
};

// An invocation for each number counts what comes before it.
struct Order {
  static constexpr std::string_view kName = "order";
  using Layout = NoLayout;
  struct Words {
    Divisor count;  // numbers of a matrix
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<Order>& k) {
    const auto size_at = [&](Value i) { return ir::math::abs(k.load_real(k.workspace(0), i)); };
    k.each_item([&](Value at) {
      const Value count = k.words[&Words::count];
      const Value first = k.words.divide(at, &Words::count) * count;
      const Value own = size_at(at), own_nan = ir::math::is_nan(own);
      const ir::Var before = k.b.var(k.b.u32(0));
      k.b.for_range(first, first + count, k.b.u32(1), [&](Value i) {
        const Value other = size_at(i), other_nan = ir::math::is_nan(other);
        const Value is_equal = (own_nan & other_nan) | (other == own);
        const Value is_larger = (other_nan & !own_nan) | (other > own);
        const Value precedes = is_larger | (is_equal & (i < at));
        before.set(before.get() + k.b.select(precedes, k.b.u32(1), k.b.u32(0)));
      });
      k.b.store(k.workspace(1), first + before.get(), at - first);
    });
  }
};

}  // namespace

Pair pair_of_round(LinearKernel& k, Value pair, Value half, Value shift) {
  // Row 0 stays at the top; the others move along a ring: top 1, .., top h - 1, bottom h - 1, ..,
  // bottom 0.
  const Value length = half + half - 1u;
  const auto row_at = [&](Value place) {
    const Value moved = place + length - shift;
    const Value start = k.b.select(moved >= length, moved - length, moved);
    return k.b.select(start + 1u < half, start + 1u, half + length - 1u - start);
  };
  const Value top = k.b.select(pair == 0u, pair, row_at(pair - 1u));
  return {top, row_at(length - 1u - pair)};
}

uint64_t sweeps_for(uint64_t n) { return 9 + static_cast<uint64_t>(std::bit_width(n)); }

int add_progress(Steps& steps, uint64_t batch, uint64_t sweeps) {
  const int words = steps.indices(batch * sweeps);
  steps.add<ClearProgress>(batch * sweeps, {}, {.workspaces = {writes(words)}});
  return words;
}

Progress progress_of(LinearKernel& k, Value words, Value first, Value sweep, Value least) {
  const Value is_first = sweep == 0u;
  const Value before = k.b.select(is_first, sweep, sweep - 1u);
  const Value bits = k.b.load(words, first + before, ir::kU32);
  const Value largest = ir::widen(k.b.bitcast(bits, ir::kF32), k.part);
  const Value share = largest * k.number(kShare);
  return {is_first | (largest > least), k.b.select(is_first | (share < least), least, share)};
}

void record(LinearKernel& k, Value words, Value index, Value element) {
  const Value size = ir::math::abs(element);
  const Value rounded = size.type() == ir::kF32 ? size : k.b.convert(size, ir::kF32);
  const Value bits = k.b.bitcast(rounded, ir::kU32);
  if (k.worker == Worker::lone) {
    const Value before = k.b.load(words, index, ir::kU32);
    k.b.store(words, index, k.b.binary(ir::Opcode::max, before, bits));
  } else {
    k.b.atomic(ir::Opcode::atomic_max, words, index, bits);
  }
}

std::vector<SweepWords> lone_sweeps(const Steps& steps, uint64_t half, uint64_t sweeps,
                                    uint64_t iterations) {
  const uint64_t rounds = 2 * half - 1, all = sweeps * rounds;
  const uint64_t together =
      std::max<uint64_t>(1, (steps.target.plan->max_loop_iterations - 1) / (iterations + 1));
  std::vector<SweepWords> pieces;
  for (uint64_t begin = 0; begin < all; begin += together) {
    pieces.push_back({.steps = {begin, std::min(begin + together, all)},
                      .half = word(half),
                      .sweeps = word(sweeps),
                      .rounds = Divisor(rounds)});
  }
  return pieces;
}

void each_lone_round(LinearKernel& k, const WordValues<SweepWords>& words,
                     const std::function<void(const LoneRound&)>& body) {
  each_step(k, words[&SweepWords::steps], [&](Value matrix, Value step) {
    const Value sweep = words.divide(step, &SweepWords::rounds);
    const Value shift = step - sweep * words[&SweepWords::rounds];
    body({matrix, words[&SweepWords::half], shift, sweep, words[&SweepWords::sweeps]});
  });
}

void add_order(Steps& steps, int values, int order, uint64_t batch, uint64_t count) {
  steps.add<Order>(batch * count, {.count = Divisor(count)},
                   {.workspaces = {reads(values), writes(order)}});
}

}  // namespace nxv::kernels

// Combines the parts of the rows of an attention of few queries (attention_decode.h). A workgroup
// takes a row: parts by their numbers, so that the order of additions follows from how many there
// are.
#include <array>

#include "kernels/attention/attention_decode.h"
#include "kernels/attention/attention_result.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

constexpr uint32_t kThreads = kCombineInvocations, kRuns = 16;

class AttentionCombination {
 public:
  AttentionCombination(const Region& region, const Target& target, const CombineLayout& layout)
      : layout_(layout),
        b_("attention_combination", kThreads),
        arguments_(b_, region, kWordsOf<DecodeWords>,
                   {.overlap = Overlap::apart, .reads_output = false, .workspaces = 1}),
        words_(arguments_.words_as<DecodeWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        math_(target.math),
        folded_(b_.shared("folded", ir::kF32, kThreads + kRuns)),
        factors_(b_.shared("factors", ir::kF32, kThreads)),
        totals_(b_.shared("totals", ir::kF32, 2 * kThreads)),
        local_(b_.builtin(ir::Builtin::local_index)) {}

  ir::Kernel run() {
    const Value row = linear_group(b_);
    b_.if_(row < scores_.word(&Words::groups), [&] {
      find(row);
      combine();
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;

  void find(Value row) {
    number_ = row;
    const auto& words = scores_.words();
    const Value head_of_all = words_.divide(row, &DecodeWords::row_blocks);
    const Value number = row - head_of_all * words_[&DecodeWords::row_blocks];
    row_.batch = words.divide(head_of_all, &Words::heads);
    const Value kv_head = head_of_all - row_.batch * words[&Words::heads];
    row_.query = words.divide(number, &Words::head_group);
    const Value group = words[&Words::head_group];
    row_.head = kv_head * group + (number - row_.query * group);
    parts_ = words_[&DecodeWords::parts];
    scores_.select_head(row_.head);
  }

  Value statistic(Value part, uint32_t which) const {
    const Value at = words_[&DecodeWords::statistics] + (number_ * parts_ + part) * 2u + which;
    return b_.load(arguments_.workspace(0), at, ir::kF32);
  }

  // Of the invocations' values: of runs of them, then of the runs.
  Value fold(Value v, const std::function<Value(Value, Value)>& combine) {
    constexpr uint32_t kRun = kThreads / kRuns;
    const auto run_from = [&](Value first, uint32_t count) {
      Value all = b_.shared_load(folded_, first);
      for (uint32_t i = 1; i < count; ++i) all = combine(all, b_.shared_load(folded_, first + i));
      return all;
    };
    b_.barrier();
    b_.shared_store(folded_, local_, v);
    b_.barrier();
    b_.if_(local_ < kRuns,
           [&] { b_.shared_store(folded_, local_ + kThreads, run_from(local_ * kRun, kRun)); });
    b_.barrier();
    return run_from(b_.u32(kThreads), kRuns);
  }

  void combine() {
    const Var most = b_.var(layout_.options.has_sinks ? scores_.sink() : scores_.lowest());
    b_.for_range(local_, parts_, b_.u32(kThreads),
                 [&](Value part) { most.set(larger_score(most.get(), statistic(part, 0))); });
    const Value largest = fold(most.get(), larger_score);
    const Value base = b_.select(largest == scores_.lowest(), scores_.zero(), largest);

    // An invocation has two columns, of every parts of a block that its team has.
    const Value width = scores_.word(&Words::value_width);
    const uint32_t teams = kThreads / layout_.pairs;
    const Value team = local_ / layout_.pairs;
    const Value column = (local_ - team * layout_.pairs) * 2u;
    std::array<Value, 2> at;
    for (uint32_t e = 0; e < 2; ++e) at[e] = b_.binary(Opcode::min, column + e, width - 1u);
    const Var sum = b_.var(scores_.zero());
    std::array<Var, 2> totals = {b_.var(scores_.zero()), b_.var(scores_.zero())};
    b_.for_range(b_.u32(0), parts_, b_.u32(kThreads), [&](Value first) {
      const Value own = b_.binary(Opcode::min, first + local_, parts_ - 1u);
      const Value scale = exponential(statistic(own, 0) - base);
      const Value part_sum = statistic(own, 1);
      const Value is_there = first + local_ < parts_;
      // What has no sum has no totals either.
      const Value factor =
          b_.select(is_there & (part_sum != scores_.zero()), scale, scores_.zero());
      sum.set(sum.get() + b_.select(is_there, factor * part_sum, scores_.zero()));
      b_.barrier();
      b_.shared_store(factors_, local_, factor);
      b_.barrier();
      const Value end = b_.binary(Opcode::min, parts_ - first, b_.u32(kThreads));
      constexpr uint32_t kAtOnce = 8;
      b_.for_range(team, end, b_.u32(teams * kAtOnce), [&](Value next) {
        std::array<std::array<Value, 2>, kAtOnce> loaded;
        std::array<Value, kAtOnce> scales;
        for (uint32_t i = 0; i < kAtOnce; ++i) {
          const Value in_block = next + i * teams;
          const Value part = b_.binary(Opcode::min, in_block, end - 1u);
          scales[i] = b_.select(in_block < end, b_.shared_load(factors_, part), scores_.zero());
          const Value start = (number_ * parts_ + first + part) * width;
          for (uint32_t e = 0; e < 2; ++e) {
            loaded[i][e] = b_.load(arguments_.workspace(0), start + at[e], ir::kF32);
          }
        }
        for (uint32_t i = 0; i < kAtOnce; ++i) {
          for (uint32_t e = 0; e < 2; ++e) {
            const Value more = b_.fma(loaded[i][e], scales[i], totals[e].get());
            totals[e].set(b_.select(scales[i] == scores_.zero(), totals[e].get(), more));
          }
        }
      });
    });
    Value all = fold(sum.get(), [](Value a, Value b) { return a + b; });
    if (layout_.options.has_sinks) all = all + exponential(scores_.sink() - base);
    b_.barrier();
    for (uint32_t e = 0; e < 2; ++e) {
      b_.shared_store(totals_, local_ * 2u + e, totals[e].get());
    }
    b_.barrier();
    b_.if_(local_ < layout_.pairs, [&] {
      std::array<Value, 2> result;
      for (uint32_t e = 0; e < 2; ++e) {
        result[e] = b_.shared_load(totals_, local_ * 2u + e);
        for (uint32_t t = 1; t < teams; ++t) {
          result[e] = result[e] + b_.shared_load(totals_, (local_ + t * layout_.pairs) * 2u + e);
        }
      }
      store_columns(b_, arguments_, scores_, layout_.options, row_, column, result, all);
    });
    if (layout_.options.statistics < 0) return;
    b_.if_(local_ == 0u, [&] {
      store_statistics(b_, arguments_, scores_, layout_.options, math_, row_, base, all);
    });
  }

  const CombineLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<DecodeWords> words_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const Shared folded_, factors_, totals_;
  const Value local_;
  AttentionRow row_;
  Value number_, parts_;
};

}  // namespace

ir::Kernel generate_attention_combination(const Region& region, const Target& target,
                                          const CombineLayout& layout) {
  return AttentionCombination(region, target, layout).run();
}

}  // namespace nxv::kernels

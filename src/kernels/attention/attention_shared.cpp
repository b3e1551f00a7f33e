// Attention without matrix units, on blocks of matrices in shared memory: a workgroup takes 8 *
// `rows` queries and goes over the keys 32 at a time.
#include "kernels/attention/attention_tiles.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;
using ir::Var;

class SharedAttention {
 public:
  SharedAttention(const Region& region, const Target& target, const SharedAttentionLayout& layout)
      : layout_(layout),
        b_("attention_shared", AttentionTiles::kInvocations),
        arguments_(b_, region, kWordsOf<AttentionWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        scores_(b_, arguments_, region, options_, target.math),
        math_(target.math),
        tiles_(b_, arguments_, scores_, layout.rows, layout.wide, layout.in_turn) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < word(&Words::groups), [&] {
      block_ = scores_.select(group, tiles_.block_rows());
      attend();
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;

  Value word(uint32_t Words::*member) const { return scores_.word(member); }
  Value row(uint32_t i) const { return block_.first_row + tiles_.row_in_block(i); }

  void attend() {
    const Value first_max = options_.has_sinks ? scores_.sink() : scores_.lowest();
    Value first_sum = tiles_.zero();
    if (options_.has_sinks) {
      // A sink is in the sum of one lane.
      first_sum = b_.select(tiles_.lane() == 0u, b_.number(tiles_.sum_type(), 1), first_sum);
    }
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      maxima_.push_back(b_.var(first_max));
      sums_.push_back(b_.var(first_sum));
    }
    totals_ = tiles_.zero_totals(layout_.value_slabs);

    const DType type = options_.type;
    const Value keys = word(&Words::keys), width = word(&Words::width);
    const AttentionTiles::Factor q{
        0, type, layout_.query_groups, block_.head, word(&Words::queries), width};
    const AttentionTiles::Factor k{1, type, layout_.key_groups, block_.kv_head, keys, width};
    const AttentionTiles::Factor v{
        2, type, layout_.value_groups, block_.kv_head, keys, word(&Words::value_width)};
    const uint32_t step = AttentionTiles::kOthers;
    const auto range =
        scores_.keys_of(block_.first_row, block_.first_row + tiles_.block_rows(), step);
    b_.for_range(range.begin, range.end, b_.u32(step), [&](Value key) {
      const auto scales = weigh(tiles_.multiply(q, block_.first_row, k, key), key);
      tiles_.add(v, key, layout_.value_slabs, totals_, scales);
    });
    finish();
  }

  // Scores of products go to shared memory as weights. Returns by what the rows' totals shrink.
  std::vector<Value> weigh(std::vector<Value> s, Value first_key) {
    std::vector<Value> maxima;
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      Value largest = maxima_[i].get();
      for (uint32_t j = 0; j < 4; ++j) {
        Value& v = s[4 * i + j];
        v = scores_.score(v, row(i), first_key + tiles_.lane() * 4u + j);
        largest = larger_score(largest, v);
      }
      maxima.push_back(largest);
    }
    maxima = tiles_.exchange(maxima, [&](std::vector<Value> all) {
      Value largest = all[0];
      for (size_t l = 1; l < all.size(); ++l) largest = larger_score(largest, all[l]);
      return largest;
    });
    std::vector<Value> scales;
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      // Of a row that has seen no key yet: all its weights are 0.
      const Value base = b_.select(maxima[i] == scores_.lowest(), scores_.zero(), maxima[i]);
      const Value scale = tiles_.widened(exponential(maxima_[i].get() - base));
      Value sum = sums_[i].get() * scale;
      for (uint32_t j = 0; j < 4; ++j) {
        Value& p = s[4 * i + j];
        p = exponential(p - base);
        sum = sum + tiles_.widened(p);
      }
      maxima_[i].set(maxima[i]);
      sums_[i].set(sum);
      scales.push_back(scale);
    }
    tiles_.share(s);
    return scales;
  }

  void finish() {
    b_.barrier();
    std::vector<Value> parts;
    for (const Var& sum : sums_) parts.push_back(tiles_.rounded(sum.get()));
    const auto sums = tiles_.exchange(parts, [&](std::vector<Value> all) {
      for (Value& v : all) v = tiles_.widened(v);
      return folded(std::move(all));
    });
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      b_.if_(row(i) < word(&Words::queries), [&] {
        if (options_.result >= 0) store_row(i, sums[i]);
        if (options_.statistics >= 0) store_statistics(i, sums[i]);
      });
    }
  }

  void store_row(uint32_t i, Value sum) {
    const Value one = b_.number(tiles_.sum_type(), 1);
    // What sees no key has totals of 0.
    const Value scale = one / b_.select(sum == tiles_.zero(), one, sum);
    const Value start = block_.batch * word(&Words::batch_stride) +
                        block_.head * word(&Words::head_stride) + row(i) * word(&Words::row_stride);
    const AttentionTiles::Result result{arguments_.output(static_cast<size_t>(options_.result)),
                                        start, word(&Words::value_width), options_.stored,
                                        layout_.result_groups};
    tiles_.store(result, i, layout_.value_slabs, totals_, scale);
  }

  void store_statistics(uint32_t i, Value sum) {
    const Value at =
        (block_.batch * scores_.words()[&Words::heads] + block_.head) * word(&Words::queries) +
        row(i);
    const Value log = ir::math::log(tiles_.rounded(sum), math_);
    const Value v = b_.select(sum == tiles_.zero(), scores_.lowest(), maxima_[i].get() + log);
    b_.if_(tiles_.lane() == 0u,
           [&] { b_.store(arguments_.output(static_cast<size_t>(options_.statistics)), at, v); });
  }

  const SharedAttentionLayout layout_;
  const AttentionOptions& options_ = layout_.options;
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  AttentionTiles tiles_;
  AttentionScores::Block block_;
  std::vector<Var> maxima_, sums_, totals_;  // of this invocation's rows
};

}  // namespace

ir::Kernel generate_shared_attention(const Region& region, const Target& target,
                                     const SharedAttentionLayout& layout) {
  return SharedAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

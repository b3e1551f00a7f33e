// Gradients without matrix units, on blocks of matrices in shared memory.
#include "kernels/attention/attention_gradient.h"
#include "kernels/attention/attention_tiles.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;
using ir::Var;

class AttentionGradient {
 public:
  AttentionGradient(const Region& region, const Target& target,
                    const GradientAttentionLayout& layout)
      : layout_(layout),
        b_(layout.of_queries ? "attention_gradient_queries" : "attention_gradient_keys",
           AttentionTiles::kInvocations),
        arguments_(b_, region, kWordsOf<GradientWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        words_(arguments_.words_as<GradientWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        operands_(scores_.operands().count),
        tiles_(b_, arguments_, scores_, layout.rows, layout.wide, layout.in_turn) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < word(&Words::groups),
           [&] { layout_.of_queries ? for_queries(group) : for_keys(group); });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;
  using Factor = AttentionTiles::Factor;
  static constexpr uint32_t kOthers = AttentionTiles::kOthers;

  Value word(uint32_t Words::*member) const { return scores_.word(member); }
  Value row(uint32_t i) const { return block_.first_row + tiles_.row_in_block(i); }
  // Of the others of a block, that which is the invocation's product j.
  Value other(Value first, uint32_t j) const { return first + tiles_.lane() * 4u + j; }

  Factor queries(Value head) const {
    return {0,    layout_.options.type,  layout_.query_groups,
            head, word(&Words::queries), word(&Words::width)};
  }
  Factor keys() const {
    return {1,
            layout_.options.type,
            layout_.key_groups,
            block_.kv_head,
            word(&Words::keys),
            word(&Words::width)};
  }
  Factor values() const {
    return {2,
            layout_.options.type,
            layout_.value_groups,
            block_.kv_head,
            word(&Words::keys),
            word(&Words::value_width)};
  }
  Factor gradient(Value head) const {
    return {operands_.gradient,    layout_.options.type,     layout_.gradient_groups, head,
            word(&Words::queries), word(&Words::value_width)};
  }

  // What is known of a query.
  struct Query {
    Value number, base, delta;
  };
  Query query(Value number) const {
    const Value sum = scores_.of_row(operands_.statistics, number);
    // Of a row that sees no key all weights are 0.
    const Value base = b_.select(sum == scores_.lowest(), scores_.zero(), sum);
    return {number, base, scores_.of_row(operands_.deltas, number)};
  }

  struct Weight {
    Value weight, change;  // P and dS
  };
  Weight weight(Value product, Value difference, const Query& q, Value key) const {
    const auto score = scores_.differentiated(product, q.number, key);
    const Value sees = scores_.sees(q.number, key) & (q.number < word(&Words::queries));
    const Value p = b_.select(sees, exponential(score.value - q.base), scores_.zero());
    return {p, p * (tiles_.rounded(difference) - q.delta) * score.slope};
  }

  void for_queries(Value group) {
    block_ = scores_.select(group, tiles_.block_rows());
    const auto totals = tiles_.zero_totals(layout_.slabs);
    std::vector<Query> rows;
    for (uint32_t i = 0; i < layout_.rows; ++i) rows.push_back(query(row(i)));
    const Factor q = queries(block_.head), g = gradient(block_.head), k = keys(), v = values();
    const auto range =
        scores_.keys_of(block_.first_row, block_.first_row + tiles_.block_rows(), kOthers);
    b_.for_range(range.begin, range.end, b_.u32(kOthers), [&](Value key) {
      auto products = tiles_.multiply(q, block_.first_row, k, key);
      const auto differences = tiles_.multiply(g, block_.first_row, v, key);
      for (uint32_t i = 0; i < layout_.rows; ++i) {
        for (uint32_t j = 0; j < 4; ++j) {
          Value& p = products[4 * i + j];
          p = weight(p, differences[4 * i + j], rows[i], other(key, j)).change;
        }
      }
      tiles_.share(products);
      tiles_.add(k, key, layout_.slabs, totals);
    });
    store(layout_.first, words_[&GradientWords::first], block_.head, word(&Words::queries),
          {layout_.slabs, word(&Words::width), layout_.query_groups}, totals);
  }

  void for_keys(Value group) {
    block_ = scores_.select_keys(group, tiles_.block_rows());
    const auto of_keys = tiles_.zero_totals(layout_.slabs);
    const auto of_values = tiles_.zero_totals(layout_.value_slabs);
    const Factor k = keys(), v = values();
    const auto range = scores_.queries_of(block_.first_row, tiles_.block_rows(), kOthers);
    const Value heads = scores_.words()[&Words::head_group];
    b_.for_range(b_.u32(0), heads, b_.u32(1), [&](Value number) {
      const Value head = block_.kv_head * heads + number;
      scores_.select_head(head);
      const Factor q = queries(head), g = gradient(head);
      b_.for_range(range.begin, range.end, b_.u32(kOthers), [&](Value first) {
        auto products = tiles_.multiply(k, block_.first_row, q, first);
        auto differences = tiles_.multiply(v, block_.first_row, g, first);
        for (uint32_t j = 0; j < 4; ++j) {
          const Query at = query(other(first, j));
          for (uint32_t i = 0; i < layout_.rows; ++i) {
            Value &p = products[4 * i + j], &d = differences[4 * i + j];
            const Weight w = weight(p, d, at, row(i));
            p = w.weight;
            d = w.change;
          }
        }
        if (layout_.second >= 0) {
          tiles_.share(products);
          tiles_.add(g, first, layout_.value_slabs, of_values);
          b_.barrier();
        }
        if (layout_.first < 0) return;
        tiles_.share(differences);
        tiles_.add(q, first, layout_.slabs, of_keys);
      });
    });
    store(layout_.first, words_[&GradientWords::first], block_.kv_head, word(&Words::keys),
          {layout_.slabs, word(&Words::width), layout_.key_groups}, of_keys);
    store(layout_.second, words_[&GradientWords::second], block_.kv_head, word(&Words::keys),
          {layout_.value_slabs, word(&Words::value_width), layout_.value_groups}, of_values);
  }

  struct Columns {
    uint32_t slabs = 0;
    Value count;
    bool groups = false;
  };
  void store(int root, const WordValues<AttentionResultWords>& place, Value head, Value end,
             const Columns& columns, const std::vector<Var>& totals) {
    if (root < 0) return;
    using Place = AttentionResultWords;
    const Value start =
        block_.batch * place[&Place::batch_stride] + head * place[&Place::head_stride];
    const Value one = b_.number(tiles_.sum_type(), 1);
    for (uint32_t i = 0; i < layout_.rows; ++i) {
      b_.if_(row(i) < end, [&] {
        const AttentionTiles::Result result{arguments_.output(static_cast<size_t>(root)),
                                            start + row(i) * place[&Place::row_stride],
                                            columns.count, layout_.options.stored, columns.groups};
        tiles_.store(result, i, columns.slabs, totals, one);
      });
    }
  }

  const GradientAttentionLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<GradientWords> words_;
  AttentionScores scores_;
  const AttentionGradientOperands operands_;
  AttentionTiles tiles_;
  AttentionScores::Block block_;
};

}  // namespace

ir::Kernel generate_attention_gradient(const Region& region, const Target& target,
                                       const GradientAttentionLayout& layout) {
  return AttentionGradient(region, target, layout).run();
}

}  // namespace nxv::kernels

#include "kernels/attention/attention_row.h"

#include <algorithm>
#include <array>

#include "kernels/attention/attention_chunks.h"
#include "kernels/attention/attention_result.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/grid.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;
using Words = AttentionWords;

constexpr uint32_t kTeam = kDecodeInvocations;  // invocations that have a part
constexpr uint32_t kLanes = 16;                 // of them, that fold the scores
constexpr uint32_t kValuesAtOnce = 4;           // chunks of values of an invocation
constexpr uint32_t kRun = 16;                   // parts whose sums are added up in order

// Numbers of a chunk's elements in shared memory, in chunks.
uint32_t number_chunks(const RowAttentionLayout& l) { return chunk_elements(l.options.type) / 4; }
uint32_t key_stride(const RowAttentionLayout& l) { return AttentionChunks::stride(l.width); }
// Of four columns.
uint32_t quads(const RowAttentionLayout& l) { return l.value_width * number_chunks(l); }
uint32_t combining_teams(const RowAttentionLayout& l) { return kCombineInvocations / l.pairs; }
// Keys of the parts at hand, later totals of invocations, later those of teams.
uint32_t slab_chunks(const RowAttentionLayout& l) {
  return std::max({l.teams * l.part * key_stride(l), l.teams * kTeam * number_chunks(l),
                   combining_teams(l) * quads(l)});
}

class RowAttention {
 public:
  RowAttention(const Region& region, const Target& target, const RowAttentionLayout& layout)
      : layout_(layout),
        elements_(chunk_elements(layout.options.type)),
        b_("attention_row", kTeam * layout.teams),
        arguments_(b_, region, kWordsOf<Words>, {.overlap = Overlap::apart, .reads_output = false}),
        scores_(b_, arguments_, region, layout.options, target.math),
        math_(target.math),
        slab_(b_.shared("slab", kChunkType, slab_chunks(layout))),
        query_(b_.shared("query", ir::vec(ir::kF32, 4), layout.width * number_chunks(layout))),
        weights_(b_.shared("weights", ir::kF32, layout.teams * layout.part)),
        maxima_(b_.shared("maxima", ir::kF32, layout.teams * kLanes)),
        sums_(b_.shared("sums", ir::kF32, layout.teams * kLanes)),
        totals_(b_.shared("totals", ir::vec(ir::kF32, 4), layout.parts * quads(layout))),
        part_maxima_(b_.shared("part_maxima", ir::kF32, layout.parts)),
        part_sums_(b_.shared("part_sums", ir::kF32, layout.parts)),
        factors_(b_.shared("factors", ir::kF32, layout.parts)),
        row_sums_(b_.shared("row_sums", ir::kF32, 2)),
        local_(b_.builtin(ir::Builtin::local_index)),
        team_(local_ / kTeam),
        lane_(local_ - team_ * kTeam) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < scores_.word(&Words::groups), [&] {
      find(group);
      load_query();
      clear_parts();
      go_over_parts();
      combine();
    });
    return b_.finish();
  }

 private:
  void find(Value group) {
    const auto block = scores_.select_keys(group, 1);
    const auto& words = scores_.words();
    kv_head_ = block.kv_head;
    row_.batch = block.batch;
    row_.query = words.divide(block.first_row, &Words::head_group);
    const Value heads = words[&Words::head_group];
    row_.head = kv_head_ * heads + (block.first_row - row_.query * heads);
    scores_.select_head(row_.head);
    seen_ = scores_.keys_of(b_.u32(0), scores_.word(&Words::queries), layout_.block);
  }

  void load_query() {
    const uint32_t fours = layout_.width * number_chunks(layout_);
    b_.if_(local_ < fours, [&] {
      const Value at = scores_.start(0, row_.head, row_.query) + local_ * 4u;
      const Group group = load_group(arguments_.operand(0), at >> 2, layout_.options.type);
      b_.shared_store(query_, local_,
                      b_.pack({group[0].re, group[1].re, group[2].re, group[3].re}));
    });
  }

  // What stays of parts without keys.
  void clear_parts() {
    b_.if_(local_ < layout_.parts, [&] {
      b_.shared_store(part_maxima_, local_, scores_.lowest());
      b_.shared_store(part_sums_, local_, scores_.zero());
    });
    const Value zero = scores_.zero(), end = b_.u32(layout_.parts * quads(layout_));
    b_.for_range(local_, end, b_.u32(kTeam * layout_.teams), [&](Value quad) {
      b_.shared_store(totals_, quad, b_.pack({zero, zero, zero, zero}));
    });
  }

  // ---- A team's part of those that are gone over together

  // Of a team beyond the last part, which has no keys, `end` is not above `begin`.
  struct Part {
    Value number, first, begin, end;
  };
  Part part(Value number) const {
    const Value first = number * layout_.part;
    return {number, first, b_.binary(Opcode::max, seen_.begin, first),
            b_.binary(Opcode::min, seen_.end, first + layout_.part)};
  }
  Value has_keys(const Part& p) const { return p.begin < p.end; }

  void go_over_parts() {
    const Value end = (seen_.end + (layout_.part - 1)) / layout_.part;
    Value begin = b_.u32(0);
    if (layout_.options.has_before) {
      begin = b_.binary(Opcode::min, seen_.begin / layout_.part, end);
    }
    load_keys(begin + team_);
    b_.for_range(begin, end, b_.u32(layout_.teams), [&](Value first) {
      const Part p = part(first + team_);
      const auto addends = scores_.addends(row_.query, p.first + lane_);
      const std::vector<Value> values = load_values(p);
      b_.barrier();
      store_keys();
      b_.barrier();
      load_keys(p.number + layout_.teams);
      b_.if_(lane_ < layout_.part, [&] { score_key(p, addends); });
      b_.barrier();
      weigh(p);
      add_values(p, values);
    });
    b_.barrier();
  }

  uint32_t slots() const {
    return static_cast<uint32_t>(divide_up(layout_.part * layout_.width, kTeam));
  }
  Value slot(uint32_t i) const { return i == 0 ? lane_ : lane_ + i * kTeam; }

  // This invocation's chunks of the keys of a part, also of those that nobody sees: the first ones
  // do not wait for how many are seen.
  void load_keys(Value number) {
    const bool is_first = keys_.empty();
    const Value last = scores_.word(&Words::keys) - 1u;
    for (uint32_t i = 0; i < slots(); ++i) {
      const Value index = slot(i), row = index / layout_.width;
      const Value key = b_.binary(Opcode::min, number * layout_.part + row, last);
      const Value column = (index - row * layout_.width) * elements_;
      const Value at = (scores_.start(1, kv_head_, key) + column) / elements_;
      const Value chunk = b_.load(arguments_.operand(1), at, kChunkType);
      is_first ? keys_.push_back(b_.var(chunk)) : keys_[i].set(chunk);
    }
  }

  void store_keys() {
    const Value first = team_ * (layout_.part * key_stride(layout_));
    const uint32_t count = layout_.part * layout_.width;
    for (uint32_t i = 0; i < slots(); ++i) {
      const Value index = slot(i), row = index / layout_.width;
      const auto put = [&] {
        const Value chunk = index - row * layout_.width;
        b_.shared_store(slab_, first + row * key_stride(layout_) + chunk, keys_[i].get());
      };
      (i + 1) * kTeam > count ? b_.if_(index < count, put) : put();
    }
  }

  // The score of a key: a chain for each element of a chunk.
  void score_key(const Part& p, const AttentionScores::Addends& addends) {
    const Value first = (team_ * layout_.part + lane_) * key_stride(layout_);
    std::vector<Value> sums(elements_, scores_.zero());
    for (uint32_t c = 0; c < layout_.width; ++c) {
      const std::vector<Value> k =
          chunk_numbers(b_.shared_load(slab_, first + c), layout_.options.type);
      for (uint32_t e = 0; e < elements_; e += 4) {
        const Value q = b_.shared_load(query_, b_.u32((c * elements_ + e) / 4));
        for (uint32_t i = 0; i < 4; ++i) {
          sums[e + i] = b_.fma(b_.extract(q, static_cast<int>(i)), k[e + i], sums[e + i]);
        }
      }
    }
    const Value s = scores_.score(folded(sums), row_.query, p.first + lane_, addends);
    b_.shared_store(weights_, team_ * layout_.part + lane_, s);
  }

  // ---- Scores become weights; the maximum and the sum of the part

  void weigh(const Part& p) {
    const uint32_t steps = layout_.part / kLanes;
    const Value place = team_ * kLanes, is_folding = lane_ < kLanes;
    const auto key = [&](uint32_t i) { return p.begin + lane_ + i * kLanes; };
    const auto weight = [&](uint32_t i) {
      const Value in_part = b_.binary(Opcode::min, key(i) - p.first, b_.u32(layout_.part - 1));
      return team_ * layout_.part + in_part;
    };
    std::vector<Var> scores;
    for (uint32_t i = 0; i < steps; ++i) scores.push_back(b_.var(scores_.lowest()));
    b_.if_(is_folding, [&] {
      Value most = scores_.lowest();
      for (uint32_t i = 0; i < steps; ++i) {
        const Value s = b_.shared_load(weights_, weight(i));
        scores[i].set(s);
        most = b_.select(key(i) < p.end, larger_score(most, s), most);
      }
      b_.shared_store(maxima_, place + lane_, most);
    });
    b_.barrier();
    b_.if_(is_folding, [&] {
      Value most = scores_.lowest();
      for (uint32_t l = 0; l < kLanes; ++l) {
        most = larger_score(most, b_.shared_load(maxima_, place + l));
      }
      const Value base = b_.select(most == scores_.lowest(), scores_.zero(), most);
      Value sum = scores_.zero();
      for (uint32_t i = 0; i < steps; ++i) {
        const Value w = exponential(scores[i].get() - base), is_there = key(i) < p.end;
        b_.if_(is_there, [&] { b_.shared_store(weights_, weight(i), w); });
        sum = b_.select(is_there, sum + w, sum);
      }
      b_.shared_store(sums_, place + lane_, sum);
      b_.if_((lane_ == 0u) & has_keys(p), [&] { b_.shared_store(part_maxima_, p.number, most); });
    });
    b_.barrier();
    b_.if_((lane_ == 0u) & has_keys(p), [&] {
      std::vector<Value> all;
      for (uint32_t l = 0; l < kLanes; ++l) all.push_back(b_.shared_load(sums_, place + l));
      b_.shared_store(part_sums_, p.number, folded(all));
    });
  }

  // ---- Weighted values: an invocation has a chunk of columns, of some of the keys

  uint32_t sharers() const { return kTeam / layout_.value_width; }  // of a chunk of columns
  Value sharer() const { return lane_ / layout_.value_width; }
  // Of so many keys of each sharer.
  uint32_t passes() const {
    return static_cast<uint32_t>(divide_up(layout_.part, sharers() * kValuesAtOnce));
  }
  Value key_of(const Part& p, uint32_t i) const { return p.begin + sharer() + i * sharers(); }
  Value inside(const Part& p, Value key) const {
    return b_.binary(Opcode::min, key, b_.binary(Opcode::max, p.end, b_.u32(1)) - 1u);
  }

  std::vector<Value> load_values(const Part& p) const {
    const Value column = (lane_ - sharer() * layout_.value_width) * elements_;
    std::vector<Value> loaded;
    for (uint32_t i = 0; i < passes() * kValuesAtOnce; ++i) {
      const Value at = scores_.start(2, kv_head_, inside(p, key_of(p, i))) + column;
      loaded.push_back(b_.load(arguments_.operand(2), at / elements_, kChunkType));
    }
    return loaded;
  }

  void add_values(const Part& p, const std::vector<Value>& values) {
    std::vector<Value> totals(elements_, scores_.zero());
    for (uint32_t pass = 0; pass < passes(); ++pass) {
      const Value is_run = key_of(p, pass * kValuesAtOnce) < p.end;
      std::vector<Value> next = totals;
      for (uint32_t i = pass * kValuesAtOnce; i < (pass + 1) * kValuesAtOnce; ++i) {
        const Value key = key_of(p, i);
        const Value in_part =
            b_.binary(Opcode::min, inside(p, key) - p.first, b_.u32(layout_.part - 1));
        const Value weight = b_.shared_load(weights_, team_ * layout_.part + in_part);
        const Value w = b_.select(key < p.end, weight, scores_.zero());
        const std::vector<Value> v = chunk_numbers(values[i], layout_.options.type);
        for (uint32_t e = 0; e < elements_; ++e) next[e] = b_.fma(w, v[e], next[e]);
      }
      for (uint32_t e = 0; e < elements_; ++e) {
        totals[e] = b_.select(is_run, next[e], totals[e]);
      }
    }
    const uint32_t chunks = number_chunks(layout_), across = quads(layout_);
    const Value first = team_ * (kTeam * chunks);
    for (uint32_t c = 0; c < chunks; ++c) {
      store_numbers(first + lane_ * chunks + c, std::span(totals).subspan(4 * c, 4));
    }
    b_.barrier();
    b_.if_((lane_ < across) & has_keys(p), [&] {
      std::array<Value, 4> sums = numbers(first + lane_);
      for (uint32_t s = 1; s < sharers(); ++s) {
        const auto next = numbers(first + lane_ + s * across);
        for (size_t e = 0; e < 4; ++e) sums[e] = sums[e] + next[e];
      }
      b_.shared_store(totals_, p.number * across + lane_, b_.pack(sums));
    });
  }

  // Four numbers in the place of a chunk of the slab.
  void store_numbers(Value chunk, std::span<const Value> four) {
    std::array<Value, 4> bits;
    for (size_t e = 0; e < 4; ++e) bits[e] = b_.bitcast(four[e], ir::kU32);
    b_.shared_store(slab_, chunk, b_.pack(bits));
  }
  std::array<Value, 4> numbers(Value chunk) const {
    const Value bits = b_.shared_load(slab_, chunk);
    std::array<Value, 4> four;
    for (int e = 0; e < 4; ++e) {
      four[static_cast<size_t>(e)] = b_.bitcast(b_.extract(bits, e), ir::kF32);
    }
    return four;
  }

  // ---- The parts of the row, as the kernel that combines them has them (attention_combination)

  void combine() {
    const bool has_sink = layout_.options.has_sinks;
    b_.if_(local_ < layout_.parts, [&] {
      const Value scale = exponential(b_.shared_load(part_maxima_, local_) - base());
      const Value sum = b_.shared_load(part_sums_, local_);
      // What has no sum has no totals either.
      b_.shared_store(factors_, local_, b_.select(sum != scores_.zero(), scale, scores_.zero()));
    });
    b_.barrier();
    const uint32_t teams = combining_teams(layout_), across = quads(layout_);
    b_.if_(local_ < teams * across, [&] {
      const Value team = local_ / across, quad = local_ - team * across;
      std::array<Value, 4> totals;
      totals.fill(scores_.zero());
      for (uint32_t first = 0; first < layout_.parts; first += teams) {
        const Value part = first == 0 ? team : team + first;
        const Value scale = b_.shared_load(factors_, part);
        const Value four = b_.shared_load(totals_, part * across + quad);
        for (size_t e = 0; e < 4; ++e) {
          const Value more = b_.fma(b_.extract(four, static_cast<int>(e)), scale, totals[e]);
          totals[e] = b_.select(scale == scores_.zero(), totals[e], more);
        }
      }
      store_numbers(local_, totals);
    });
    b_.if_(local_ == 0u, [&] {
      const Value base = this->base();
      Value all;
      for (uint32_t first = 0; first < layout_.parts; first += kRun) {
        Value run;
        for (uint32_t i = first; i < std::min(first + kRun, layout_.parts); ++i) {
          const Value part = b_.u32(i);
          const Value sum = b_.shared_load(factors_, part) * b_.shared_load(part_sums_, part);
          run = i == first ? sum : run + sum;
        }
        all = first == 0 ? run : all + run;
      }
      if (has_sink) all = all + exponential(scores_.sink() - base);
      b_.shared_store(row_sums_, b_.u32(0), base);
      b_.shared_store(row_sums_, b_.u32(1), all);
    });
    b_.barrier();
    const Value sum = b_.shared_load(row_sums_, b_.u32(1));
    b_.if_(local_ < across, [&] {
      std::array<Value, 4> result = numbers(local_);
      for (uint32_t t = 1; t < teams; ++t) {
        const auto next = numbers(local_ + t * across);
        for (size_t e = 0; e < 4; ++e) result[e] = result[e] + next[e];
      }
      for (uint32_t e = 0; e < 4; e += 2) {
        store_columns(b_, arguments_, scores_, layout_.options, row_, local_ * 4u + e,
                      {result[e], result[e + 1]}, sum);
      }
    });
    if (layout_.options.statistics < 0) return;
    b_.if_(local_ == 0u, [&] {
      store_statistics(b_, arguments_, scores_, layout_.options, math_, row_,
                       b_.shared_load(row_sums_, b_.u32(0)), sum);
    });
  }

  // Of the weights of all parts.
  Value base() const {
    Value most = layout_.options.has_sinks ? scores_.sink() : scores_.lowest();
    for (uint32_t p = 0; p < layout_.parts; ++p) {
      most = larger_score(most, b_.shared_load(part_maxima_, b_.u32(p)));
    }
    return b_.select(most == scores_.lowest(), scores_.zero(), most);
  }

  const RowAttentionLayout layout_;
  const uint32_t elements_;  // of a chunk
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const Shared slab_, query_, weights_, maxima_, sums_, totals_, part_maxima_, part_sums_, factors_,
      row_sums_;
  const Value local_, team_, lane_;
  Value kv_head_;
  AttentionRow row_;
  AttentionScores::Range seen_;
  std::vector<Var> keys_;
};

}  // namespace

uint32_t row_shared_bytes(const RowAttentionLayout& l) {
  const uint32_t numbers = 4 * l.width * number_chunks(l) + l.teams * (l.part + 2 * kLanes) +
                           l.parts * (4 * quads(l) + 3) + 2;
  return 16 * slab_chunks(l) + 4 * numbers;
}

ir::Kernel generate_row_attention(const Region& region, const Target& target,
                                  const RowAttentionLayout& layout) {
  return RowAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

// The parts of an attention of few queries (attention_decode.h).
#include <array>

#include "ir/ops/narrow.h"
#include "kernels/attention/attention_chunks.h"
#include "kernels/attention/attention_decode.h"
#include "kernels/common/grid.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

constexpr uint32_t kThreads = kDecodeInvocations;
constexpr uint32_t kRowLanes = 16;     // invocations that fold the scores of a row
constexpr uint32_t kValuesAtOnce = 4;  // chunks that an invocation has under way

class AttentionParts {
 public:
  AttentionParts(const Region& region, const Target& target, const DecodeLayout& layout)
      : layout_(layout),
        elements_(chunk_elements(layout.options.type)),
        b_("attention_parts", kThreads),
        arguments_(b_, region, kWordsOf<DecodeWords>,
                   {.overlap = Overlap::apart, .reads_output = false, .workspaces = 1}),
        words_(arguments_.words_as<DecodeWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        queries_(b_.shared("queries", ir::vec(ir::kF32, 4), layout.rows * width_fours())),
        keys_(b_.shared("keys", kChunkType, layout.tile * AttentionChunks::stride(layout.width))),
        weights_(b_.shared("weights", ir::kF32, layout.rows * layout.part)),
        exchange_(b_.shared("exchange", ir::kF32, kThreads * elements_)),
        local_(b_.builtin(ir::Builtin::local_index)) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < scores_.word(&Words::groups), [&] {
      find(group);
      compute();
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;

  uint32_t width_fours() const { return layout_.width * elements_ / 4; }
  Value word(uint32_t DecodeWords::*member) const { return words_[member]; }

  void find(Value group) {
    block_ = scores_.select_keys(group, 1);
    const Value in_head = block_.first_row;  // block of rows, then part
    const Value parts = word(&DecodeWords::parts);
    const Value block = in_head / parts;
    part_ = in_head - block * parts;
    first_row_ = block * layout_.rows;
    const auto seen = scores_.keys_of(b_.u32(0), scores_.word(&Words::queries), layout_.tile);
    const Value first = part_ * layout_.part;
    begin_ = b_.binary(Opcode::max, seen.begin, first);
    end_ = b_.binary(Opcode::min, seen.end, first + layout_.part);
    first_key_ = first;
  }

  // A row as the query and the head it is of; of rows beyond the end, the last.
  struct Row {
    Value query, head;
  };
  Row row(Value number) const {
    const Value last = word(&DecodeWords::rows) - 1u;
    const Value inside = b_.binary(Opcode::min, first_row_ + number, last);
    const auto& words = scores_.words();
    const Value query = words.divide(inside, &Words::head_group);
    const Value group = words[&Words::head_group];
    return {query, block_.kv_head * group + (inside - query * group)};
  }

  void compute() {
    // What no query sees is not read.
    b_.if_(
        begin_ < end_,
        [&] {
          load_values(begin_ + team());
          load_queries();
          score_keys();
          fold_rows();
          add_values();
        },
        [&] {
          b_.if_(local_ < layout_.rows,
                 [&] { store_statistics(local_, scores_.lowest(), scores_.zero()); });
        });
  }

  void load_queries() {
    const uint32_t fours = width_fours();
    const Value width = scores_.word(&Words::width);
    b_.for_range(local_, b_.u32(layout_.rows * fours), b_.u32(kThreads), [&](Value i) {
      const Value number = i / fours, column = (i - number * fours) * 4u;
      const Row r = row(number);
      const Value at =
          scores_.start(0, r.head, r.query) + b_.binary(Opcode::min, column, width - 4u);
      const Group group = load_group(arguments_.operand(0), at >> 2, layout_.options.type);
      std::array<Value, 4> v;
      for (size_t e = 0; e < 4; ++e) {
        v[e] = b_.select(column < width, group[e].re, scores_.zero());
      }
      b_.shared_store(queries_, i, b_.pack(v));
    });
  }

  // ---- Scores of the part to shared memory. Invocations side by side have keys side by side;
  // where there are more than keys in a tile, they share the rows.

  void score_keys() {
    const uint32_t sharers = std::min(kThreads / layout_.tile, layout_.rows);
    const uint32_t rows = layout_.rows / sharers;
    AttentionChunks tile(b_, arguments_, scores_, 1, layout_.options.type, layout_.tile,
                         layout_.width, scores_.word(&Words::width), kThreads);
    tile.place(keys_, 0);
    const Value end = scores_.word(&Words::keys);
    const Value share = local_ / layout_.tile, in_tile = local_ - share * layout_.tile;
    tile.load(block_.kv_head, begin_, end);
    b_.for_range(begin_, end_, b_.u32(layout_.tile), [&](Value first) {
      b_.barrier();
      tile.store();
      b_.barrier();
      tile.load(block_.kv_head, first + layout_.tile, end);
      b_.if_(share < sharers, [&] {
        // A chain for each element of a chunk.
        std::vector<std::vector<Value>> sums(rows, std::vector<Value>(elements_, scores_.zero()));
        for (uint32_t c = 0; c < layout_.width; ++c) {
          const std::vector<Value> k = chunk_numbers(tile.chunk(in_tile, c), layout_.options.type);
          for (uint32_t r = 0; r < rows; ++r) {
            for (uint32_t e = 0; e < elements_; e += 4) {
              const Value at = (share * rows + r) * width_fours() + (c * elements_ + e) / 4;
              const Value q = b_.shared_load(queries_, at);
              for (uint32_t i = 0; i < 4; ++i) {
                sums[r][e + i] =
                    b_.fma(b_.extract(q, static_cast<int>(i)), k[e + i], sums[r][e + i]);
              }
            }
          }
        }
        for (uint32_t r = 0; r < rows; ++r) {
          const Value number = share * rows + r, key = first + in_tile;
          const Row at = row(number);
          scores_.select_head(at.head);
          const Value s = scores_.score(folded(sums[r]), at.query, key);
          b_.shared_store(weights_, number * layout_.part + (key - first_key_), s);
        }
      });
    });
    b_.barrier();
  }

  // ---- Scores become weights; the maximum and the sum of each row

  void fold_rows() {
    const Value number = local_ / kRowLanes, lane = local_ - number * kRowLanes;
    const Value has_row = number < layout_.rows;
    const Var largest = b_.var(scores_.lowest()), sum = b_.var(scores_.zero());
    const Value from = number * layout_.part - first_key_;
    const auto each_key = [&](const std::function<void(Value)>& visit) {
      b_.for_range(begin_ + lane, end_, b_.u32(kRowLanes), [&](Value key) { visit(from + key); });
    };
    const auto exchange = [&](Value v) {
      b_.shared_store(exchange_, local_, v);
      b_.barrier();
      std::vector<Value> all;
      for (uint32_t l = 0; l < kRowLanes; ++l) {
        all.push_back(b_.shared_load(exchange_, number * kRowLanes + l));
      }
      b_.barrier();
      return all;
    };
    b_.if_(has_row, [&] {
      each_key([&](Value at) {
        largest.set(larger_score(largest.get(), b_.shared_load(weights_, at)));
      });
    });
    Value most = scores_.lowest();
    for (Value v : exchange(largest.get())) most = larger_score(most, v);
    const Value base = b_.select(most == scores_.lowest(), scores_.zero(), most);
    b_.if_(has_row, [&] {
      each_key([&](Value at) {
        const Value p = exponential(b_.shared_load(weights_, at) - base);
        b_.shared_store(weights_, at, p);
        sum.set(sum.get() + p);
      });
    });
    const Value total = folded(exchange(sum.get()));
    b_.if_(has_row & (lane == 0u), [&] { store_statistics(number, most, total); });
  }

  // Whose place in the workspace: {batch, head of keys, row, part}.
  Value place(Value number) const {
    const Value head = block_.batch * scores_.words()[&Words::heads] + block_.kv_head;
    return (head * word(&DecodeWords::rows) + first_row_ + number) * word(&DecodeWords::parts) +
           part_;
  }

  void store_statistics(Value number, Value most, Value sum) {
    b_.if_(first_row_ + number < word(&DecodeWords::rows), [&] {
      const Value at = word(&DecodeWords::statistics) + place(number) * 2u;
      b_.store(arguments_.workspace(0), at, most);
      b_.store(arguments_.workspace(0), at + 1u, sum);
    });
  }

  // ---- Weighted values: an invocation has a chunk of columns, of some of the keys. Those that it
  // takes next are on their way, the first ones while keys are scored.

  uint32_t teams() const { return kThreads / layout_.value_width; }
  Value team() const { return local_ / layout_.value_width; }

  void load_values(Value first) {
    const Value chunk = local_ - team() * layout_.value_width;
    const Value width = scores_.word(&Words::value_width);
    const Value column = b_.binary(Opcode::min, chunk * elements_, width - elements_);
    const bool is_first = values_.empty();
    for (uint32_t i = 0; i < kValuesAtOnce; ++i) {
      const Value key = b_.binary(Opcode::min, first + i * teams(), end_ - 1u);
      const Value at = scores_.start(2, block_.kv_head, key) + column;
      const Value chunk_there = b_.load(arguments_.operand(2), at / elements_, kChunkType);
      is_first ? values_.push_back(b_.var(chunk_there)) : values_[i].set(chunk_there);
    }
  }

  void add_values() {
    const uint32_t chunks = layout_.value_width, teams = this->teams();
    const Value width = scores_.word(&Words::value_width);
    std::vector<Var> totals;
    for (uint32_t i = 0; i < layout_.rows * elements_; ++i)
      totals.push_back(b_.var(scores_.zero()));
    b_.if_(team() < teams, [&] {
      b_.for_range(begin_ + team(), end_, b_.u32(teams * kValuesAtOnce), [&](Value first) {
        std::array<Value, kValuesAtOnce> loaded;
        for (uint32_t i = 0; i < kValuesAtOnce; ++i) loaded[i] = values_[i].get();
        load_values(first + teams * kValuesAtOnce);
        for (uint32_t i = 0; i < kValuesAtOnce; ++i) {
          const Value key = first + i * teams, inside = key < end_;
          const Value last = b_.binary(Opcode::min, key, end_ - 1u);
          const std::vector<Value> v = chunk_numbers(loaded[i], layout_.options.type);
          for (uint32_t r = 0; r < layout_.rows; ++r) {
            const Value at = last - first_key_ + r * layout_.part;
            const Value p = b_.select(inside, b_.shared_load(weights_, at), scores_.zero());
            for (uint32_t e = 0; e < elements_; ++e) {
              const Var& total = totals[r * elements_ + e];
              total.set(b_.fma(p, v[e], total.get()));
            }
          }
        }
      });
    });
    for (uint32_t r = 0; r < layout_.rows; ++r) {
      b_.barrier();
      for (uint32_t e = 0; e < elements_; ++e) {
        b_.shared_store(exchange_, local_ * elements_ + e, totals[r * elements_ + e].get());
      }
      b_.barrier();
      const Value is_there = first_row_ + r < word(&DecodeWords::rows);
      b_.for_range(local_, width, b_.u32(kThreads), [&](Value c) {
        Value sum = b_.shared_load(exchange_, c);
        for (uint32_t t = 1; t < teams; ++t) {
          sum = sum + b_.shared_load(exchange_, c + t * chunks * elements_);
        }
        b_.if_(is_there,
               [&] { b_.store(arguments_.workspace(0), place(b_.u32(r)) * width + c, sum); });
      });
    }
  }

  const DecodeLayout layout_;
  const uint32_t elements_;  // of a chunk
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<DecodeWords> words_;
  AttentionScores scores_;
  const Shared queries_, keys_, weights_, exchange_;
  const Value local_;
  AttentionScores::Block block_;
  Value part_, first_row_, first_key_, begin_, end_;
  std::vector<Var> values_;
};

}  // namespace

uint32_t decode_shared_bytes(const DecodeLayout& l) {
  const uint32_t elements = chunk_elements(l.options.type);
  return 4 * l.rows * l.width * elements + 16 * l.tile * AttentionChunks::stride(l.width) +
         4 * l.rows * l.part + 4 * kThreads * elements;
}

ir::Kernel generate_attention_parts(const Region& region, const Target& target,
                                    const DecodeLayout& layout) {
  return AttentionParts(region, target, layout).run();
}

}  // namespace nxv::kernels

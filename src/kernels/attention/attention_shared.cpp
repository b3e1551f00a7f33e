// Attention without matrix units: a workgroup of 64 invocations takes 8 * `rows` queries and goes
// over keys 32 at a time. Matrices pass through shared memory in slabs of 32 columns as f32.
//
// Eight invocations side by side share `rows` rows. Of a block's scores each has those of four
// adjacent keys, of a slab of values four adjacent columns. All they exchange goes through shared
// memory: subgroups may have any size. Inner products add four chains, one for each of four
// columns; sums over keys are one chain a column.
#include <array>

#include "kernels/attention/attention_scores.h"
#include "kernels/common/grid.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Type;
using ir::Value;
using ir::Var;

constexpr uint32_t kLanes = 8;             // that share rows
constexpr uint32_t kRowGroups = 8;         // of a workgroup
constexpr uint32_t kKeys = 32;             // of a block
constexpr uint32_t kChunks = 8;            // of four columns, of a slab
constexpr uint32_t kStride = kChunks + 1;  // odd: no bank conflicts
constexpr uint32_t kSlab = 4 * kChunks;

class SharedAttention {
 public:
  SharedAttention(const Region& region, const Target& target, const SharedAttentionLayout& layout)
      : layout_(layout),
        rows_(layout.rows),
        sum_(layout.wide ? ir::kF64 : ir::kF32),
        b_("attention_shared", kLanes * kRowGroups),
        arguments_(b_, region, kWordsOf<AttentionWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        scores_(b_, arguments_, region, layout.options, target.math),
        math_(target.math),
        result_type_(layout.options.stored),
        queries_(b_.shared("queries", kFour, rows_ * kRowGroups * kStride)),
        slab_(b_.shared("slab", kFour, kKeys * kStride)),
        weights_(b_.shared("weights", kFour, rows_ * kRowGroups * kStride)),
        row_parts_(b_.shared("row_parts", ir::kF32, rows_ * kRowGroups * kLanes)) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < scores_.word(&Words::groups), [&] {
      find_block(group);
      attend();
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;
  static constexpr Type kFour = ir::vec(ir::kF32, 4);

  void find_block(Value group) {
    const auto& words = scores_.words();
    const Value head_of_all = words.divide(group, &Words::query_blocks);
    const Value blocks = words[&Words::query_blocks];
    // Those that see the most keys first, where later queries see more.
    const Value block = blocks - 1u - (group - head_of_all * blocks);
    batch_ = words.divide(head_of_all, &Words::heads);
    head_ = head_of_all - batch_ * words[&Words::heads];
    kv_head_ = words.divide(head_, &Words::head_group);
    first_row_ = block * (rows_ * kRowGroups);
    const Value local = b_.builtin(ir::Builtin::local_index);
    lane_ = local & (kLanes - 1);
    row_group_ = local / kLanes;
    scores_.select(batch_, head_);
  }

  Value row_in_block(uint32_t i) const { return row_group_ + i * kRowGroups; }
  Value row(uint32_t i) const { return first_row_ + row_in_block(i); }
  Value zero(Type type) const {
    return type == ir::kF32 ? scores_.zero() : b_.convert(scores_.zero(), type);
  }
  Value four(Value v) const { return b_.pack({v, v, v, v}); }
  Value widened(Value v) const {
    return layout_.wide ? b_.convert(v, v.type().lanes == 4 ? ir::vec(ir::kF64, 4) : sum_) : v;
  }

  void attend() {
    const Value first_max = layout_.options.has_sinks ? scores_.sink() : scores_.lowest();
    Value first_sum = zero(sum_);
    if (layout_.options.has_sinks) {
      // A sink is in the sum of one lane.
      first_sum = b_.select(lane_ == 0u, b_.number(sum_, 1), first_sum);
    }
    const Value zeros = four(zero(sum_));
    for (uint32_t i = 0; i < rows_; ++i) {
      maxima_.push_back(b_.var(first_max));
      sums_.push_back(b_.var(first_sum));
      for (uint32_t s = 0; s < layout_.value_slabs; ++s) totals_.push_back(b_.var(zeros));
    }
    const Value last =
        b_.binary(Opcode::min, first_row_ + rows_ * kRowGroups, scores_.word(&Words::queries)) - 1u;
    const auto range = scores_.keys_of(first_row_, last, kKeys);
    b_.for_range(range.begin, range.end, b_.u32(kKeys), [&](Value key) {
      const std::vector<Value> factors = weigh(multiply(key), key);
      add_values(key, factors);
    });
    finish();
  }

  // ---- Slabs ----

  // Rows first_row.. of an operand, of which each invocation carries `count`, 32 columns from
  // `column` on; what lies beyond the ends is 0. Row i goes to place(i).
  template <typename Place>
  void fill(Shared shared, int operand, bool groups, Value head, Value first_row, uint32_t count,
            Value row_end, Value column, Value width, Place place) {
    const DType type = layout_.options.type;
    const Value buffer = arguments_.operand(operand);
    const Value stride = scores_.column_stride(operand);
    const Value own = column + lane_ * 4u;
    for (uint32_t i = 0; i < count; ++i) {
      const Value in_block = row_in_block(i);
      const Value wanted = first_row + in_block;
      const Value start =
          scores_.start(operand, head, b_.binary(Opcode::min, wanted, row_end - 1u));
      const Value has_row = wanted < row_end;
      std::array<Value, 4> v;
      if (groups) {
        const Value at = start + b_.binary(Opcode::min, own, width - 4u);
        const Group group = load_group(buffer, at >> 2, type);
        const Value inside = has_row & (own < width);
        for (int e = 0; e < 4; ++e) v[e] = b_.select(inside, group[e].re, scores_.zero());
      } else {
        for (uint32_t e = 0; e < 4; ++e) {
          const Value c = own + e;
          const Value at = start + b_.binary(Opcode::min, c, width - 1u) * stride;
          const Value inside = has_row & (c < width);
          v[e] = b_.select(inside, load_element(buffer, at, type).re, scores_.zero());
        }
      }
      b_.shared_store(shared, place(in_block) * kStride + lane_, b_.pack(v));
    }
  }

  // ---- Q K^T ----

  // Products of this invocation's rows and keys.
  std::vector<Value> multiply(Value key) {
    std::vector<Var> products;
    for (uint32_t i = 0; i < 4 * rows_; ++i) products.push_back(b_.var(four(zero(sum_))));
    const Value width = scores_.word(&Words::width);
    b_.for_range(b_.u32(0), width, b_.u32(kSlab), [&](Value column) {
      b_.barrier();
      fill(queries_, 0, layout_.query_groups, head_, first_row_, rows_,
           scores_.word(&Words::queries), column, width, [](Value row) { return row; });
      // Neighbours read keys of neighbouring places, four places apart each.
      fill(slab_, 1, layout_.key_groups, kv_head_, key, kKeys / kRowGroups,
           scores_.word(&Words::keys), column, width,
           [](Value row) { return (row & 3u) * kLanes + (row >> 2); });
      b_.barrier();
      std::vector<Value> sums;
      for (const Var& p : products) sums.push_back(p.get());
      for (uint32_t c = 0; c < kChunks; ++c) {
        std::array<Value, 4> k;
        for (uint32_t j = 0; j < 4; ++j) {
          k[j] = widened(b_.shared_load(slab_, (lane_ + j * kLanes) * kStride + c));
        }
        for (uint32_t i = 0; i < rows_; ++i) {
          const Value q = widened(b_.shared_load(queries_, row_in_block(i) * kStride + c));
          for (uint32_t j = 0; j < 4; ++j) sums[4 * i + j] = b_.fma(q, k[j], sums[4 * i + j]);
        }
      }
      for (size_t i = 0; i < sums.size(); ++i) products[i].set(sums[i]);
    });
    std::vector<Value> result;
    for (const Var& p : products) {
      const Value v = p.get();
      result.push_back((b_.extract(v, 0) + b_.extract(v, 1)) +
                       (b_.extract(v, 2) + b_.extract(v, 3)));
    }
    return result;
  }

  // ---- Softmax ----

  // Scores of products go to shared memory as weights. Returns by what the rows' totals shrink.
  std::vector<Value> weigh(std::vector<Value> s, Value first_key) {
    for (uint32_t i = 0; i < rows_; ++i) {
      Value largest = maxima_[i].get();
      for (uint32_t j = 0; j < 4; ++j) {
        Value& v = s[4 * i + j];
        v = scores_.score(v, row(i), first_key + lane_ * 4u + j);
        largest = larger(largest, v);
      }
      b_.shared_store(row_parts_, row_in_block(i) * kLanes + lane_, largest);
    }
    b_.barrier();
    std::vector<Value> factors;
    for (uint32_t i = 0; i < rows_; ++i) {
      Value largest = b_.shared_load(row_parts_, row_in_block(i) * kLanes);
      for (uint32_t l = 1; l < kLanes; ++l) {
        largest = larger(largest, b_.shared_load(row_parts_, row_in_block(i) * kLanes + l));
      }
      // Of a row that has seen no key yet: all its weights are 0.
      const Value base = b_.select(largest == scores_.lowest(), scores_.zero(), largest);
      const Value factor = widened(exponential(maxima_[i].get() - base));
      std::array<Value, 4> p;
      Value sum = sums_[i].get() * factor;
      for (uint32_t j = 0; j < 4; ++j) {
        p[j] = exponential(s[4 * i + j] - base);
        sum = sum + widened(p[j]);
      }
      b_.shared_store(weights_, row_in_block(i) * kStride + lane_, b_.pack(p));
      maxima_[i].set(largest);
      sums_[i].set(sum);
      factors.push_back(factor);
    }
    return factors;
  }

  // NaN is left out: it shows in the sums.
  Value larger(Value a, Value b) const { return b_.select(b > a, b, a); }

  // ---- P V ----

  void add_values(Value key, const std::vector<Value>& factors) {
    for (uint32_t s = 0; s < layout_.value_slabs; ++s) {
      b_.barrier();
      fill(slab_, 2, layout_.value_groups, kv_head_, key, kKeys / kRowGroups,
           scores_.word(&Words::keys), b_.u32(s * kSlab), scores_.word(&Words::value_width),
           [](Value row) { return row; });
      b_.barrier();
      std::vector<Value> totals;
      for (uint32_t i = 0; i < rows_; ++i) totals.push_back(total(i, s).get() * four(factors[i]));
      for (uint32_t quad = 0; quad < kKeys / 4; ++quad) {
        std::array<Value, 4> v;
        for (uint32_t e = 0; e < 4; ++e) {
          v[e] = widened(b_.shared_load(slab_, lane_ + (quad * 4 + e) * kStride));
        }
        for (uint32_t i = 0; i < rows_; ++i) {
          const Value p = widened(b_.shared_load(weights_, row_in_block(i) * kStride + quad));
          for (int e = 0; e < 4; ++e) {
            totals[i] = b_.fma(four(b_.extract(p, e)), v[static_cast<size_t>(e)], totals[i]);
          }
        }
      }
      for (uint32_t i = 0; i < rows_; ++i) total(i, s).set(totals[i]);
    }
  }

  const Var& total(uint32_t row, uint32_t slab) const {
    return totals_[row * layout_.value_slabs + slab];
  }

  // ---- Results ----

  void finish() {
    b_.barrier();
    for (uint32_t i = 0; i < rows_; ++i) {
      b_.shared_store(row_parts_, row_in_block(i) * kLanes + lane_, rounded(sums_[i].get()));
    }
    b_.barrier();
    for (uint32_t i = 0; i < rows_; ++i) {
      std::vector<Value> parts;
      for (uint32_t l = 0; l < kLanes; ++l) {
        parts.push_back(widened(b_.shared_load(row_parts_, row_in_block(i) * kLanes + l)));
      }
      for (; parts.size() > 1; parts.resize(parts.size() / 2)) {
        for (size_t l = 0; l < parts.size() / 2; ++l) parts[l] = parts[2 * l] + parts[2 * l + 1];
      }
      const Value sum = parts[0];
      // What sees no key has totals of 0.
      const Value divisor = b_.select(sum == zero(sum_), b_.number(sum_, 1), sum);
      b_.if_(row(i) < scores_.word(&Words::queries), [&] {
        if (layout_.options.result >= 0) store_row(i, divisor);
        if (layout_.options.statistics >= 0) store_statistics(i, sum);
      });
    }
  }

  Value rounded(Value v) const { return layout_.wide ? b_.convert(v, ir::kF32) : v; }

  void store_row(uint32_t i, Value divisor) {
    const auto& words = scores_.words();
    const auto root = static_cast<size_t>(layout_.options.result);
    const DType type = result_type_;
    const Value out = arguments_.output(root);
    const Value start = batch_ * words[&Words::batch_stride] + head_ * words[&Words::head_stride] +
                        row(i) * words[&Words::row_stride];
    const Value width = words[&Words::value_width];
    for (uint32_t s = 0; s < layout_.value_slabs; ++s) {
      const Value column = lane_ * 4u + s * kSlab;
      const Value total_of_row = total(i, s).get();
      Group v;
      for (int e = 0; e < 4; ++e) {
        v[static_cast<size_t>(e)] = {
            type, ir::wrap(rounded(b_.extract(total_of_row, e) / divisor), type), {}};
      }
      if (layout_.result_groups) {
        b_.if_(column < width, [&] { store_group(out, (start + column) >> 2, v); });
        continue;
      }
      // Whole words: rows of narrow elements have an even width.
      const auto step = static_cast<uint32_t>(elements_per_word(type));
      for (uint32_t e = 0; e < 4; e += step) {
        const Value at = start + column + e;
        b_.if_(column + e < width, [&] {
          if (step == 1) return store_element(out, at, v[e]);
          b_.store(out, at >> 1, stored_bits(v[e]) | stored_bits(v[e + 1]) << 16);
        });
      }
    }
  }

  void store_statistics(uint32_t i, Value sum) {
    const auto& words = scores_.words();
    const Value at = (batch_ * words[&Words::heads] + head_) * words[&Words::queries] + row(i);
    const Value log = ir::math::log(rounded(sum), math_);
    const Value v = b_.select(sum == zero(sum_), scores_.lowest(), maxima_[i].get() + log);
    b_.if_(lane_ == 0u, [&] {
      b_.store(arguments_.output(static_cast<size_t>(layout_.options.statistics)), at, v);
    });
  }

  const SharedAttentionLayout layout_;
  const uint32_t rows_;
  const Type sum_;
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const DType result_type_;
  const Shared queries_, slab_, weights_, row_parts_;
  Value batch_, head_, kv_head_, first_row_, lane_, row_group_;
  std::vector<Var> maxima_, sums_, totals_;  // of this invocation's rows
};

}  // namespace

ir::Kernel generate_shared_attention(const Region& region, const Target& target,
                                     const SharedAttentionLayout& layout) {
  return SharedAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

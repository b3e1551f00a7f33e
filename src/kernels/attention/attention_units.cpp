// Attention on matrix units: f16 and bf16, with sums in f32.
//
// A subgroup takes 16 or more queries, whose matrices and totals stay in its registers, and goes
// over keys in blocks; the subgroups of a workgroup share the keys and values in shared memory,
// where the next block is put while one is used. Weights are computed where the scores are, element
// by element, and become factors there where the device allows it (attention_unit_sums.h).
//
// The bases of exponents are as the rows' maxima once were: they grow where a maximum has grown by
// more than 2^8, since only then totals are rescaled. Exponents are binary: scores that are but
// scaled come with the factor 1 / log(2). Weights are rounded to the type of the values, sums are
// of what they were before.
#include <array>
#include <limits>
#include <numbers>

#include "kernels/attention/attention_unit_blocks.h"
#include "kernels/attention/attention_unit_rows.h"
#include "kernels/attention/attention_unit_sums.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

constexpr uint32_t kSide = ir::kMatrixSide;
// By what power of two a weight may be larger than that of the base.
constexpr float kGrowth = 8;

// Of keys and values of a block, in elements of 16 bytes.
uint32_t stage_size(const UnitAttentionLayout& layout) {
  return layout.keys * (AttentionChunks::stride(2 * layout.width) +
                        AttentionChunks::stride(2 * layout.value_width));
}

// Queries pass through before all blocks, results after them.
uint32_t tiles_size(const UnitAttentionLayout& layout) {
  const uint32_t rows = layout.rows * layout.subgroups;
  return std::max({layout.stages * stage_size(layout),
                   rows * AttentionChunks::stride(2 * layout.width), rows * kTotalsStride});
}

class UnitAttention {
 public:
  UnitAttention(const Region& region, const Target& target, const UnitAttentionLayout& layout)
      : layout_(layout),
        b_("attention_units", threads()),
        arguments_(b_, region, kWordsOf<AttentionWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        scores_(b_, arguments_, region, layout.options, target.math),
        math_(target.math),
        shared_(b_.shared("tiles", kChunkType, tiles_size(layout))),
        bases_(b_.shared("bases", ir::kF32, block_rows())),
        row_factors_(b_.shared("row_factors", ir::kF32, block_rows())),
        rows_(b_, layout.lanes, layout.rows),
        sums_(b_, layout.lanes, layout.subgroups, rows_.matrices(), layout.options.type,
              layout.in_registers) {
    b_.set_subgroup_size(layout.lanes);
  }

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < scores_.word(&Words::groups), [&] {
      block_ = scores_.select(group, block_rows());
      attend();
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;
  using Matrices = std::vector<Value>;
  using Vars = std::vector<Var>;

  uint32_t threads() const { return layout_.lanes * layout_.subgroups; }
  uint32_t block_rows() const { return layout_.rows * layout_.subgroups; }
  ir::Type factor(ir::Matrix use) const { return unit_factor(layout_.options.type, use); }

  AttentionChunks tile(int operand, uint32_t rows, uint32_t matrices,
                       uint32_t Words::*width) const {
    const DType type = layout_.options.type;
    if (layout_.whole) {
      return {b_, arguments_, scores_, operand, type, rows, 2 * matrices, threads()};
    }
    return {b_,           arguments_,          scores_,  operand, type, rows,
            2 * matrices, scores_.word(width), threads()};
  }

  void attend() {
    load_queries();
    begin_rows();
    AttentionChunks keys = tile(1, layout_.keys, layout_.width, &Words::width);
    AttentionChunks values = tile(2, layout_.keys, layout_.value_width, &Words::value_width);
    keys.place(shared_, 0);
    values.place(shared_, keys.size());
    const Value end = scores_.word(&Words::keys);
    const auto range =
        scores_.keys_of(block_.first_row, block_.first_row + block_rows(), layout_.keys);
    each_block(
        b_, range, {layout_.keys, layout_.stages, stage_size(layout_)},
        [&](Value key) {
          keys.load(block_.kv_head, key, end);
          values.load(block_.kv_head, key, end);
        },
        [&](Value behind) {
          keys.store(behind);
          values.store(behind);
        },
        [&](Value behind, Value key) { visit(keys, values, behind, key); });
    finish();
  }

  void load_queries() {
    AttentionChunks queries = tile(0, block_rows(), layout_.width, &Words::width);
    queries.place(shared_, 0);
    queries.load(block_.head, block_.first_row, scores_.word(&Words::queries));
    queries.store();
    b_.barrier();
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      for (uint32_t c = 0; c < layout_.width; ++c) {
        queries_.push_back(queries.matrix(factor(ir::Matrix::a), rows_.subgroup_row, r, c, false));
      }
    }
  }

  // No base is -infinity, of which differences are NaN.
  void begin_rows() {
    const Value least = b_.f32(std::numeric_limits<float>::lowest());
    Value base = least;
    if (layout_.options.has_sinks) {
      sink_ = scores_.sink();
      if (scores_.only_scales()) sink_ = sink_ * std::numbers::log2e_v<float>;
      base = b_.select(sink_ > least, sink_, least);
    }
    const Value zeros = b_.matrix_fill(scores_.zero());
    own_bases_ = rows_.variables(rows_.matrices(), -base);
    negative_bases_ = rows_.variables(rows_.matrices(), b_.matrix_fill(-base));
    row_sums_ = rows_.variables(rows_.matrices(), zeros);
    totals_ = rows_.variables(rows_.matrices() * layout_.value_width, zeros);
    products_ = rows_.variables(rows_.matrices() * blocks(), zeros);
    weights_ = b_.var(zeros);
  }

  uint32_t blocks() const { return layout_.keys / kSide; }
  const Var& product(uint32_t row, uint32_t block) const {
    return products_[row * blocks() + block];
  }
  const Var& total(uint32_t row, uint32_t column) const {
    return totals_[row * layout_.value_width + column];
  }

  void visit(const AttentionChunks& keys, const AttentionChunks& values, Value stage,
             Value first_key) {
    const Value first = block_.first_row + rows_.subgroup_row, last = first + (layout_.rows - 1);
    const Value last_key = first_key + (layout_.keys - 1);
    b_.if_(scores_.some_see(first, last, first_key, last_key), [&] {
      multiply(keys, stage);
      adjust(first, first_key);
      b_.if_(!scores_.all_see(first, last, first_key, last_key), [&] { mask(first, first_key); });
      raise_bases();
      add_values(values, stage);
    });
  }

  // Q K^T
  void multiply(const AttentionChunks& keys, Value stage) {
    const Value zeros = b_.matrix_fill(scores_.zero());
    for (uint32_t j = 0; j < blocks(); ++j) {
      Matrices sums(rows_.matrices(), zeros);
      for (uint32_t c = 0; c < layout_.width; ++c) {
        const Value k = keys.matrix(factor(ir::Matrix::b), b_.u32(0), j, c, true, stage);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          sums[r] = b_.matrix_multiply_add(queries_[r * layout_.width + c], k, sums[r]);
        }
      }
      for (uint32_t r = 0; r < rows_.matrices(); ++r) product(r, j).set(sums[r]);
    }
  }

  // Calls f(element of the product, its row, its key) and sets the element.
  template <typename F>
  void each_score(Value first_row, Value first_key, F f) {
    const auto row = sums_.rows(), column = sums_.columns();
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      for (uint32_t j = 0; j < blocks(); ++j) {
        const Var& p = product(r, j);
        sums_.each([&](uint32_t e) {
          b_.element_store(p, e,
                           f(b_.element_load(p, e), first_row + row[e] + r * kSide,
                             first_key + column[e] + j * kSide));
        });
      }
    }
  }

  void adjust(Value first_row, Value first_key) {
    if (scores_.only_scales()) return;
    each_score(first_row, first_key, [&](Value product, Value row, Value key) {
      return scores_.adjusted(product, row, key);
    });
  }

  void mask(Value first_row, Value first_key) {
    each_score(first_row, first_key, [&](Value score, Value row, Value key) {
      return b_.select(scores_.sees(row, key), score, scores_.lowest());
    });
  }

  // Of an element of products, above the base.
  Value exponent(Value element, Value negative_base) const {
    if (scores_.only_scales()) {
      return b_.fma(element, scores_.words()[&Words::binary_scale], negative_base);
    }
    return (element + negative_base) * std::numbers::log2e_v<float>;
  }

  // NaN is left out: it shows in the sums.
  void raise_bases() {
    Value grows;
    Vars largest;
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      largest.push_back(b_.var(ir::kAccumulator));
      sums_.each([&](uint32_t e) {
        Value most;
        for (uint32_t j = 0; j < blocks(); ++j) {
          const Value s = b_.element_load(product(r, j), e);
          most = most ? b_.binary(Opcode::max, most, s) : s;
        }
        b_.element_store(largest[r], e, most);
        const Value base = b_.element_load(negative_bases_[r], e);
        const Value beyond = exponent(most, base) > kGrowth;
        grows = grows ? grows | beyond : beyond;
      });
    }
    const Value ballot = b_.subgroup(Opcode::subgroup_ballot, grows);
    Value any = b_.extract(ballot, 0);
    if (layout_.lanes > 32) any = any | b_.extract(ballot, 1);
    b_.if_(any != 0u, [&] { rescale(largest); });
  }

  void rescale(const Vars& largest) {
    sums_.reduce_rows(Opcode::max, largest, [&](uint32_t r, Value row, Value most, Value is_first) {
      const Value at = rows_.subgroup_row + row + r * kSide;
      const Value old = own_bases_[r].get();
      if (scores_.only_scales()) {
        most = most * scores_.words()[&Words::binary_scale];
      }
      const Value now = b_.select(-most < old, -most, old);
      Value shift = now - old;
      if (!scores_.only_scales()) shift = shift * std::numbers::log2e_v<float>;
      const Value shrinking = b_.unary(Opcode::exp2, shift);
      own_bases_[r].set(now);
      b_.if_(is_first, [&] {
        b_.shared_store(bases_, at, now);
        b_.shared_store(row_factors_, at, shrinking);
      });
    });
    b_.subgroup_barrier();
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      negative_bases_[r].set(of_rows(bases_, r));
      const Value shrinking = of_rows(row_factors_, r);
      row_sums_[r].set(b_.matrix_multiply(row_sums_[r].get(), shrinking));
      for (uint32_t c = 0; c < layout_.value_width; ++c) {
        total(r, c).set(b_.matrix_multiply(total(r, c).get(), shrinking));
      }
    }
  }

  // Of the subgroup's rows.
  Value of_rows(Shared vector, uint32_t row) const {
    return sums_.of_rows(vector, rows_.subgroup_row + row * kSide);
  }

  // P V, and the sums of P.
  void add_values(const AttentionChunks& values, Value stage) {
    for (uint32_t j = 0; j < blocks(); ++j) {
      Matrices weights;
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        sums_.each([&](uint32_t e) {
          const Value base = b_.element_load(negative_bases_[r], e);
          const Value s = b_.element_load(product(r, j), e);
          const Value p = b_.unary(Opcode::exp2, exponent(s, base));
          b_.element_store(weights_, e, p);
          b_.element_store(row_sums_[r], e, b_.element_load(row_sums_[r], e) + p);
        });
        weights.push_back(sums_.factor(weights_));
      }
      for (uint32_t c = 0; c < layout_.value_width; ++c) {
        const Value v = values.matrix(factor(ir::Matrix::b), b_.u32(0), j, c, false, stage);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          total(r, c).set(b_.matrix_multiply_add(weights[r], v, total(r, c).get()));
        }
      }
    }
  }

  // ---- Results

  void finish() {
    b_.subgroup_barrier();
    sums_.reduce_rows(
        Opcode::add, row_sums_, [&](uint32_t r, Value row, Value sum, Value is_first) {
          const Value at = rows_.subgroup_row + row + r * kSide;
          const Value base = -own_bases_[r].get();
          if (sink_) {
            Value above = sink_ - base;
            if (!scores_.only_scales()) {
              above = above * std::numbers::log2e_v<float>;
            }
            sum = sum + b_.unary(Opcode::exp2, above);
          }
          const Value divisor = b_.select(sum == scores_.zero(), b_.f32(1), sum);
          b_.if_(is_first, [&] { b_.shared_store(row_factors_, at, b_.f32(1) / divisor); });
          if (layout_.options.statistics >= 0) {
            store_statistics(block_.first_row + at, base, sum, is_first);
          }
        });
    if (layout_.options.result < 0) return;
    const auto& words = scores_.words();
    const Value start =
        block_.batch * words[&Words::batch_stride] + block_.head * words[&Words::head_stride];
    const UnitRows::Result result{arguments_.output(static_cast<size_t>(layout_.options.result)),
                                  start,
                                  words[&Words::row_stride],
                                  block_.first_row,
                                  words[&Words::queries],
                                  words[&Words::value_width],
                                  layout_.options.stored};
    rows_.store(shared_, result, totals_, layout_.value_width,
                [&](Value row) { return b_.shared_load(row_factors_, row); });
  }

  void store_statistics(Value row, Value base, Value sum, Value is_first) {
    const auto& words = scores_.words();
    const Value at =
        (block_.batch * words[&Words::heads] + block_.head) * words[&Words::queries] + row;
    if (scores_.only_scales()) base = base * std::numbers::ln2_v<float>;
    const Value log = base + ir::math::log(sum, math_);
    b_.if_((row < words[&Words::queries]) & is_first, [&] {
      b_.store(arguments_.output(static_cast<size_t>(layout_.options.statistics)), at,
               b_.select(sum == scores_.zero(), scores_.lowest(), log));
    });
  }

  const UnitAttentionLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const Shared shared_, bases_, row_factors_;
  const UnitRows rows_;
  const UnitSums sums_;
  AttentionScores::Block block_;
  Matrices queries_;
  Value sink_;
  Vars products_, totals_;
  Vars negative_bases_, row_sums_;  // of each sixteen rows; sums of an element's columns
  Vars own_bases_;                  // the same of the row that an invocation reduces
  Var weights_;
};

}  // namespace

uint32_t unit_shared_bytes(const UnitAttentionLayout& layout) {
  const uint32_t rows = layout.rows * layout.subgroups;
  return 16 * tiles_size(layout) + 8 * rows +
         UnitSums::shared_bytes(layout.subgroups, layout.rows / kSide, layout.in_registers);
}

ir::Kernel generate_unit_attention(const Region& region, const Target& target,
                                   const UnitAttentionLayout& layout) {
  return UnitAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

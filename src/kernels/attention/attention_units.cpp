// Attention on matrix units: f16 and bf16, with sums in f32.
//
// A subgroup takes 16 to 64 queries, whose matrices and totals stay in its registers, and goes over
// keys 32 at a time; the subgroups of a workgroup share the keys and values in shared memory. Which
// invocation has which element of a matrix is the device's secret: scores pass through shared
// memory, where one or two invocations have a row, and come back as weights. Totals are rescaled by
// a matrix whose rows are constant, loaded with a distance of 0 between its columns.
//
// Exponents are binary: scores that are but scaled come with the factor 1 / log(2). Weights are
// rounded to the type of the values, sums are of what they were before.
#include <array>
#include <numbers>

#include "kernels/attention/attention_unit_rows.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

// Of shared memory, in elements of 16 bytes: keys, values, scores and weights. Queries pass through
// before all of these, results through the scores after them.
struct Places {
  uint32_t scores = 0, weights = 0, all = 0;
};

Places places_of(const UnitAttentionLayout& layout) {
  const uint32_t keys = kUnitOthers * AttentionChunks::stride(2 * layout.width);
  const uint32_t values = kUnitOthers * AttentionChunks::stride(2 * layout.value_width);
  const uint32_t rows = layout.rows * layout.subgroups;
  Places p;
  p.scores = keys + values;
  p.weights = p.scores + rows * kScoreStride;
  p.all =
      std::max(p.weights + rows * kWeightStride, rows * AttentionChunks::stride(2 * layout.width));
  return p;
}

class UnitAttention {
 public:
  UnitAttention(const Region& region, const Target& target, const UnitAttentionLayout& layout)
      : layout_(layout),
        places_(places_of(layout)),
        b_("attention_units", threads()),
        arguments_(b_, region, kWordsOf<AttentionWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        scores_(b_, arguments_, region, layout.options, target.math),
        math_(target.math),
        shared_(b_.shared("tiles", kChunkType, places_.all)),
        row_factors_(b_.shared("row_factors", ir::kF32, block_rows())),
        rows_(b_, layout.lanes, layout.rows) {
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

  uint32_t threads() const { return layout_.lanes * layout_.subgroups; }
  uint32_t block_rows() const { return layout_.rows * layout_.subgroups; }
  ir::Type factor(ir::Matrix use) const {
    const bool is_f16 = layout_.options.type == DType::f16;
    return ir::factor(is_f16 ? ir::Scalar::f16 : ir::Scalar::bf16, use);
  }

  AttentionChunks tile(int operand, uint32_t rows, uint32_t matrices,
                       uint32_t Words::*width) const {
    return {b_,           arguments_,          scores_,  operand, layout_.options.type, rows,
            2 * matrices, scores_.word(width), threads()};
  }

  void attend() {
    load_queries();
    const bool has_sinks = layout_.options.has_sinks;
    Value first_max = scores_.lowest(), first_sum = scores_.zero();
    if (has_sinks) {
      first_max = scores_.sink();
      if (scores_.only_scales()) first_max = first_max * std::numbers::log2e_v<float>;
      // It is in the sum of one of those that share a row.
      first_sum = b_.select(rows_.part == 0u, b_.f32(1), scores_.zero());
    }
    maximum_ = b_.var(first_max);
    sum_ = b_.var(first_sum);
    const Value zeros = b_.matrix_fill(scores_.zero());
    for (uint32_t i = 0; i < rows_.matrices() * layout_.value_width; ++i) {
      totals_.push_back(b_.var(zeros));
    }

    AttentionChunks keys = tile(1, kUnitOthers, layout_.width, &Words::width);
    AttentionChunks values = tile(2, kUnitOthers, layout_.value_width, &Words::value_width);
    keys.place(shared_, 0);
    values.place(shared_, keys.size());
    const Value end = scores_.word(&Words::keys);
    const auto load = [&](Value key) {
      keys.load(block_.kv_head, key, end);
      values.load(block_.kv_head, key, end);
    };
    const auto range =
        scores_.keys_of(block_.first_row, block_.first_row + block_rows(), kUnitOthers);
    load(range.begin);
    b_.for_range(range.begin, range.end, b_.u32(kUnitOthers), [&](Value key) {
      b_.barrier();
      keys.store();
      values.store();
      b_.barrier();
      load(key + kUnitOthers);
      // Scores, weights and factors of rows are their subgroup's own.
      multiply(keys, zeros);
      b_.subgroup_barrier();
      weigh(key);
      b_.subgroup_barrier();
      add_values(values);
    });
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

  // Q K^T to shared memory.
  void multiply(const AttentionChunks& keys, Value zeros) {
    for (uint32_t j = 0; j < kUnitOthers / ir::kMatrixSide; ++j) {
      Matrices sums(rows_.matrices(), zeros);
      for (uint32_t c = 0; c < layout_.width; ++c) {
        const Value k = keys.matrix(factor(ir::Matrix::b), b_.u32(0), j, c, true);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          sums[r] = b_.matrix_multiply_add(queries_[r * layout_.width + c], k, sums[r]);
        }
      }
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        rows_.put(shared_, places_.scores, r, j, sums[r]);
      }
    }
  }

  // ---- Softmax: rows of scores become weights

  void weigh(Value first_key) {
    const Value row = block_.first_row + rows_.own_row;
    const Value first_own = first_key + rows_.part * rows_.count();
    std::vector<Var> scores;
    for (Value product : rows_.scores(shared_, places_.scores)) {
      const Value key = first_own + static_cast<uint32_t>(scores.size());
      scores.push_back(b_.var(scores_.only_scales()
                                  ? product * scores_.words()[&Words::binary_scale]
                                  : scores_.adjusted(product, row, key)));
    }
    const Value first = block_.first_row + rows_.subgroup_row;
    const Value all = scores_.all_see(first, first + (layout_.rows - 1), first_key,
                                      first_key + (kUnitOthers - 1));
    b_.if_(!all, [&] {
      for (uint32_t i = 0; i < rows_.count(); ++i) {
        const Value sees = scores_.sees(row, first_own + i);
        scores[i].set(b_.select(sees, scores[i].get(), scores_.lowest()));
      }
    });

    // NaN is left out: it shows in the sums.
    const auto larger = [&](Value a, Value b) { return b_.select(b > a, b, a); };
    Value largest = maximum_.get();
    for (const Var& s : scores) largest = larger(largest, s.get());
    if (rows_.sharers == 2) {
      largest = larger(largest, b_.subgroup(Opcode::subgroup_shuffle_xor, largest, 1));
    }
    // Of a row that has seen no key yet: all its weights are 0.
    const Value base = b_.select(largest == scores_.lowest(), scores_.zero(), largest);
    const Value shrinking = weight(maximum_.get() - base);
    Value sum = sum_.get() * shrinking;
    std::vector<Value> weights;
    for (const Var& s : scores) {
      weights.push_back(weight(s.get() - base));
      sum = sum + weights.back();
    }
    rows_.put_weights(shared_, places_.weights, layout_.options.type, weights);
    maximum_.set(largest);
    sum_.set(sum);
    store_factor(shrinking);
  }

  Value weight(Value exponent) const {
    if (!scores_.only_scales()) exponent = exponent * std::numbers::log2e_v<float>;
    return binary_exponential(exponent);
  }

  void store_factor(Value v) {
    const auto put = [&] { b_.shared_store(row_factors_, rows_.own_row, v); };
    rows_.sharers == 1 ? put() : b_.if_(rows_.part == 0u, put);
  }

  // ---- P V

  void add_values(const AttentionChunks& values) {
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      const Value shrinking = b_.matrix_load(row_factors_, rows_.subgroup_row + r * ir::kMatrixSide,
                                             0, ir::kAccumulator, true);
      for (uint32_t c = 0; c < layout_.value_width; ++c) {
        total(r, c).set(b_.matrix_multiply(total(r, c).get(), shrinking));
      }
    }
    for (uint32_t k = 0; k < kUnitOthers / ir::kMatrixSide; ++k) {
      Matrices weights;
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        weights.push_back(rows_.weights(shared_, places_.weights, factor(ir::Matrix::a), r, k));
      }
      for (uint32_t c = 0; c < layout_.value_width; ++c) {
        const Value v = values.matrix(factor(ir::Matrix::b), b_.u32(0), k, c, false);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          total(r, c).set(b_.matrix_multiply_add(weights[r], v, total(r, c).get()));
        }
      }
    }
  }

  const Var& total(uint32_t row, uint32_t column) const {
    return totals_[row * layout_.value_width + column];
  }

  // ---- Results

  void finish() {
    Value sum = sum_.get();
    if (rows_.sharers == 2) sum = sum + b_.subgroup(Opcode::subgroup_shuffle_xor, sum, 1);
    const Value divisor = b_.select(sum == scores_.zero(), b_.f32(1), sum);
    b_.barrier();
    store_factor(b_.f32(1) / divisor);
    if (layout_.options.statistics >= 0) store_statistics(sum);
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
    rows_.store(shared_, places_.scores, result, totals_, layout_.value_width,
                [&](Value row) { return b_.shared_load(row_factors_, row); });
  }

  void store_statistics(Value sum) {
    const auto& words = scores_.words();
    const Value row = block_.first_row + rows_.own_row;
    const Value at =
        (block_.batch * words[&Words::heads] + block_.head) * words[&Words::queries] + row;
    Value largest = maximum_.get();
    if (scores_.only_scales()) largest = largest * std::numbers::ln2_v<float>;
    const Value log = largest + ir::math::log(sum, math_);
    b_.if_((row < words[&Words::queries]) & (rows_.part == 0u), [&] {
      b_.store(arguments_.output(static_cast<size_t>(layout_.options.statistics)), at,
               b_.select(sum == scores_.zero(), scores_.lowest(), log));
    });
  }

  const UnitAttentionLayout layout_;
  const Places places_;
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const Shared shared_, row_factors_;
  const UnitRows rows_;
  AttentionScores::Block block_;
  Matrices queries_;
  Var maximum_, sum_;  // of the invocation's row
  std::vector<Var> totals_;
};

}  // namespace

uint32_t unit_shared_bytes(const UnitAttentionLayout& layout) {
  return 16 * places_of(layout).all + 4 * layout.rows * layout.subgroups;
}

ir::Kernel generate_unit_attention(const Region& region, const Target& target,
                                   const UnitAttentionLayout& layout) {
  return UnitAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

// Gradients on matrix units: f16 and bf16, with sums in f32.
//
// Rows (queries, or keys) of a subgroup stay in its registers, as matrices of both factors, and so
// do the totals; others (keys, or queries) come 32 at a time through shared memory, which the
// subgroups share. Products and differences pass through shared memory as f32, where one or two
// invocations have a row, and come back as weights and changes in halves.
#include <array>
#include <numbers>

#include "kernels/attention/attention_gradient.h"
#include "kernels/attention/attention_unit_rows.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Shared;
using ir::Value;
using ir::Var;

// Of shared memory, in elements of 16 bytes: both factors of the others, products, differences,
// weights, changes. The rows' own factors pass through before all of these.
struct Places {
  uint32_t products = 0, differences = 0, weights = 0, changes = 0, all = 0;
};

Places places_of(const GradientUnitLayout& layout) {
  const uint32_t first = AttentionChunks::stride(2 * layout.width);
  const uint32_t second = AttentionChunks::stride(2 * layout.value_width);
  const uint32_t rows = layout.rows * layout.subgroups;
  Places p;
  p.products = kUnitOthers * (first + second);
  p.differences = p.products + rows * kScoreStride;
  p.weights = p.differences + rows * kScoreStride;
  // Those of queries are not wanted.
  p.changes = p.weights + (layout.of_queries ? 0 : rows * kWeightStride);
  p.all = std::max(p.changes + rows * kWeightStride, rows * std::max(first, second));
  return p;
}

class UnitGradient {
 public:
  UnitGradient(const Region& region, const Target& target, const GradientUnitLayout& layout)
      : layout_(layout),
        places_(places_of(layout)),
        b_(layout.of_queries ? "attention_gradient_queries_units" : "attention_gradient_keys_units",
           threads()),
        arguments_(b_, region, kWordsOf<GradientWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        words_(arguments_.words_as<GradientWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        operands_(scores_.operands().count),
        shared_(b_.shared("tiles", kChunkType, places_.all)),
        queries_(b_.shared("queries", ir::vec(ir::kF32, 2), kUnitOthers)),
        rows_(b_, layout.lanes, layout.rows) {
    b_.set_subgroup_size(layout.lanes);
  }

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < word(&Words::groups),
           [&] { layout_.of_queries ? for_queries(group) : for_keys(group); });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;
  using Matrices = std::vector<Value>;
  using Totals = std::vector<Var>;

  uint32_t threads() const { return layout_.lanes * layout_.subgroups; }
  uint32_t block_rows() const { return layout_.rows * layout_.subgroups; }
  Value word(uint32_t Words::*member) const { return scores_.word(member); }
  ir::Type factor(ir::Matrix use) const {
    const bool is_f16 = layout_.options.type == DType::f16;
    return ir::factor(is_f16 ? ir::Scalar::f16 : ir::Scalar::bf16, use);
  }

  // ---- Factors: those of width, queries and keys, and those of value_width, gradient and values

  AttentionChunks tile(int operand, uint32_t rows, bool of_values) const {
    const uint32_t matrices = of_values ? layout_.value_width : layout_.width;
    const Value width = word(of_values ? &Words::value_width : &Words::width);
    return {b_,   arguments_,   scores_, operand,  layout_.options.type,
            rows, 2 * matrices, width,   threads()};
  }

  Matrices load_rows(int operand, bool of_values, Value head, Value end) {
    AttentionChunks rows = tile(operand, block_rows(), of_values);
    rows.place(shared_, 0);
    rows.load(head, block_.first_row, end);
    b_.barrier();
    rows.store();
    b_.barrier();
    Matrices all;
    const uint32_t columns = of_values ? layout_.value_width : layout_.width;
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      for (uint32_t c = 0; c < columns; ++c) {
        all.push_back(rows.matrix(factor(ir::Matrix::a), rows_.subgroup_row, r, c, false));
      }
    }
    return all;
  }

  Totals zero_totals(uint32_t columns) {
    const Value zeros = b_.matrix_fill(scores_.zero());
    Totals totals;
    for (uint32_t i = 0; i < rows_.matrices() * columns; ++i) totals.push_back(b_.var(zeros));
    return totals;
  }

  // Products of the rows with others, to shared memory.
  void multiply(const Matrices& rows, const AttentionChunks& others, uint32_t columns,
                uint32_t place) {
    const Value zeros = b_.matrix_fill(scores_.zero());
    for (uint32_t j = 0; j < kUnitOthers / ir::kMatrixSide; ++j) {
      Matrices sums(rows_.matrices(), zeros);
      for (uint32_t c = 0; c < columns; ++c) {
        const Value y = others.matrix(factor(ir::Matrix::b), b_.u32(0), j, c, true);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          sums[r] = b_.matrix_multiply_add(rows[r * columns + c], y, sums[r]);
        }
      }
      for (uint32_t r = 0; r < rows_.matrices(); ++r) rows_.put(shared_, place, r, j, sums[r]);
    }
  }

  void add(uint32_t place, const AttentionChunks& others, uint32_t columns, const Totals& totals) {
    for (uint32_t k = 0; k < kUnitOthers / ir::kMatrixSide; ++k) {
      Matrices weights;
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        weights.push_back(rows_.weights(shared_, place, factor(ir::Matrix::a), r, k));
      }
      for (uint32_t c = 0; c < columns; ++c) {
        const Value y = others.matrix(factor(ir::Matrix::b), b_.u32(0), k, c, false);
        for (uint32_t r = 0; r < rows_.matrices(); ++r) {
          const Var& total = totals[r * columns + c];
          total.set(b_.matrix_multiply_add(weights[r], y, total.get()));
        }
      }
    }
  }

  // ---- Weights and changes

  // Of a query: the logarithm of its sum, as an exponent of what scores are, and its delta.
  std::array<Value, 2> query(Value number) const {
    const Value sum = scores_.of_row(operands_.statistics, number);
    // Of a row that sees no key all weights are 0.
    Value base = b_.select(sum == scores_.lowest(), scores_.zero(), sum);
    if (scores_.only_scales()) base = base * std::numbers::log2e_v<float>;
    return {base, scores_.of_row(operands_.deltas, number)};
  }

  // Of the invocation's row; known(i) is what is known of the query of product i, place(i) the
  // query and the key. `all`: the queries of the block see all of its keys.
  void weigh(Value all, const std::function<std::array<Value, 2>(uint32_t)>& known,
             const std::function<std::array<Value, 2>(uint32_t)>& place) {
    const auto products = rows_.scores(shared_, places_.products);
    const auto differences = rows_.scores(shared_, places_.differences);
    std::vector<Var> scores;
    Matrices slopes;
    for (uint32_t i = 0; i < rows_.count(); ++i) {
      if (scores_.only_scales()) {
        scores.push_back(b_.var(products[i] * scores_.words()[&Words::binary_scale]));
        continue;
      }
      const auto [number, key] = place(i);
      const auto score = scores_.differentiated(products[i], number, key);
      scores.push_back(b_.var(score.value));
      slopes.push_back(score.slope);
    }
    b_.if_(!all, [&] {
      for (uint32_t i = 0; i < rows_.count(); ++i) {
        const auto [number, key] = place(i);
        const Value sees = scores_.sees(number, key) & (number < word(&Words::queries));
        scores[i].set(b_.select(sees, scores[i].get(), scores_.lowest()));
      }
    });
    Matrices weights, changes;
    for (uint32_t i = 0; i < rows_.count(); ++i) {
      const auto [base, delta] = known(i);
      Value exponent = scores[i].get() - base;
      if (!scores_.only_scales()) exponent = exponent * std::numbers::log2e_v<float>;
      const Value p = binary_exponential(exponent);
      Value change = p * (differences[i] - delta);
      if (!scores_.only_scales()) change = change * slopes[i];
      weights.push_back(p);
      changes.push_back(change);
    }
    const DType type = layout_.options.type;
    if (!layout_.of_queries) rows_.put_weights(shared_, places_.weights, type, weights);
    rows_.put_weights(shared_, places_.changes, type, changes);
  }

  // ---- The two kernels

  void for_queries(Value group) {
    block_ = scores_.select(group, block_rows());
    const Value queries_end = word(&Words::queries), keys_end = word(&Words::keys);
    const Matrices q = load_rows(0, false, block_.head, queries_end);
    const Matrices g = load_rows(operands_.gradient, true, block_.head, queries_end);
    const Totals totals = zero_totals(layout_.width);
    AttentionChunks keys = tile(1, kUnitOthers, false), values = tile(2, kUnitOthers, true);
    keys.place(shared_, 0);
    values.place(shared_, keys.size());
    const Value number = block_.first_row + rows_.own_row;
    const auto known = query(number);
    const Value first = block_.first_row + rows_.subgroup_row, last = first + (layout_.rows - 1);
    const auto load = [&](Value key) {
      keys.load(block_.kv_head, key, keys_end);
      values.load(block_.kv_head, key, keys_end);
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
      multiply(q, keys, layout_.width, places_.products);
      multiply(g, values, layout_.value_width, places_.differences);
      b_.subgroup_barrier();
      const Value all =
          (last < queries_end) & scores_.all_see(first, last, key, key + (kUnitOthers - 1));
      const Value own = key + rows_.part * rows_.count();
      weigh(
          all, [&](uint32_t) { return known; },
          [&](uint32_t i) {
            return std::array{number, own + i};
          });
      b_.subgroup_barrier();
      add(places_.changes, keys, layout_.width, totals);
    });
    store(layout_.first, words_[&GradientWords::first], block_.head, queries_end,
          word(&Words::width), totals, layout_.width, true);
  }

  void for_keys(Value group) {
    block_ = scores_.select_keys(group, block_rows());
    const Value queries_end = word(&Words::queries), keys_end = word(&Words::keys);
    const Matrices k = load_rows(1, false, block_.kv_head, keys_end);
    const Matrices v = load_rows(2, true, block_.kv_head, keys_end);
    const Totals of_keys = zero_totals(layout_.width), of_values = zero_totals(layout_.value_width);
    AttentionChunks queries = tile(0, kUnitOthers, false);
    AttentionChunks gradient = tile(operands_.gradient, kUnitOthers, true);
    queries.place(shared_, 0);
    gradient.place(shared_, queries.size());
    const Value key = block_.first_row + rows_.own_row;
    const Value first = block_.first_row + rows_.subgroup_row, last = first + (layout_.rows - 1);
    const auto range = scores_.queries_of(block_.first_row, block_rows(), kUnitOthers);
    const Value heads = scores_.words()[&Words::head_group];
    const Value local = b_.builtin(ir::Builtin::local_index);
    b_.for_range(b_.u32(0), heads, b_.u32(1), [&](Value in_group) {
      const Value head = block_.kv_head * heads + in_group;
      scores_.select_head(head);
      const auto load = [&](Value number) {
        queries.load(head, number, queries_end);
        gradient.load(head, number, queries_end);
      };
      load(range.begin);
      b_.for_range(range.begin, range.end, b_.u32(kUnitOthers), [&](Value number) {
        b_.barrier();
        queries.store();
        gradient.store();
        b_.for_range(local, b_.u32(kUnitOthers), b_.u32(threads()), [&](Value i) {
          const auto known = query(number + i);
          b_.shared_store(queries_, i, b_.pack(known));
        });
        b_.barrier();
        load(number + kUnitOthers);
        multiply(k, queries, layout_.width, places_.products);
        multiply(v, gradient, layout_.value_width, places_.differences);
        b_.subgroup_barrier();
        const Value last_query = number + (kUnitOthers - 1);
        const Value all =
            (last_query < queries_end) & scores_.all_see(number, last_query, first, last);
        const Value part = rows_.part * rows_.count();
        weigh(
            all,
            [&](uint32_t i) {
              const Value known = b_.shared_load(queries_, part + i);
              return std::array{b_.extract(known, 0), b_.extract(known, 1)};
            },
            [&](uint32_t i) {
              return std::array{number + part + i, key};
            });
        b_.subgroup_barrier();
        if (layout_.second >= 0) add(places_.weights, gradient, layout_.value_width, of_values);
        if (layout_.first >= 0) add(places_.changes, queries, layout_.width, of_keys);
      });
    });
    store(layout_.first, words_[&GradientWords::first], block_.kv_head, keys_end,
          word(&Words::width), of_keys, layout_.width, true);
    store(layout_.second, words_[&GradientWords::second], block_.kv_head, keys_end,
          word(&Words::value_width), of_values, layout_.value_width, false);
  }

  // `is_scaled`: the slope of scores that are but scaled was left out of changes.
  void store(int root, const WordValues<AttentionResultWords>& place, Value head, Value end,
             Value width, const Totals& totals, uint32_t columns, bool is_scaled) {
    if (root < 0) return;
    using Place = AttentionResultWords;
    const UnitRows::Result result{
        arguments_.output(static_cast<size_t>(root)),
        block_.batch * place[&Place::batch_stride] + head * place[&Place::head_stride],
        place[&Place::row_stride],
        block_.first_row,
        end,
        width,
        layout_.options.stored};
    const bool scales = is_scaled && scores_.only_scales();
    const Value scale = scales ? scores_.words()[&Words::scale] : b_.f32(1);
    rows_.store(shared_, places_.products, result, totals, columns, [&](Value) { return scale; });
  }

  const GradientUnitLayout layout_;
  const Places places_;
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<GradientWords> words_;
  AttentionScores scores_;
  const AttentionGradientOperands operands_;
  const Shared shared_, queries_;  // what is known of the others that are queries
  const UnitRows rows_;
  AttentionScores::Block block_;
};

}  // namespace

uint32_t gradient_shared_bytes(const GradientUnitLayout& layout) {
  return 16 * places_of(layout).all + 8 * kUnitOthers;
}

ir::Kernel generate_attention_gradient_units(const Region& region, const Target& target,
                                             const GradientUnitLayout& layout) {
  return UnitGradient(region, target, layout).run();
}

}  // namespace nxv::kernels

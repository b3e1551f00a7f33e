// Gradients on matrix units: f16 and bf16, with sums in f32.
//
// Rows (queries, or keys) of a subgroup stay in its registers, as matrices of both factors, and so
// do the totals; others (keys, or queries) come in blocks through shared memory, which the
// subgroups share. Weights and changes are computed where products and differences are, element by
// element, and become factors there where the device allows it (attention_unit_sums.h).
#include <array>
#include <numbers>

#include "kernels/attention/attention_gradient.h"
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

// Of both factors of a block of others, in elements of 16 bytes.
uint32_t stage_size(const GradientUnitLayout& layout) {
  return layout.others * (AttentionChunks::stride(2 * layout.width) +
                          AttentionChunks::stride(2 * layout.value_width));
}

// The rows' own factors pass through before all blocks, results after them.
uint32_t tiles_size(const GradientUnitLayout& layout) {
  const uint32_t widest = std::max(layout.width, layout.value_width);
  const uint32_t rows = layout.rows * layout.subgroups;
  return std::max({layout.stages * stage_size(layout), rows * AttentionChunks::stride(2 * widest),
                   rows * kTotalsStride});
}

// Numbers of the queries: of the rows, or of two stages of others.
uint32_t queries_known(const GradientUnitLayout& layout) {
  return layout.of_queries ? layout.rows * layout.subgroups : layout.stages * layout.others;
}

class UnitGradient {
 public:
  UnitGradient(const Region& region, const Target& target, const GradientUnitLayout& layout)
      : layout_(layout),
        b_(layout.of_queries ? "attention_gradient_queries_units" : "attention_gradient_keys_units",
           threads()),
        arguments_(b_, region, kWordsOf<GradientWords>,
                   {.overlap = Overlap::apart, .reads_output = false}),
        words_(arguments_.words_as<GradientWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        operands_(scores_.operands().count),
        shared_(b_.shared("tiles", kChunkType, tiles_size(layout))),
        bases_(b_.shared("bases", ir::kF32, queries_known(layout))),
        deltas_(b_.shared("deltas", ir::kF32, queries_known(layout))),
        rows_(b_, layout.lanes, layout.rows),
        sums_(b_, layout.lanes, layout.subgroups, 0, layout.options.type, layout.in_registers) {
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
  using Vars = std::vector<Var>;

  uint32_t threads() const { return layout_.lanes * layout_.subgroups; }
  uint32_t block_rows() const { return layout_.rows * layout_.subgroups; }
  Value word(uint32_t Words::*member) const { return scores_.word(member); }
  ir::Type factor(ir::Matrix use) const { return unit_factor(layout_.options.type, use); }
  UnitBlocks blocks() const { return {layout_.others, layout_.stages, stage_size(layout_)}; }

  // ---- Factors: those of width, queries and keys, and those of value_width, gradient and values

  AttentionChunks tile(int operand, uint32_t rows, bool of_values) const {
    const DType type = layout_.options.type;
    const uint32_t chunks = 2 * (of_values ? layout_.value_width : layout_.width);
    if (layout_.whole) return {b_, arguments_, scores_, operand, type, rows, chunks, threads()};
    const Value width = word(of_values ? &Words::value_width : &Words::width);
    return {b_, arguments_, scores_, operand, type, rows, chunks, width, threads()};
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

  Vars zero_totals(uint32_t columns) {
    return rows_.variables(rows_.matrices() * columns, b_.matrix_fill(scores_.zero()));
  }

  // A block of others on its way: both of their factors.
  struct Others {
    AttentionChunks first, second;
    Value behind;  // where in shared memory
  };
  Others others(int first, int second) {
    Others all{tile(first, layout_.others, false), tile(second, layout_.others, true), {}};
    all.first.place(shared_, 0);
    all.second.place(shared_, all.first.size());
    return all;
  }

  // Products of the rows with sixteen others.
  void multiply(const Matrices& rows, const AttentionChunks& chunks, Value behind, uint32_t block,
                uint32_t columns, const Vars& products) {
    Matrices sums(rows_.matrices(), b_.matrix_fill(scores_.zero()));
    for (uint32_t c = 0; c < columns; ++c) {
      const Value y = chunks.matrix(factor(ir::Matrix::b), b_.u32(0), block, c, true, behind);
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        sums[r] = b_.matrix_multiply_add(rows[r * columns + c], y, sums[r]);
      }
    }
    for (uint32_t r = 0; r < rows_.matrices(); ++r) products[r].set(sums[r]);
  }

  void add(const Matrices& weights, const AttentionChunks& chunks, Value behind, uint32_t block,
           uint32_t columns, const Vars& totals) {
    for (uint32_t c = 0; c < columns; ++c) {
      const Value y = chunks.matrix(factor(ir::Matrix::b), b_.u32(0), block, c, false, behind);
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        const Var& total = totals[r * columns + c];
        total.set(b_.matrix_multiply_add(weights[r], y, total.get()));
      }
    }
  }

  // ---- Weights and changes

  // Of a query: the logarithm of its sum, negative and as an exponent of what scores are, and its
  // delta.
  std::array<Value, 2> query(Value number) const {
    const Value sum = scores_.of_row(operands_.statistics, number);
    // Of a row that sees no key all weights are 0.
    Value base = b_.select(sum == scores_.lowest(), scores_.zero(), sum);
    if (scores_.only_scales()) base = base * std::numbers::log2e_v<float>;
    return {-base, scores_.of_row(operands_.deltas, number)};
  }

  // What changes products and differences to weights and changes: of the rows and of sixteen
  // others, whose numbers begin at first_row and first_other. known(r): accumulators of what is
  // known of the queries. `is_masked`: some query of the block may not see some key, or not be.
  template <typename Known>
  void weigh(bool is_masked, Value first_row, Value first_other, Known known) {
    const auto at = [&](uint32_t r, Value row, Value column) {
      row = first_row + row + r * kSide;
      column = first_other + column;
      return layout_.of_queries ? std::array{row, column} : std::array{column, row};
    };
    if (!scores_.only_scales()) {
      const auto row = sums_.rows(), column = sums_.columns();
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        sums_.each([&](uint32_t e) {
          const auto [number, key] = at(r, row[e], column[e]);
          const auto score = scores_.differentiated(b_.element_load(products_[r], e), number, key);
          b_.element_store(products_[r], e, score.value);
          b_.element_store(slopes_[r], e, score.slope);
        });
      }
    }
    if (is_masked) {
      const auto row = sums_.rows(), column = sums_.columns();
      for (uint32_t r = 0; r < rows_.matrices(); ++r) {
        sums_.each([&](uint32_t e) {
          const auto [number, key] = at(r, row[e], column[e]);
          const Value sees = scores_.sees(number, key) & (number < word(&Words::queries));
          const Value score = b_.element_load(products_[r], e);
          b_.element_store(products_[r], e, b_.select(sees, score, scores_.lowest()));
        });
      }
    }
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      const std::array<Var, 2> of_queries = known(r);
      sums_.each([&](uint32_t e) {
        const Value score = b_.element_load(products_[r], e),
                    base = b_.element_load(of_queries[0], e);
        const Value exponent = scores_.only_scales()
                                   ? b_.fma(score, scores_.words()[&Words::binary_scale], base)
                                   : (score + base) * std::numbers::log2e_v<float>;
        const Value weight = b_.unary(Opcode::exp2, exponent);
        Value change =
            weight * (b_.element_load(differences_[r], e) - b_.element_load(of_queries[1], e));
        if (!scores_.only_scales()) change = change * b_.element_load(slopes_[r], e);
        b_.element_store(products_[r], e, weight);
        b_.element_store(differences_[r], e, change);
      });
    }
  }

  Matrices factors(const Vars& sums) const {
    Matrices all;
    for (const Var& s : sums) all.push_back(sums_.factor(s));
    return all;
  }

  void begin_sums() {
    const Value zeros = b_.matrix_fill(scores_.zero());
    products_ = rows_.variables(rows_.matrices(), zeros);
    differences_ = rows_.variables(rows_.matrices(), zeros);
    if (!scores_.only_scales()) slopes_ = rows_.variables(rows_.matrices(), zeros);
  }

  // ---- The two kernels

  void for_queries(Value group) {
    block_ = scores_.select(group, block_rows());
    const Value queries_end = word(&Words::queries), keys_end = word(&Words::keys);
    const Value local = b_.builtin(ir::Builtin::local_index);
    b_.for_range(local, b_.u32(block_rows()), b_.u32(threads()), [&](Value i) {
      const auto [base, delta] = query(block_.first_row + i);
      b_.shared_store(bases_, i, base);
      b_.shared_store(deltas_, i, delta);
    });
    const Matrices q = load_rows(0, false, block_.head, queries_end);
    const Matrices g = load_rows(operands_.gradient, true, block_.head, queries_end);
    const Vars totals = zero_totals(layout_.width);
    begin_sums();
    std::vector<std::array<Var, 2>> known;
    for (uint32_t r = 0; r < rows_.matrices(); ++r) {
      const Value at = rows_.subgroup_row + r * kSide;
      known.push_back({b_.var(sums_.of_rows(bases_, at)), b_.var(sums_.of_rows(deltas_, at))});
    }
    const Value first = block_.first_row + rows_.subgroup_row, last = first + (layout_.rows - 1);
    Others keys = others(1, 2);
    const auto visit = [&](bool is_masked) {
      return [&, is_masked](Value behind, Value first_key) {
        const auto see = [&] {
          for (uint32_t j = 0; j < layout_.others / kSide; ++j) {
            multiply(q, keys.first, behind, j, layout_.width, products_);
            multiply(g, keys.second, behind, j, layout_.value_width, differences_);
            weigh(is_masked, first, first_key + j * kSide, [&](uint32_t r) { return known[r]; });
            add(factors(differences_), keys.first, behind, j, layout_.width, totals);
          }
        };
        if (!is_masked) return see();
        b_.if_(scores_.some_see(first, last, first_key, first_key + (layout_.others - 1)), see);
      };
    };
    const Value block_end = block_.first_row + block_rows();
    const auto seen = scores_.keys_of(block_.first_row, block_end, layout_.others);
    const auto by_all =
        scores_.keys_all_see(seen, block_.first_row, block_end - 1u, layout_.others);
    each_block(
        b_, ranges(seen, by_all, layout_.options.has_before, visit), blocks(),
        [&](Value key) {
          keys.first.load(block_.kv_head, key, keys_end);
          keys.second.load(block_.kv_head, key, keys_end);
        },
        [&](Value behind) {
          keys.first.store(behind);
          keys.second.store(behind);
        });
    store(layout_.first, words_[&GradientWords::first], block_.head, queries_end,
          word(&Words::width), totals, layout_.width, true);
  }

  void for_keys(Value group) {
    block_ = scores_.select_keys(group, block_rows());
    const Value keys_end = word(&Words::keys);
    const Matrices k = load_rows(1, false, block_.kv_head, keys_end);
    const Matrices v = load_rows(2, true, block_.kv_head, keys_end);
    const Vars of_keys = zero_totals(layout_.width), of_values = zero_totals(layout_.value_width);
    begin_sums();
    const auto range = scores_.queries_of(block_.first_row, block_rows(), layout_.others);
    const Value heads = scores_.words()[&Words::head_group];
    b_.for_range(b_.u32(0), heads, b_.u32(1), [&](Value in_group) {
      const Value head = block_.kv_head * heads + in_group;
      scores_.select_head(head);
      add_queries(head, range, k, v, of_keys, of_values);
    });
    store(layout_.first, words_[&GradientWords::first], block_.kv_head, keys_end,
          word(&Words::width), of_keys, layout_.width, true);
    store(layout_.second, words_[&GradientWords::second], block_.kv_head, keys_end,
          word(&Words::value_width), of_values, layout_.value_width, false);
  }

  void add_queries(Value head, AttentionScores::Range range, const Matrices& k, const Matrices& v,
                   const Vars& of_keys, const Vars& of_values) {
    const Value queries_end = word(&Words::queries);
    const Value first = block_.first_row + rows_.subgroup_row, last = first + (layout_.rows - 1);
    const Value local = b_.builtin(ir::Builtin::local_index);
    Others queries = others(0, operands_.gradient);
    std::vector<std::array<Var, 2>> known;  // of an invocation's queries, on their way
    for (uint32_t i = 0; i < layout_.others; i += threads()) {
      known.push_back({b_.var(ir::kF32), b_.var(ir::kF32)});
    }
    const auto load = [&](Value number) {
      queries.first.load(head, number, queries_end);
      queries.second.load(head, number, queries_end);
      for (uint32_t i = 0; i < known.size(); ++i) {
        const auto [base, delta] = query(number + local + i * threads());
        known[i][0].set(base);
        known[i][1].set(delta);
      }
    };
    const auto store = [&](Value behind) {
      queries.first.store(behind);
      queries.second.store(behind);
      for (uint32_t i = 0; i < known.size(); ++i) {
        const Value in_block = local + i * threads();
        b_.if_(in_block < layout_.others, [&] {
          const Value at = in_block + known_behind(behind);
          b_.shared_store(bases_, at, known[i][0].get());
          b_.shared_store(deltas_, at, known[i][1].get());
        });
      }
    };
    const auto visit = [&](bool is_masked) {
      return [&, is_masked](Value behind, Value number) {
        const auto see = [&] {
          for (uint32_t j = 0; j < layout_.others / kSide; ++j) {
            multiply(k, queries.first, behind, j, layout_.width, products_);
            multiply(v, queries.second, behind, j, layout_.value_width, differences_);
            const Value at = known_behind(behind) + j * kSide;
            const std::array of_others = {b_.var(sums_.of_columns(bases_, at)),
                                          b_.var(sums_.of_columns(deltas_, at))};
            weigh(is_masked, first, number + j * kSide, [&](uint32_t) { return of_others; });
            if (layout_.second >= 0) {
              add(factors(products_), queries.second, behind, j, layout_.value_width, of_values);
            }
            if (layout_.first >= 0) {
              add(factors(differences_), queries.first, behind, j, layout_.width, of_keys);
            }
          }
        };
        if (!is_masked) return see();
        b_.if_(scores_.some_see(number, number + (layout_.others - 1), first, last), see);
      };
    };
    const auto by_all = scores_.queries_all_see(
        range, block_.first_row, block_.first_row + (block_rows() - 1), layout_.others);
    each_block(b_, ranges(range, by_all, layout_.options.has_after, visit), blocks(), load, store);
  }

  // Blocks that all see, and those before (if there can be any) and behind.
  template <typename Visit>
  static std::vector<BlockRange> ranges(const AttentionScores::Range& seen,
                                        const AttentionScores::Range& by_all, bool has_first,
                                        const Visit& visit) {
    std::vector<BlockRange> all;
    if (has_first) all.push_back({{seen.begin, by_all.begin}, visit(true)});
    all.push_back({by_all, visit(false)});
    all.push_back({{by_all.end, seen.end}, visit(true)});
    return all;
  }

  // Where what is known of the queries of a block lies.
  Value known_behind(Value behind) const {
    return b_.select(behind == 0u, b_.u32(0), b_.u32(layout_.others));
  }

  // `is_scaled`: the slope of scores that are but scaled was left out of changes.
  void store(int root, const WordValues<AttentionResultWords>& place, Value head, Value end,
             Value width, const Vars& totals, uint32_t columns, bool is_scaled) {
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
    rows_.store(shared_, result, totals, columns, [&](Value) { return scale; });
  }

  const GradientUnitLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<GradientWords> words_;
  AttentionScores scores_;
  const AttentionGradientOperands operands_;
  const Shared shared_, bases_, deltas_;  // the latter of queries; bases are negative
  const UnitRows rows_;
  const UnitSums sums_;
  AttentionScores::Block block_;
  Vars products_, differences_, slopes_;  // of each sixteen rows with sixteen others
};

}  // namespace

uint32_t gradient_shared_bytes(const GradientUnitLayout& layout) {
  return 16 * tiles_size(layout) + 8 * queries_known(layout) +
         UnitSums::shared_bytes(layout.subgroups, 0, layout.in_registers);
}

ir::Kernel generate_attention_gradient_units(const Region& region, const Target& target,
                                             const GradientUnitLayout& layout) {
  return UnitGradient(region, target, layout).run();
}

}  // namespace nxv::kernels

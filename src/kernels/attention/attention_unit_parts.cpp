// The parts of an attention of few queries on matrix units (attention_decode.h), whose multiplying
// and adding would else take longer than reading.
//
// All rows of a head of keys, up to 16, are a matrix that each subgroup has. Subgroups take the
// blocks of a part in turn, and wait for nobody until the end, where their totals meet in shared
// memory.
#include <algorithm>
#include <numbers>

#include "kernels/attention/attention_decode.h"
#include "kernels/attention/attention_unit_softmax.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Shared;
using ir::Value;
using ir::Var;

constexpr uint32_t kRows = ir::kMatrixSide;

// In elements of 16 bytes: of rows of totals, and of all that a subgroup has in shared memory.
uint32_t totals_stride(const UnitPartsLayout& l) { return l.value_width * (kRows / 4) + 1; }
uint32_t region_size(const UnitPartsLayout& l) {
  const uint32_t keys = AttentionChunks::stride(2 * l.width);
  const uint32_t values = AttentionChunks::stride(2 * l.value_width);
  return std::max({l.keys * (keys + values), kRows * totals_stride(l), kRows * keys});
}

UnitSoftmaxLayout softmax_layout(const UnitPartsLayout& l) {
  return {l.lanes,       l.subgroups, kRows,          l.width,
          l.value_width, l.keys,      l.options.type, l.in_registers};
}

class UnitParts {
 public:
  UnitParts(const Region& region, const Target& target, const UnitPartsLayout& layout)
      : layout_(layout),
        b_("attention_unit_parts", layout.lanes * layout.subgroups),
        arguments_(b_, region, kWordsOf<DecodeWords>,
                   {.overlap = Overlap::apart, .reads_output = false, .workspaces = 1}),
        words_(arguments_.words_as<DecodeWords>()),
        scores_(b_, arguments_, region, layout.options, target.math),
        shared_(b_.shared("tiles", kChunkType, layout.subgroups * region_size(layout))),
        bases_(b_.shared("part_bases", ir::kF32, layout.subgroups * kRows)),
        sums_(b_.shared("part_sums", ir::kF32, layout.subgroups * kRows)),
        factors_(b_.shared("part_factors", ir::kF32, layout.subgroups * kRows)),
        subgroup_(b_.builtin(ir::Builtin::subgroup_index)),
        lane_(b_.builtin(ir::Builtin::subgroup_lane)),
        local_(b_.builtin(ir::Builtin::local_index)),
        softmax_(b_, scores_, softmax_layout(layout)) {
    b_.set_subgroup_size(layout.lanes);
  }

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < scores_.word(&Words::groups), [&] {
      find(group);
      // What no query sees is not read.
      b_.if_(
          begin_ < end_, [&] { compute(); },
          [&] {
            b_.if_(local_ < kRows,
                   [&] { store_statistics(local_, scores_.lowest(), scores_.zero()); });
          });
    });
    return b_.finish();
  }

 private:
  using Words = AttentionWords;

  Value word(uint32_t DecodeWords::*member) const { return words_[member]; }

  void find(Value group) {
    block_ = scores_.select_keys(group, 1);
    part_ = block_.first_row;
    const auto seen = scores_.keys_of(b_.u32(0), scores_.word(&Words::queries), layout_.keys);
    const Value first = part_ * layout_.part;
    begin_ = b_.binary(Opcode::max, seen.begin, first);
    end_ = b_.binary(Opcode::min, seen.end, first + layout_.part);
  }

  // Selects the head of a row, and gives its query; of rows beyond the end those of the last.
  Value query_of(Value row) {
    const Value inside = b_.binary(Opcode::min, row, word(&DecodeWords::rows) - 1u);
    const auto& words = scores_.words();
    const Value query = words.divide(inside, &Words::head_group);
    const Value group = words[&Words::head_group];
    head_ = block_.kv_head * group + (inside - query * group);
    scores_.select_head(head_);
    return query;
  }

  AttentionChunks tile(int operand, uint32_t matrices, uint32_t Words::*width) const {
    const DType type = layout_.options.type;
    return {b_,           arguments_,          scores_,       operand, type, layout_.keys,
            2 * matrices, scores_.word(width), layout_.lanes, lane_};
  }

  void compute() {
    AttentionChunks keys = tile(1, layout_.width, &Words::width);
    AttentionChunks values = tile(2, layout_.value_width, &Words::value_width);
    keys.place(shared_, 0);
    values.place(shared_, keys.size());
    const Value own = subgroup_ * region_size(layout_), end = scores_.word(&Words::keys);
    const auto load = [&](Value key) {
      keys.load(block_.kv_head, key, end);
      values.load(block_.kv_head, key, end);
    };
    const Value first = begin_ + subgroup_ * layout_.keys;
    load(first);
    const UnitSoftmax::Matrices queries = load_queries();
    softmax_.begin(UnitSoftmax::Bases::raised);
    const uint32_t step = layout_.keys * layout_.subgroups;
    b_.for_range(
        first, end_, b_.u32(step),
        [&](Value key) {
          b_.subgroup_barrier();
          keys.store(own);
          values.store(own);
          b_.subgroup_barrier();
          load(key + step);
          softmax_.visit(queries, {&keys, &values, own, key, true, true},
                         [&](Value row) { return query_of(row); });
        },
        ir::Unrolling::never);
    combine(own);
  }

  UnitSoftmax::Matrices load_queries() {
    const uint32_t chunks = 2 * layout_.width, stride = AttentionChunks::stride(chunks);
    const Value width = scores_.word(&Words::width);
    const Value zero = b_.u32(0), zeros = b_.pack({zero, zero, zero, zero});
    b_.for_range(
        local_, b_.u32(kRows * chunks), b_.u32(layout_.lanes * layout_.subgroups), [&](Value i) {
          const Value row = i / chunks, column = (i - row * chunks) * kHalves;
          const Value query = query_of(row);
          const Value at =
              scores_.start(0, head_, query) + b_.binary(Opcode::min, column, width - kHalves);
          const Value chunk = b_.load(arguments_.operand(0), at / kHalves, kChunkType);
          b_.shared_store(shared_, row * stride + (i - row * chunks),
                          b_.select(column < width, chunk, zeros));
        });
    b_.barrier();
    UnitSoftmax::Matrices all;
    const ir::Type factor = unit_factor(layout_.options.type, ir::Matrix::a);
    for (uint32_t c = 0; c < layout_.width; ++c) {
      all.push_back(b_.matrix_load(shared_, b_.u32(2 * c), stride, factor));
    }
    b_.barrier();
    return all;
  }

  // ---- The subgroups' totals become those of the part

  void combine(Value own) {
    softmax_.each_row([&](const UnitSoftmax::Row& row) {
      b_.if_(row.is_first, [&] {
        b_.shared_store(bases_, row.in_block, row.base);
        b_.shared_store(sums_, row.in_block, row.sum);
      });
    });
    b_.barrier();
    b_.if_(lane_ < kRows, [&] {
      const Value at = subgroup_ * kRows + lane_;
      const Value above = b_.shared_load(bases_, at) - largest_base(lane_);
      b_.shared_store(factors_, at, b_.unary(Opcode::exp2, above * std::numbers::log2e_v<float>));
    });
    b_.barrier();
    softmax_.scale(factors_);
    for (uint32_t c = 0; c < layout_.value_width; ++c) {
      b_.matrix_store(shared_, own + c * (kRows / 4), totals_stride(layout_),
                      softmax_.totals()[c].get());
    }
    b_.if_(local_ < kRows, [&] {
      Value sum = scores_.zero();
      each_subgroup([&](uint32_t s) {
        const Value at = local_ + s * kRows;
        sum = b_.fma(b_.shared_load(sums_, at), b_.shared_load(factors_, at), sum);
      });
      store_statistics(local_, largest_base(local_), sum);
    });
    b_.barrier();
    store_totals();
  }

  template <typename F>
  void each_subgroup(F f) const {
    for (uint32_t s = 0; s < layout_.subgroups; ++s) f(s);
  }

  Value largest_base(Value row) const {
    Value most = b_.shared_load(bases_, row);
    each_subgroup([&](uint32_t s) {
      const Value v = b_.shared_load(bases_, row + s * kRows);
      most = b_.select(v > most, v, most);
    });
    return most;
  }

  void store_totals() {
    const uint32_t fours = layout_.value_width * (kRows / 4);
    const Value width = scores_.word(&Words::value_width);
    b_.for_range(
        local_, b_.u32(kRows * fours), b_.u32(layout_.lanes * layout_.subgroups), [&](Value i) {
          const Value row = i / fours, four = i - row * fours;
          const Value from = row * totals_stride(layout_) + four;
          Value sum;
          each_subgroup([&](uint32_t s) {
            const Value v = b_.bitcast(b_.shared_load(shared_, from + s * region_size(layout_)),
                                       ir::vec(ir::kF32, 4));
            sum = sum ? sum + v : v;
          });
          b_.if_((row < word(&DecodeWords::rows)) & (four * 4u < width), [&] {
            const Value at = place(row) * width + four * 4u;
            for (uint32_t e = 0; e < 4; ++e) {
              b_.store(arguments_.workspace(0), at + e, b_.extract(sum, static_cast<int>(e)));
            }
          });
        });
  }

  // Whose place in the workspace: {batch, head of keys, row, part}.
  Value place(Value row) const {
    const Value head = block_.batch * scores_.words()[&Words::heads] + block_.kv_head;
    return (head * word(&DecodeWords::rows) + row) * word(&DecodeWords::parts) + part_;
  }

  void store_statistics(Value row, Value most, Value sum) {
    b_.if_(row < word(&DecodeWords::rows), [&] {
      const Value at = word(&DecodeWords::statistics) + place(row) * 2u;
      b_.store(arguments_.workspace(0), at, most);
      b_.store(arguments_.workspace(0), at + 1u, sum);
    });
  }

  const UnitPartsLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  const WordValues<DecodeWords> words_;
  AttentionScores scores_;
  const Shared shared_, bases_, sums_, factors_;  // the latter of each subgroup's rows
  const Value subgroup_, lane_, local_;
  UnitSoftmax softmax_;
  AttentionScores::Block block_;
  Value part_, begin_, end_;
  Value head_;  // of the row that was last asked for
};

}  // namespace

uint32_t unit_parts_shared_bytes(const UnitPartsLayout& layout) {
  return layout.subgroups * (16 * region_size(layout) + 12 * kRows) +
         UnitSoftmax::shared_bytes(softmax_layout(layout));
}

ir::Kernel generate_attention_unit_parts(const Region& region, const Target& target,
                                         const UnitPartsLayout& layout) {
  return UnitParts(region, target, layout).run();
}

}  // namespace nxv::kernels

// Attention on matrix units: f16 and bf16, with sums in f32.
//
// A subgroup takes 16 or more queries (attention_unit_softmax.h); the subgroups of a workgroup
// share the keys and values in shared memory, where the next block is put while one is used.
#include <algorithm>

#include "kernels/attention/attention_unit_blocks.h"
#include "kernels/attention/attention_unit_softmax.h"
#include "kernels/common/grid.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Shared;
using ir::Value;

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

UnitSoftmaxLayout softmax_layout(const UnitAttentionLayout& l) {
  return {l.lanes,       l.subgroups, l.rows,         l.width,
          l.value_width, l.keys,      l.options.type, l.in_registers};
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
        inverses_(b_.shared("inverses", ir::kF32, block_rows())),
        softmax_(b_, scores_, softmax_layout(layout)) {
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
  using Bases = UnitSoftmax::Bases;

  uint32_t threads() const { return layout_.lanes * layout_.subgroups; }
  uint32_t block_rows() const { return layout_.rows * layout_.subgroups; }

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
    // Of a window the first block says nothing.
    if (layout_.options.type == DType::f16 && layout_.options.has_before) {
      load_queries();
      go_over_keys(Bases::raised);
      end_rows();
    } else {
      guess_bases();
    }
    store();
  }

  // And again without a guess where it was wrong for some row of the workgroup.
  void guess_bases() {
    const Shared wrong = b_.shared("wrong", ir::kU32, 1);
    b_.if_(b_.builtin(ir::Builtin::local_index) == 0u,
           [&] { b_.shared_store(wrong, b_.u32(0), b_.u32(0)); });
    load_queries();
    go_over_keys(layout_.options.type == DType::f16 ? Bases::first : Bases::none);
    b_.if_(!end_rows(),
           [&] { b_.shared_atomic(ir::Opcode::shared_atomic_or, wrong, b_.u32(0), b_.u32(1)); });
    b_.barrier();
    b_.if_(b_.shared_load(wrong, b_.u32(0)) != 0u, [&] {
      go_over_keys(Bases::raised);
      end_rows();
    });
  }

  void go_over_keys(Bases bases) {
    softmax_.begin(bases, layout_.options.has_sinks ? scores_.sink() : Value());
    AttentionChunks keys = tile(1, layout_.keys, layout_.width, &Words::width);
    AttentionChunks values = tile(2, layout_.keys, layout_.value_width, &Words::value_width);
    keys.place(shared_, 0);
    values.place(shared_, keys.size());
    const Value end = scores_.word(&Words::keys);
    const Value first = block_.first_row + softmax_.rows().subgroup_row;
    const Value last = first + (layout_.rows - 1);
    const auto visit = [&](bool is_masked, bool raises) {
      return [&, is_masked, raises](Value behind, Value key) {
        const auto see = [&] {
          softmax_.visit(queries_, {&keys, &values, behind, key, is_masked, raises},
                         [&](Value row) { return first + row; });
        };
        if (!is_masked) return see();
        b_.if_(scores_.some_see(first, last, key, key + (layout_.keys - 1)), see);
      };
    };
    const bool raises = bases == Bases::raised;
    const Value block_end = block_.first_row + block_rows();
    auto seen = scores_.keys_of(block_.first_row, block_end, layout_.keys);
    std::vector<BlockRange> ranges;
    if (bases == Bases::first) {
      const Value second = b_.binary(ir::Opcode::min, seen.begin + layout_.keys, seen.end);
      ranges.push_back({{seen.begin, second}, visit(true, true)});
      seen.begin = second;
    }
    const auto by_all = scores_.keys_all_see(seen, block_.first_row, block_end - 1u, layout_.keys);
    if (layout_.options.has_before) {
      ranges.push_back({{seen.begin, by_all.begin}, visit(true, raises)});
    }
    ranges.push_back({by_all, visit(false, raises)});
    ranges.push_back({{by_all.end, seen.end}, visit(true, raises)});
    each_block(
        b_, ranges, {layout_.keys, layout_.stages, stage_size(layout_)},
        [&](Value key) {
          keys.load(block_.kv_head, key, end);
          values.load(block_.kv_head, key, end);
        },
        [&](Value behind) {
          keys.store(behind);
          values.store(behind);
        });
  }

  void load_queries() {
    AttentionChunks queries = tile(0, block_rows(), layout_.width, &Words::width);
    queries.place(shared_, 0);
    queries.load(block_.head, block_.first_row, scores_.word(&Words::queries));
    queries.store();
    b_.barrier();
    const ir::Type factor = unit_factor(layout_.options.type, ir::Matrix::a);
    const UnitRows& rows = softmax_.rows();
    for (uint32_t r = 0; r < rows.matrices(); ++r) {
      for (uint32_t c = 0; c < layout_.width; ++c) {
        queries_.push_back(queries.matrix(factor, rows.subgroup_row, r, c, false));
      }
    }
  }

  // What rows are divided by, and statistics. Whether the invocation's sums are right.
  Value end_rows() {
    Value right;
    softmax_.each_row([&](const UnitSoftmax::Row& row) {
      const Value divisor = b_.select(row.sum == scores_.zero(), b_.f32(1), row.sum);
      b_.if_(row.is_first, [&] { b_.shared_store(inverses_, row.in_block, b_.f32(1) / divisor); });
      if (layout_.options.statistics >= 0) store_statistics(row);
      const Value is_there = block_.first_row + row.in_block < scores_.word(&Words::queries);
      const Value own = softmax_.is_right(row.sum) | !is_there;
      right = right ? right & own : own;
    });
    return right;
  }

  void store() {
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
    softmax_.rows().store(shared_, result, softmax_.totals(), layout_.value_width,
                          [&](Value row) { return b_.shared_load(inverses_, row); });
  }

  void store_statistics(const UnitSoftmax::Row& row) {
    const auto& words = scores_.words();
    const Value number = block_.first_row + row.in_block;
    const Value at =
        (block_.batch * words[&Words::heads] + block_.head) * words[&Words::queries] + number;
    const Value log = row.base + ir::math::log(row.sum, math_);
    b_.if_((number < words[&Words::queries]) & row.is_first, [&] {
      b_.store(arguments_.output(static_cast<size_t>(layout_.options.statistics)), at,
               b_.select(row.sum == scores_.zero(), scores_.lowest(), log));
    });
  }

  const UnitAttentionLayout layout_;
  mutable Builder b_;
  const KernelArguments arguments_;
  AttentionScores scores_;
  const ir::math::MathOptions math_;
  const Shared shared_, inverses_;
  UnitSoftmax softmax_;
  UnitSoftmax::Matrices queries_;
  AttentionScores::Block block_;
};

}  // namespace

uint32_t unit_shared_bytes(const UnitAttentionLayout& layout) {
  return 16 * tiles_size(layout) + 4 * layout.rows * layout.subgroups + 16 +
         UnitSoftmax::shared_bytes(softmax_layout(layout));
}

ir::Kernel generate_unit_attention(const Region& region, const Target& target,
                                   const UnitAttentionLayout& layout) {
  return UnitAttention(region, target, layout).run();
}

}  // namespace nxv::kernels

#include "kernels/matmul/matmul_units.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "kernels/common/grid.h"
#include "kernels/matmul/byte_slab.h"
#include "kernels/matmul/split_lines.h"
#include "kernels/matmul/unit_slab.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

// Tiles that share their columns of B run together, in groups of so many rows of tiles.
constexpr uint32_t kRowGroup = 8;

class UnitMatmul {
 public:
  UnitMatmul(const Region& region, const Target& target, const UnitLayout& layout)
      : layout_(layout),
        tile_(layout_.tile),
        is_split_(layout.factors == UnitFactors::split),
        is_scaled_(layout.factors == UnitFactors::scaled),
        is_integer_(layout.factors == UnitFactors::integers),
        matrix_steps_(is_integer_ ? layout.matrix_steps : kUnitSide),
        matrix_rows_(tile_.thread_rows / kUnitSide),
        matrix_columns_(tile_.thread_columns / kUnitSide),
        b_("matmul_units", tile_.threads()),
        kernel_(b_, region, target, layout.sums,
                is_split_    ? kWordsOf<SplitWords>
                : is_scaled_ ? kWordsOf<ScaledWords>
                             : kWordsOf<TileWords>,
                is_f32() + layout.store.to_workspace),
        words_(kernel_.arguments.words_as<TileWords>()),
        store_(kernel_, layout.store, layout.is_full),
        slab_a_(slab(kernel_.A, layout.a, layout.packed_a, tile_.rows)),
        slab_b_(slab(kernel_.B, layout.b, layout.packed_b, tile_.columns)) {
    b_.set_subgroup_size(tile_.lanes);
    shared_ = b_.shared("slabs", kUnitWordType,
                        std::max(slab_a_->size() + slab_b_->size(), piece_chunks(tile_)));
    slab_a_->place(shared_, 0);
    slab_b_->place(shared_, slab_a_->size());
    if (is_scaled_) {
      scaled_.emplace(kernel_, layout.scales, kWordsOf<TileWords>);
      care_ = b_.shared("care", ir::kU32, 1);
    }
    if (is_f32()) shifts_ = b_.shared("shifts", ir::kU32, tile_.rows + tile_.columns);
  }

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < words_[&Words::groups], [&] {
      const TilePart place = part_of(words_, group, tile_.split);
      part_ = place.part;
      const Value tile = place.tile;
      find_tile(tile);
      begin();
      if (!is_split_) return compute();
      verdict_ = lines().verdict(batch_, first_row_, first_column_);
      keep_verdict();
      b_.if_(verdict_ != static_cast<uint32_t>(Verdict::rejected), [&] { compute(); });
    });
    return b_.finish();
  }

 private:
  using Words = TileWords;

  bool is_f32() const { return is_split_ || is_scaled_; }

  std::unique_ptr<FactorSlab> slab(const MatmulKernel::Operand& operand, ChunkAccess access,
                                   PackedAccess packed_access, uint32_t extent) const {
    const bool is_full = layout_.is_full;
    if (is_integer_) {
      return std::make_unique<ByteSlab>(kernel_, operand, packed_access, tile_, extent, is_full);
    }
    return std::make_unique<UnitSlab>(kernel_, operand, access, tile_, extent, layout_.factors,
                                      is_full);
  }

  void find_tile(Value tile) {
    const Value rows = words_[&Words::row_tiles], columns = words_[&Words::column_tiles];
    const Value row_of_all = words_.divide(tile, &Words::column_tiles);
    batch_ = words_.divide(row_of_all, &Words::row_tiles);
    const Value in_batch = tile - batch_ * rows * columns;
    const Value group = in_batch / (columns * kRowGroup);
    const Value first = group * kRowGroup;
    const Value height = b_.binary(Opcode::min, rows - first, b_.u32(kRowGroup));
    const Value in_group = in_batch - first * columns;
    const Value column = in_group / height;
    first_row_ = (first + in_group - column * height) * tile_.rows;
    first_column_ = column * tile_.columns;
  }

  // Loads that need not wait for each other, the verdict among them.
  void begin() {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value subgroup = b_.builtin(ir::Builtin::subgroup_index);
    const uint32_t across = tile_.columns / tile_.thread_columns;
    const Value down = subgroup / across;
    row_ = down * tile_.thread_rows;
    column_ = (subgroup - down * across) * tile_.thread_columns;
    if (is_scaled_) {
      scaled_->locate(batch_);
      find_care(local);
    }
    slab_a_->locate(local, batch_, first_row_, kernel_.m(),
                    [&](Value row) { return scale(row_shift(row)); });
    slab_b_->locate(local, batch_, first_column_, kernel_.n(),
                    [&](Value column) { return scale(column_shift(column)); });

    if (is_f32()) {
      keep_shifts(local, 0, tile_.rows,
                  [&](Value i) { return row_shift(inside(first_row_ + i, &ProductWords::m)); });
      keep_shifts(local, tile_.rows, tile_.columns, [&](Value i) {
        return column_shift(inside(first_column_ + i, &ProductWords::n));
      });
    }

    first_ = b_.u32(0), end_ = kernel_.k();
    if (tile_.split) {
      first_ = part_ * words_[&Words::part_steps];
      end_ = b_.binary(Opcode::min, first_ + words_[&Words::part_steps], end_);
    }
    load(first_);
    slab_a_->keep();
    slab_b_->keep();
  }

  void compute() {
    zeros_ = b_.matrix_fill(zero());
    for (uint32_t i = 0; i < matrix_rows_ * matrix_columns_; ++i) totals_.push_back(b_.var(zeros_));
    if (!is_split_) {
      add_up(0);
    } else if (layout_.own_scales) {
      add_up(kLowerScale);
    } else {
      b_.if_(
          verdict_ == static_cast<uint32_t>(Verdict::two_scales), [&] { add_up(kLowerScale); },
          [&] { add_up(0); });
    }
    finish(MatmulKernel::read(totals_));
  }

  // All steps of the part. `lower_scale`: of lower pieces.
  void add_up(uint32_t lower_scale) {
    const bool has_chains = is_split_ && lower_scale == 0;
    const uint32_t steps = unit_steps(tile_, layout_.factors);
    slab_a_->recall();
    slab_b_->recall();
    store(lower_scale);
    b_.barrier();
    b_.for_range(first_, end_, b_.u32(steps), [&](Value k) {
      Sum sums = has_chains ? Sum(totals_.size(), zeros_) : MatmulKernel::read(totals_);
      for (uint32_t done = 0; done < steps; done += tile_.depth) {
        Value next = k + (done + tile_.depth);
        if (layout_.is_full) next = b_.binary(Opcode::min, next, end_ - tile_.depth);
        load(next);
        lower_scale > 0 ? add_scaled_pieces(sums) : add_slabs(sums);
        b_.barrier();
        store(lower_scale);
        b_.barrier();
      }
      MatmulKernel::write(totals_, has_chains ? added(MatmulKernel::read(totals_), sums) : sums);
    });
  }

  // All steps of the slabs.
  void add_slabs(Sum& sums) {
    for (uint32_t step = 0; step < tile_.depth; step += matrix_steps_) {
      if (is_split_) {
        add_pieces(step, sums);
      } else {
        add_products(matrices(ir::Matrix::a, 0, step), matrices(ir::Matrix::b, 0, step), sums);
      }
    }
  }

  void load(Value k) {
    slab_a_->load(k);
    slab_b_->load(k);
  }
  void store(uint32_t lower_scale) {
    const auto plainly = [&] {
      slab_a_->store(lower_scale);
      slab_b_->store(lower_scale);
    };
    if (!is_scaled_) return plainly();
    b_.if_(
        has_care_,
        [&] {
          slab_a_->store_carefully();
          slab_b_->store_carefully();
        },
        plainly);
  }

  Value zero() {
    if (!is_integer_) return kernel_.zero();
    return b_.number(layout_.signed_sums ? ir::kS32 : ir::kU32, 0);
  }

  ir::Scalar element(bool is_a) const {
    if (is_integer_) {
      const DType type = (is_a ? kernel_.A : kernel_.B).dtype;
      return is_unsigned(type) ? ir::Scalar::u8 : ir::Scalar::s8;
    }
    return layout_.factors == UnitFactors::bf16 ? ir::Scalar::bf16 : ir::Scalar::f16;
  }

  std::vector<Value> matrices(ir::Matrix use, uint32_t plane, uint32_t step) const {
    const bool is_a = use == ir::Matrix::a;
    const ir::Type type = ir::factor(element(is_a), use, matrix_steps_);
    std::vector<Value> all;
    for (uint32_t i = 0; i < (is_a ? matrix_rows_ : matrix_columns_); ++i) {
      const Value at = (is_a ? row_ : column_) + i * kUnitSide;
      all.push_back((is_a ? slab_a_ : slab_b_)->matrix(type, plane, at, step));
    }
    return all;
  }

  void add_products(const std::vector<Value>& a, const std::vector<Value>& b, Sum& sums) {
    for (uint32_t r = 0; r < matrix_rows_; ++r) {
      for (uint32_t c = 0; c < matrix_columns_; ++c) {
        Value& sum = sums[r * matrix_columns_ + c];
        sum = b_.matrix_multiply_add(a[r], b[c], sum);
      }
    }
  }

  // Of a step, the upper pieces of both factors: the first in an order that does not depend on
  // which of them is A.
  struct Upper {
    std::vector<Value> x, y;
  };
  ir::Matrix x() const { return kernel_.is_transposed() ? ir::Matrix::b : ir::Matrix::a; }
  ir::Matrix y() const { return kernel_.is_transposed() ? ir::Matrix::a : ir::Matrix::b; }
  Upper upper(uint32_t step) const { return {matrices(x(), 0, step), matrices(y(), 0, step)}; }

  void add_in_order(const std::vector<Value>& of_x, const std::vector<Value>& of_y, Sum& sums) {
    kernel_.is_transposed() ? add_products(of_y, of_x, sums) : add_products(of_x, of_y, sums);
  }

  // The products of a lower piece and an upper one.
  Upper add_lower(uint32_t step, Sum& sums) {
    Upper upper;
    upper.x = matrices(x(), 0, step);
    if (planes(y()) > 1) add_in_order(upper.x, matrices(y(), 1, step), sums);
    upper.y = matrices(y(), 0, step);
    if (planes(x()) > 1) add_in_order(matrices(x(), 1, step), upper.y, sums);
    return upper;
  }

  void add_pieces(uint32_t step, Sum& sums) {
    const Upper upper = add_lower(step, sums);
    add_in_order(upper.x, upper.y, sums);
  }

  // Likewise: the sums are those on the scale of lower pieces first.
  void add_scaled_pieces(Sum& totals) {
    Sum sums(totals.size(), zeros_);
    Upper last;
    for (uint32_t step = 0; step < tile_.depth; step += matrix_steps_) last = add_lower(step, sums);
    const Value unit = b_.matrix_fill(b_.bitcast(b_.u32((127 - kLowerScale) << 23), ir::kF32));
    for (Value& sum : sums) sum = b_.matrix_multiply(sum, unit);
    // Backwards: those of the last step are at hand.
    add_in_order(last.x, last.y, sums);
    for (uint32_t step = tile_.depth - matrix_steps_; step > 0;) {
      step -= matrix_steps_;
      const Upper before = upper(step);
      add_in_order(before.x, before.y, sums);
    }
    totals = added(totals, sums);
  }

  Sum added(Sum totals, const Sum& sums) {
    for (size_t i = 0; i < sums.size(); ++i) totals[i] = b_.matrix_add(totals[i], sums[i]);
    return totals;
  }

  uint32_t planes(ir::Matrix use) const {
    return planes_of((use == ir::Matrix::a ? kernel_.A : kernel_.B).dtype, layout_.factors);
  }

  // ---- Scales of lines

  SplitLines lines() const { return SplitLines(kernel_); }
  void keep_verdict() {
    Value speaks = b_.builtin(ir::Builtin::local_index) == 0u;
    if (part_) speaks = speaks & (part_ == 0u);
    b_.if_(speaks, [&] { lines().keep(verdict_, batch_, first_row_, first_column_); });
  }
  Value row_shift(Value row) const {
    return is_scaled_ ? ScaledLines::shift(scaled_->word(true, row))
                      : lines().row_shift(batch_, row);
  }
  Value column_shift(Value column) const {
    return is_scaled_ ? ScaledLines::shift(scaled_->word(false, column))
                      : lines().column_shift(batch_, column);
  }
  // Whether a line of the tile has an element that is not finite.
  void find_care(Value local) {
    b_.if_(local == 0u, [&] { b_.shared_store(care_, b_.u32(0), b_.u32(0)); });
    b_.barrier();
    for (bool is_row : {true, false}) {
      const uint32_t lines = scaled_->is_whole(is_row) ? 1 : is_row ? tile_.rows : tile_.columns;
      for (uint32_t done = 0; done < lines; done += tile_.threads()) {
        const Value line = (is_row ? first_row_ : first_column_) + (local & (lines - 1)) + done;
        const Value word =
            scaled_->word(is_row, inside(line, is_row ? &ProductWords::m : &ProductWords::n));
        b_.if_(!ScaledLines::is_finite(word),
               [&] { b_.shared_atomic(Opcode::shared_atomic_or, care_, b_.u32(0), b_.u32(1)); });
      }
    }
    b_.barrier();
    has_care_ = b_.shared_load(care_, b_.u32(0)) != 0u;
  }
  // For the end, when nothing hides how long they take: of the tile's rows, then of its columns.
  template <typename F>
  void keep_shifts(Value local, uint32_t first, uint32_t count, F&& shift_of) {
    for (uint32_t done = 0; done < count; done += tile_.threads()) {
      const Value line = local + done;
      const auto keep = [&] { b_.shared_store(shifts_, line + first, shift_of(line)); };
      done + tile_.threads() <= count ? keep() : b_.if_(line < count, keep);
    }
  }
  Value kept_shift(Value line) { return b_.shared_load(shifts_, line); }
  // 2^exponent of a normal number.
  Value scale(Value exponent) { return b_.bitcast((exponent + 127u) << 23, ir::kF32); }

  // total / 2^(row + column), in two steps since one power may be out of range.
  Value unscaled(Value total, Value row, Value column) {
    const Value exponent = b_.u32(0) - (row + column);
    const Value half = b_.bitcast(b_.bitcast(exponent, ir::kS32) >> 1, ir::kU32);
    return total * scale(half) * scale(exponent - half);
  }

  // ---- From the accumulators through shared memory to C

  void finish(const Sum& totals) {
    const Value lane = b_.builtin(ir::Builtin::subgroup_lane);
    const Value piece = b_.builtin(ir::Builtin::subgroup_index) * (kUnitSide * kPieceStride);
    constexpr uint32_t kMatrices = kPieceColumns / kUnitSide;
    b_.barrier();  // after the last slabs; from here on a subgroup has a place of its own
    for (uint32_t r = 0; r < matrix_rows_; ++r) {
      for (uint32_t c = 0; c < matrix_columns_; c += kMatrices) {
        if (r + c > 0) b_.subgroup_barrier();
        for (uint32_t i = 0; i < kMatrices; ++i) {
          b_.matrix_store(shared_, piece + i * (kUnitSide / kUnitWords), kPieceStride,
                          totals[r * matrix_columns_ + c + i]);
        }
        b_.subgroup_barrier();
        store_piece(lane, piece, row_ + r * kUnitSide, column_ + c * kUnitSide);
      }
    }
  }

  void store_piece(Value lane, Value piece, Value row_in_tile, Value column_in_tile) {
    constexpr uint32_t kGroups = kPieceColumns / kGroup;
    const Value group = lane & (kGroups - 1);
    const Value of_tile = column_in_tile + group * uint32_t{kGroup};
    const Value column = first_column_ + of_tile;
    std::array<Value, kGroup> column_shifts;
    for (uint32_t i = 0; is_f32() && i < kGroup; ++i) {
      column_shifts[i] = kept_shift(of_tile + (tile_.rows + i));
    }
    // A loop: what it does is long, and stands here for every piece of the tile.
    b_.for_range(lane / kGroups, b_.u32(kUnitSide), b_.u32(tile_.lanes / kGroups), [&](Value line) {
      const Value words = b_.shared_load(shared_, piece + line * kPieceStride + group);
      const Value row = first_row_ + row_in_tile + line;
      std::array<Value, kGroup> totals;
      Value shift;
      if (is_f32()) shift = kept_shift(row_in_tile + line);
      for (int i = 0; i < kGroup; ++i) {
        const Value bits = b_.extract(words, i);
        totals[i] = is_integer_ ? kernel_.sum_of_word(bits) : b_.bitcast(bits, ir::kF32);
        if (is_f32()) totals[i] = unscaled(totals[i], shift, column_shifts[i]);
      }
      store_.if_row(row, [&] {
        Value start = (batch_ * kernel_.m() + row) * kernel_.n();
        if (tile_.split) start = part_ * words_[&Words::count] + start;
        store_.four(totals.data(), start, column);
      });
    });
  }

  Value inside(Value index, uint32_t ProductWords::*extent) {
    return layout_.is_full ? index : b_.binary(Opcode::min, index, kernel_.size[extent] - 1u);
  }

  const UnitLayout layout_;
  const MatmulTile& tile_;
  const bool is_split_, is_scaled_, is_integer_;
  const uint32_t matrix_steps_;                  // along k
  const uint32_t matrix_rows_, matrix_columns_;  // of a subgroup
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<TileWords> words_;
  const MatmulStore store_;
  const std::unique_ptr<FactorSlab> slab_a_, slab_b_;
  ir::Shared shared_;
  // Of scaled f32: whether a line of the tile has an element that is not finite.
  std::optional<ScaledLines> scaled_;
  ir::Shared care_;
  ir::Shared shifts_;
  Value has_care_;
  Value part_;         // absent: there is one
  Value first_, end_;  // steps of the part
  Value verdict_, zeros_;
  std::vector<ir::Var> totals_;
  Value batch_, first_row_, first_column_;
  Value row_, column_;  // of the subgroup, in the tile
};

}  // namespace

ir::Kernel generate_unit_matmul(const Region& region, const Target& target,
                                const UnitLayout& layout) {
  return UnitMatmul(region, target, layout).run();
}

}  // namespace nxv::kernels

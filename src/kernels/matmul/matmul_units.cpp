#include "kernels/matmul/matmul_units.h"

#include <algorithm>

#include "kernels/common/grid.h"

namespace nxv::kernels {

std::optional<UnitFactors> unit_factors(const Region& region, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  const DType type = region.root->dtype;
  for (const Operand& operand : region.operands) {
    if (operand.node->dtype != type) return std::nullopt;
  }
  if (!plan.has.coopmat || !plan.fixed_subgroup_size) return std::nullopt;
  if (accumulation(region, target).type != DType::f32) return std::nullopt;
  if (type == DType::bf16 && !plan.has.bf16) return std::nullopt;
  if (type != DType::f16 && type != DType::bf16 && type != DType::f32) return std::nullopt;
  const auto factor = type == DType::bf16 ? plan::MatrixType::bf16 : plan::MatrixType::f16;
  const bool has_shape = std::any_of(
      plan.matrix_shapes.begin(), plan.matrix_shapes.end(), [&](const plan::MatrixShape& s) {
        return s.m == ir::kMatrixSide && s.n == ir::kMatrixSide && s.k == ir::kMatrixSide &&
               s.a == factor && s.b == factor && s.accumulator == plan::MatrixType::f32;
      });
  if (!has_shape) return std::nullopt;
  return type == DType::f16    ? UnitFactors::f16
         : type == DType::bf16 ? UnitFactors::bf16
                               : UnitFactors::split;
}

ChunkAccess chunk_access(const Region& region, int operand) {
  const bool is_a = operand == 0;
  const auto word = [&](MatmulWord i) { return region.words[i]; };
  const uint32_t free = word(is_a ? kRowStrideA : kColumnStrideB);
  const uint32_t depth = word(is_a ? kDepthStrideA : kDepthStrideB);
  const uint32_t extent = word(is_a ? kM : kN), k = word(kK);
  const auto unit = static_cast<uint32_t>(
      16 / storage_bytes(region.operands[static_cast<size_t>(operand)].node->dtype));
  // A dimension of one element may have any stride.
  const auto fits = [&](uint32_t stride, uint32_t size) { return size == 1 || stride % unit == 0; };
  const bool starts = word(is_a ? kOffsetA : kOffsetB) % unit == 0 &&
                      fits(word(is_a ? kBatchStrideA : kBatchStrideB), word(kBatchCount));
  if (depth == 1) return {true, true, starts && fits(free, extent) && k % kChunk == 0};
  if (free == 1) return {false, true, starts && fits(depth, k) && extent % kChunk == 0};
  return {};
}

LineLayout::LineLayout(const Region& region) {
  const MatmulSize size(region);
  const auto whole = [](uint64_t n) { return (n + 3) / 4 * 4; };
  row_stride = whole(size.m);
  column_stride = whole(size.n);
  columns = size.batch * row_stride;
  substances = columns + size.batch * column_stride;
  verdicts = 2 * substances;
  words = verdicts + size.batch;
}

namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

constexpr uint32_t kSide = ir::kMatrixSide;
constexpr uint32_t kWord = 4;  // words of a 16-byte element of shared memory
constexpr ir::Type kWord4 = ir::vec(ir::kU32, kWord);
// Columns of the part of C that a subgroup hands to memory at once, sixteen rows each.
constexpr uint32_t kPieceColumns = 32;
constexpr uint32_t kPieceStride = kPieceColumns / kWord + 1;  // odd: no bank conflicts
// Tiles that share their columns of B run together, in groups of so many rows of tiles.
constexpr uint32_t kRowGroup = 8;

// One operand on its way through shared memory.
//
// A slab has lines of chunks: along k, a line for each row of A (column of B); otherwise a line for
// each step. Sixteen lines are interleaved at an odd distance, so that neither the stores of chunks
// nor the loads of matrices meet in a bank: chunk c of line l lies at (l % 16) * distance +
// (l / 16) * chunks of a line + c.
class UnitSlab {
 public:
  UnitSlab(Builder& b, const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
           ChunkAccess access, const MatmulTile& tile, uint32_t extent, uint32_t planes,
           bool is_full)
      : b_(b),
        kernel_(kernel),
        operand_(operand),
        access_(access),
        depth_(tile.depth),
        threads_(tile.threads()),
        planes_(planes),
        is_full_(is_full),
        lines_(access.along_k ? extent : depth_),
        line_chunks_((access.along_k ? depth_ : extent) / kChunk),
        distance_(lines_ / kSide * line_chunks_ + 1) {}

  uint32_t size() const { return planes_ * plane_size(); }

  void place(ir::Shared shared, uint32_t first) {
    shared_ = shared;
    first_ = first;
  }

  // The chunks that this invocation carries. `scale_of` gives the scale of a line, split only.
  void locate(Value local, Value batch, Value first, Value free_end,
              const std::function<Value(Value)>& scale_of) {
    const Value base = operand_.at(batch);
    const Value order = local / line_chunks_;
    const Value chunk = local - order * line_chunks_;
    const Value first_line = spread(order);
    const Value target =
        (first_line & (kSide - 1)) * distance_ + (first_line >> 4) * line_chunks_ + chunk;
    // Sizes are powers of two: what this invocation carries lies at constant distances.
    const uint32_t stride = threads_ / line_chunks_;
    for (uint32_t skipped = 0; skipped < lines_; skipped += stride) {
      Slot slot;
      slot.target = target + (skipped % kSide * distance_ + skipped / kSide * line_chunks_);
      const Value line = skipped == 0 ? first_line : first_line + skipped;
      Value free = first + (access_.along_k ? line : chunk * kChunk);
      slot.step = access_.along_k ? chunk * kChunk : line;
      const uint32_t several = access_.along_k ? 1 : kChunk;
      if (!is_full_) free = at_most(free, free_end - (access_.contiguous ? several : 1u));
      slot.at = base + free * operand_.free_stride;
      if (is_full_ && access_.contiguous) {
        const Value start = slots_.empty() ? slot.at + slot.step * operand_.depth_stride : start_;
        if (slots_.empty()) start_ = start;
        slot.skip = (access_.along_k ? operand_.free_stride : operand_.depth_stride) * skipped;
      }
      if (slots_.empty() && !is_full_) limit_ = free_end - 1u - free;
      if (is_split()) {
        const bool shares = !access_.along_k && !slots_.empty();
        if (shares) slot.scales = slots_[0].scales;
        for (uint32_t i = 0; i < several && !shares; ++i) {
          slot.scales.push_back(scale_of(i == 0 ? free : free + beside(i)));
        }
      }
      slots_.push_back(std::move(slot));
    }
  }

  // Loads this invocation's chunks of the slab that starts at k.
  void load(Value k) {
    loaded_.clear();
    const Value end = kernel_.word(kK);
    for (const Slot& slot : slots_) {
      Loaded loaded;
      const Value step = k + slot.step;
      const uint32_t several = access_.along_k ? kChunk : 1;
      if (access_.contiguous && is_full_) {
        load_contiguous(start_ + (k * operand_.depth_stride + slot.skip), loaded);
      } else if (access_.contiguous) {
        loaded.inside.push_back(step < end);
        load_contiguous(slot.at + at_most(step, end - several) * operand_.depth_stride, loaded);
      } else if (access_.adjacent && !is_split()) {
        load_adjacent(slot, step, end, loaded);
      } else {
        for (uint32_t i = 0; i < kChunk; ++i) {
          Value at_k = access_.along_k && i > 0 ? step + i : step;
          if (!is_full_ && (access_.along_k || i == 0)) loaded.inside.push_back(at_k < end);
          if (!is_full_) at_k = at_most(at_k, end - 1u);
          Value index = slot.at + at_k * operand_.depth_stride;
          if (!access_.along_k && i > 0) index = index + beside(i) * operand_.free_stride;
          loaded.values.push_back(load_one(index));
        }
      }
      loaded_.push_back(std::move(loaded));
    }
  }

  void store() {
    for (size_t s = 0; s < slots_.size(); ++s) {
      const Value target = slots_[s].target + first_;
      if (planes_ == 1) {
        b_.shared_store(shared_, target, halves(loaded_[s]));
      } else {
        const auto [high, low] = split(loaded_[s], slots_[s].scales);
        b_.shared_store(shared_, target, high);
        b_.shared_store(shared_, target + plane_size(), low);
      }
    }
  }

  // The matrix at rows (columns) `free` and steps `step`, both multiples of 16.
  Value matrix(ir::Type type, uint32_t plane, Value free, uint32_t step) const {
    const uint32_t across = step / kSide;
    const Value down = free >> 4;
    const Value at =
        access_.along_k ? down * line_chunks_ + across * 2 : down * 2u + across * line_chunks_;
    const bool by_columns = access_.along_k == (type.matrix == ir::Matrix::b);
    return b_.matrix_load(shared_, at + (first_ + plane * plane_size()), distance_, type,
                          by_columns);
  }

 private:
  struct Slot {
    Value target, step, at;     // index of its first element at k = 0
    Value skip;                 // or its distance from start_, which needs no registers
    std::vector<Value> scales;  // one, or one for each element
  };
  struct Loaded {
    std::vector<Value> values;  // a u32x4, two f32x4, four words, or one for each element
    std::vector<Value> inside;  // none, one, or one for each element
  };

  uint32_t plane_size() const { return kSide * distance_; }
  Value at_most(Value v, Value limit) const { return b_.binary(Opcode::min, v, limit); }
  bool is_split() const { return planes_ == 2; }

  // The distance of element i of a chunk along the free dimension; the last one before the edge
  // stands for those beyond it.
  Value beside(uint32_t i) const { return is_full_ ? b_.u32(i) : at_most(b_.u32(i), limit_); }

  // A permutation of eight lines that keeps eight lanes' stores in different banks.
  Value spread(Value order) const {
    if (line_chunks_ >= kChunk) return order;
    const uint32_t together = kChunk / line_chunks_;
    return (order & ~7u) | ((order & (together - 1)) * line_chunks_) | ((order & 7u) / together);
  }

  void load_contiguous(Value index, Loaded& loaded) {
    if (!is_split()) {
      loaded.values = {b_.load(operand_.buffer, index >> 3, kWord4)};
      return;
    }
    const ir::Type four = ir::vec(ir::kF32, 4);
    const Value word = index >> 2;
    loaded.values = {b_.load(operand_.buffer, word, four),
                     b_.load(operand_.buffer, word + 1u, four)};
  }

  // Eight halves from the words that they lie in, of which the first may begin in the middle. No
  // word is loaded that holds none of them.
  void load_adjacent(const Slot& slot, Value step, Value end, Loaded& loaded) {
    const Value at_k = is_full_ ? step : at_most(step, end - 1u);
    const Value first = slot.at + at_k * operand_.depth_stride;
    const uint32_t others = kChunk - 1;
    Value last = first + others;
    if (!is_full_) {
      last = first + at_most(b_.u32(others), access_.along_k ? end - 1u - at_k : limit_);
      for (uint32_t i = 0; i < (access_.along_k ? kChunk : 1); ++i) {
        loaded.inside.push_back(step + i < end);
      }
    }
    const Value word = first >> 1, last_word = last >> 1;
    std::array<Value, kWord + 1> words;
    for (uint32_t i = 0; i <= kWord; ++i) {
      words[i] = b_.load(operand_.buffer, at_most(word + i, last_word), ir::kU32);
    }
    const Value is_odd = (first & 1u) != 0u;
    for (uint32_t i = 0; i < kWord; ++i) {
      const Value across = (words[i] >> 16) | (words[i + 1] << 16);
      loaded.values.push_back(b_.select(is_odd, across, words[i]));
    }
  }

  // An f32, or the bits of an f16 or bf16.
  Value load_one(Value index) {
    if (is_split()) return b_.load(operand_.buffer, index, ir::kF32);
    const Value word = b_.load(operand_.buffer, index >> 1, ir::kU32);
    return (word >> ((index & 1u) << 4)) & 0xffffu;
  }

  // What lies beyond the end of k is 0.
  Value masked(const Loaded& loaded, size_t i, Value v, Value zero) const {
    if (loaded.inside.empty()) return v;
    return b_.select(loaded.inside[std::min(i, loaded.inside.size() - 1)], v, zero);
  }

  Value halves(const Loaded& loaded) const {
    const Value zero = b_.u32(0);
    if (loaded.values.size() == 1) {
      return masked(loaded, 0, loaded.values[0], b_.pack({zero, zero, zero, zero}));
    }
    std::array<Value, kWord> words;
    for (size_t i = 0; i < kWord; ++i) {
      if (loaded.values.size() == kWord) {
        words[i] = (loaded.values[i] & masked(loaded, 2 * i, b_.u32(0xffff), zero)) |
                   (loaded.values[i] & masked(loaded, 2 * i + 1, b_.u32(0xffff0000), zero));
        continue;
      }
      words[i] = masked(loaded, 2 * i, loaded.values[2 * i], zero) |
                 (masked(loaded, 2 * i + 1, loaded.values[2 * i + 1], zero) << 16);
    }
    return b_.pack(words);
  }

  // A scaled element is the sum of an f16, its upper eleven bits, and what remains of it. The upper
  // bits are cut off in integers: compilers fold x - f16(x) to 0.
  std::pair<Value, Value> split(const Loaded& loaded, const std::vector<Value>& scales) const {
    std::array<Value, kChunk> high, low;
    for (size_t i = 0; i < kChunk; ++i) {
      const Value x = loaded.values.size() == 2
                          ? b_.extract(loaded.values[i / 4], static_cast<int>(i % 4))
                          : loaded.values[i];
      const Value scaled =
          masked(loaded, i, x * scales[std::min(i, scales.size() - 1)], kernel_.zero());
      const Value bits = b_.bitcast(scaled, ir::kU32);
      high[i] = b_.bitcast((bits + 0x1000u) & 0xffffe000u, ir::kF32);
      low[i] = scaled - high[i];
    }
    const auto packed = [this](const std::array<Value, kChunk>& v) {
      return b_.pack({b_.pack_half(v[0], v[1]), b_.pack_half(v[2], v[3]), b_.pack_half(v[4], v[5]),
                      b_.pack_half(v[6], v[7])});
    };
    return {packed(high), packed(low)};
  }

  Builder& b_;
  const MatmulKernel& kernel_;
  const MatmulKernel::Operand& operand_;
  const ChunkAccess access_;
  const uint32_t depth_, threads_, planes_;
  const bool is_full_;
  const uint32_t lines_, line_chunks_, distance_;
  ir::Shared shared_;
  uint32_t first_ = 0;
  Value start_;  // index of the first element of the first slot
  Value limit_;  // elements between the first of every chunk along the free dimension and the edge
  std::vector<Slot> slots_;
  std::vector<Loaded> loaded_;
};

class Generator {
 public:
  Generator(const Region& region, const Target& target, const MatmulTile& tile, bool to_workspace,
            bool full_tiles)
      : tile_(tile),
        factors_(*unit_factors(region, target)),
        planes_(factors_ == UnitFactors::split ? 2 : 1),
        to_workspace_(to_workspace),
        is_full_(full_tiles),
        whole_groups_(MatmulSize(region).n % kGroup == 0),
        matrix_rows_(tile.thread_rows / kSide),
        matrix_columns_(tile.thread_columns / kSide),
        b_("matmul_units", tile.threads()),
        kernel_(b_, region, target, workspace_names(),
                planes_ == 2 ? int{kLineWords} : int{kTileWords}),
        slab_a_(b_, kernel_, kernel_.A, chunk_access(region, 0), tile, tile.rows, planes_,
                full_tiles),
        slab_b_(b_, kernel_, kernel_.B, chunk_access(region, 1), tile, tile.columns, planes_,
                full_tiles) {
    b_.set_subgroup_size(tile.lanes);
    const uint32_t pieces = tile.threads() / tile.lanes * kSide * kPieceStride;
    shared_ = b_.shared("slabs", kWord4, std::max(slab_a_.size() + slab_b_.size(), pieces));
    slab_a_.place(shared_, 0);
    slab_b_.place(shared_, slab_a_.size());
  }

  ir::Kernel run() {
    const Value tile = linear_group(b_);
    b_.if_(tile < kernel_.extra(kTileCount), [&] {
      find_tile(tile);
      if (planes_ == 1) return compute();
      const Value verdict =
          b_.load(kernel_.workspaces[0], kernel_.extra(kVerdicts) + batch_, ir::kU32);
      b_.if_(verdict != 0u, [&] { compute(); });
    });
    return b_.finish();
  }

 private:
  std::vector<std::string> workspace_names() const {
    if (planes_ == 2) return {"lines"};
    if (to_workspace_) return {"totals"};
    return {};
  }

  void find_tile(Value tile) {
    const Value rows = kernel_.extra(kRowTiles), columns = kernel_.extra(kColumnTiles);
    const Value row_of_all = kernel_.divide(tile, kColumnTiles);
    batch_ = kernel_.divide(row_of_all, kRowTiles);
    const Value in_batch = tile - batch_ * rows * columns;
    const Value group = in_batch / (columns * kRowGroup);
    const Value first = group * kRowGroup;
    const Value height = b_.binary(Opcode::min, rows - first, b_.u32(kRowGroup));
    const Value in_group = in_batch - first * columns;
    const Value column = in_group / height;
    first_row_ = (first + in_group - column * height) * tile_.rows;
    first_column_ = column * tile_.columns;
  }

  void compute() {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value subgroup = b_.builtin(ir::Builtin::subgroup_index);
    const uint32_t across = tile_.columns / tile_.thread_columns;
    const Value down = subgroup / across;
    row_ = down * tile_.thread_rows;
    column_ = (subgroup - down * across) * tile_.thread_columns;
    slab_a_.locate(local, batch_, first_row_, kernel_.word(kM),
                   [&](Value row) { return scale(row_shift(row)); });
    slab_b_.locate(local, batch_, first_column_, kernel_.word(kN),
                   [&](Value column) { return scale(column_shift(column)); });

    const Value zeros = b_.matrix_fill(kernel_.zero());
    std::vector<ir::Var> totals;
    for (uint32_t i = 0; i < matrix_rows_ * matrix_columns_; ++i) totals.push_back(b_.var(zeros));

    const Value end = kernel_.word(kK);
    load(b_.u32(0));
    store();
    b_.barrier();
    b_.for_range(b_.u32(0), end, b_.u32(tile_.steps()), [&](Value k) {
      Sum sums = tile_.chain ? Sum(totals.size(), zeros) : MatmulKernel::read(totals);
      for (uint32_t done = 0; done < tile_.steps(); done += tile_.depth) {
        Value next = k + (done + tile_.depth);
        if (is_full_) next = b_.binary(Opcode::min, next, end - tile_.depth);
        load(next);
        for (uint32_t step = 0; step < tile_.depth; step += kSide) multiply(step, sums);
        b_.barrier();
        store();
        b_.barrier();
      }
      if (tile_.chain) {
        const Sum before = MatmulKernel::read(totals);
        for (size_t i = 0; i < sums.size(); ++i) sums[i] = b_.matrix_add(before[i], sums[i]);
      }
      MatmulKernel::write(totals, sums);
    });
    finish(MatmulKernel::read(totals));
  }

  void load(Value k) {
    slab_a_.load(k);
    slab_b_.load(k);
  }
  void store() {
    slab_a_.store();
    slab_b_.store();
  }

  std::vector<Value> matrices(ir::Matrix use, uint32_t plane, uint32_t step) const {
    const bool is_a = use == ir::Matrix::a;
    const ir::Type type =
        ir::matrix(factors_ == UnitFactors::bf16 ? ir::Scalar::bf16 : ir::Scalar::f16, use);
    std::vector<Value> all;
    for (uint32_t i = 0; i < (is_a ? matrix_rows_ : matrix_columns_); ++i) {
      const Value at = (is_a ? row_ : column_) + i * kSide;
      all.push_back((is_a ? slab_a_ : slab_b_).matrix(type, plane, at, step));
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

  void multiply(uint32_t step, Sum& sums) {
    const auto a = matrices(ir::Matrix::a, 0, step);
    if (planes_ == 1) return add_products(a, matrices(ir::Matrix::b, 0, step), sums);
    add_products(a, matrices(ir::Matrix::b, 1, step), sums);
    const auto b = matrices(ir::Matrix::b, 0, step);
    add_products(a, b, sums);
    add_products(matrices(ir::Matrix::a, 1, step), b, sums);
  }

  // ---- Scales of lines

  Value line_shift(Value index) { return b_.load(kernel_.workspaces[0], index, ir::kU32); }
  Value row_shift(Value row) { return line_shift(batch_ * kernel_.extra(kRowStride) + row); }
  Value column_shift(Value column) {
    return line_shift(kernel_.extra(kColumnLines) + batch_ * kernel_.extra(kColumnStride) + column);
  }
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
    const Value piece = b_.builtin(ir::Builtin::subgroup_index) * (kSide * kPieceStride);
    constexpr uint32_t kMatrices = kPieceColumns / kSide;
    for (uint32_t r = 0; r < matrix_rows_; ++r) {
      for (uint32_t c = 0; c < matrix_columns_; c += kMatrices) {
        b_.barrier();
        for (uint32_t i = 0; i < kMatrices; ++i) {
          b_.matrix_store(shared_, piece + i * (kSide / kWord), kPieceStride,
                          totals[r * matrix_columns_ + c + i]);
        }
        b_.barrier();
        store_piece(lane, piece, row_ + r * kSide, column_ + c * kSide);
      }
    }
  }

  void store_piece(Value lane, Value piece, Value row_in_tile, Value column_in_tile) {
    constexpr uint32_t kGroups = kPieceColumns / kGroup;
    const Value group = lane & (kGroups - 1);
    const Value column = first_column_ + column_in_tile + group * uint32_t{kGroup};
    std::array<Value, kGroup> column_shifts;
    if (planes_ == 2) {
      for (uint32_t i = 0; i < kGroup; ++i) column_shifts[i] = column_shift(inside(column + i, kN));
    }
    // A loop: what it does is long, and stands here for every piece of the tile.
    b_.for_range(lane / kGroups, b_.u32(kSide), b_.u32(tile_.lanes / kGroups), [&](Value line) {
      const Value words = b_.shared_load(shared_, piece + line * kPieceStride + group);
      const Value row = first_row_ + row_in_tile + line;
      std::array<Value, kGroup> totals;
      Value shift;
      if (planes_ == 2) shift = row_shift(inside(row, kM));
      for (int i = 0; i < kGroup; ++i) {
        totals[i] = b_.bitcast(b_.extract(words, i), ir::kF32);
        if (planes_ == 2) totals[i] = unscaled(totals[i], shift, column_shifts[i]);
      }
      const auto store_row = [&] {
        const Value start = (batch_ * kernel_.word(kM) + row) * kernel_.word(kN);
        kernel_.store_four(totals.data(), start, column, {whole_groups_, is_full_, to_workspace_});
      };
      if (is_full_) {
        store_row();
      } else {
        b_.if_(row < kernel_.word(kM), store_row);
      }
    });
  }

  Value inside(Value index, MatmulWord extent) {
    return is_full_ ? index : b_.binary(Opcode::min, index, kernel_.word(extent) - 1u);
  }

  const MatmulTile tile_;
  const UnitFactors factors_;
  const uint32_t planes_;
  const bool to_workspace_, is_full_, whole_groups_;
  const uint32_t matrix_rows_, matrix_columns_;  // of a subgroup
  Builder b_;
  MatmulKernel kernel_;
  UnitSlab slab_a_, slab_b_;
  ir::Shared shared_;
  Value batch_, first_row_, first_column_;
  Value row_, column_;  // of the subgroup, in the tile
};

}  // namespace

ir::Kernel generate_unit_matmul(const Region& region, const Target& target, const MatmulTile& tile,
                                bool to_workspace, bool full_tiles) {
  return Generator(region, target, tile, to_workspace, full_tiles).run();
}

}  // namespace nxv::kernels

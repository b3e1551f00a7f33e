// Matrix products for GPUs: operands pass through shared memory.
//
// A workgroup computes a tile of C. Slabs of A and B are multiplied as they come (shared_slab.h).
// Where tiles are few it has several teams, each of which adds up other blocks of the same
// elements; the first one adds up their sums, in the order of the blocks. Where they are fewer
// still and K is long, workgroups take a block each (`split`). An invocation computes 4 x 4 blocks
// of C, spread over the tile so that the lanes of a subgroup read neighbouring quads. What lies
// beyond the edges of C is not stored.
#include "kernels/common/grid.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_tiled.h"
#include "kernels/matmul/shared_slab.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

class SharedMatmul {
 public:
  SharedMatmul(const Region& region, const Target& target, const TileLayout& layout)
      : layout_(layout),
        tile_(layout_.tile),
        b_("matmul_shared", tile_.threads()),
        kernel_(b_, region, target, layout.sums,
                layout.rejected ? kWordsOf<SplitWords> : kWordsOf<TileWords>,
                layout.rejected + layout.store.to_workspace),
        words_(kernel_.arguments.words_as<TileWords>()),
        store_(kernel_, layout.store, layout.is_full),
        slab_a_(kernel_, kernel_.A, layout.a, layout.packed_a, "a_slab", tile_, tile_.rows,
                layout.is_full),
        slab_b_(kernel_, kernel_.B, layout.b, layout.packed_b, "b_slab", tile_, tile_.columns,
                layout.is_full) {}

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < words_[&Words::groups], [&] {
      const TilePart place = part_of(words_, group, tile_.split);
      part_ = place.part;
      find(place.tile);
      if (!layout_.rejected) return compute();
      const Value verdict = SplitLines(kernel_).kept_verdict(batch_, first_row_, first_column_);
      b_.if_(verdict == static_cast<uint32_t>(Verdict::rejected), [&] { compute(); });
    });
    return b_.finish();
  }

 private:
  using Words = TileWords;

  void find(Value tile) {
    const Value row_tile = words_.divide(tile, &Words::column_tiles);
    const Value column_tile = tile - row_tile * words_[&Words::column_tiles];
    batch_ = words_.divide(row_tile, &Words::row_tiles);
    first_row_ = (row_tile - batch_ * words_[&Words::row_tiles]) * tile_.rows;
    first_column_ = column_tile * tile_.columns;
  }

  void compute() {
    Value local = b_.builtin(ir::Builtin::local_index);
    if (has_teams()) {
      team_ = local / tile_.team_threads();
      local = local - team_ * tile_.team_threads();
    }
    place(local);
    row_ = first_row_ + quad_row_ * kGroup;
    column_ = first_column_ + quad_column_ * kGroup;
    slab_a_.locate(team_, local, batch_, first_row_, kernel_.m());
    slab_b_.locate(team_, local, batch_, first_column_, kernel_.n());

    const Sum zeros(size_t{tile_.thread_rows} * tile_.thread_columns,
                    tile_.is_packed ? b_.u32(0) : kernel_.zero());
    sums_ = kernel_.variables(zeros);
    Value start = b_.u32(0);
    if (has_teams()) start = team_ * kernel_.sums.block;
    if (tile_.split) start = part_ * kernel_.sums.block;
    slab_a_.load(start);
    slab_b_.load(start);
    slab_a_.store(0);
    slab_b_.store(0);
    b_.barrier();

    if (has_teams()) return add_by_teams(zeros, start, local);
    const Value k = kernel_.k();
    if (tile_.split) {
      block(start, b_.binary(Opcode::min, start + kernel_.sums.block, k));
      return store(MatmulKernel::read(sums_));
    }
    if (!layout_.several_blocks) {
      block(b_.u32(0), k);
      return store(MatmulKernel::add(zeros, MatmulKernel::read(sums_)));
    }
    std::vector<ir::Var> totals;
    if (!tile_.total_in_output) totals = kernel_.variables(zeros);
    b_.for_range(b_.u32(0), k, b_.u32(kernel_.sums.block), [&](Value begin) {
      MatmulKernel::write(sums_, zeros);
      block(begin, b_.binary(Opcode::min, begin + kernel_.sums.block, k));
      const Sum sums = MatmulKernel::read(sums_);
      if (!tile_.total_in_output) {
        MatmulKernel::write(totals, MatmulKernel::add(MatmulKernel::read(totals), sums));
        return;
      }
      b_.if_(
          begin == 0u, [&] { store(MatmulKernel::add(zeros, sums)); }, [&] { store(sums, true); });
    });
    if (!tile_.total_in_output) store(MatmulKernel::read(totals));
  }

  bool has_teams() const { return tile_.teams > 1; }

  // All teams take as many steps. Blocks beyond the end of k add up zeros.
  void add_by_teams(const Sum& zeros, Value start, Value local) {
    const uint32_t block = kernel_.sums.block, round = block * tile_.teams;
    const ir::Shared exchanged = b_.shared("team_sums", ir::vec(zeros[0].type(), kGroup),
                                           tile_.rows * tile_.columns / kGroup);
    const std::vector<ir::Var> totals = kernel_.variables(zeros);
    b_.for_range(b_.u32(0), kernel_.k(), b_.u32(round), [&](Value first) {
      const Value begin = first + start;
      MatmulKernel::write(sums_, zeros);
      this->block(begin, begin + block, begin + round);
      b_.if_(team_ == 0u, [&] { add(totals, MatmulKernel::read(sums_)); });
      for (uint32_t team = 1; team < tile_.teams; ++team) {
        b_.if_(team_ == team, [&] { give(exchanged, local); });
        b_.barrier();
        b_.if_(team_ == 0u, [&] { add(totals, take(exchanged, local)); });
        b_.barrier();
      }
    });
    b_.if_(team_ == 0u, [&] { store(MatmulKernel::read(totals)); });
  }

  static void add(const std::vector<ir::Var>& totals, const Sum& sums) {
    MatmulKernel::write(totals, MatmulKernel::add(MatmulKernel::read(totals), sums));
  }

  void give(ir::Shared exchanged, Value local) {
    const Sum sums = MatmulKernel::read(sums_);
    for (uint32_t i = 0; i < sums.size(); i += kGroup) {
      b_.shared_store(exchanged, local + i / kGroup * tile_.team_threads(),
                      b_.pack(std::span(sums).subspan(i, kGroup)));
    }
  }

  Sum take(ir::Shared exchanged, Value local) {
    Sum sums;
    for (uint32_t i = 0; i < tile_.thread_rows * tile_.thread_columns / kGroup; ++i) {
      const Value four = b_.shared_load(exchanged, local + i * tile_.team_threads());
      for (int lane = 0; lane < kGroup; ++lane) sums.push_back(b_.extract(four, lane));
    }
    return sums;
  }

  // Where the invocation's blocks lie: lanes of a subgroup form rows of eight.
  void place(Value local) {
    const uint32_t across = tile_.columns / tile_.thread_columns;
    if (across % 8 == 0 && tile_.team_threads() % 32 == 0 &&
        tile_.rows / tile_.thread_rows % 4 == 0) {
      const Value subgroup = local >> 5, lane = local & 31u;
      const uint32_t subgroups_across = across / 8;
      const Value down = subgroup / subgroups_across;
      quad_column_ = (subgroup - down * subgroups_across) * 8u + (lane & 7u);
      quad_row_ = down * 4u + (lane >> 3);
    } else {
      quad_row_ = local / across;
      quad_column_ = local - quad_row_ * across;
    }
  }

  // Adds the products of [begin, end) to the sums, two slabs an iteration. The first slab is in
  // stage 0 already; after the last one that at `then` is loaded there, or what follows.
  void block(Value begin, Value end, Value then = {}) {
    const uint32_t depth = tile_.depth;
    b_.for_range(begin, end, b_.u32(2 * depth), [&](Value k) {
      slab(0, k + depth);
      Value next = k + 2 * depth;
      if (then) next = b_.select(next < end, next, then);
      if (layout_.is_full) next = b_.binary(Opcode::min, next, kernel_.k() - depth);
      slab(1, next);
    });
  }

  void slab(uint32_t stage, Value next) {
    slab_a_.load(next);
    slab_b_.load(next);
    Sum sums = MatmulKernel::read(sums_);
    const uint32_t rows = tile_.thread_rows / kGroup, columns = tile_.thread_columns / kGroup;
    const uint32_t steps = tile_.is_packed ? tile_.depth / kPacked : tile_.depth;
    for (uint32_t step = 0; step < steps; ++step) {
      std::vector<std::array<Value, kGroup>> a, b;
      for (uint32_t i = 0; i < rows; ++i) {
        a.push_back(slab_a_.read(stage, step, quad_row_, i * row_distance() / kGroup));
      }
      for (uint32_t j = 0; j < columns; ++j) {
        b.push_back(slab_b_.read(stage, step, quad_column_, j * column_distance() / kGroup));
      }
      for (uint32_t r = 0; r < tile_.thread_rows; ++r) {
        for (uint32_t c = 0; c < tile_.thread_columns; ++c) {
          Value& sum = sums[r * tile_.thread_columns + c];
          const Value x = a[r / kGroup][r % kGroup], y = b[c / kGroup][c % kGroup];
          sum = tile_.is_packed ? kernel_.add_dot(x, y, sum) : kernel_.multiply_add(x, y, sum);
        }
      }
    }
    MatmulKernel::write(sums_, sums);
    slab_a_.store(1 - stage);
    slab_b_.store(1 - stage);
    b_.barrier();
  }

  // Between neighbouring blocks of an invocation.
  uint32_t row_distance() const { return kGroup * tile_.rows / tile_.thread_rows; }
  uint32_t column_distance() const { return kGroup * tile_.columns / tile_.thread_columns; }

  // Stores the values, or adds them to what is there.
  void store(Sum values, bool adds = false) {
    if (tile_.is_packed) {
      for (Value& v : values) v = kernel_.sum_of_word(v);
    }
    const Value space = layout_.store.to_workspace ? (part_ ? words_[&Words::first_part] + part_
                                                            : words_[&Words::first_part]) *
                                                         words_[&Words::count]
                                                   : Value();
    for (uint32_t r = 0; r < tile_.thread_rows; ++r) {
      const Value row = row_ + (r / kGroup * row_distance() + r % kGroup);
      Value start = (batch_ * kernel_.m() + row) * kernel_.n();
      if (space) start = space + start;
      store_.if_row(row, [&] {
        for (uint32_t c = 0; c < tile_.thread_columns; c += kGroup) {
          store_.four(&values[r * tile_.thread_columns + c], start,
                      column_ + c / kGroup * column_distance(), adds);
        }
      });
    }
  }

  const TileLayout layout_;
  const MatmulTile& tile_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<TileWords> words_;
  const MatmulStore store_;
  SharedSlab slab_a_, slab_b_;
  Value team_, part_;  // absent: there is one
  Value batch_, first_row_, first_column_, row_, column_, quad_row_, quad_column_;
  std::vector<ir::Var> sums_;
};

}  // namespace

ir::Kernel generate_shared_matmul(const Region& region, const Target& target,
                                  const TileLayout& layout) {
  return SharedMatmul(region, target, layout).run();
}

}  // namespace nxv::kernels

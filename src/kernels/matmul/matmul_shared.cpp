// Matrix products for GPUs: operands pass through shared memory.
//
// A workgroup computes a tile of C. Slabs of A and B, `depth` steps along k, are kept in shared
// memory as quads of four neighbouring rows (columns) of one step; there are two of each, so that
// one barrier a slab is enough: while one is multiplied the next is on its way from memory through
// registers. An invocation computes 4 x 4 blocks of C, spread over the tile so that the lanes of a
// subgroup read neighbouring quads. Beyond the end of k the slabs hold zeros; beyond the edges of
// C, copies of the last row or column, which are not stored.
#include "base/error.h"
#include "kernels/common/grid.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_units.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

constexpr uint32_t kStages = 2;

// One operand on its way through shared memory.
class Slab {
 public:
  Slab(Builder& b, const MatmulKernel& kernel, const MatmulKernel::Operand& operand,
       const char* name, const MatmulTile& tile, uint32_t extent, bool is_full)
      : b_(b),
        kernel_(kernel),
        operand_(operand),
        depth_(tile.depth),
        quads_(extent / kGroup),
        // An odd distance between steps spreads the stores of a transposed slab over the banks.
        stride_(quads_ + 1),
        threads_(tile.threads()),
        is_full_(is_full),
        shared_(b.shared(name, ir::vec(kernel.type, 4), kStages * depth_ * stride_)) {}

  // The part of the slab that this invocation carries. `free_end`: extent of the free dimension.
  void locate(Value local, Value batch, Value first, Value free_end) {
    const Value base = operand_.at(batch);
    const uint32_t total = quads_ * depth_;
    for (uint32_t s = 0; s * threads_ < total; ++s) {
      Slot slot;
      const Value index = s == 0 ? local : local + s * threads_;
      Value quad;
      if (operand_.access.unit == Access2D::Unit::depth) {
        quad = index / depth_;
        slot.step = index - quad * depth_;
      } else {
        slot.step = index / quads_;
        quad = index - slot.step * quads_;
      }
      slot.target = slot.step * stride_ + quad;
      const Value row = first + quad * kGroup;
      if (by_groups()) {
        slot.at.push_back(base + (is_full_ ? row : at_most(row, (free_end - 1u) & ~3u)));
      } else {
        for (uint32_t i = 0; i < kGroup; ++i) {
          const Value at = i == 0 ? row : row + i;
          slot.at.push_back(base +
                            (is_full_ ? at : at_most(at, free_end - 1u)) * operand_.free_stride);
        }
      }
      slots_.push_back(slot);
    }
  }

  // Loads this invocation's quads of the slab that starts at k.
  void load(Value k) {
    loaded_.clear();
    const Value end = kernel_.word(kK);
    for (const Slot& slot : slots_) {
      const Value step = k + slot.step;
      const Value at_k = (is_full_ ? step : at_most(step, end - 1u)) * operand_.depth_stride;
      std::array<Value, kGroup> quad;
      if (by_groups()) {
        quad = kernel_.group(operand_, slot.at[0] + at_k);
      } else {
        for (size_t i = 0; i < kGroup; ++i) {
          quad[i] = kernel_.element(operand_, slot.at[i] + at_k)[0];
        }
      }
      if (!is_full_) {
        const Value inside = step < end;
        for (Value& v : quad) v = b_.select(inside, v, kernel_.zero());
      }
      loaded_.push_back(b_.pack({quad[0], quad[1], quad[2], quad[3]}));
    }
  }

  void store(uint32_t stage) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      b_.shared_store(shared_, slots_[i].target + stage * depth_ * stride_, loaded_[i]);
    }
  }

  // Four elements of a step; `quad` is the invocation's first quad.
  std::array<Value, kGroup> read(uint32_t stage, uint32_t step, Value quad, uint32_t offset) {
    const Value v = b_.shared_load(shared_, quad + ((stage * depth_ + step) * stride_ + offset));
    return {b_.extract(v, 0), b_.extract(v, 1), b_.extract(v, 2), b_.extract(v, 3)};
  }

 private:
  struct Slot {
    Value step, target;
    std::vector<Value> at;  // indices at k = 0: of the quad, or of each of its elements
  };

  bool by_groups() const {
    return operand_.access.unit == Access2D::Unit::free && operand_.access.aligned;
  }
  Value at_most(Value v, Value limit) { return b_.binary(Opcode::min, v, limit); }

  Builder& b_;
  const MatmulKernel& kernel_;
  const MatmulKernel::Operand& operand_;
  const uint32_t depth_, quads_, stride_, threads_;
  const bool is_full_;
  const ir::Shared shared_;
  std::vector<Slot> slots_;
  std::vector<Value> loaded_;
};

class Generator {
 public:
  Generator(const Region& region, const Target& target, const MatmulTile& tile, bool to_workspace,
            bool full_tiles, bool rejected)
      : tile_(tile),
        to_workspace_(to_workspace),
        is_full_(full_tiles),
        rejected_(rejected),
        several_blocks_(MatmulSize(region).k > accumulation(region, target).block),
        whole_groups_(MatmulSize(region).n % kGroup == 0),
        b_("matmul_shared", tile.threads()),
        kernel_(b_, region, target, workspace_names(to_workspace, rejected),
                rejected ? int{kLineWords} : int{kTileWords}),
        slab_a_(b_, kernel_, kernel_.A, "a_slab", tile, tile.rows, full_tiles),
        slab_b_(b_, kernel_, kernel_.B, "b_slab", tile, tile.columns, full_tiles) {}

  ir::Kernel run() {
    const Value tile = linear_group(b_);
    b_.if_(tile < kernel_.extra(kTileCount), [&] {
      if (!rejected_) return compute(tile);
      const Value batch = kernel_.divide(kernel_.divide(tile, kColumnTiles), kRowTiles);
      const Value verdict =
          b_.load(kernel_.workspaces[0], kernel_.extra(kVerdicts) + batch, ir::kU32);
      b_.if_(verdict == 0u, [&] { compute(tile); });
    });
    return b_.finish();
  }

 private:
  static std::vector<std::string> workspace_names(bool to_workspace, bool rejected) {
    if (rejected) return {"lines"};
    if (to_workspace) return {"totals"};
    return {};
  }

  void compute(Value tile) {
    const Value row_tile = kernel_.divide(tile, kColumnTiles);
    const Value column_tile = tile - row_tile * kernel_.extra(kColumnTiles);
    batch_ = kernel_.divide(row_tile, kRowTiles);
    const Value first_row = (row_tile - batch_ * kernel_.extra(kRowTiles)) * tile_.rows;
    const Value first_column = column_tile * tile_.columns;
    const Value local = b_.builtin(ir::Builtin::local_index);
    place(local);
    row_ = first_row + quad_row_ * kGroup;
    column_ = first_column + quad_column_ * kGroup;
    slab_a_.locate(local, batch_, first_row, kernel_.word(kM));
    slab_b_.locate(local, batch_, first_column, kernel_.word(kN));

    const Sum zeros(size_t{tile_.thread_rows} * tile_.thread_columns, kernel_.zero());
    sums_ = kernel_.variables(zeros);
    slab_a_.load(b_.u32(0));
    slab_b_.load(b_.u32(0));
    slab_a_.store(0);
    slab_b_.store(0);
    b_.barrier();

    const Value k = kernel_.word(kK);
    if (!several_blocks_) {
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

  // Where the invocation's blocks lie: lanes of a subgroup form rows of eight.
  void place(Value local) {
    const uint32_t across = tile_.columns / tile_.thread_columns;
    if (across % 8 == 0 && tile_.threads() % 32 == 0 && tile_.rows / tile_.thread_rows % 4 == 0) {
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
  // stage 0 already; what follows the last one is loaded there.
  void block(Value begin, Value end) {
    const uint32_t depth = tile_.depth;
    b_.for_range(begin, end, b_.u32(2 * depth), [&](Value k) {
      slab(0, k + depth);
      Value next = k + 2 * depth;
      if (is_full_) next = b_.binary(Opcode::min, next, kernel_.word(kK) - depth);
      slab(1, next);
    });
  }

  void slab(uint32_t stage, Value next) {
    slab_a_.load(next);
    slab_b_.load(next);
    Sum sums = MatmulKernel::read(sums_);
    const uint32_t rows = tile_.thread_rows / kGroup, columns = tile_.thread_columns / kGroup;
    for (uint32_t step = 0; step < tile_.depth; ++step) {
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
          sum = kernel_.multiply_add(a[r / kGroup][r % kGroup], b[c / kGroup][c % kGroup], sum);
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
  void store(const Sum& values, bool adds = false) {
    for (uint32_t r = 0; r < tile_.thread_rows; ++r) {
      const Value row = row_ + (r / kGroup * row_distance() + r % kGroup);
      const Value start = (batch_ * kernel_.word(kM) + row) * kernel_.word(kN);
      const auto store_row = [&] {
        for (uint32_t c = 0; c < tile_.thread_columns; c += kGroup) {
          kernel_.store_four(&values[r * tile_.thread_columns + c], start,
                             column_ + c / kGroup * column_distance(),
                             {whole_groups_, is_full_, to_workspace_, adds});
        }
      };
      if (is_full_) {
        store_row();
      } else {
        b_.if_(row < kernel_.word(kM), store_row);
      }
    }
  }

  const MatmulTile tile_;
  const bool to_workspace_, is_full_, rejected_, several_blocks_, whole_groups_;
  Builder b_;
  MatmulKernel kernel_;
  Slab slab_a_, slab_b_;
  Value batch_, row_, column_, quad_row_, quad_column_;
  std::vector<ir::Var> sums_;
};

}  // namespace

ir::Kernel generate_shared_matmul(const Region& region, const Target& target,
                                  const MatmulTile& tile, bool to_workspace, bool full_tiles,
                                  bool rejected) {
  return Generator(region, target, tile, to_workspace, full_tiles, rejected).run();
}

}  // namespace nxv::kernels

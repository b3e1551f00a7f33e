// Matrix products for devices whose caches serve as well as shared memory would: CPUs.
//
// A workgroup is one row of invocations. Each computes thread_rows x thread_columns neighbouring
// elements of C in registers, four steps along k at a time. With subgroup shuffles an element of A
// is loaded by one lane only and handed to the others, because loads cost far more there than
// arithmetic does.
#include "kernels/common/grid.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_tiled.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

class RegisterMatmul {
 public:
  RegisterMatmul(const Region& region, const Target& target, const TileLayout& layout)
      : layout_(layout),
        tile_(layout_.tile),
        wide_loads_(target.plan->has.int64),
        b_("matmul_registers", tile_.threads()),
        kernel_(b_, region, target, layout.sums, kWordsOf<TileWords>, layout.store.to_workspace),
        words_(kernel_.arguments.words_as<TileWords>()),
        store_(kernel_, layout.store, false) {
    if (tile_.shuffle) b_.set_subgroup_size(tile_.threads());
  }

  ir::Kernel run() {
    const Value tile = linear_group(b_);
    b_.if_(tile < words_[&Words::groups], [&] { compute(tile); });
    return b_.finish();
  }

 private:
  using Words = TileWords;

  void compute(Value tile) {
    // Neighbouring workgroups share columns of B, which then stay in the cache.
    const Value panel = words_.divide(tile, &Words::row_tiles);
    first_row_ = (tile - panel * words_[&Words::row_tiles]) * tile_.rows;
    batch_ = words_.divide(panel, &Words::column_tiles);
    const Value column_tile = panel - batch_ * words_[&Words::column_tiles];
    lane_ = b_.builtin(ir::Builtin::local_index);
    first_column_ = column_tile * tile_.columns + lane_ * tile_.thread_columns;
    locate_a();
    locate_b();

    const size_t elements = size_t{tile_.thread_rows} * tile_.thread_columns;
    const Sum zeros(elements, kernel_.zero());
    sums_ = kernel_.variables(zeros);
    if (!layout_.several_blocks) {
      block(b_.u32(0), kernel_.k());
      return store(MatmulKernel::add(zeros, MatmulKernel::read(sums_)));
    }
    const auto totals = kernel_.variables(zeros);
    b_.for_range(b_.u32(0), kernel_.k(), b_.u32(kernel_.sums.block), [&](Value begin) {
      MatmulKernel::write(sums_, zeros);
      block(begin, b_.binary(Opcode::min, begin + kernel_.sums.block, kernel_.k()));
      MatmulKernel::write(totals,
                          MatmulKernel::add(MatmulKernel::read(totals), MatmulKernel::read(sums_)));
    });
    store(MatmulKernel::read(totals));
  }

  // Rows and columns beyond the edge are computed from the last ones and not stored.
  void locate_a() {
    const Place base = kernel_.A.of_batch(batch_);
    const Value last = kernel_.m() - 1u;
    const auto row_at = [&](Value row) {
      return base + kernel_.A.of_free(b_.binary(Opcode::min, row, last));
    };
    if (tile_.shuffle) {
      for (uint32_t r = 0; r < tile_.thread_rows; r += tile_.threads()) {
        a_.push_back(row_at(first_row_ + r + lane_));
      }
    } else {
      for (uint32_t r = 0; r < tile_.thread_rows; ++r) a_.push_back(row_at(first_row_ + r));
    }
  }

  bool groups_of_columns() const { return layout_.b.by_groups_along(FactorAccess::Unit::free); }

  void locate_b() {
    const Place base = kernel_.B.of_batch(batch_);
    const Value last = kernel_.n() - 1u;
    if (groups_of_columns()) {
      for (uint32_t c = 0; c < tile_.thread_columns; c += kGroup) {
        const Value column = b_.binary(Opcode::min, first_column_ + c, last & ~3u);
        b_at_.push_back({base.index + column, {}});
      }
    } else {
      for (uint32_t c = 0; c < tile_.thread_columns; ++c) {
        const Value column = b_.binary(Opcode::min, first_column_ + c, last);
        b_at_.push_back(base + kernel_.B.of_free(column));
      }
    }
  }

  void block(Value begin, Value end) {
    const Value tail = end - ((end - begin) & 3u);
    b_.for_range(begin, tail, b_.u32(4), [&](Value k) { steps(k, 4); });
    b_.for_range(tail, end, b_.u32(1), [&](Value k) { steps(k, 1); });
  }

  std::array<Value, kGroup> group(const MatmulKernel::Operand& operand, Value index) {
    if (!wide_loads_ || storage_bytes(operand.dtype) != 4 ||
        (operand.dtype != kernel_.sums.type && operand.dtype != DType::f32)) {
      return kernel_.group(operand, index);
    }
    // Two 64-bit loads cost half of four 32-bit ones.
    const Value pairs = b_.load(operand.buffer, index >> 2, ir::vec(ir::kU64, 2));
    std::array<Value, kGroup> values;
    for (int i = 0; i < kGroup; ++i) {
      const Value pair = b_.bitcast(b_.extract(pairs, i / 2), ir::vec(ir::kU32, 2));
      const Value word = b_.extract(pair, i % 2);
      values[i] = b_.convert(b_.bitcast(word, ir::compute_type(operand.dtype)), kernel_.type);
    }
    return values;
  }

  // Elements k .. k + count - 1 of a line of an operand.
  std::vector<Value> line(const MatmulKernel::Operand& operand, const FactorAccess& access,
                          const Place& at, const std::vector<Place>& depths, Value k, int count) {
    std::vector<Value> values;
    if (count == kGroup && access.by_groups_along(FactorAccess::Unit::depth)) {
      const auto four = group(operand, at.index + k);
      values.assign(four.begin(), four.end());
      return values;
    }
    for (int i = 0; i < count; ++i) {
      values.push_back(kernel_.element(operand, at + depths[static_cast<size_t>(i)])[0]);
    }
    return values;
  }

  void steps(Value k, int count) {
    std::vector<std::vector<Value>> a, b;  // [row or lane's rows][step], [column][step]
    std::vector<Place> depths_a, depths_b;
    for (int i = 0; i < count; ++i) {
      const Value step = i == 0 ? k : k + i;
      depths_a.push_back(kernel_.A.of_depth(step));
      depths_b.push_back(kernel_.B.of_depth(step));
    }
    for (const Place& at : a_) a.push_back(line(kernel_.A, layout_.a, at, depths_a, k, count));
    if (groups_of_columns()) {
      b.resize(tile_.thread_columns);
      for (int i = 0; i < count; ++i) {
        const Value at_k = depths_b[static_cast<size_t>(i)].index;
        for (uint32_t c = 0; c < tile_.thread_columns; c += kGroup) {
          const auto four = group(kernel_.B, b_at_[c / kGroup].index + at_k);
          for (uint32_t j = 0; j < kGroup; ++j) b[c + j].push_back(four[j]);
        }
      }
    } else {
      for (const Place& at : b_at_) b.push_back(line(kernel_.B, layout_.b, at, depths_b, k, count));
    }
    Sum sums = MatmulKernel::read(sums_);
    for (int i = 0; i < count; ++i) {
      for (uint32_t r = 0; r < tile_.thread_rows; ++r) {
        const Value x = tile_.shuffle
                            ? b_.subgroup_shuffle(a[r / tile_.threads()][static_cast<size_t>(i)],
                                                  b_.u32(r % tile_.threads()))
                            : a[r][static_cast<size_t>(i)];
        for (uint32_t c = 0; c < tile_.thread_columns; ++c) {
          Value& sum = sums[r * tile_.thread_columns + c];
          sum = kernel_.multiply_add(x, b[c][static_cast<size_t>(i)], sum);
        }
      }
    }
    MatmulKernel::write(sums_, sums);
  }

  void store(const Sum& totals) {
    for (uint32_t r = 0; r < tile_.thread_rows; ++r) {
      const Value row = first_row_ + r;
      const Value start = (batch_ * kernel_.m() + row) * kernel_.n();
      store_.if_row(row, [&] {
        for (uint32_t c = 0; c < tile_.thread_columns; c += kGroup) {
          store_.four(&totals[r * tile_.thread_columns + c], start, first_column_ + c);
        }
      });
    }
  }

  const TileLayout layout_;
  const MatmulTile& tile_;
  const bool wide_loads_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<TileWords> words_;
  const MatmulStore store_;
  Value lane_, batch_, first_row_, first_column_;
  std::vector<Place> a_, b_at_;  // of the elements at k = 0
  std::vector<ir::Var> sums_;
};

}  // namespace

ir::Kernel generate_register_matmul(const Region& region, const Target& target,
                                    const TileLayout& layout) {
  return RegisterMatmul(region, target, layout).run();
}

}  // namespace nxv::kernels

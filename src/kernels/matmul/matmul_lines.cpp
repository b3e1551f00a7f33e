// A workgroup computes the elements of C of a tile of lines, with all vectors. Its teams add up
// different blocks at a time; then their sums meet in shared memory, where each invocation adds up
// those of quads of its own, four neighbours in a row of C, in the order of the blocks.
//
// Where tiles are too few for the device, workgroups take different blocks of the same tile, and
// the sums go to a workspace as they are (`split`).
#include "kernels/matmul/matmul_lines.h"

#include "kernels/common/divide_up.h"
#include "kernels/common/grid.h"
#include "kernels/matmul/line_sums.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

// Teams whose sums an invocation loads together.
constexpr uint32_t kTeamsTogether = 8;

class LineMatmul {
 public:
  LineMatmul(const Region& region, const Target& target, const LineLayout& layout)
      : layout_(layout),
        tile_(layout_.tile),
        // The sums of few columns lie side by side in a row of C; those of one column do as a
        // row's.
        quads_of_vectors_(tile_.lines_are_rows() && tile_.vectors() > 1),
        b_("matmul_lines", tile_.threads()),
        kernel_(b_, region, target, layout.sums, kWordsOf<LineTileWords>,
                tile_.split || layout.store.to_workspace),
        words_(kernel_.arguments.words_as<LineTileWords>()),
        vectors_(tile_.lines_are_rows() ? kernel_.n() : kernel_.m()),
        lines_(line_count(kernel_, layout_)),
        store_(kernel_, layout.store, layout.is_full, quads_of_vectors_ ? lines_ : vectors_,
               quads_of_vectors_ ? vectors_ : lines_),
        sums_(layout_.lines.unit == FactorAccess::Unit::free ? adjacent_lines(kernel_, layout_)
                                                             : contiguous_lines(kernel_, layout_)) {
  }

  ir::Kernel run() {
    const Value group = linear_group(b_);
    b_.if_(group < words_[&Words::groups], [&] { compute(group); });
    return b_.finish();
  }

 private:
  using Words = LineTileWords;

  void compute(Value group) {
    const Value row = words_.divide(group, &Words::tiles);
    first_line_ = (group - row * words_[&Words::tiles]) * tile_.lines();
    batch_ = tile_.split ? words_.divide(row, &Words::block_groups) : row;
    local_ = b_.builtin(ir::Builtin::local_index);
    team_ = local_ / tile_.team_threads();
    sums_->locate({team_, local_ - team_ * tile_.team_threads(), batch_, first_line_});
    if (tile_.split) {
      return add_one_round((row - batch_ * words_[&Words::block_groups]) * tile_.teams);
    }
    add_all_rounds();
  }

  uint32_t round() const { return kernel_.sums.block * tile_.teams; }
  // Steps that the first team of a round has: no other has more.
  Value span(Value first) {
    return b_.binary(Opcode::min, kernel_.k() - first, b_.u32(kernel_.sums.block));
  }

  // Where a team begins that may have no block in this round: then it takes the last one, in vain.
  // Kernels that mind the end of k have zeros beyond it.
  bool has_idle_teams() const { return layout_.whole_depth && !layout_.whole_rounds; }
  Value inside(Value begin) {
    if (!has_idle_teams()) return begin;
    return b_.binary(Opcode::min, begin, kernel_.k() - kernel_.sums.block);
  }

  // ---- Sums of blocks to a workspace

  void add_one_round(Value first_block) {
    const Value block = first_block + team_;
    const Value begin = inside(block * kernel_.sums.block);
    sums_->start(begin);
    const Sum sums = sums_->block(begin, span(first_block * kernel_.sums.block), begin);
    const Value space = block * words_[&Words::count];
    const auto store = [&] {
      for (uint32_t v = 0; v < tile_.vectors(); ++v) {
        for (uint32_t i = 0; i < tile_.thread_lines(); ++i) {
          const Value line = first_line_ + sums_->line(i);
          const auto store_one = [&] {
            store_element(kernel_.workspace(0), space + index_of(line, b_.u32(v)),
                          {kernel_.stored_sum(), sums[v * tile_.thread_lines() + i], {}});
          };
          if (layout_.is_full) {
            store_one();
          } else {
            b_.if_((line < lines_) & (b_.u32(v) < vectors_), store_one);
          }
        }
      }
    };
    layout_.whole_rounds ? store() : b_.if_(block < words_[&Words::blocks], store);
  }

  Value index_of(Value line, Value vector) {
    if (quads_of_vectors_) return (batch_ * lines_ + line) * vectors_ + vector;
    return (batch_ * vectors_ + vector) * lines_ + line;
  }

  // ---- Totals

  uint32_t exchanged() const { return tile_.exchanged_vectors(); }
  uint32_t team_sums() const { return exchanged() * tile_.lines(); }

  // Calls body(s) for each quad of the invocation among those exchanged at a time.
  template <typename F>
  void for_quads(F&& body) {
    const uint32_t quads = team_sums() / kGroup, threads = tile_.threads();
    for (uint32_t s = 0; s * threads < quads; ++s) {
      const Value quad = s == 0 ? local_ : local_ + s * threads;
      if ((s + 1) * threads <= quads) {
        body(s, quad);
      } else {
        b_.if_(quad < quads, [&] { body(s, quad); });
      }
    }
  }
  uint32_t quads_a_thread() const { return divide_up(team_sums() / kGroup, tile_.threads()); }

  void add_all_rounds() {
    const ir::Shared exchange = b_.shared("team_sums", kernel_.type, tile_.teams * team_sums());
    const uint32_t exchanges = tile_.vectors() / exchanged();
    const auto totals =
        kernel_.variables(Sum(exchanges * quads_a_thread() * kGroup, kernel_.zero()));
    const auto totals_of = [&](uint32_t e, uint32_t s) {
      return std::span(totals).subspan((e * quads_a_thread() + s) * kGroup, kGroup);
    };
    const Value start = team_ * kernel_.sums.block;
    sums_->start(inside(start));
    b_.for_range(b_.u32(0), kernel_.k(), b_.u32(round()), [&](Value first) {
      const Value begin = first + start;
      Sum sums = sums_->block(inside(begin), span(first), begin + round());
      if (has_idle_teams()) {
        const Value has_block = begin < kernel_.k();
        for (Value& sum : sums) sum = b_.select(has_block, sum, kernel_.zero());
      }
      for (uint32_t e = 0; e < exchanges; ++e) {
        give(exchange, &sums[e * exchanged() * tile_.thread_lines()]);
        b_.barrier();
        for_quads([&](uint32_t s, Value quad) { take(exchange, quad, totals_of(e, s)); });
        b_.barrier();
      }
    });
    for (uint32_t e = 0; e < exchanges; ++e) {
      for_quads([&](uint32_t s, Value quad) { store(e * exchanged(), quad, totals_of(e, s)); });
    }
  }

  void give(ir::Shared exchange, const Value* sums) {
    const Value team = team_ * team_sums();
    for (uint32_t v = 0; v < exchanged(); ++v) {
      for (uint32_t i = 0; i < tile_.thread_lines(); ++i) {
        b_.shared_store(exchange, team + sums_->line(i) + v * tile_.lines(),
                        sums[v * tile_.thread_lines() + i]);
      }
    }
  }

  // Adds the sums of a quad of all teams, in their order.
  void take(ir::Shared exchange, Value quad, std::span<const ir::Var> totals) {
    const Value at = first_of(quad);
    const uint32_t together = std::min(tile_.teams, kTeamsTogether);
    const uint32_t distance = quads_of_vectors_ ? tile_.lines() : 1;
    b_.for_range(b_.u32(0), b_.u32(tile_.teams), b_.u32(together), [&](Value team) {
      const Value start = team * team_sums() + at;
      for (uint32_t i = 0; i < kGroup; ++i) {
        Value total = totals[i].get();
        for (uint32_t t = 0; t < together; ++t) {
          total = total + b_.shared_load(exchange, start + (t * team_sums() + i * distance));
        }
        totals[i].set(total);
      }
    });
  }

  // Where the first sum of a quad lies among those of a team, [vector][line].
  Value first_of(Value quad) {
    if (!quads_of_vectors_) return quad * kGroup;
    const Value four = quad / tile_.lines();
    return four * (kGroup * tile_.lines()) + (quad - four * tile_.lines());
  }

  void store(uint32_t first_vector, Value quad, std::span<const ir::Var> totals) {
    const Sum values = {totals[0].get(), totals[1].get(), totals[2].get(), totals[3].get()};
    const uint32_t across = quads_of_vectors_ ? tile_.lines() : tile_.lines() / kGroup;
    const Value down = quad / across, rest = quad - down * across;
    const Value row = quads_of_vectors_ ? first_line_ + rest : down + first_vector;
    const Value column =
        quads_of_vectors_ ? down * kGroup + first_vector : first_line_ + rest * kGroup;
    const Value start = quads_of_vectors_ ? index_of(row, b_.u32(0)) : index_of(b_.u32(0), row);
    store_.if_row(row, [&] { store_.four(values.data(), start, column); });
  }

  const LineLayout layout_;
  const MatmulTile& tile_;
  const bool quads_of_vectors_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<LineTileWords> words_;
  const Value vectors_, lines_;
  const MatmulStore store_;
  const std::unique_ptr<LineSums> sums_;
  Value batch_, first_line_, local_, team_;
};

}  // namespace

ir::Kernel generate_line_matmul(const Region& region, const Target& target,
                                const LineLayout& layout) {
  return LineMatmul(region, target, layout).run();
}

}  // namespace nxv::kernels

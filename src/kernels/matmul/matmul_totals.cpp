#include "kernels/matmul/matmul_totals.h"

#include "kernels/common/grid.h"
#include "kernels/matmul/matmul_kernel.h"
#include "kernels/matmul/matmul_store.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;
using Words = PlainWords;

class MatmulTotals {
 public:
  MatmulTotals(const Region& region, const Target& target, const TotalsLayout& layout)
      : layout_(layout),
        b_("matmul_totals", layout.workgroup),
        kernel_(b_, region, target, layout.sums,
                layout.judged ? kWordsOf<JudgedWords> : kWordsOf<PlainWords>, 1 + layout.judged),
        words_(kernel_.arguments.words_as<PlainWords>()) {}

  ir::Kernel run() {
    const Value unit = linear_group(b_) * layout_.workgroup + b_.builtin(ir::Builtin::local_index);
    b_.if_(unit < words_[&Words::units], [&] {
      const Value first = unit << 2;
      // Neighbours lie in one block of what is judged.
      const Value others = words_[&Words::blocks];
      const auto [begin, end] =
          layout_.judged ? judged_parts(kernel_, first, others) : std::pair{b_.u32(0), others};
      std::vector<ir::Var> sums;
      for (int i = 0; i < kGroup; ++i) sums.push_back(b_.var(kernel_.zero()));
      Value from = begin;
      for (const uint32_t together : {layout_.together, kFewParts, 1u}) {
        const Value to = end - ((end - from) & (together - 1));
        add(sums, from, to, together, first);
        from = to;
      }
      const Sum totals = MatmulKernel::read(sums);
      const MatmulStore store(kernel_, {.whole_groups = true}, true);
      store.four(totals.data(), first, b_.u32(0));
    });
    return b_.finish();
  }

 private:
  // The parts from `begin` on, in order, some at a time.
  void add(const std::vector<ir::Var>& sums, Value begin, Value end, uint32_t together,
           Value first) {
    b_.for_range(begin, end, b_.u32(together), [&](Value part) {
      std::vector<Group> loaded;
      for (uint32_t i = 0; i < together; ++i) {
        const Value at = (i == 0 ? part : part + i) * words_[&Words::count] + first;
        loaded.push_back(
            load_group(kernel_.workspace(layout_.judged), at >> 2, kernel_.stored_sum()));
      }
      Sum all = MatmulKernel::read(sums);
      for (const Group& group : loaded) {
        for (int i = 0; i < kGroup; ++i) all[i] = all[i] + group[i].re;
      }
      MatmulKernel::write(sums, all);
    });
  }

  const TotalsLayout layout_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<PlainWords> words_;
};

}  // namespace

ir::Kernel generate_matmul_totals(const Region& region, const Target& target,
                                  const TotalsLayout& layout) {
  return MatmulTotals(region, target, layout).run();
}

}  // namespace nxv::kernels

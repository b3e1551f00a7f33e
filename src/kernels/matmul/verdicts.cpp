// Whether matrix units may compute the batches of a split product.
#include "kernels/common/grid.h"
#include "kernels/matmul/split_lines.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

// A workgroup for each batch: 1 where the product may be split.
class Verdicts {
 public:
  Verdicts(const Region& region, const Target& target, const VerdictLayout& layout)
      : workgroup_(layout.workgroup),
        b_("matmul_verdicts", workgroup_),
        kernel_(b_, region, target, {DType::f32, 0}, kWordsOf<SplitWords>, 1),
        lines_(kernel_.arguments.words_as<LineWords>(kWordsOf<TileWords>)),
        least_(b_.shared("least", ir::vec(ir::kU32, 2), workgroup_)) {}

  ir::Kernel run() {
    const Value batch = linear_group(b_);
    b_.if_(batch < kernel_.size[&ProductWords::batch], [&] { judge(batch); });
    return b_.finish();
  }

 private:
  void judge(Value batch) {
    const Value local = b_.builtin(ir::Builtin::local_index);
    const Value rows = lines_[&LineWords::substances] + batch * lines_[&LineWords::row_stride];
    const Value columns = lines_[&LineWords::substances] + lines_[&LineWords::columns] +
                          batch * lines_[&LineWords::column_stride];
    Value least =
        b_.pack({least_of(local, rows, kernel_.m()), least_of(local, columns, kernel_.n())});
    for (uint32_t distance = workgroup_ / 2; distance > 0; distance /= 2) {
      b_.shared_store(least_, local, least);
      b_.barrier();
      const Value other = b_.shared_load(least_, local ^ distance);
      b_.barrier();
      least = b_.binary(Opcode::min, least, other);
    }
    const Value k = kernel_.k();
    const Value enough = b_.extract(least, 0) + b_.extract(least, 1) >= k + (k >> 3);
    b_.if_(local == 0u, [&] {
      b_.store(kernel_.workspace(0), lines_[&LineWords::verdicts] + batch,
               b_.convert(enough, ir::kU32));
    });
  }

  Value least_of(Value local, Value first, Value extent) {
    const ir::Var least = b_.var(b_.u32(0x7fffffff));
    b_.for_range(local, extent, b_.u32(workgroup_), [&](Value i) {
      const Value next = b_.load(kernel_.workspace(0), first + i, ir::kU32);
      least.set(b_.binary(Opcode::min, least.get(), next));
    });
    return least.get();
  }

  const uint32_t workgroup_;
  Builder b_;
  MatmulKernel kernel_;
  const WordValues<LineWords> lines_;
  ir::Shared least_;
};

}  // namespace

ir::Kernel generate_verdicts(const Region& region, const Target& target,
                             const VerdictLayout& layout) {
  return Verdicts(region, target, layout).run();
}

}  // namespace nxv::kernels

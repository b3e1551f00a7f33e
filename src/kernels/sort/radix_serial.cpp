// A pass of a radix sort where an invocation takes a tile, one element after the other: for CPUs,
// which like neither barriers nor exchanges. Its counters are a column of shared memory that nobody
// else touches.
#include "kernels/common/grid.h"
#include "kernels/sort/radix.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Shared;
using ir::Value;

ir::Kernel generate_serial_radix(const Region& region, const Target&, const SortLayout& layout) {
  Builder b(layout.counts ? "radix_count" : "radix_move", layout.workgroup);
  const RadixPass pass(b, region, layout);
  const Shared counters = b.shared("counters", ir::kU32, pass.digits() * layout.workgroup);
  const Value local = b.builtin(ir::Builtin::local_index);
  const auto slot = [&](Value digit) { return digit * layout.workgroup + local; };
  const auto each_digit = [&](const std::function<void(Value)>& body) {
    b.for_range(b.u32(0), b.u32(pass.digits()), b.u32(1), body);
  };

  const Value unit = linear_group(b) * layout.workgroup + local;
  b.if_(unit < pass.units(), [&] {
    const RadixPass::Tile tile = pass.tile(unit);
    each_digit([&](Value digit) {
      const Value start = layout.counts ? b.u32(0) : pass.load_count(tile, digit);
      b.shared_store(counters, slot(digit), start);
    });
    b.for_range(tile.begin, tile.end, b.u32(1), [&](Value column) {
      const RadixPass::Element element = pass.load(tile, column);
      const Value at = slot(pass.digit_of(element));
      const Value count = b.shared_load(counters, at);
      b.shared_store(counters, at, count + 1u);
      if (!layout.counts) pass.store(tile, count, element);
    });
    if (layout.counts) {
      each_digit([&](Value digit) {
        pass.store_count(tile, digit, b.shared_load(counters, slot(digit)));
      });
    }
  });
  return b.finish();
}

}  // namespace nxv::kernels

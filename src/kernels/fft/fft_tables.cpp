#include "ir/math/unit_root.h"
#include "kernels/common/grid.h"
#include "kernels/common/kernel_arguments.h"
#include "kernels/common/memory_format.h"
#include "kernels/fft/fft.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;

// `angle` gives the k and n of exp(-2 pi i k / n) for an element.
struct Angle {
  Value k, n;
};

ir::Kernel generate_table(const char* name, const Region& region, const Target& target,
                          DType number,
                          Angle (*angle)(const WordValues<FftTableWords>&, Value index)) {
  Builder b(name, kFftTableWorkgroup);
  const KernelArguments arguments(b, region, kWordsOf<FftTableWords>, {.workspaces = 1});
  const auto words = arguments.words_as<FftTableWords>();
  const Value index = linear_group(b) * kFftTableWorkgroup + b.builtin(ir::Builtin::local_index);
  b.if_(index < words[&FftTableWords::count], [&] {
    const Angle a = angle(words, index);
    const ir::math::UnitRoot root =
        ir::math::unit_root(a.k, a.n, ir::compute_type(number), target.math);
    store_element(arguments.workspace(0), index, Number{number, root.re, -root.im});
  });
  return b.finish();
}

Angle root_angle(const WordValues<FftTableWords>& words, Value index) {
  Builder& b = index.builder();
  const ir::Var done = b.var(b.u32(1));
  const ir::Var next = b.var(b.u32(1));
  const ir::Var low = b.var(words[&FftTableWords::low_radices]);
  const ir::Var high = b.var(words[&FftTableWords::high_radices]);
  b.loop([&] {
    next.set(done.get() * ((low.get() & 15u) + 1u));
    b.break_if(index < next.get());
    done.set(next.get());
    low.set((low.get() >> 4) | (high.get() << 28));
    high.set(high.get() >> 4);
  });
  const Value r = index / done.get();
  return {r * (index - r * done.get()), next.get()};
}

// k^2 / 2n, whole turns left out.
Angle chirp_angle(const WordValues<FftTableWords>& words, Value index) {
  Builder& b = index.builder();
  const Value n = words[&FftTableWords::count] << 1;
  const Value k = b.convert(index, ir::kU64);
  return {b.convert((k * k) % b.convert(n, ir::kU64), ir::kU32), n};
}

}  // namespace

ir::Kernel generate_fft_roots(const Region& region, const Target& target, const FftTable& table) {
  return generate_table("fft_roots", region, target, table.number, root_angle);
}

ir::Kernel generate_fft_chirp(const Region& region, const Target& target, const FftTable& table) {
  return generate_table("fft_chirp", region, target, table.number, chirp_angle);
}

}  // namespace nxv::kernels

#include "runtime/rate_kernel.h"

#include <vector>

#include "ir/builder.h"
#include "runtime/module.h"

namespace nxv::runtime {

using ir::Builder;
using ir::Value;

vulkan::ShaderModule rate_kernel(const plan::DevicePlan& plan, ir::Type type) {
  Builder b(type == ir::kF64 ? "probe_rate_f64" : "probe_rate_f32", kRateWorkgroup);
  const Value out = b.buffer("out", ir::Access::write);
  const Value i =
      b.builtin(ir::Builtin::group_x) * kRateWorkgroup + b.builtin(ir::Builtin::local_index);
  const Value start = b.convert(i, type);
  std::vector<ir::Var> chains;
  for (int k = 0; k < 4; ++k) chains.push_back(b.var(start + (k + 1.0)));
  b.for_range(b.u32(0), b.u32(256), b.u32(1), [&](Value) {
    for (const ir::Var& v : chains) {
      Value x = v.get();
      for (int k = 0; k < 8; ++k) x = b.fma(x, like(x, 0.75), like(x, 1.5));
      v.set(x);
    }
  });
  Value sum = chains[0].get();
  for (int k = 1; k < 4; ++k) sum = sum + chains[k].get();
  b.store(out, i, sum);
  return make_module(b.finish(), spirv_options(plan));
}

}  // namespace nxv::runtime

// Batched matrix products C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n].
//
// Operands are read by their strides. The region's words are: for A its offset and the strides of
// b, m, k; for B its offset and the strides of b, k, n; then the extents of b, m, n and k.
#include "base/error.h"
#include "ir/math/cast.h"
#include "kernels/grid.h"
#include "kernels/lowering.h"
#include "kernels/memory_format.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Number;
using ir::Value;

enum RegionWord { kA = 0, kB = 4, kBatch = 8, kM, kN, kK, kRegionWords };
enum Word {
  kGroups,
  kColumnsDivisor,
  kColumnsMultiplier,
  kColumnsShift,
  kRowsDivisor,
  kRowsMultiplier,
  kRowsShift,
  kWordCount
};

// The reference path: one invocation computes four consecutive elements, one at a time.
ir::Kernel generate_plain(const Region& region, const Target& target) {
  constexpr uint32_t kWorkgroup = 64;
  Builder b("matmul_plain", kWorkgroup);
  const DType ta = region.operands[0].node->dtype, tb = region.operands[1].node->dtype;
  const DType out = region.root->dtype;
  const Value a = b.buffer("a", ir::Access::read), bb = b.buffer("b", ir::Access::read);
  const Value c = b.buffer("c", ir::Access::read_write);
  std::vector<Value> w;
  for (int i = 0; i < int{kRegionWords} + int{kWordCount}; ++i) {
    w.push_back(b.param("w" + std::to_string(i), ir::kU32));
  }
  const auto word = [&](int i) { return w[kRegionWords + i]; };
  const auto divide = [&](Value n, int at) {
    return (b.binary(ir::Opcode::mul_hi, n, word(at + 1)) + n) >> word(at + 2);
  };
  // Integers wrap in the result's type; floats of up to 32 bits gather in f64 where there is one.
  const bool wide = out == DType::f64 || target.math.f64;
  const DType sum_type = is_integer(out) ? out : wide ? DType::f64 : DType::f32;
  const ir::Type type = ir::compute_type(sum_type);
  const auto operand = [&](Value buffer, Value index, DType t) {
    return ir::cast(load_element(buffer, index, t), sum_type, target.math).re;
  };

  const Value group = linear_group(b) * kWorkgroup + b.builtin(ir::Builtin::local_index);
  b.if_(group < word(kGroups), [&] {
    Group result;
    for (uint32_t i = 0; i < kGroup; ++i) {
      const Value index = (group << 2) + i;
      const Value row = divide(index, kColumnsDivisor);
      const Value column = index - row * word(kColumnsDivisor);
      const Value batch_raw = divide(row, kRowsDivisor);
      const Value m = row - batch_raw * word(kRowsDivisor);
      // Padding beyond the last element reads the last batch.
      const Value batch = b.binary(ir::Opcode::min, batch_raw, w[kBatch] - 1u);
      const ir::Var ia = b.var(w[kA] + batch * w[kA + 1] + m * w[kA + 2]);
      const ir::Var ib = b.var(w[kB] + batch * w[kB + 1] + column * w[kB + 3]);
      const ir::Var sum = b.var(is_integer(out) ? b.number(type, 0) : b.zero(type));
      b.for_range(b.u32(0), w[kK], b.u32(1), [&](Value) {
        const Value x = operand(a, ia.get(), ta), y = operand(bb, ib.get(), tb);
        sum.set(sum.get() + x * y);
        ia.set(ia.get() + w[kA + 3]);
        ib.set(ib.get() + w[kB + 2]);
      });
      result[i] = {out, ir::wrap(sum.get(), out), {}};
    }
    store_group(c, group, result);
  });
  return b.finish();
}

}  // namespace

Lowering lower_matmul(const Region& region, const Target& target) {
  if (is_complex(region.root->dtype)) {
    throw Error(Status::unsupported,
                "dot of " + std::string(name(region.root->dtype)) + " is not available");
  }
  const auto groups = static_cast<uint64_t>((region.root->count + kGroup - 1) / kGroup);
  Dispatch d;
  d.key = "m" + region.key;
  d.generate = [target](const Region& r) { return generate_plain(r, target); };
  d.groups = fold_groups((groups + 63) / 64, *target.plan);
  d.extra_words = {static_cast<uint32_t>(groups)};
  for (int dim : {2, 1}) {
    for (uint32_t v : divisor_words(static_cast<uint64_t>(region.root->shape[dim]))) {
      d.extra_words.push_back(v);
    }
  }
  d.work = static_cast<uint64_t>(region.root->count) * region.words[kK];
  Lowering lowering;
  lowering.dispatches.push_back(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels

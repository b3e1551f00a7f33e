#include "kernels/linear/range.h"

#include "ir/math/bits.h"

namespace nxv::kernels {
namespace {

using ir::Value;

// Exponents beyond are left to the working type.
int largest_exponent(ir::Type part) { return part == ir::kF64 ? 1000 : 120; }

// The exponent of a matrix's largest column, and with it the sizes.
void add_exponents(Steps& steps, int sizes, int scales, uint64_t batch, uint64_t columns) {
  enum Word { kGroups, kColumns, kWordCount };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target, 256);
  Step step;
  step.key = "exponents";
  step.groups = batch;
  step.words = {static_cast<uint32_t>(batch), static_cast<uint32_t>(columns)};
  step.workspaces = {updates(sizes), writes(scales)};
  step.generate = [=](const Region& region) {
    LinearKernel k("exponents", lanes, region, target, 2, kWordCount);
    k.each_group(k.word(kGroups), [&](Value matrix) {
      const Value first = matrix * k.word(kColumns);
      const ir::Var own = k.b.var(k.zero);
      k.share(first, first + k.word(kColumns), [&](Value i) {
        const Value size = k.load_real(k.workspace(0), i);
        own.set(k.b.select(own.get() < size, size, own.get()));
      });
      const Value size = k.max_over_lanes(own.get());
      const Value field = ir::math::top_word(size) >> ir::math::exponent_shift(k.part);
      const Value exponent = k.b.bitcast(field, ir::kS32) - ir::math::exponent_bias(k.part);
      const Value limit = k.b.s32(largest_exponent(k.part));
      const Value is_usable = (exponent <= limit) & (exponent >= -limit);
      const Value used = k.b.select(is_usable, exponent, k.b.s32(0));
      const Value down = ir::math::power_of_two(-used, k.part);
      k.share(first, first + k.word(kColumns), [&](Value i) {
        k.b.store(k.workspace(0), i, k.load_real(k.workspace(0), i) * down);
      });
      k.b.if_(k.local == 0u, [&] {
        k.b.store(k.workspace(1), matrix << 1, down);
        k.b.store(k.workspace(1), (matrix << 1) + 1u, ir::math::power_of_two(used, k.part));
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

int add_scaling(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                uint64_t columns) {
  const int scales = steps.reals(batch * 2);
  add_exponents(steps, sizes, scales, batch, columns);

  enum Word { kCount, kMatrix, kWordCount = kMatrix + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t count = batch * rows * columns;
  Step step;
  step.key = "scale";
  step.groups = Steps::groups(count, lanes);
  step.words = {static_cast<uint32_t>(count)};
  push_divisor(step.words, rows * columns);
  step.workspaces = {updates(matrices), reads(scales)};
  step.generate = [=](const Region& region) {
    LinearKernel k("scale", lanes, region, target, 2, kWordCount);
    k.each(k.word(kCount), [&](Value i) {
      const Value factor = k.load_real(k.workspace(1), k.divide(i, kMatrix) << 1);
      k.store(k.workspace(0), i, k.scale(k.load(k.workspace(0), i), factor));
    });
    return k.finish();
  };
  steps.add(std::move(step));
  return scales;
}

void add_column_sizes(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                      uint64_t columns) {
  enum Word { kCount, kRows, kColumns, kWordCount = kColumns + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target, 256);
  Step step;
  step.key = "column_sizes";
  step.groups = batch * columns;
  step.words = {static_cast<uint32_t>(step.groups), static_cast<uint32_t>(rows)};
  push_divisor(step.words, columns);
  step.workspaces = {reads(matrices), writes(sizes)};
  step.generate = [=](const Region& region) {
    LinearKernel k("column_sizes", lanes, region, target, 2, kWordCount);
    k.each_group(k.word(kCount), [&](Value group) {
      const Value matrix = k.divide(group, kColumns);
      const Value column = group - matrix * k.word(kColumns);
      const ir::Var own = k.b.var(k.zero);
      k.share(k.b.u32(0), k.word(kRows), [&](Value row) {
        const Value size = k.magnitude(
            k.load(k.workspace(0), (matrix * k.word(kRows) + row) * k.word(kColumns) + column));
        own.set(k.b.select(own.get() < size, size, own.get()));
      });
      const Value size = k.max_over_lanes(own.get());
      k.b.if_(k.local == 0u, [&] { k.b.store(k.workspace(1), group, size); });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

Value scale_back(LinearKernel& k, Value scales, Value matrix) {
  return k.load_real(scales, (matrix << 1) + 1u);
}

}  // namespace nxv::kernels

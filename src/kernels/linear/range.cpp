#include "kernels/linear/range.h"

#include "ir/math/bits.h"

namespace nxv::kernels {
namespace {

using ir::Value;

// Exponents beyond are left to the working type.
int largest_exponent(ir::Type part) { return part == ir::kF64 ? 1000 : 120; }

// The exponent of a matrix's largest column, and with it the sizes.
struct Exponents {
  static constexpr std::string_view kName = "exponents";
  using Layout = NoLayout;
  struct Words {
    uint32_t columns = 0;
  };
  static StepOptions options(NoLayout) {
    return {
        .kernel = kName, .workspaces = 2, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<Exponents>& k) {
    const Value sizes = k.workspace(0), scales = k.workspace(1);
    k.each_item([&](Value matrix) {
      const Value first = matrix * k.words[&Words::columns];
      const ir::Var own = k.b.var(k.zero);
      k.share(first, first + k.words[&Words::columns], [&](Value i) {
        const Value size = k.load_real(sizes, i);
        own.set(k.b.select(own.get() < size, size, own.get()));
      });
      const Value size = k.max_over_lanes(own.get());
      const Value field = ir::math::top_word(size) >> ir::math::exponent_shift(k.part);
      const Value exponent = k.b.bitcast(field, ir::kS32) - ir::math::exponent_bias(k.part);
      const Value limit = k.b.s32(largest_exponent(k.part));
      const Value is_usable = (exponent <= limit) & (exponent >= -limit);
      const Value used = k.b.select(is_usable, exponent, k.b.s32(0));
      const Value down = ir::math::power_of_two(-used, k.part);
      k.share(first, first + k.words[&Words::columns],
              [&](Value i) { k.b.store(sizes, i, k.load_real(sizes, i) * down); });
      k.b.if_(k.local == 0u, [&] {
        k.b.store(scales, matrix << 1, down);
        k.b.store(scales, (matrix << 1) + 1u, ir::math::power_of_two(used, k.part));
      });
    });
  }
};

struct Scale {
  static constexpr std::string_view kName = "scale";
  using Layout = NoLayout;
  struct Words {
    Divisor matrix;  // its elements
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<Scale>& k) {
    k.each_item([&](Value i) {
      const Value matrix = k.words.divide(i, &Words::matrix);
      const Value factor = k.load_real(k.workspace(1), matrix << 1);
      k.store(k.workspace(0), i, k.scale(k.load(k.workspace(0), i), factor));
    });
  }
};

struct ColumnSizes {
  static constexpr std::string_view kName = "column_sizes";
  using Layout = NoLayout;
  struct Words {
    uint32_t rows = 0;
    Divisor columns;
  };
  static StepOptions options(NoLayout) {
    return {
        .kernel = kName, .workspaces = 2, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<ColumnSizes>& k) {
    const Value rows = k.words[&Words::rows], columns = k.words[&Words::columns];
    k.each_part(&Words::columns, [&](Value matrix, Value column, Value item) {
      const ir::Var own = k.b.var(k.zero);
      k.share(k.b.u32(0), rows, [&](Value row) {
        const Value size =
            k.magnitude(k.load(k.workspace(0), (matrix * rows + row) * columns + column));
        own.set(k.b.select(own.get() < size, size, own.get()));
      });
      const Value size = k.max_over_lanes(own.get());
      k.b.if_(k.local == 0u, [&] { k.b.store(k.workspace(1), item, size); });
    });
  }
};

}  // namespace

int add_scaling(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                uint64_t columns) {
  const int scales = steps.reals(batch * 2);
  steps.add<Exponents>(batch, {.columns = word(columns)},
                       {.workspaces = {updates(sizes), writes(scales)}});
  steps.add<Scale>(batch * rows * columns, {.matrix = Divisor(rows * columns)},
                   {.workspaces = {updates(matrices), reads(scales)}});
  return scales;
}

void add_column_sizes(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                      uint64_t columns) {
  steps.add<ColumnSizes>(batch * columns, {.rows = word(rows), .columns = Divisor(columns)},
                         {.workspaces = {reads(matrices), writes(sizes)}});
}

Value scale_back(LinearKernel& k, Value scales, Value matrix) {
  return k.load_real(scales, (matrix << 1) + 1u);
}

}  // namespace nxv::kernels

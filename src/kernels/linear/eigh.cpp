// Eigenvalues and eigenvectors of Hermitian matrices by Jacobi rotations in parallel (Brent and
// Luk, SIAM J. Sci. Stat. Comput. 6, 1985; Golub & Van Loan, Matrix Computations, 8.5). A round
// rotates n / 2 disjoint pairs of rows and columns in two steps: the angles, then all 2 x 2 blocks
// in place. The vectors grow from the identity by the same rotations of rows. Nx defines its eigh
// by the same rounds.
//
// The result is packed, for each matrix: the values by descending magnitude, then the matrix whose
// columns are the vectors. The lower triangle is read.
#include "kernels/common/divide_up.h"
#include "kernels/linear/eigh_blocks.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/range.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// Results below this many units of roundoff are noise.
constexpr double kNoise = 16;

// The matrices from their lower triangles, and identities.
struct EighStart {
  static constexpr std::string_view kName = "eigh_start";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0, matrix = 0;  // elements of an operand
    Divisor size, rows;          // the same
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<EighStart>& k) {
    const Number zero = k.real(k.zero);
    k.each_item([&](Value index) {
      const ElementPlace at = place_of(k.words, index, &Words::rows, &Words::size);
      const Value i = at.row, j = at.column, n = k.words[&Words::n];
      const Value low = k.b.binary(ir::Opcode::max, i, j), high = k.b.binary(ir::Opcode::min, i, j);
      const auto element = k.variable(zero);
      k.b.if_(low < n, [&] {
        const Number x = k.load_operand(0, at.matrix * k.words[&Words::matrix] + low * n + high);
        element.set(k.select(i == j, k.real(x.re), k.select(i > j, x, k.conjugate(x))));
      });
      k.store(k.workspace(0), index, element.get());
      k.store(k.workspace(1), index, k.real(k.b.select(i == j, k.number(1), k.zero)));
    });
  }
};

// The diagonals, n numbers a matrix.
struct EighValues {
  static constexpr std::string_view kName = "eigh_values";
  using Layout = NoLayout;
  struct Words {
    uint32_t size = 0;
    Divisor n;
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<EighValues>& k) {
    k.each_part(&Words::n, [&](Value matrix, Value i, Value at) {
      const Value size = k.words[&Words::size];
      const Number x = k.load(k.workspace(0), (matrix * size + i) * size + i);
      k.b.store(k.workspace(1), at, x.re);
    });
  }
};

struct EighStore {
  static constexpr std::string_view kName = "eigh_store";
  struct Layout {
    Choice<Rounding> rounding = Rounding::of_results;
  };
  struct Words {
    uint32_t size = 0;
    Divisor n, packed;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName, .workspaces = 4, .rounding = layout.rounding};
  }
  static void emit(StepKernel<EighStore>& k) {
    const Value noise = k.number(kNoise * k.roundoff()), n = k.words[&Words::n];
    const Number zero = k.real(k.zero);
    k.each_part(&Words::packed, [&](Value matrix, Value position, Value at) {
      const auto source = [&](Value i) {
        return k.b.load(k.workspace(2), matrix * n + i, ir::kU32);
      };
      k.b.if_(
          position < n,
          [&] {
            const Value x = k.load_real(k.workspace(1), matrix * n + source(position));
            const Value scaled = x * scale_back(k, k.workspace(3), matrix);
            k.store_output(at, k.real(k.b.select(ir::math::abs(x) <= noise, k.zero, scaled)));
          },
          [&] {
            const Value element = position - n, size = k.words[&Words::size];
            const Value i = k.words.divide(element, &Words::n), j = element - i * n;
            const Value row = matrix * size + source(j);
            const Number x = k.conjugate(k.load(k.workspace(0), row * size + i));
            k.store_output(at, k.select(k.magnitude(x) <= noise, zero, x));
          });
    });
  }
};

}  // namespace

Lowering lower_eigh(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  Steps steps(region, target);
  EighMatrices m = {};
  m.batch = batch_of(shape);
  m.n = static_cast<uint64_t>(shape.back());
  m.block = eigh_block_rows(steps, m.n);
  const uint64_t multiple = 2 * std::max<uint64_t>(m.block, 1);
  m.size = divide_up(m.n, multiple) * multiple;
  m.sweeps = sweeps_for(m.n);
  const uint64_t elements = m.batch * m.size * m.size;
  m.matrices = steps.numbers(elements);
  m.vectors = steps.numbers(elements);
  m.angles = steps.reals(m.batch * m.half() * 4);
  const int sizes = steps.reals(m.batch * m.size);
  const int values = steps.reals(m.batch * m.n);
  const int order = steps.indices(m.batch * m.n);

  steps.add<EighStart>(
      elements,
      {.n = word(m.n), .matrix = word(m.n * m.n), .size = Divisor(m.size), .rows = Divisor(m.size)},
      {.workspaces = {writes(m.matrices), writes(m.vectors)}, .reads_operands = true});
  add_column_sizes(steps, m.matrices, sizes, m.batch, m.size, m.size);
  const int scales = add_scaling(steps, m.matrices, sizes, m.batch, m.size, m.size);
  m.progress = add_progress(steps, m.batch, m.sweeps);
  add_eigh_sweeps(steps, m);
  steps.add<EighValues>(m.batch * m.n, {.size = word(m.size), .n = Divisor(m.n)},
                        {.workspaces = {reads(m.matrices), writes(values)}});
  add_order(steps, values, order, m.batch, m.n);
  const uint64_t packed = m.n + m.n * m.n;
  steps.add<EighStore>(
      m.batch * packed, {.size = word(m.size), .n = Divisor(m.n), .packed = Divisor(packed)},
      {.workspaces = {reads(m.vectors), reads(values), reads(order), reads(scales)},
       .writes_output = true},
      {steps.rounding(m.n, m.n)});
  return steps.take();
}

}  // namespace nxv::kernels

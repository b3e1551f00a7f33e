// Singular values and vectors of real matrices by one-sided Jacobi rotations (Hestenes; Golub & Van
// Loan, Matrix Computations, 8.6.3) of a triangular factor (Drmac and Veselic, SIAM J. Matrix Anal.
// Appl. 29, 2008), which give small singular values a relative accuracy of their own.
//
// With m >= n (a wide matrix is transposed) A = Q R. The rows of R and those of the identity lie
// side by side: n rows of 2 n numbers. A round makes n / 2 disjoint pairs of them orthogonal, a
// workgroup a pair. When all are, R^T W has orthogonal columns whose lengths are the singular
// values, and A = (Q W) diag(s) V^T. Ordered by length, the columns go through a QR decomposition
// whose orthogonal factor is V, completed where lengths are zero.
//
// Signs: the first of the largest elements of each column of V is positive.
// The result is packed, for each matrix: u, s, vt. Which columns there are follows from its length.
#include "kernels/linear/householder.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"
#include "kernels/linear/range.h"
#include "kernels/linear/svd_rotations.h"

namespace nxv::kernels {
namespace {

using ir::Value;

// Units of roundoff, of elements of u and v and of singular values beside the largest: below that
// they are zero.
constexpr double kNoise = 16;
constexpr double kLargest = 1 - 1e-3;  // elements this close to the largest count as equal to it

// 1 or -1 for each column of v, then of u. A column of v points against that of R^T W where the
// diagonal of the triangular factor is negative.
struct SvdSigns {
  static constexpr std::string_view kName = "svd_signs";
  using Layout = NoLayout;
  struct Words {
    Divisor n;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName, .workspaces = 3, .worker = Worker::workgroup};
  }
  static void emit(StepKernel<SvdSigns>& k) {
    const Value n = k.words[&Words::n];
    k.each_part(&Words::n, [&](Value matrix, Value j, Value item) {
      const auto element = [&](Value i) {
        return k.load_real(k.workspace(0), (matrix * n + i) * n + j);
      };
      const ir::Var own = k.b.var(k.zero);
      k.share(k.b.u32(0), n, [&](Value i) {
        const Value size = ir::math::abs(element(i));
        own.set(k.b.select(own.get() < size, size, own.get()));
      });
      const Value enough = k.max_over_lanes(own.get()) * k.number(kLargest);
      const ir::Var place = k.b.var(n - 1u);
      k.share(k.b.u32(0), n, [&](Value i) {
        const Value is_large = ir::math::abs(element(i)) >= enough;
        place.set(k.b.select(is_large & (i < place.get()), i, place.get()));
      });
      const Value at = k.fold_over_lanes(
          place.get(), [&](Value x, Value y) { return k.b.binary(ir::Opcode::min, x, y); });
      k.b.if_(k.local == 0u, [&] {
        const Value one = k.number(1);
        const Value of_v = k.b.select(element(at) < k.zero, -one, one);
        const Value diagonal = k.load_real(k.workspace(1), (matrix * n + j) * n + j);
        k.b.store(k.workspace(2), item << 1, of_v);
        k.b.store(k.workspace(2), (item << 1) + 1u, k.b.select(diagonal < k.zero, -of_v, of_v));
      });
    });
  }
};

struct SvdStore {
  static constexpr std::string_view kName = "svd_store";
  struct Layout {
    Choice<bool> is_turned = false;  // u is the square factor, vt the tall one
  };
  struct Words {
    uint32_t m = 0, n = 0;
    uint32_t tall = 0;  // elements of the tall factor
    Divisor columns;    // of it
    Divisor own_m, own_n, packed;
  };
  static StepOptions options(const Layout&) { return {.kernel = kName, .workspaces = 6}; }
  static void emit(StepKernel<SvdStore>& k) {
    const bool turned = k.layout.is_turned;
    const Value n = k.words[&Words::n], noise = k.number(kNoise * unit_roundoff(k.type));
    k.each_part(&Words::packed, [&](Value matrix, Value position, Value at) {
      const auto put = [&](Value x) { k.store_output(at, k.real(x)); };
      const auto put_element = [&](Value x) {
        put(k.b.select(ir::math::abs(x) <= noise, k.zero, x));
      };
      const auto sign = [&](Value i, uint32_t which) {
        return k.load_real(k.workspace(4), ((matrix * n + i) << 1) + which);
      };
      const auto tall = [&](Value i, Value j) {
        const Value x = k.load_real(
            k.workspace(0), (matrix * k.words[&Words::m] + i) * k.words[&Words::columns] + j);
        const Value column = k.b.binary(ir::Opcode::min, j, n - 1u);
        put_element(k.b.select(j < n, x * sign(column, 1), x));
      };
      const auto square = [&](Value i, Value j) {
        put_element(k.load_real(k.workspace(1), (matrix * n + i) * n + j) * sign(j, 0));
      };
      const auto length = [&](Value i) {  // of the i-th longest column
        const Value from = k.b.load(k.workspace(3), matrix * n + i, ir::kU32);
        return k.load_real(k.workspace(2), matrix * n + from);
      };
      const auto value = [&](Value i) {
        const Value x = length(i);
        put(k.b.select(x <= length(k.b.u32(0)) * noise, k.zero,
                       x * scale_back(k, k.workspace(5), matrix)));
      };
      const Value first = turned ? n * n : k.words[&Words::tall];
      k.b.if_(
          position < first,
          [&] {
            const auto columns = turned ? &Words::own_n : &Words::columns;
            const Value i = k.words.divide(position, columns);
            const Value j = position - i * k.words[columns];
            turned ? square(i, j) : tall(i, j);
          },
          [&] {
            const Value rest = position - first;
            k.b.if_(
                rest < n, [&] { value(rest); },
                [&] {
                  const Value element = rest - n;
                  const auto columns = turned ? &Words::own_m : &Words::own_n;
                  const Value j = k.words.divide(element, columns);
                  const Value i = element - j * k.words[columns];
                  turned ? tall(i, j) : square(i, j);
                });
          });
    });
  }
};

}  // namespace

Lowering lower_svd(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  const auto operand_rows = static_cast<uint64_t>(shape[shape.size() - 2]);
  const auto operand_columns = static_cast<uint64_t>(shape.back());
  const uint64_t batch = batch_of(shape);
  const uint64_t m = std::max(operand_rows, operand_columns);
  const uint64_t n = std::min(operand_rows, operand_columns);
  const bool is_turned = operand_rows < operand_columns;
  const bool is_full = static_cast<uint64_t>(region.root->shape.back()) == m * m + n + n * n;
  const uint64_t columns = is_full ? m : n;  // of the tall factor
  Steps steps(region, target);
  SvdRows rows = make_svd_rows(steps, batch, n);
  const Householder of_operand(steps, batch, m, n), of_product(steps, batch, n, n);
  const int tall = steps.numbers(batch * m * columns), square = steps.numbers(batch * n * n);
  const int values = steps.reals(batch * n), order = steps.indices(batch * n);
  const int signs = steps.reals(batch * n * 2);

  const uint64_t down = operand_columns, along = 1;
  add_load(steps, 0, {batch, m, n, m * n, is_turned ? along : down, is_turned ? down : along},
           of_operand.matrices);
  add_column_sizes(steps, of_operand.matrices, of_operand.sizes, batch, m, n);
  const int scales = add_scaling(steps, of_operand.matrices, of_operand.sizes, batch, m, n);
  add_triangularization(steps, of_operand);

  add_svd_start(steps, rows, of_operand.matrices, m);
  rows.progress = add_progress(steps, batch, rows.sweeps);
  add_svd_sweeps(steps, rows);
  add_svd_lengths(steps, rows, values);
  add_order(steps, values, order, batch, n);

  add_svd_columns(steps, rows, SvdPart::product, order, n, n, of_product.matrices);
  add_column_sizes(steps, of_product.matrices, of_product.sizes, batch, n, n);
  add_triangularization(steps, of_product);
  add_orthogonal_factor(steps, of_product, n, square);
  add_svd_columns(steps, rows, SvdPart::rotations, order, m, columns, tall);
  add_reflections(steps, of_operand, columns, tall);
  steps.add<SvdSigns>(batch * n, {.n = Divisor(n)},
                      {.workspaces = {reads(square), reads(of_product.matrices), writes(signs)}});
  const uint64_t packed = m * columns + n + n * n;
  steps.add<SvdStore>(batch * packed,
                      {.m = word(m),
                       .n = word(n),
                       .tall = word(m * columns),
                       .columns = Divisor(columns),
                       .own_m = Divisor(m),
                       .own_n = Divisor(n),
                       .packed = Divisor(packed)},
                      {.workspaces = {reads(tall), reads(square), reads(values), reads(order),
                                      reads(signs), reads(scales)},
                       .writes_output = true},
                      {is_turned});
  return steps.take();
}

}  // namespace nxv::kernels

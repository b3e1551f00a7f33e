// QR decomposition by Householder reflections (Golub & Van Loan, Matrix Computations, 5.2.2). Two
// steps a column bring the matrix to R; Q grows from the identity, last reflection first.
//
// The result is packed, for each matrix: Q, then R. Which columns of Q there are follows from the
// packed length.
#include "kernels/linear/householder.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/matrix_copy.h"
#include "kernels/linear/range.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// What reflections leave of an element that should vanish, in units of roundoff of its column.
constexpr double kNoise = 16;

struct QrStore {
  static constexpr std::string_view kName = "qr_store";
  struct Layout {
    Choice<bool> is_scaled = false;
  };
  struct Words {
    Divisor columns;
    uint32_t q = 0;       // elements of a Q
    uint32_t matrix = 0;  // and of a whole matrix
    Divisor packed;
  };
  static StepOptions options(const Layout& layout) {
    return {.kernel = kName, .workspaces = layout.is_scaled ? 4 : 3};
  }
  static void emit(StepKernel<QrStore>& k) {
    const Value matrices = k.workspace(0), q = k.workspace(1), sizes = k.workspace(2);
    const Value noise = k.number(kNoise * unit_roundoff(k.type));
    const Number zero = k.real(k.zero);
    k.each_part(&Words::packed, [&](Value matrix, Value position, Value at) {
      k.b.if_(
          position < k.words[&Words::q],
          [&] {
            const Number x = k.load(q, matrix * k.words[&Words::q] + position);
            k.store_output(at, k.select(k.magnitude(x) <= noise, zero, x));
          },
          [&] {
            const Value element = position - k.words[&Words::q];
            const Value columns = k.words[&Words::columns];
            const Value i = k.words.divide(element, &Words::columns), j = element - i * columns;
            const auto result = k.variable(zero);
            k.b.if_(i <= j, [&] {
              const Number x = k.load(matrices, matrix * k.words[&Words::matrix] + element);
              const Value size = k.load_real(sizes, matrix * columns + j);
              const Number kept = k.select(k.magnitude(x) <= size * noise, zero, x);
              result.set(k.layout.is_scaled ? k.scale(kept, scale_back(k, k.workspace(3), matrix))
                                            : kept);
            });
            k.store_output(at, result.get());
          });
    });
  }
};

void add_result(Steps& steps, const Householder& h, uint64_t q_columns, uint64_t r_rows, int q,
                int scales) {
  const uint64_t packed = h.rows * q_columns + r_rows * h.columns;
  const bool is_scaled = scales != kUnscaled;
  Touched touched = {.workspaces = {reads(h.matrices), reads(q), reads(h.sizes)},
                     .writes_output = true};
  if (is_scaled) touched.workspaces.push_back(reads(scales));
  steps.add<QrStore>(h.batch * packed,
                     {.columns = Divisor(h.columns),
                      .q = word(h.rows * q_columns),
                      .matrix = word(h.rows * h.columns),
                      .packed = Divisor(packed)},
                     touched, {is_scaled});
}

}  // namespace

Lowering lower_qr(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  const auto n = static_cast<uint64_t>(shape.back());
  const auto m = static_cast<uint64_t>(shape[shape.size() - 2]);
  const bool complete = static_cast<uint64_t>(region.root->shape.back()) == m * m + m * n;
  const uint64_t columns = complete ? m : std::min(m, n);
  Steps steps(region, target);
  const Householder h(steps, batch_of(shape), m, n);
  const int q = steps.numbers(h.batch * m * columns);
  add_load(steps, 0, {h.batch, m, n, m * n, n, 1}, h.matrices);
  add_column_sizes(steps, h.matrices, h.sizes, h.batch, m, n);
  // A wider working type has range to spare.
  const int scales =
      steps.widens() ? kUnscaled : add_scaling(steps, h.matrices, h.sizes, h.batch, m, n);
  add_triangularization(steps, h);
  add_orthogonal_factor(steps, h, columns, q);
  add_result(steps, h, columns, columns, q, scales);
  return steps.take();
}

}  // namespace nxv::kernels

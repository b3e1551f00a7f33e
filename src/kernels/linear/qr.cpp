// QR decomposition by Householder reflections (Golub & Van Loan, Matrix Computations, 5.2.2). Two
// steps a column bring the matrix to R; Q grows from the identity, last reflection first.
//
// The result is packed, for each matrix: Q, then R. Which columns of Q there are follows from the
// packed length.
#include "kernels/linear/householder.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/range.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// What reflections leave of an element that should vanish, in units of roundoff of its column.
constexpr double kNoise = 16;

void add_result(Steps& steps, const Householder& h, uint64_t q_columns, uint64_t r_rows, int q,
                int scales) {
  enum Word {
    kCount,
    kColumns,
    kQ = kColumns + kDivisorWords,  // elements of a Q
    kMatrix,                        // and of a whole matrix
    kPacked,
    kWordCount = kPacked + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t packed = h.rows * q_columns + r_rows * h.columns;
  const bool scaled = scales != kUnscaled;
  Step step;
  step.key = scaled ? "qr_store scaled" : "qr_store";
  step.groups = Steps::groups(h.batch * packed, lanes);
  step.words = {static_cast<uint32_t>(h.batch * packed)};
  push_divisor(step.words, h.columns);
  step.words.push_back(static_cast<uint32_t>(h.rows * q_columns));
  step.words.push_back(static_cast<uint32_t>(h.rows * h.columns));
  push_divisor(step.words, packed);
  step.workspaces = {reads(h.matrices), reads(q), reads(h.sizes)};
  if (scaled) step.workspaces.push_back(reads(scales));
  step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("qr_store", lanes, region, target, scaled ? 4 : 3, kWordCount);
    const Value noise = k.number(kNoise * unit_roundoff(k.type));
    const Number zero = k.real(k.zero);
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
      k.b.if_(
          position < k.word(kQ),
          [&] {
            const Number x = k.load(k.workspace(1), matrix * k.word(kQ) + position);
            k.store_output(at, k.select(k.magnitude(x) <= noise, zero, x));
          },
          [&] {
            const Value element = position - k.word(kQ);
            const Value i = k.divide(element, kColumns), j = element - i * k.word(kColumns);
            const auto result = k.variable(zero);
            k.b.if_(i <= j, [&] {
              const Number x = k.load(k.workspace(0), matrix * k.word(kMatrix) + element);
              const Value size = k.load_real(k.workspace(2), matrix * k.word(kColumns) + j);
              const Number kept = k.select(k.magnitude(x) <= size * noise, zero, x);
              result.set(scaled ? k.scale(kept, scale_back(k, k.workspace(3), matrix)) : kept);
            });
            k.store_output(at, result.get());
          });
    });
    return k.finish();
  };
  steps.add(std::move(step));
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

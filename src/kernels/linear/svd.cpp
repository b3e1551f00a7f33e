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
#include <cmath>

#include "kernels/linear/householder.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/range.h"
#include "kernels/linear/rotations.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// Units of roundoff, of elements of u and v and of singular values beside the largest: below that
// they are zero.
constexpr double kNoise = 16;
constexpr double kLargest = 1 - 1e-3;  // elements this close to the largest count as equal to it

struct Workspaces {
  uint64_t batch, m, n, pairs;
  bool turned;   // the operand is n x m
  int rows;      // 2 pairs rows of 2 n numbers
  int progress;  // see rotations.h
  uint64_t sweeps;
};

Step step_of(const char* key, uint64_t count, uint32_t lanes) {
  Step step;
  step.key = key;
  step.groups = Steps::groups(count, lanes);
  step.words = {static_cast<uint32_t>(count)};
  return step;
}

// The rows of the upper triangles, then the identity.
void add_start(Steps& steps, const Workspaces& w, int triangles) {
  enum Word {
    kCount,
    kM,
    kN,
    kLength,
    kRows = kLength + kDivisorWords,
    kWordCount = kRows + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step = step_of("svd_start", w.batch * 2 * w.pairs * 2 * w.n, lanes);
  step.words.push_back(static_cast<uint32_t>(w.m));
  step.words.push_back(static_cast<uint32_t>(w.n));
  push_divisor(step.words, 2 * w.n);
  push_divisor(step.words, 2 * w.pairs);
  step.workspaces = {writes(w.rows), reads(triangles)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_start", lanes, region, target, 2, kWordCount);
    const Value m = k.word(kM), n = k.word(kN);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kLength), i = at - row * k.word(kLength);
      const Value matrix = k.divide(row, kRows), j = row - matrix * k.word(kRows);
      const auto element = k.b.var(k.zero);
      k.b.if_((j < n) & (i >= n),
              [&] { element.set(k.b.select(i - n == j, k.number(1), k.zero)); });
      k.b.if_((i < n) & (j <= i),
              [&] { element.set(k.load_real(k.workspace(1), (matrix * m + j) * n + i)); });
      k.b.store(k.workspace(0), at, element.get());
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// A round within a kernel.
struct Round {
  Value rows, progress;  // buffers
  Value n, half, shift;  // shift: of the tournament
  Value sweep, sweeps;
  Value tolerance;
};

// Makes a pair of rows orthogonal.
void rotate_rows(LinearKernel& k, const Round& r, Value matrix, Value pair) {
  const Value x = r.rows, words = matrix * r.sweeps, length = r.n << 1;
  const Progress progress = progress_of(k, r.progress, words, r.sweep, r.tolerance);
  k.b.if_(progress.is_active, [&] {
    const Pair rows = pair_of_round(k, pair, r.half, r.shift);
    const Value first = matrix * (r.half << 1);
    const Value top = (first + rows.top) * length, bottom = (first + rows.bottom) * length;
    const ir::Var tops = k.b.var(k.zero), bottoms = k.b.var(k.zero);
    const ir::Var products = k.b.var(k.zero);
    k.share(k.b.u32(0), r.n, [&](Value i) {
      const Value p = k.load_real(x, top + i), q = k.load_real(x, bottom + i);
      tops.set(k.b.fma(p, p, tops.get()));
      bottoms.set(k.b.fma(q, q, bottoms.get()));
      products.set(k.b.fma(p, q, products.get()));
    });
    const Value alpha = k.sum_over_lanes(tops.get()), beta = k.sum_over_lanes(bottoms.get());
    const Value gamma = k.sum_over_lanes(products.get());
    // The cosine between the columns. A column that is as short as the rounding errors of the
    // matrix, whose largest element is about one, points anywhere: it has no angle.
    const Value p_length = k.sqrt(alpha), q_length = k.sqrt(beta), one = k.number(1);
    const Value has_angle = (p_length > r.tolerance) & (q_length > r.tolerance);
    const Value overlap = ir::math::abs(k.divide(k.b.select(has_angle, gamma, k.zero),
                                                 k.b.select(has_angle, p_length * q_length, one)));
    k.b.if_(k.local == 0u, [&] { record(k, r.progress, words + r.sweep, overlap); });
    k.b.if_(overlap > progress.threshold, [&] {
      const Value zeta = k.divide(beta - alpha, gamma + gamma);
      const Value root = k.sqrt(one + zeta * zeta);
      const Value t = k.divide(one, zeta + k.b.select(zeta >= k.zero, root, -root));
      const Value cosine = k.divide(one, k.sqrt(one + t * t)), sine = t * cosine;
      // As corrections, see rotate in eigh.cpp.
      const Value versine = k.divide(sine * sine, one + cosine);
      k.share(k.b.u32(0), length, [&](Value i) {
        const Value p = k.load_real(x, top + i), q = k.load_real(x, bottom + i);
        k.b.store(x, top + i, p - (versine * p + sine * q));
        k.b.store(x, bottom + i, q - (versine * q - sine * p));
      });
    });
  });
}

uint32_t tolerance_word(const Steps& steps, uint64_t n) {
  return float_word(2 * unit_roundoff(steps.working) * std::sqrt(static_cast<double>(n)));
}

void add_round(Steps& steps, const Workspaces& w, uint64_t sweep, uint64_t shift) {
  enum Word {
    kGroups,
    kN,
    kHalf,
    kShift = kHalf + kDivisorWords,
    kSweep,
    kSweeps,
    kTolerance,
    kWordCount
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "svd_round";
  step.groups = w.batch * w.pairs;
  for (const uint64_t v : {step.groups, w.n}) step.words.push_back(static_cast<uint32_t>(v));
  push_divisor(step.words, w.pairs);
  for (const uint64_t v : {shift, sweep, w.sweeps}) step.words.push_back(static_cast<uint32_t>(v));
  step.words.push_back(tolerance_word(steps, w.n));
  step.workspaces = {updates(w.rows), updates(w.progress)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_round", lanes, region, target, 2, kWordCount);
    const Round round{k.workspace(0), k.workspace(1), k.word(kN),      k.word(kHalf),
                      k.word(kShift), k.word(kSweep), k.word(kSweeps), k.real_word(kTolerance)};
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kHalf);
      rotate_rows(k, round, matrix, group - matrix * k.word(kHalf));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_lone_rounds(Steps& steps, const Workspaces& w) {
  const uint32_t tolerance = tolerance_word(steps, w.n);
  add_lone_sweeps(
      steps, "svd", w.batch, w.pairs, w.sweeps, w.pairs * (3 * w.n + 4) + 1, {w.n, tolerance},
      {updates(w.rows), updates(w.progress)}, [](LinearKernel& k, const LoneRound& at) {
        const Round round{
            k.workspace(0), k.workspace(1), k.word(at.first_word),         at.half, at.shift,
            at.sweep,       at.sweeps,      k.real_word(at.first_word + 1)};
        k.b.for_range(k.b.u32(0), at.half, k.b.u32(1),
                      [&](Value pair) { rotate_rows(k, round, at.matrix, pair); });
      });
}

void add_sweeps(Steps& steps, const Workspaces& w) {
  if (steps.are_lone(w.n, w.n)) return add_lone_rounds(steps, w);
  for (uint64_t sweep = 0; sweep < w.sweeps; ++sweep) {
    for (uint64_t shift = 0; shift + 1 < 2 * w.pairs; ++shift) add_round(steps, w, sweep, shift);
  }
}

// The lengths of the first halves of n rows a matrix.
void add_lengths(Steps& steps, const Workspaces& w, int values) {
  enum Word { kGroups, kRows, kN, kWordCount = kN + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "svd_lengths";
  step.groups = w.batch * w.n;
  step.words = {static_cast<uint32_t>(step.groups), static_cast<uint32_t>(2 * w.pairs)};
  push_divisor(step.words, w.n);
  step.workspaces = {reads(w.rows), writes(values)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_lengths", lanes, region, target, 2, kWordCount);
    const Value n = k.word(kN);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kN);
      const Value row = matrix * k.word(kRows) + group - matrix * n;
      const Value first = row * (n << 1);
      const ir::Var own = k.b.var(k.zero);
      k.share(first, first + n, [&](Value i) {
        const Value e = k.load_real(k.workspace(0), i);
        own.set(k.b.fma(e, e, own.get()));
      });
      const Value total = k.sum_over_lanes(own.get());
      k.b.if_(k.local == 0u, [&] { k.b.store(k.workspace(1), group, k.sqrt(total)); });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// What the rows have become, in order and as columns: the n x n matrices R^T W, or W in the corner
// of the identity, rows x columns.
enum class Part : uint8_t { product, rotations };
void add_columns(Steps& steps, const Workspaces& w, Part part, int order, uint64_t rows,
                 uint64_t columns, int to) {
  enum Word {
    kCount,
    kN,
    kPairRows,
    kRows,
    kColumns = kRows + kDivisorWords,
    kWordCount = kColumns + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step = step_of(part == Part::product ? "svd_product" : "svd_rotations",
                      w.batch * rows * columns, lanes);
  step.words.push_back(static_cast<uint32_t>(w.n));
  step.words.push_back(static_cast<uint32_t>(2 * w.pairs));
  push_divisor(step.words, rows);
  push_divisor(step.words, columns);
  step.workspaces = {reads(w.rows), reads(order), writes(to)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_columns", lanes, region, target, 3, kWordCount);
    const Value n = k.word(kN);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kColumns), j = at - row * k.word(kColumns);
      const Value matrix = k.divide(row, kRows), i = row - matrix * k.word(kRows);
      const auto element = k.b.var(k.b.select(i == j, k.number(1), k.zero));
      k.b.if_((i < n) & (j < n), [&] {
        const Value from = k.b.load(k.workspace(1), matrix * n + j, ir::kU32);
        const Value first = (matrix * k.word(kPairRows) + from) * (n << 1);
        element.set(k.load_real(k.workspace(0), first + (part == Part::product ? i : i + n)));
      });
      k.b.store(k.workspace(2), at, element.get());
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// 1 or -1 for each column of v, then of u. A column of v points against that of R^T W where the
// diagonal of the triangular factor is negative.
void add_signs(Steps& steps, const Workspaces& w, int v, int triangles, int signs) {
  enum Word { kGroups, kN, kWordCount = kN + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "svd_signs";
  step.groups = w.batch * w.n;
  step.words = {static_cast<uint32_t>(step.groups)};
  push_divisor(step.words, w.n);
  step.workspaces = {reads(v), reads(triangles), writes(signs)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_signs", lanes, region, target, 3, kWordCount);
    const Value n = k.word(kN);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kN), j = group - matrix * n;
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
        k.b.store(k.workspace(2), group << 1, of_v);
        k.b.store(k.workspace(2), (group << 1) + 1u, k.b.select(diagonal < k.zero, -of_v, of_v));
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

struct Factors {
  int tall, square;  // u and v, m x columns and n x n
  uint64_t columns;
  int values, order, signs, scales;
};

void add_result(Steps& steps, const Workspaces& w, const Factors& f) {
  enum Word {
    kCount,
    kM,
    kN,
    kTall,  // elements of the tall factor
    kColumns,
    kOwnM = kColumns + kDivisorWords,
    kOwnN = kOwnM + kDivisorWords,
    kPacked = kOwnN + kDivisorWords,
    kWordCount = kPacked + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t tall = w.m * f.columns, packed = tall + w.n + w.n * w.n;
  const bool turned = w.turned;
  Step step = step_of(turned ? "svd_store turned" : "svd_store", w.batch * packed, lanes);
  for (const uint64_t v : {w.m, w.n, tall}) step.words.push_back(static_cast<uint32_t>(v));
  for (const uint64_t d : {f.columns, w.m, w.n, packed}) push_divisor(step.words, d);
  step.workspaces = {reads(f.tall),  reads(f.square), reads(f.values),
                     reads(f.order), reads(f.signs),  reads(f.scales)};
  step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_store", lanes, region, target, 6, kWordCount);
    const Value n = k.word(kN), noise = k.number(kNoise * unit_roundoff(k.type));
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
      const auto put = [&](Value x) { k.store_output(at, k.real(x)); };
      const auto put_element = [&](Value x) {
        put(k.b.select(ir::math::abs(x) <= noise, k.zero, x));
      };
      const auto sign = [&](Value i, uint32_t which) {
        return k.load_real(k.workspace(4), ((matrix * n + i) << 1) + which);
      };
      const auto tall = [&](Value i, Value j) {
        const Value x =
            k.load_real(k.workspace(0), (matrix * k.word(kM) + i) * k.word(kColumns) + j);
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
      const Value first = turned ? n * n : k.word(kTall);
      k.b.if_(
          position < first,
          [&] {
            const Value i = k.divide(position, turned ? kOwnN : kColumns);
            const Value j = position - i * k.word(turned ? kOwnN : kColumns);
            turned ? square(i, j) : tall(i, j);
          },
          [&] {
            const Value rest = position - first;
            k.b.if_(
                rest < n, [&] { value(rest); },
                [&] {
                  const Value element = rest - n;
                  const Value j = k.divide(element, turned ? kOwnM : kOwnN);
                  const Value i = element - j * k.word(turned ? kOwnM : kOwnN);
                  turned ? tall(i, j) : square(i, j);
                });
          });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

Lowering lower_svd(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  const auto rows = static_cast<uint64_t>(shape[shape.size() - 2]);
  const auto columns = static_cast<uint64_t>(shape.back());
  Steps steps(region, target);
  Workspaces w;
  w.batch = batch_of(shape);
  w.m = std::max(rows, columns);
  w.n = std::min(rows, columns);
  w.pairs = (w.n + 1) / 2;
  w.turned = rows < columns;
  w.rows = steps.numbers(w.batch * 2 * w.pairs * 2 * w.n);
  w.sweeps = sweeps_for(w.n);
  const Householder of_operand(steps, w.batch, w.m, w.n), of_product(steps, w.batch, w.n, w.n);
  const bool full = static_cast<uint64_t>(region.root->shape.back()) == w.m * w.m + w.n + w.n * w.n;
  Factors f;
  f.columns = full ? w.m : w.n;
  f.tall = steps.numbers(w.batch * w.m * f.columns);
  f.square = steps.numbers(w.batch * w.n * w.n);
  f.values = steps.reals(w.batch * w.n);
  f.order = steps.indices(w.batch * w.n);
  f.signs = steps.reals(w.batch * w.n * 2);

  add_load(steps, 0, {w.batch, w.m, w.n, w.m * w.n, w.turned ? 1 : columns, w.turned ? columns : 1},
           of_operand.matrices);
  add_column_sizes(steps, of_operand.matrices, of_operand.sizes, w.batch, w.m, w.n);
  f.scales = add_scaling(steps, of_operand.matrices, of_operand.sizes, w.batch, w.m, w.n);
  add_triangularization(steps, of_operand);

  add_start(steps, w, of_operand.matrices);
  w.progress = add_progress(steps, w.batch, w.sweeps);
  if (w.n > 1) add_sweeps(steps, w);
  add_lengths(steps, w, f.values);
  add_order(steps, f.values, f.order, w.batch, w.n);

  add_columns(steps, w, Part::product, f.order, w.n, w.n, of_product.matrices);
  add_column_sizes(steps, of_product.matrices, of_product.sizes, w.batch, w.n, w.n);
  add_triangularization(steps, of_product);
  add_orthogonal_factor(steps, of_product, w.n, f.square);
  add_columns(steps, w, Part::rotations, f.order, w.m, f.columns, f.tall);
  add_reflections(steps, of_operand, f.columns, f.tall);
  add_signs(steps, w, f.square, of_product.matrices, f.signs);
  add_result(steps, w, f);
  return steps.take();
}

}  // namespace nxv::kernels

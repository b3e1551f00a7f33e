// Singular values and vectors of real matrices by one-sided Jacobi rotations (Hestenes; Golub & Van
// Loan, Matrix Computations, 8.6.3), which give small singular values their own relative accuracy.
//
// With m >= n (a wide matrix is transposed), the columns of A and of the identity lie as rows of
// one workspace: n rows of m + n numbers. A round makes n / 2 disjoint pairs of columns orthogonal,
// a workgroup a pair. When all are, A V has orthogonal columns whose lengths are the singular
// values. Ordered by length they go through a QR decomposition, whose Q is U: columns of length
// zero, and the n + 1st to mth, are completed to an orthonormal basis there.
//
// Signs: the first of the largest elements of each column of the smaller factor is positive.
// The result is packed, for each matrix: u, s, vt. Which columns there are follows from its length.
#include <cmath>

#include "kernels/householder.h"
#include "kernels/linear.h"
#include "kernels/range.h"
#include "kernels/rotations.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

constexpr double kNoise = 16;          // units of roundoff that elements of u and v may lack
constexpr double kLargest = 1 - 1e-3;  // elements this close to the largest count as equal to it

struct Workspaces {
  uint64_t batch, m, n, pairs;
  bool turned;  // the operand is n x m
  int rows;     // 2 pairs rows of m + n numbers
  int marks;    // see add_sweep_marks
  uint64_t sweeps;
  uint64_t length() const { return m + n; }
};

Step step_of(const char* key, uint64_t count, uint32_t lanes) {
  Step step;
  step.key = key;
  step.groups = Steps::groups(count, lanes);
  step.words = {static_cast<uint32_t>(count)};
  return step;
}

// The columns of the matrices, then the identity.
void add_start(Steps& steps, const Workspaces& w, int matrices) {
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
  const uint64_t rows = 2 * w.pairs;
  Step step = step_of("svd_start", w.batch * rows * w.length(), lanes);
  step.words.push_back(static_cast<uint32_t>(w.m));
  step.words.push_back(static_cast<uint32_t>(w.n));
  push_divisor(step.words, w.length());
  push_divisor(step.words, rows);
  step.workspaces = {writes(w.rows), reads(matrices)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_start", lanes, region, target, 2, kWordCount);
    const Value m = k.word(kM), n = k.word(kN);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kLength), i = at - row * k.word(kLength);
      const Value matrix = k.divide(row, kRows), j = row - matrix * k.word(kRows);
      const auto element = k.b.var(k.zero);
      k.b.if_(j < n, [&] {
        k.b.if_(
            i < m, [&] { element.set(k.load_real(k.workspace(1), (matrix * m + i) * n + j)); },
            [&] { element.set(k.b.select(i - m == j, k.number(1), k.zero)); });
      });
      k.b.store(k.workspace(0), at, element.get());
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_round(Steps& steps, const Workspaces& w, uint64_t sweep, uint64_t shift) {
  enum Word {
    kGroups,
    kM,
    kLength,
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
  for (const uint64_t v : {step.groups, w.m, w.length()}) {
    step.words.push_back(static_cast<uint32_t>(v));
  }
  push_divisor(step.words, w.pairs);
  for (const uint64_t v : {shift, sweep, w.sweeps}) step.words.push_back(static_cast<uint32_t>(v));
  step.words.push_back(
      float_word(2 * unit_roundoff(steps.working) * std::sqrt(static_cast<double>(w.m))));
  step.workspaces = {updates(w.rows), updates(w.marks)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_round", lanes, region, target, 2, kWordCount);
    const Value x = k.workspace(0);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kHalf), pair = group - matrix * k.word(kHalf);
      const Value sweep = k.word(kSweep), marks = matrix * k.word(kSweeps);
      const Value before = k.b.select(sweep == 0u, sweep, sweep - 1u);
      const Value active =
          (sweep == 0u) | (k.b.load(k.workspace(1), marks + before, ir::kU32) != 0u);
      k.b.if_(active, [&] {
        const Pair rows = pair_of_round(k, pair, k.word(kHalf), k.word(kShift));
        const Value first = matrix * (k.word(kHalf) << 1);
        const Value top = (first + rows.top) * k.word(kLength);
        const Value bottom = (first + rows.bottom) * k.word(kLength);
        const ir::Var tops = k.b.var(k.zero), bottoms = k.b.var(k.zero);
        const ir::Var products = k.b.var(k.zero);
        k.share(k.b.u32(0), k.word(kM), [&](Value i) {
          const Value p = k.load_real(x, top + i), q = k.load_real(x, bottom + i);
          tops.set(k.b.fma(p, p, tops.get()));
          bottoms.set(k.b.fma(q, q, bottoms.get()));
          products.set(k.b.fma(p, q, products.get()));
        });
        const Value alpha = k.sum_over_lanes(tops.get()), beta = k.sum_over_lanes(bottoms.get());
        const Value gamma = k.sum_over_lanes(products.get());
        const Value bound = k.sqrt(alpha) * k.sqrt(beta) * k.real_word(kTolerance);
        k.b.if_(ir::math::abs(gamma) > bound, [&] {
          const Value one = k.number(1);
          const Value zeta = k.divide(beta - alpha, gamma + gamma);
          const Value root = k.sqrt(one + zeta * zeta);
          const Value t = k.divide(one, zeta + k.b.select(zeta >= k.zero, root, -root));
          const Value cosine = k.divide(one, k.sqrt(one + t * t)), sine = t * cosine;
          k.share(k.b.u32(0), k.word(kLength), [&](Value i) {
            const Value p = k.load_real(x, top + i), q = k.load_real(x, bottom + i);
            k.b.store(x, top + i, cosine * p - sine * q);
            k.b.store(x, bottom + i, sine * p + cosine * q);
          });
          k.b.if_(k.local == 0u, [&] {
            k.b.atomic(ir::Opcode::atomic_or, k.workspace(1), marks + sweep, k.b.u32(1));
          });
        });
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// The lengths of the first m numbers of n rows a matrix.
void add_lengths(Steps& steps, const Workspaces& w, int values) {
  enum Word { kGroups, kM, kLength, kRows, kN, kWordCount = kN + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "svd_lengths";
  step.groups = w.batch * w.n;
  for (const uint64_t v : {step.groups, w.m, w.length(), 2 * w.pairs}) {
    step.words.push_back(static_cast<uint32_t>(v));
  }
  push_divisor(step.words, w.n);
  step.workspaces = {reads(w.rows), writes(values)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_lengths", lanes, region, target, 2, kWordCount);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kN);
      const Value row = matrix * k.word(kRows) + group - matrix * k.word(kN);
      const Value first = row * k.word(kLength);
      const ir::Var own = k.b.var(k.zero);
      k.share(first, first + k.word(kM), [&](Value i) {
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

// A V, its columns in order, as m x n matrices.
void add_product(Steps& steps, const Workspaces& w, int order, int matrices) {
  enum Word {
    kCount,
    kLength,
    kPairRows,
    kM,
    kN = kM + kDivisorWords,
    kWordCount = kN + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step = step_of("svd_product", w.batch * w.m * w.n, lanes);
  step.words.push_back(static_cast<uint32_t>(w.length()));
  step.words.push_back(static_cast<uint32_t>(2 * w.pairs));
  push_divisor(step.words, w.m);
  push_divisor(step.words, w.n);
  step.workspaces = {reads(w.rows), reads(order), writes(matrices)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_product", lanes, region, target, 3, kWordCount);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kN), j = at - row * k.word(kN);
      const Value matrix = k.divide(row, kM), i = row - matrix * k.word(kM);
      const Value from = k.b.load(k.workspace(1), matrix * k.word(kN) + j, ir::kU32);
      const Value source = (matrix * k.word(kPairRows) + from) * k.word(kLength) + i;
      k.b.store(k.workspace(2), at, k.load_real(k.workspace(0), source));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// 1 or -1 for each column, in order: of v, then of u.
void add_signs(Steps& steps, const Workspaces& w, int order, int matrices, int signs) {
  enum Word { kGroups, kM, kLength, kPairRows, kN, kWordCount = kN + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "svd_signs";
  step.groups = w.batch * w.n;
  for (const uint64_t v : {step.groups, w.m, w.length(), 2 * w.pairs}) {
    step.words.push_back(static_cast<uint32_t>(v));
  }
  push_divisor(step.words, w.n);
  step.workspaces = {reads(w.rows), reads(order), reads(matrices), writes(signs)};
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_signs", lanes, region, target, 4, kWordCount);
    const Value n = k.word(kN);
    k.each_group(k.word(kGroups), [&](Value group) {
      const Value matrix = k.divide(group, kN), j = group - matrix * n;
      const Value from = k.b.load(k.workspace(1), group, ir::kU32);
      const Value first = (matrix * k.word(kPairRows) + from) * k.word(kLength) + k.word(kM);
      const auto element = [&](Value i) { return k.load_real(k.workspace(0), first + i); };
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
        const Value diagonal = k.load_real(k.workspace(2), (matrix * k.word(kM) + j) * n + j);
        k.b.store(k.workspace(3), group << 1, of_v);
        k.b.store(k.workspace(3), (group << 1) + 1u, k.b.select(diagonal < k.zero, -of_v, of_v));
      });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

struct Factors {
  int q;  // m x columns
  uint64_t columns;
  int values, order, signs, scales;
};

void add_result(Steps& steps, const Workspaces& w, const Factors& f) {
  enum Word {
    kCount,
    kM,
    kN,
    kPairRows,
    kLength,
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
  const bool scaled = f.scales != kUnscaled, turned = w.turned;
  Step step = step_of("svd_store", w.batch * packed, lanes);
  step.key += std::string(scaled ? " scaled" : "") + (turned ? " turned" : "");
  for (const uint64_t v : {w.m, w.n, 2 * w.pairs, w.length(), tall}) {
    step.words.push_back(static_cast<uint32_t>(v));
  }
  for (const uint64_t d : {f.columns, w.m, w.n, packed}) push_divisor(step.words, d);
  step.workspaces = {reads(w.rows), reads(f.q), reads(f.values), reads(f.order), reads(f.signs)};
  if (scaled) step.workspaces.push_back(reads(f.scales));
  step.writes_output = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("svd_store", lanes, region, target, scaled ? 6 : 5, kWordCount);
    const Value n = k.word(kN), noise = k.number(kNoise * unit_roundoff(k.type));
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
      const auto put = [&](Value x) { k.store_output(at, k.real(x)); };
      const auto put_element = [&](Value x) {
        put(k.b.select(ir::math::abs(x) <= noise, k.zero, x));
      };
      const auto order = [&](Value i) {
        return k.b.load(k.workspace(3), matrix * n + i, ir::kU32);
      };
      const auto sign = [&](Value i, uint32_t which) {
        return k.load_real(k.workspace(4), ((matrix * n + i) << 1) + which);
      };
      // Element (i, j) of the tall factor, and of the square one.
      const auto tall = [&](Value i, Value j) {
        const Value x =
            k.load_real(k.workspace(1), (matrix * k.word(kM) + i) * k.word(kColumns) + j);
        const Value column = k.b.binary(ir::Opcode::min, j, n - 1u);
        put_element(k.b.select(j < n, x * sign(column, 1), x));
      };
      const auto square = [&](Value i, Value j) {
        const Value row = matrix * k.word(kPairRows) + order(j);
        put_element(k.load_real(k.workspace(0), row * k.word(kLength) + k.word(kM) + i) *
                    sign(j, 0));
      };
      const auto value = [&](Value i) {
        const Value x = k.load_real(k.workspace(2), matrix * n + order(i));
        put(scaled ? x * scale_back(k, k.workspace(5), matrix) : x);
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
  w.rows = steps.numbers(w.batch * 2 * w.pairs * w.length());
  w.sweeps = sweeps_for(w.n);
  const Householder h(steps, w.batch, w.m, w.n);
  const bool full = static_cast<uint64_t>(region.root->shape.back()) == w.m * w.m + w.n + w.n * w.n;
  Factors f;
  f.columns = full ? w.m : w.n;
  f.q = steps.numbers(w.batch * w.m * f.columns);
  f.values = steps.reals(w.batch * w.n);
  f.order = steps.indices(w.batch * w.n);
  f.signs = steps.reals(w.batch * w.n * 2);

  add_load(steps, 0, {w.batch, w.m, w.n, w.m * w.n, w.turned ? 1 : columns, w.turned ? columns : 1},
           h.matrices);
  add_column_sizes(steps, h.matrices, h.sizes, w.batch, w.m, w.n);
  f.scales =
      steps.widens() ? kUnscaled : add_scaling(steps, h.matrices, h.sizes, w.batch, w.m, w.n);
  add_start(steps, w, h.matrices);
  w.marks = add_sweep_marks(steps, w.batch, w.sweeps);
  for (uint64_t sweep = 0; sweep < w.sweeps && w.n > 1; ++sweep) {
    for (uint64_t shift = 0; shift + 1 < 2 * w.pairs; ++shift) add_round(steps, w, sweep, shift);
  }
  add_lengths(steps, w, f.values);
  add_order(steps, f.values, f.order, w.batch, w.n);
  add_product(steps, w, f.order, h.matrices);
  add_column_sizes(steps, h.matrices, h.sizes, w.batch, w.m, w.n);
  add_triangularization(steps, h);
  add_orthogonal_factor(steps, h, f.columns, f.q);
  add_signs(steps, w, f.order, h.matrices, f.signs);
  add_result(steps, w, f);
  return steps.take();
}

}  // namespace nxv::kernels

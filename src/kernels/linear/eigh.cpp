// Eigenvalues and eigenvectors of Hermitian matrices by Jacobi rotations in parallel (Brent and
// Luk, SIAM J. Sci. Stat. Comput. 6, 1985; Golub & Van Loan, Matrix Computations, 8.5). A round
// rotates n / 2 disjoint pairs of rows and columns in two steps: the angles, then all 2 x 2 blocks
// in place. The vectors grow from the identity by the same rotations of rows. Nx defines its eigh
// by the same rounds.
//
// The result is packed, for each matrix: the values by descending magnitude, then the matrix whose
// columns are the vectors. The lower triangle is read.
#include "kernels/linear/linear.h"
#include "kernels/linear/range.h"
#include "kernels/linear/rotations.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

// Off-diagonal elements below this many units of roundoff, beside a largest element of one, are as
// good as zero.
constexpr double kNegligible = 1;
// Results below this many units of roundoff are noise.
constexpr double kNoise = 16;

// The workspaces; matrices have an even size, an odd one gains a row and a column of zeros.
struct Workspaces {
  uint64_t batch, n, size;
  int matrices, vectors;  // size x size; vectors as conjugated rows
  int angles;             // four numbers a pair: versine, change of the diagonal, sine
  int progress;           // see rotations.h
  uint64_t sweeps;
  Rounding rounding;
  uint64_t half() const { return size / 2; }
};

void add_start(Steps& steps, const Workspaces& w) {
  enum Word {
    kCount,
    kN,
    kMatrix,
    kSize,
    kRows = kSize + kDivisorWords,
    kWordCount = kRows + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t count = w.batch * w.size * w.size;
  Step step;
  step.key = "eigh_start";
  step.groups = Steps::groups(count, lanes);
  for (const uint64_t v : {count, w.n, w.n * w.n}) step.words.push_back(static_cast<uint32_t>(v));
  push_divisor(step.words, w.size);
  push_divisor(step.words, w.size);
  step.workspaces = {writes(w.matrices), writes(w.vectors)};
  step.reads_operands = true;
  step.generate = [=](const Region& region) {
    LinearKernel k("eigh_start", lanes, region, target, 2, kWordCount);
    const Number zero = k.real(k.zero);
    k.each(k.word(kCount), [&](Value at) {
      const Value row = k.divide(at, kSize), j = at - row * k.word(kSize);
      const Value matrix = k.divide(row, kRows), i = row - matrix * k.word(kRows);
      const Value low = k.b.binary(ir::Opcode::max, i, j), high = k.b.binary(ir::Opcode::min, i, j);
      const auto element = k.variable(zero);
      k.b.if_(low < k.word(kN), [&] {
        const Number x = k.load_operand(0, matrix * k.word(kMatrix) + low * k.word(kN) + high);
        element.set(k.select(i == j, k.real(x.re), k.select(i > j, x, k.conjugate(x))));
      });
      k.store(k.workspace(0), at, element.get());
      k.store(k.workspace(1), at, k.real(k.b.select(i == j, k.number(1), k.zero)));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

// A round within a kernel. A matrix has `half` pairs.
struct Round {
  Value matrices, vectors, angles, progress;  // buffers
  Value size, half, shift;                    // shift: of the tournament
  Value sweep, sweeps;
};

Progress progress_of_round(LinearKernel& k, const Round& r, Value matrix) {
  return progress_of(k, r.progress, matrix * r.sweeps, r.sweep,
                     k.number(kNegligible * k.roundoff()));
}

// The angle of a pair.
void find_angle(LinearKernel& k, const Round& r, Value matrix, Value pair) {
  const Progress progress = progress_of_round(k, r, matrix);
  k.b.if_(progress.is_active, [&] {
    const Pair rows = pair_of_round(k, pair, r.half, r.shift);
    const auto element = [&](Value i, Value j) {
      return k.load(r.matrices, (matrix * r.size + i) * r.size + j);
    };
    const Number off = element(rows.top, rows.bottom);
    const Value size = k.is_complex() ? k.magnitude(off) : off.re;
    const Value one = k.number(1);
    const Value rotates = ir::math::abs(size) > progress.threshold;
    const Value divisor = k.b.select(rotates, size, one);
    const Value difference =
        k.rounded(element(rows.bottom, rows.bottom).re - element(rows.top, rows.top).re);
    const Value tau = k.divide(difference, divisor + divisor);
    const auto secant = [&](Value tangent) {
      return k.sqrt(k.rounded(one + k.rounded(tangent * tangent)));
    };
    const Value root = secant(tau);
    const Value t = k.divide(one, k.rounded(tau + k.b.select(tau >= k.zero, root, -root)));
    const Value length = secant(t);
    const Value cosine = k.divide(one, length), sine = k.divide(t, length);
    // The sine carries the phase that makes the element real.
    const Number turned =
        k.is_complex()
            ? k.scale({k.type, k.divide(off.re, divisor), k.divide(-off.im, divisor)}, sine)
            : k.real(sine);
    const Value first = (matrix * r.half + pair) << 2;
    const auto put = [&](uint32_t i, Value v) {
      k.b.store(r.angles, first + i, k.b.select(rotates, v, k.zero));
    };
    // 1 - c is exact and gives a rounded c back; a versine to full precision comes from the sine.
    put(0,
        k.rounding == Rounding::of_operations ? one - cosine : k.divide(sine * sine, one + cosine));
    put(1, k.rounded(t * size));
    put(2, turned.re);
    put(3, k.is_complex() ? turned.im : k.zero);
    record(k, r.progress, matrix * r.sweeps + r.sweep, size);
  });
}

struct Rotation {
  Value versine, change;  // 1 - cosine
  Number sine;
};
Rotation load_rotation(LinearKernel& k, const Round& r, Value pair) {
  const auto get = [&](uint32_t i) { return k.load_real(r.angles, (pair << 2) + i); };
  return {get(0), get(1), {k.type, get(2), k.is_complex() ? get(3) : Value()}};
}

// x' = c x - conj(s) y, y' = s x + c y. Written as corrections: thousands of rotations by small
// angles, whose cosines round to one, would lengthen their vectors (Rutishauser, Numer. Math. 9,
// 1966). Small matrices have few; theirs are as they stand.
void rotate(LinearKernel& k, const Rotation& r, Number& x, Number& y) {
  if (k.rounding == Rounding::of_operations) {
    const Value cosine = k.number(1) - r.versine;
    const Number rotated = k.subtract(k.scale(x, cosine), k.multiply(k.conjugate(r.sine), y));
    y = k.add_product(k.scale(y, cosine), r.sine, x);
    x = rotated;
    return;
  }
  const Number of_x = k.add_product(k.scale(x, r.versine), k.conjugate(r.sine), y);
  const Number of_y = k.subtract_product(k.scale(y, r.versine), r.sine, x);
  x = k.subtract(x, of_x);
  y = k.subtract(y, of_y);
}

// Rotates a pair of rows; lanes take the pairs of columns, and pairs of columns of the vectors.
void rotate_rows(LinearKernel& k, const Round& r, Value matrix, Value pair) {
  const Value a = r.matrices, vectors = r.vectors;
  k.b.if_(progress_of_round(k, r, matrix).is_active, [&] {
    const Pair rows = pair_of_round(k, pair, r.half, r.shift);
    const Rotation of_rows = load_rotation(k, r, matrix * r.half + pair);
    const Value first = matrix * r.size;
    const Value top = (first + rows.top) * r.size, bottom = (first + rows.bottom) * r.size;
    k.share(k.b.u32(0), r.half, [&](Value other) {
      const Pair columns = pair_of_round(k, other, r.half, r.shift);
      const Rotation of_columns = load_rotation(k, r, matrix * r.half + other);
      Number tl = k.load(a, top + columns.top), tr = k.load(a, top + columns.bottom);
      Number bl = k.load(a, bottom + columns.top), br = k.load(a, bottom + columns.bottom);
      const Value clears = (other == pair) & !k.is_zero(of_rows.sine);
      const Number first_value = k.real(k.rounded(tl.re - of_rows.change));
      const Number second_value = k.real(k.rounded(br.re + of_rows.change));
      rotate(k, of_rows, tl, bl);
      rotate(k, of_rows, tr, br);
      const Rotation mirrored{of_columns.versine, of_columns.change, k.conjugate(of_columns.sine)};
      rotate(k, mirrored, tl, tr);
      rotate(k, mirrored, bl, br);
      const Number zero = k.real(k.zero);
      k.store(a, top + columns.top, k.select(clears, first_value, tl));
      k.store(a, top + columns.bottom, k.select(clears, zero, tr));
      k.store(a, bottom + columns.top, k.select(clears, zero, bl));
      k.store(a, bottom + columns.bottom, k.select(clears, second_value, br));
      for (uint32_t i = 0; i < 2; ++i) {
        const Value column = (other << 1) + i;
        Number x = k.load(vectors, top + column), y = k.load(vectors, bottom + column);
        rotate(k, of_rows, x, y);
        k.store(vectors, top + column, x);
        k.store(vectors, bottom + column, y);
      }
    });
  });
}

// A step of a round: its words, and its workspaces in the order of Round.
struct RoundStep {
  enum Word { kCount, kSize, kHalf, kShift = kHalf + kDivisorWords, kSweep, kSweeps, kWordCount };

  static Step make(const char* key, const Workspaces& w, uint64_t sweep, uint64_t shift) {
    Step step;
    step.key = key;
    step.words = {static_cast<uint32_t>(w.batch * w.half()), static_cast<uint32_t>(w.size)};
    push_divisor(step.words, w.half());
    for (const uint64_t v : {shift, sweep, w.sweeps}) {
      step.words.push_back(static_cast<uint32_t>(v));
    }
    return step;
  }
  static Round round(LinearKernel& k) {
    return {k.workspace(0), k.workspace(1), k.workspace(2), k.workspace(3), k.word(kSize),
            k.word(kHalf),  k.word(kShift), k.word(kSweep), k.word(kSweeps)};
  }
};

void add_angles(Steps& steps, const Workspaces& w, uint64_t sweep, uint64_t shift) {
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step = RoundStep::make("eigh_angles", w, sweep, shift);
  step.groups = Steps::groups(w.batch * w.half(), lanes);
  step.workspaces = {reads(w.matrices), reads(w.vectors), writes(w.angles), updates(w.progress)};
  step.generate = [=](const Region& region) {
    LinearKernel k("eigh_angles", lanes, region, target, 4, RoundStep::kWordCount);
    k.each(k.word(RoundStep::kCount), [&](Value unit) {
      const Value matrix = k.divide(unit, RoundStep::kHalf);
      find_angle(k, RoundStep::round(k), matrix, unit - matrix * k.word(RoundStep::kHalf));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_rotation(Steps& steps, const Workspaces& w, uint64_t sweep, uint64_t shift) {
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step = RoundStep::make("eigh_rotate", w, sweep, shift);
  step.groups = w.batch * w.half();
  step.workspaces = {updates(w.matrices), updates(w.vectors), reads(w.angles), reads(w.progress)};
  step.generate = [=](const Region& region) {
    LinearKernel k("eigh_rotate", lanes, region, target, 4, RoundStep::kWordCount);
    k.each_group(k.word(RoundStep::kCount), [&](Value group) {
      const Value matrix = k.divide(group, RoundStep::kHalf);
      rotate_rows(k, RoundStep::round(k), matrix, group - matrix * k.word(RoundStep::kHalf));
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_lone_rotations(Steps& steps, const Workspaces& w) {
  add_lone_sweeps(
      steps, "eigh", w.batch, w.half(), w.sweeps, (w.half() + 1) * (w.half() + 2), {w.size},
      {updates(w.matrices), updates(w.vectors), updates(w.angles), updates(w.progress)},
      [](LinearKernel& k, const LoneRound& at) {
        const Round round{
            k.workspace(0), k.workspace(1), k.workspace(2), k.workspace(3), k.word(at.first_word),
            at.half,        at.shift,       at.sweep,       at.sweeps};
        const auto each_pair = [&](const auto& body) {
          k.b.for_range(k.b.u32(0), at.half, k.b.u32(1),
                        [&](Value pair) { body(k, round, at.matrix, pair); });
        };
        each_pair(find_angle);
        each_pair(rotate_rows);
      },
      w.rounding);
}

void add_sweeps(Steps& steps, const Workspaces& w) {
  if (steps.are_lone(w.n, w.n)) return add_lone_rotations(steps, w);
  for (uint64_t sweep = 0; sweep < w.sweeps; ++sweep) {
    for (uint64_t shift = 0; shift + 1 < w.size; ++shift) {
      add_angles(steps, w, sweep, shift);
      add_rotation(steps, w, sweep, shift);
    }
  }
}

// The diagonals, n numbers a matrix.
void add_values(Steps& steps, const Workspaces& w, int values) {
  enum Word { kCount, kSize, kN, kWordCount = kN + kDivisorWords };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  Step step;
  step.key = "eigh_values";
  step.groups = Steps::groups(w.batch * w.n, lanes);
  step.words = {static_cast<uint32_t>(w.batch * w.n), static_cast<uint32_t>(w.size)};
  push_divisor(step.words, w.n);
  step.workspaces = {reads(w.matrices), writes(values)};
  step.generate = [=](const Region& region) {
    LinearKernel k("eigh_values", lanes, region, target, 2, kWordCount);
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kN), i = at - matrix * k.word(kN);
      const Number x = k.load(k.workspace(0), (matrix * k.word(kSize) + i) * k.word(kSize) + i);
      k.b.store(k.workspace(1), at, x.re);
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

void add_result(Steps& steps, const Workspaces& w, int values, int order, int scales) {
  enum Word {
    kCount,
    kSize,
    kN,
    kPacked = kN + kDivisorWords,
    kWordCount = kPacked + kDivisorWords
  };
  const Target target = steps.target;
  const uint32_t lanes = lanes_of(target);
  const uint64_t packed = w.n + w.n * w.n;
  Step step;
  step.key = w.rounding == Rounding::of_operations ? "eigh_store lone" : "eigh_store";
  step.groups = Steps::groups(w.batch * packed, lanes);
  step.words = {static_cast<uint32_t>(w.batch * packed), static_cast<uint32_t>(w.size)};
  push_divisor(step.words, w.n);
  push_divisor(step.words, packed);
  step.workspaces = {reads(w.vectors), reads(values), reads(order), reads(scales)};
  step.writes_output = true;
  step.generate = [=, rounding = w.rounding](const Region& region) {
    LinearKernel k("eigh_store", lanes, region, target, 4, kWordCount, Worker::lanes, rounding);
    const Value noise = k.number(kNoise * k.roundoff()), n = k.word(kN);
    const Number zero = k.real(k.zero);
    k.each(k.word(kCount), [&](Value at) {
      const Value matrix = k.divide(at, kPacked), position = at - matrix * k.word(kPacked);
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
            const Value element = position - n;
            const Value i = k.divide(element, kN), j = element - i * n;
            const Value row = matrix * k.word(kSize) + source(j);
            const Number x = k.conjugate(k.load(k.workspace(0), row * k.word(kSize) + i));
            k.store_output(at, k.select(k.magnitude(x) <= noise, zero, x));
          });
    });
    return k.finish();
  };
  steps.add(std::move(step));
}

}  // namespace

Lowering lower_eigh(const Region& region, const Target& target) {
  const Shape& shape = region.operands[0].node->shape;
  Steps steps(region, target);
  Workspaces w;
  w.batch = batch_of(shape);
  w.n = static_cast<uint64_t>(shape.back());
  w.size = w.n + w.n % 2;
  w.matrices = steps.numbers(w.batch * w.size * w.size);
  w.vectors = steps.numbers(w.batch * w.size * w.size);
  w.angles = steps.reals(w.batch * w.half() * 4);
  w.sweeps = sweeps_for(w.n);
  w.rounding = steps.rounding(w.n, w.n);
  const int sizes = steps.reals(w.batch * w.size);
  const int values = steps.reals(w.batch * w.n);
  const int order = steps.indices(w.batch * w.n);

  add_start(steps, w);
  add_column_sizes(steps, w.matrices, sizes, w.batch, w.size, w.size);
  const int scales = add_scaling(steps, w.matrices, sizes, w.batch, w.size, w.size);
  w.progress = add_progress(steps, w.batch, w.sweeps);
  add_sweeps(steps, w);
  add_values(steps, w, values);
  add_order(steps, values, order, w.batch, w.n);
  add_result(steps, w, values, order, scales);
  return steps.take();
}

}  // namespace nxv::kernels

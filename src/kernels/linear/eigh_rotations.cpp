#include "kernels/linear/eigh_rotations.h"

#include "kernels/linear/eigh_blocks.h"

namespace nxv::kernels {

using ir::Number;
using ir::Value;
Value negligible(LinearKernel& k) {
  // Units of roundoff, beside a largest element of one.
  constexpr double kNegligible = 1;
  return k.number(kNegligible * k.roundoff());
}

Value size_of(LinearKernel& k, const Number& off) {
  return k.is_complex() ? k.magnitude(off) : off.re;
}

Rotation rotation_of(LinearKernel& k, const Number& off, Value size, Value top, Value bottom,
                     Value threshold) {
  const Value one = k.number(1);
  const Value rotates = ir::math::abs(size) > threshold;
  const Value divisor = k.b.select(rotates, size, one);
  const Value tau = k.divide(k.rounded(bottom - top), divisor + divisor);
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
  const auto kept = [&](Value v) { return k.b.select(rotates, v, k.zero); };
  // 1 - c is exact and gives a rounded c back; a versine to full precision comes from the sine.
  const Value versine =
      k.rounding == Rounding::of_operations ? one - cosine : k.divide(sine * sine, one + cosine);
  return {kept(versine),
          kept(k.rounded(t * size)),
          {k.type, kept(turned.re), k.is_complex() ? kept(turned.im) : Value()}};
}

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

void rotate_square(LinearKernel& k, const Rotation& of_rows, const Rotation& of_columns,
                   Value is_diagonal, Number& tl, Number& tr, Number& bl, Number& br) {
  const Value clears = is_diagonal & !k.is_zero(of_rows.sine);
  const Number first = k.real(k.rounded(tl.re - of_rows.change));
  const Number second = k.real(k.rounded(br.re + of_rows.change));
  rotate(k, of_rows, tl, bl);
  rotate(k, of_rows, tr, br);
  const Rotation mirrored{of_columns.versine, of_columns.change, k.conjugate(of_columns.sine)};
  rotate(k, mirrored, tl, tr);
  rotate(k, mirrored, bl, br);
  const Number zero = k.real(k.zero);
  tl = k.select(clears, first, tl);
  tr = k.select(clears, zero, tr);
  bl = k.select(clears, zero, bl);
  br = k.select(clears, second, br);
}

namespace {

// A round within a kernel. A matrix has `half` pairs.
struct Round {
  Value matrices, vectors, angles, progress;  // buffers
  Value size, half, shift;                    // shift: of the tournament
  Value sweep, sweeps;
};

Progress progress_of_round(LinearKernel& k, const Round& r, Value matrix) {
  return progress_of(k, r.progress, matrix * r.sweeps, r.sweep, negligible(k));
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
    const Value size = size_of(k, off);
    const Rotation rotation = rotation_of(k, off, size, element(rows.top, rows.top).re,
                                          element(rows.bottom, rows.bottom).re, progress.threshold);
    const Value first = (matrix * r.half + pair) << 2;
    k.b.store(r.angles, first, rotation.versine);
    k.b.store(r.angles, first + 1u, rotation.change);
    k.b.store(r.angles, first + 2u, rotation.sine.re);
    k.b.store(r.angles, first + 3u, k.is_complex() ? rotation.sine.im : k.zero);
    record(k, r.progress, matrix * r.sweeps + r.sweep, size);
  });
}

Rotation load_rotation(LinearKernel& k, const Round& r, Value pair) {
  const auto get = [&](uint32_t i) { return k.load_real(r.angles, (pair << 2) + i); };
  return {get(0), get(1), {k.type, get(2), k.is_complex() ? get(3) : Value()}};
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
      rotate_square(k, of_rows, of_columns, other == pair, tl, tr, bl, br);
      k.store(a, top + columns.top, tl);
      k.store(a, top + columns.bottom, tr);
      k.store(a, bottom + columns.top, bl);
      k.store(a, bottom + columns.bottom, br);
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

// Of a step of a round. Its workspaces are in the order of Round.
struct RoundWords {
  uint32_t size = 0;
  Divisor half;
  uint32_t shift = 0, sweep = 0, sweeps = 0;
};

Round round_of(const LinearKernel& k, const WordValues<RoundWords>& words) {
  return {k.workspace(0),
          k.workspace(1),
          k.workspace(2),
          k.workspace(3),
          words[&RoundWords::size],
          words[&RoundWords::half],
          words[&RoundWords::shift],
          words[&RoundWords::sweep],
          words[&RoundWords::sweeps]};
}

// An invocation a pair.
struct EighAngles {
  static constexpr std::string_view kName = "eigh_angles";
  using Layout = NoLayout;
  using Words = RoundWords;
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 4}; }
  static void emit(StepKernel<EighAngles>& k) {
    k.each_part(&Words::half, [&](Value matrix, Value pair, Value) {
      find_angle(k, round_of(k, k.words), matrix, pair);
    });
  }
};

// A workgroup a pair.
struct EighRotate {
  static constexpr std::string_view kName = "eigh_rotate";
  using Layout = NoLayout;
  using Words = RoundWords;
  static StepOptions options(NoLayout) {
    return {.kernel = kName, .workspaces = 4, .worker = Worker::workgroup};
  }
  static void emit(StepKernel<EighRotate>& k) {
    k.each_part(&Words::half, [&](Value matrix, Value pair, Value) {
      rotate_rows(k, round_of(k, k.words), matrix, pair);
    });
  }
};

// Rounds of a matrix.
struct EighSweeps {
  static constexpr std::string_view kName = "eigh";
  using Layout = NoLayout;
  struct Words {
    SweepWords sweeps;
    uint32_t size = 0;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName,
            .workspaces = 4,
            .worker = Worker::lone,
            .rounding = Rounding::of_operations};
  }
  static void emit(StepKernel<EighSweeps>& k) {
    each_lone_round(k, k.words[&Words::sweeps], [&](const LoneRound& at) {
      const Round round{
          k.workspace(0), k.workspace(1), k.workspace(2), k.workspace(3), k.words[&Words::size],
          at.half,        at.shift,       at.sweep,       at.sweeps};
      const auto each_pair = [&](const auto& body) {
        k.b.for_range(k.b.u32(0), at.half, k.b.u32(1),
                      [&](Value pair) { body(k, round, at.matrix, pair); });
      };
      each_pair(find_angle);
      each_pair(rotate_rows);
    });
  }
};

void add_round(Steps& steps, const EighMatrices& m, uint64_t sweep, uint64_t shift) {
  const RoundWords words = {.size = word(m.size),
                            .half = Divisor(m.half()),
                            .shift = word(shift),
                            .sweep = word(sweep),
                            .sweeps = word(m.sweeps)};
  steps.add<EighAngles>(
      m.batch * m.half(), words,
      {.workspaces = {reads(m.matrices), reads(m.vectors), writes(m.angles), updates(m.progress)}});
  steps.add<EighRotate>(m.batch * m.half(), words,
                        {.workspaces = {updates(m.matrices), updates(m.vectors), reads(m.angles),
                                        reads(m.progress)}});
}

}  // namespace

void add_eigh_sweeps(Steps& steps, const EighMatrices& m) {
  if (m.block != 0) return add_eigh_blocks(steps, m);
  if (!steps.are_lone(m.n, m.n)) {
    for (uint64_t sweep = 0; sweep < m.sweeps; ++sweep) {
      for (uint64_t shift = 0; shift + 1 < m.size; ++shift) add_round(steps, m, sweep, shift);
    }
    return;
  }
  const uint64_t iterations = (m.half() + 1) * (m.half() + 2);
  for (const SweepWords& sweeps : lone_sweeps(steps, m.half(), m.sweeps, iterations)) {
    steps.add<EighSweeps>(m.batch, {.sweeps = sweeps, .size = word(m.size)},
                          {.workspaces = {updates(m.matrices), updates(m.vectors),
                                          updates(m.angles), updates(m.progress)}});
  }
}

}  // namespace nxv::kernels

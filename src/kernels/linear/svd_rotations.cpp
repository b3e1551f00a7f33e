#include "kernels/linear/svd_rotations.h"

#include <cmath>

namespace nxv::kernels {
namespace {

using ir::Value;

struct SvdStart {
  static constexpr std::string_view kName = "svd_start";
  using Layout = NoLayout;
  struct Words {
    uint32_t m = 0, n = 0;
    Divisor length, rows;  // of the rows, and how many
  };
  static StepOptions options(NoLayout) { return {.kernel = kName, .workspaces = 2}; }
  static void emit(StepKernel<SvdStart>& k) {
    const Value m = k.words[&Words::m], n = k.words[&Words::n];
    k.each_item([&](Value index) {
      const ElementPlace at = place_of(k.words, index, &Words::rows, &Words::length);
      const Value i = at.column, j = at.row;
      const auto element = k.b.var(k.zero);
      k.b.if_((j < n) & (i >= n),
              [&] { element.set(k.b.select(i - n == j, k.number(1), k.zero)); });
      k.b.if_((i < n) & (j <= i),
              [&] { element.set(k.load_real(k.workspace(1), (at.matrix * m + j) * n + i)); });
      k.b.store(k.workspace(0), index, element.get());
    });
  }
};

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

// Columns whose cosine is below are orthogonal.
RealWord tolerance_of(const Steps& steps, uint64_t n) {
  return RealWord(2 * unit_roundoff(steps.working) * std::sqrt(static_cast<double>(n)));
}

// A workgroup a pair.
struct SvdRound {
  static constexpr std::string_view kName = "svd_round";
  using Layout = NoLayout;
  struct Words {
    uint32_t n = 0;
    Divisor half;
    uint32_t shift = 0, sweep = 0, sweeps = 0;
    RealWord tolerance;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName, .workspaces = 2, .worker = Worker::workgroup};
  }
  static void emit(StepKernel<SvdRound>& k) {
    const Round round{k.workspace(0),          k.workspace(1),
                      k.words[&Words::n],      k.words[&Words::half],
                      k.words[&Words::shift],  k.words[&Words::sweep],
                      k.words[&Words::sweeps], ir::widen(k.words[&Words::tolerance], k.part)};
    k.each_part(&Words::half,
                [&](Value matrix, Value pair, Value) { rotate_rows(k, round, matrix, pair); });
  }
};

// Rounds of a matrix.
struct SvdSweeps {
  static constexpr std::string_view kName = "svd";
  using Layout = NoLayout;
  struct Words {
    SweepWords sweeps;
    uint32_t n = 0;
    RealWord tolerance;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName, .workspaces = 2, .worker = Worker::lone};
  }
  static void emit(StepKernel<SvdSweeps>& k) {
    each_lone_round(k, k.words[&Words::sweeps], [&](const LoneRound& at) {
      const Round round{k.workspace(0),     k.workspace(1),
                        k.words[&Words::n], at.half,
                        at.shift,           at.sweep,
                        at.sweeps,          ir::widen(k.words[&Words::tolerance], k.part)};
      k.b.for_range(k.b.u32(0), at.half, k.b.u32(1),
                    [&](Value pair) { rotate_rows(k, round, at.matrix, pair); });
    });
  }
};

// A workgroup a row.
struct SvdLengths {
  static constexpr std::string_view kName = "svd_lengths";
  using Layout = NoLayout;
  struct Words {
    uint32_t rows = 0;  // of a matrix
    Divisor n;
  };
  static StepOptions options(NoLayout) {
    return {.kernel = kName, .workspaces = 2, .worker = Worker::workgroup};
  }
  static void emit(StepKernel<SvdLengths>& k) {
    const Value n = k.words[&Words::n];
    k.each_item([&](Value group) {
      const Value matrix = k.words.divide(group, &Words::n);
      const Value row = matrix * k.words[&Words::rows] + group - matrix * n;
      const Value first = row * (n << 1);
      const ir::Var own = k.b.var(k.zero);
      k.share(first, first + n, [&](Value i) {
        const Value e = k.load_real(k.workspace(0), i);
        own.set(k.b.fma(e, e, own.get()));
      });
      const Value total = k.sum_over_lanes(own.get());
      k.b.if_(k.local == 0u, [&] { k.b.store(k.workspace(1), group, k.sqrt(total)); });
    });
  }
};

struct SvdColumns {
  static constexpr std::string_view kName = "svd_columns";
  struct Layout {
    Choice<SvdPart> part = SvdPart::product;
  };
  struct Words {
    uint32_t n = 0, pair_rows = 0;
    Divisor rows, columns;
  };
  static StepOptions options(const Layout&) { return {.kernel = kName, .workspaces = 3}; }
  static void emit(StepKernel<SvdColumns>& k) {
    const Value n = k.words[&Words::n];
    k.each_item([&](Value index) {
      const ElementPlace at = place_of(k.words, index, &Words::rows, &Words::columns);
      const Value i = at.row, j = at.column;
      const auto element = k.b.var(k.b.select(i == j, k.number(1), k.zero));
      k.b.if_((i < n) & (j < n), [&] {
        const Value from = k.b.load(k.workspace(1), at.matrix * n + j, ir::kU32);
        const Value first = (at.matrix * k.words[&Words::pair_rows] + from) * (n << 1);
        const bool is_product = k.layout.part == SvdPart::product;
        element.set(k.load_real(k.workspace(0), first + (is_product ? i : i + n)));
      });
      k.b.store(k.workspace(2), index, element.get());
    });
  }
};

}  // namespace

SvdRows make_svd_rows(Steps& steps, uint64_t batch, uint64_t n) {
  SvdRows r = {};
  r.batch = batch;
  r.n = n;
  r.pairs = (n + 1) / 2;
  r.sweeps = sweeps_for(n);
  r.rows = steps.numbers(batch * 2 * r.pairs * 2 * n);
  return r;
}

void add_svd_start(Steps& steps, const SvdRows& r, int triangles, uint64_t m) {
  steps.add<SvdStart>(
      r.batch * 2 * r.pairs * 2 * r.n,
      {.m = word(m), .n = word(r.n), .length = Divisor(2 * r.n), .rows = Divisor(2 * r.pairs)},
      {.workspaces = {writes(r.rows), reads(triangles)}});
}

void add_svd_sweeps(Steps& steps, const SvdRows& r) {
  if (r.n == 1) return;
  const RealWord tolerance = tolerance_of(steps, r.n);
  const Touched touched = {.workspaces = {updates(r.rows), updates(r.progress)}};
  if (steps.are_lone(r.n, r.n)) {
    const uint64_t iterations = r.pairs * (3 * r.n + 4) + 1;
    for (const SweepWords& sweeps : lone_sweeps(steps, r.pairs, r.sweeps, iterations)) {
      steps.add<SvdSweeps>(r.batch, {.sweeps = sweeps, .n = word(r.n), .tolerance = tolerance},
                           touched);
    }
    return;
  }
  for (uint64_t sweep = 0; sweep < r.sweeps; ++sweep) {
    for (uint64_t shift = 0; shift + 1 < 2 * r.pairs; ++shift) {
      steps.add<SvdRound>(r.batch * r.pairs,
                          {.n = word(r.n),
                           .half = Divisor(r.pairs),
                           .shift = word(shift),
                           .sweep = word(sweep),
                           .sweeps = word(r.sweeps),
                           .tolerance = tolerance},
                          touched);
    }
  }
}

void add_svd_lengths(Steps& steps, const SvdRows& r, int values) {
  steps.add<SvdLengths>(r.batch * r.n, {.rows = word(2 * r.pairs), .n = Divisor(r.n)},
                        {.workspaces = {reads(r.rows), writes(values)}});
}

void add_svd_columns(Steps& steps, const SvdRows& r, SvdPart part, int order, uint64_t rows,
                     uint64_t columns, int to) {
  steps.add<SvdColumns>(r.batch * rows * columns,
                        {.n = word(r.n),
                         .pair_rows = word(2 * r.pairs),
                         .rows = Divisor(rows),
                         .columns = Divisor(columns)},
                        {.workspaces = {reads(r.rows), reads(order), writes(to)}}, {part});
}

}  // namespace nxv::kernels

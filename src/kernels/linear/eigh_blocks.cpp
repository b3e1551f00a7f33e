#include "kernels/linear/eigh_blocks.h"

namespace nxv::kernels {
namespace {

using ir::Number;
using ir::Value;

struct BlockLayout {
  uint32_t block = 1;  // rows, a power of two
  uint32_t square() const { return 2 * block; }
  uint32_t elements() const { return square() * square(); }
};

struct BlockWords {
  uint32_t size = 0;  // of a matrix
  Divisor pairs;      // of blocks
  uint32_t shift = 0, sweep = 0, sweeps = 0;
};

// The rows of a pair of blocks, one after the other.
class PairRows {
 public:
  PairRows(LinearKernel& k, const BlockLayout& layout, const WordValues<BlockWords>& words,
           Value pair)
      : k_(k), block_(layout.block) {
    const Pair blocks =
        pair_of_round(k, pair, words[&BlockWords::pairs], words[&BlockWords::shift]);
    top_ = blocks.top * block_;
    bottom_ = blocks.bottom * block_;
  }
  Value operator[](Value i) const {
    return k_.b.select(i < block_, top_ + i, bottom_ + i - block_);
  }

 private:
  LinearKernel& k_;
  const uint32_t block_;
  Value top_, bottom_;
};

Progress progress_of_blocks(LinearKernel& k, const WordValues<BlockWords>& words, Value progress,
                            Value matrix) {
  return progress_of(k, progress, matrix * words[&BlockWords::sweeps], words[&BlockWords::sweep],
                     negligible(k));
}

// Elements of a square by the lanes: their number, row and column.
void each_element(LinearKernel& k, uint32_t rows, uint32_t columns,
                  const std::function<void(Value, Value, Value)>& body) {
  k.share(k.b.u32(0), k.b.u32(rows * columns), [&](Value e) {
    const Value i = e / k.b.u32(columns);
    body(e, i, e - i * columns);
  });
}

// Rotates the rows of a pair of blocks within their square. Leaves the square, and the product of
// the rotations.
struct EighSquare {
  static constexpr std::string_view kName = "eigh_square";
  using Layout = BlockLayout;
  struct Words {
    BlockWords blocks;
    uint32_t rounds = 0;  // within the square
    uint32_t whole = 0;   // whether rows meet those of their own block too
  };
  static StepOptions options(const Layout&) {
    return {
        .kernel = kName, .workspaces = 4, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<EighSquare>& k) {
    const uint32_t block = k.layout.block, size = k.layout.square();
    const Square square(k);
    const auto words = k.words[&Words::blocks];
    const Value pairs = words[&BlockWords::pairs];
    k.each_item([&](Value item) {
      const Value matrix = words.divide(item, &BlockWords::pairs);
      const Progress progress = progress_of_blocks(k, words, k.workspace(3), matrix);
      k.b.if_(progress.is_active, [&] {
        const PairRows rows(k, k.layout, words, item - matrix * pairs);
        const Value width = words[&BlockWords::size];
        each_element(k, size, size, [&](Value e, Value i, Value j) {
          const Value at = (matrix * width + rows[i]) * width + rows[j];
          square.elements.store(e, k.load(k.workspace(0), at));
          square.product.store(e, k.real(k.b.select(i == j, k.number(1), k.zero)));
        });
        const ir::Var largest = k.b.var(k.zero);
        k.b.barrier();
        k.b.for_range(k.b.u32(0), k.words[&Words::rounds], k.b.u32(1),
                      [&](Value round) { square.round(round, progress.threshold, largest); });
        k.b.if_(k.local < block, [&] {
          record(k, k.workspace(3), matrix * words[&BlockWords::sweeps] + words[&BlockWords::sweep],
                 largest.get());
        });
        each_element(k, size, size, [&](Value e, Value, Value) {
          const Value at = item * k.layout.elements() + e;
          k.store(k.workspace(1), at, square.product.load(e));
          k.store(k.workspace(2), at, square.elements.load(e));
        });
      });
    });
  }
  static uint64_t shared_bytes(const Layout& layout, uint64_t number) {
    return (2 * layout.elements() + 3 * layout.block) * number;
  }

 private:
  using Kernel = StepKernel<EighSquare>;

  struct Square {
    explicit Square(Kernel& k)
        : k(k),
          elements(k, "square", k.layout.elements()),
          product(k, "product", k.layout.elements()),
          sines(k, "sines", k.layout.block),
          versines(k.b.shared("versines", k.part, k.layout.block)),
          changes(k.b.shared("changes", k.part, k.layout.block)) {}

    // Which rows meet.
    Pair pair_of(Value number, Value round) const {
      const uint32_t block = k.layout.block;
      const Pair all = pair_of_round(k, number, k.b.u32(block), round);
      const Value other = ((number + round) & k.b.u32(block - 1)) + block;
      const Value whole = k.words[&Words::whole] != 0u;
      return {k.b.select(whole, all.top, number), k.b.select(whole, all.bottom, other)};
    }

    Rotation rotation(Value number) const {
      return {k.b.shared_load(versines, number), k.b.shared_load(changes, number),
              sines.load(number)};
    }

    void round(Value round, Value threshold, const ir::Var& largest) const {
      const uint32_t block = k.layout.block, size = k.layout.square();
      const auto at = [&](Value i, Value j) { return i * size + j; };
      k.share(k.b.u32(0), k.b.u32(block), [&](Value number) {
        const Pair rows = pair_of(number, round);
        const Number off = elements.load(at(rows.top, rows.bottom));
        const Value length = size_of(k, off);
        const Rotation r = rotation_of(k, off, length, elements.load(at(rows.top, rows.top)).re,
                                       elements.load(at(rows.bottom, rows.bottom)).re, threshold);
        k.b.shared_store(versines, number, r.versine);
        k.b.shared_store(changes, number, r.change);
        sines.store(number, r.sine);
        const Value magnitude = ir::math::abs(length);
        const Value grows = (magnitude > largest.get()) | ir::math::is_nan(magnitude);
        largest.set(k.b.select(grows, magnitude, largest.get()));
      });
      k.b.barrier();
      each_element(k, block, block, [&](Value, Value a, Value b) {
        const Pair rows = pair_of(a, round), columns = pair_of(b, round);
        const Value places[] = {at(rows.top, columns.top), at(rows.top, columns.bottom),
                                at(rows.bottom, columns.top), at(rows.bottom, columns.bottom)};
        Number x[4];
        for (int i = 0; i < 4; ++i) x[i] = elements.load(places[i]);
        rotate_square(k, rotation(a), rotation(b), a == b, x[0], x[1], x[2], x[3]);
        for (int i = 0; i < 4; ++i) elements.store(places[i], x[i]);
      });
      each_element(k, block, size, [&](Value, Value a, Value column) {
        const Pair rows = pair_of(a, round);
        Number x = product.load(at(rows.top, column)), y = product.load(at(rows.bottom, column));
        rotate(k, rotation(a), x, y);
        product.store(at(rows.top, column), x);
        product.store(at(rows.bottom, column), y);
      });
      k.b.barrier();
    }

    Kernel& k;
    const SharedNumbers elements, product, sines;
    const ir::Shared versines, changes;
  };
};

// Applies the products of a round to a square of the matrices, from both sides, or to one of the
// vectors, from the left. What became of the squares where pairs meet themselves is known.
struct EighProducts {
  static constexpr std::string_view kName = "eigh_products";
  using Layout = BlockLayout;
  struct Words {
    BlockWords blocks;
    Divisor across;  // squares of matrix and vectors side by side
  };
  static StepOptions options(const Layout&) {
    return {
        .kernel = kName, .workspaces = 5, .worker = Worker::workgroup, .most_lanes = kManyLanes};
  }
  static void emit(StepKernel<EighProducts>& k) {
    const Products products(k);
    const auto words = k.words[&Words::blocks];
    k.each_item([&](Value item) {
      const Value line = k.words.divide(item, &Words::across);
      const Value matrix = words.divide(line, &BlockWords::pairs);
      const Progress progress = progress_of_blocks(k, words, k.workspace(4), matrix);
      k.b.if_(progress.is_active, [&] {
        products.apply(matrix, line - matrix * words[&BlockWords::pairs],
                       item - line * k.words[&Words::across]);
      });
    });
  }
  static uint64_t shared_bytes(const Layout& layout, uint64_t number) {
    return 3 * uint64_t{layout.square()} * (layout.square() + 1) * number;
  }
  // Elements that a lane has.
  static constexpr uint32_t kMost = 4;

 private:
  using Kernel = StepKernel<EighProducts>;

  struct Products {
    explicit Products(Kernel& k)
        : k(k),
          stride(k.layout.square() + 1),
          square(k, "square", k.layout.square() * stride),
          left(k, "left", k.layout.square() * stride),
          right(k, "right", k.layout.square() * stride) {}

    // Of row pair `pair`: square `other`, of the matrix or, behind these, of the vectors.
    void apply(Value matrix, Value pair, Value other) const {
      const auto words = k.words[&Words::blocks];
      const Value pairs = words[&BlockWords::pairs], width = words[&BlockWords::size];
      const PairRows rows(k, k.layout, words, pair);
      const Value rotations = (matrix * pairs + pair) * k.layout.elements();
      const auto place = [&](Value i, Value column) {
        return (matrix * width + rows[i]) * width + column;
      };
      k.b.if_(
          other < pairs,
          [&] {
            const PairRows columns(k, k.layout, words, other);
            const auto at = [&](Value i, Value j) { return place(i, columns[j]); };
            k.b.if_(
                other == pair,
                [&] {
                  each_element(
                      k, k.layout.square(), k.layout.square(), [&](Value e, Value i, Value j) {
                        k.store(k.workspace(0), at(i, j), k.load(k.workspace(3), rotations + e));
                      });
                },
                [&] {
                  load(left, k.workspace(2), [&](Value e, Value, Value) { return rotations + e; });
                  load(right, k.workspace(2), [&](Value e, Value, Value) {
                    return (matrix * pairs + other) * k.layout.elements() + e;
                  });
                  load(square, k.workspace(0), [&](Value, Value i, Value j) { return at(i, j); });
                  k.b.barrier();
                  multiply(
                      [&](Value i, Value l) { return left.load(i * stride + l); },
                      [&](Value l, Value j) { return square.load(l * stride + j); },
                      [&](Value i, Value j, const Number& x) { square.store(i * stride + j, x); });
                  k.b.barrier();
                  multiply(
                      [&](Value i, Value l) { return square.load(i * stride + l); },
                      [&](Value l, Value j) { return k.conjugate(right.load(j * stride + l)); },
                      [&](Value i, Value j, const Number& x) {
                        k.store(k.workspace(0), at(i, j), x);
                      });
                });
          },
          [&] {
            const Value first = (other - pairs) * k.layout.square();
            load(left, k.workspace(2), [&](Value e, Value, Value) { return rotations + e; });
            load(square, k.workspace(1),
                 [&](Value, Value i, Value j) { return place(i, first + j); });
            k.b.barrier();
            multiply([&](Value i, Value l) { return left.load(i * stride + l); },
                     [&](Value l, Value j) { return square.load(l * stride + j); },
                     [&](Value i, Value j, const Number& x) {
                       k.store(k.workspace(1), place(i, first + j), x);
                     });
          });
    }

   private:
    void load(const SharedNumbers& to, Value from,
              const std::function<Value(Value, Value, Value)>& place) const {
      each_element(k, k.layout.square(), k.layout.square(), [&](Value e, Value i, Value j) {
        to.store(i * stride + j, k.load(from, place(e, i, j)));
      });
    }

    using Factor = std::function<Number(Value, Value)>;
    // A product of squares; its factors are no longer needed when it is stored.
    void multiply(const Factor& x, const Factor& y,
                  const std::function<void(Value, Value, const Number&)>& store) const {
      const uint32_t size = k.layout.square(), count = k.layout.elements() / k.lanes;
      std::vector<Value> i, j;
      std::vector<LinearKernel::Variable> sums;
      for (uint32_t t = 0; t < count; ++t) {
        const Value e = k.local + t * k.lanes;
        i.push_back(e / k.b.u32(size));
        j.push_back(e - i.back() * size);
        sums.push_back(k.zero_variable());
      }
      k.b.for_range(k.b.u32(0), k.b.u32(size), k.b.u32(1), [&](Value l) {
        for (uint32_t t = 0; t < count; ++t) {
          sums[t].set(k.add_product(sums[t].get(), x(i[t], l), y(l, j[t])));
        }
      });
      k.b.barrier();
      for (uint32_t t = 0; t < count; ++t) store(i[t], j[t], sums[t].get());
    }

    Kernel& k;
    const uint32_t stride;  // beside each other in memory are not rows of a column
    const SharedNumbers square, left, right;
  };
};

}  // namespace

uint64_t eigh_block_rows(const Steps& steps, uint64_t n) {
  const plan::DevicePlan& plan = *steps.target.plan;
  if (!plan.tuning.shares_cheaply || steps.are_lone(n, n)) return 0;
  const uint32_t lanes = lanes_of(steps.target, kManyLanes);
  const auto number = static_cast<uint64_t>(storage_bytes(steps.working));
  for (const uint32_t block : {16, 8}) {
    const BlockLayout layout = {block};
    const uint64_t bytes = std::max(EighSquare::shared_bytes(layout, number),
                                    EighProducts::shared_bytes(layout, number));
    const bool has_lanes =
        lanes <= layout.elements() && layout.elements() <= lanes * EighProducts::kMost;
    if (has_lanes && bytes <= plan.shared_memory_bytes) return block;
  }
  return 0;
}

void add_eigh_blocks(Steps& steps, const EighMatrices& m) {
  const BlockLayout layout = {word(m.block)};
  const uint64_t pairs = m.size / layout.square();
  const uint64_t elements = m.batch * pairs * layout.elements();
  const int rotations = steps.numbers(elements), squares = steps.numbers(elements);
  for (uint64_t sweep = 0; sweep < m.sweeps; ++sweep) {
    for (uint64_t shift = 0; shift + 1 < 2 * pairs; ++shift) {
      const BlockWords words = {.size = word(m.size),
                                .pairs = Divisor(pairs),
                                .shift = word(shift),
                                .sweep = word(sweep),
                                .sweeps = word(m.sweeps)};
      const bool whole = shift == 0;
      steps.add<EighSquare>(m.batch * pairs,
                            {.blocks = words,
                             .rounds = whole ? layout.square() - 1 : layout.block,
                             .whole = whole ? 1U : 0U},
                            {.workspaces = {reads(m.matrices), writes(rotations), writes(squares),
                                            updates(m.progress)}},
                            layout);
      steps.add<EighProducts>(m.batch * pairs * 2 * pairs,
                              {.blocks = words, .across = Divisor(2 * pairs)},
                              {.workspaces = {updates(m.matrices), updates(m.vectors),
                                              reads(rotations), reads(squares), reads(m.progress)}},
                              layout);
    }
  }
}

}  // namespace nxv::kernels

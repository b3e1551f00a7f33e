#include "schedule/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "graph/region_words.h"
#include "library/registry.h"
#include "schedule/fixture_test.h"
#include "schedule/schedule.h"

namespace nxv::schedule {
namespace {

class Schedules : public Graphs {
 protected:
  static std::vector<Item> steps(const NodeRef& root, Options options = {}) {
    std::vector<Item> list = make_schedule(root, options);
    EXPECT_EQ(root->scratch, -1);
    return list;
  }
  static Region only_region(const NodeRef& root) {
    std::vector<Item> list = steps(root);
    EXPECT_EQ(list.size(), 1u);
    return std::move(list.back().region);
  }
  static std::vector<SplitReason> reasons(const NodeRef& root, Options options = {}) {
    std::vector<SplitReason> list;
    for (const Item& s : steps(root, options)) list.push_back(s.region.reason);
    return list;
  }

  NodeRef softmax(const NodeRef& x) {
    const NodeRef shifted =
        elementwise(Op::subtract, {x, reduce(Op::reduce_max, x, Axes{-1}, true)});
    const NodeRef powers = elementwise(Op::exp, {shifted});
    return elementwise(Op::divide, {powers, reduce(Op::sum, powers, Axes{-1}, true)});
  }
};

TEST_F(Schedules, ChainOfReferencedValuesIsOneRegion) {
  const NodeRef a = data({1000}), b = data({1000});
  std::vector<NodeRef> held;
  NodeRef x = a;
  for (Op op : {Op::add, Op::multiply, Op::subtract, Op::add, Op::max, Op::multiply, Op::add,
                Op::subtract}) {
    held.push_back(x = elementwise(op, {x, b}));
  }
  const Region r = only_region(x);
  EXPECT_EQ(r.kind, RegionKind::pointwise);
  EXPECT_EQ(r.operands.size(), 2u);
  EXPECT_EQ(r.exprs.size(), 10u);
}

// What made a value that is stored is nothing to kernels that read it.
TEST_F(Schedules, KeysDoNotDependOnWhatMadeOperands) {
  const NodeRef x = data({4, 6}), p = parameter(owner_, DType::f32, {4, 6});
  const NodeRef sum = add(x, x), counted = iota(owner_, DType::f32, {4, 6}, 1);
  for (const NodeRef& stored : {sum, counted}) stored->set_stored(nullptr);
  const NodeRef right = data({6, 4});
  const auto keys = [&](const NodeRef& v) {
    std::vector<std::string> list;
    for (const NodeRef& root :
         {elementwise(Op::negate, {v}), elementwise(Op::exp, {transpose(v, {1, 0})}),
          reduce(Op::sum, v, Axes{1}, false), softmax(v), matmul(v, right)}) {
      list.push_back(only_region(root).key);
    }
    return list;
  };
  for (const NodeRef& v : {p, sum, counted}) EXPECT_EQ(keys(v), keys(x));
}

TEST_F(Schedules, SoftmaxIsOneRowProgram) {
  const Region r = only_region(softmax(data({64, 100})));
  EXPECT_EQ(r.kind, RegionKind::row_program);
  EXPECT_EQ(r.root_level, Level::element);
  EXPECT_EQ(r.row_count, 64);
  EXPECT_EQ(r.col_count, 100);
  EXPECT_EQ(r.operands.size(), 1u);
}

TEST_F(Schedules, LayerNormalisationIsOneRowProgram) {
  const NodeRef x = data({32, 256}), n = number(256);
  const auto mean = [&](const NodeRef& v) {
    return elementwise(Op::divide, {reduce(Op::sum, v, Axes{1}, true), n});
  };
  const NodeRef centred = elementwise(Op::subtract, {x, mean(x)});
  const NodeRef variance = mean(elementwise(Op::multiply, {centred, centred}));
  const NodeRef scaled = elementwise(
      Op::multiply, {centred, elementwise(Op::rsqrt, {elementwise(Op::add, {variance, n})})});
  const NodeRef result =
      elementwise(Op::add, {elementwise(Op::multiply, {scaled, data({256})}), data({256})});
  const Region r = only_region(result);
  EXPECT_EQ(r.kind, RegionKind::row_program);
  EXPECT_EQ(r.operands.size(), 3u);
}

// Folding twice over the same rows is one kernel with one result a row.
TEST_F(Schedules, RowProgramsMayEndInARow) {
  const NodeRef x = data({10, 50});
  const NodeRef top = reduce(Op::reduce_max, x, Axes{1}, true);
  const NodeRef shifted = elementwise(Op::subtract, {x, top});
  const NodeRef sum = reduce(Op::sum, elementwise(Op::exp, {shifted}), Axes{1}, true);
  const Region r = only_region(elementwise(Op::log, {sum}));
  EXPECT_EQ(r.kind, RegionKind::row_program);
  EXPECT_EQ(r.root_level, Level::row);
  // A maximum may be read once a row and once an element.
  const Region both = only_region(elementwise(Op::add, {elementwise(Op::log, {sum}), top}));
  EXPECT_EQ(both.root_level, Level::row);
  EXPECT_EQ(both.roots.size(), 1u);
  EXPECT_EQ(std::count_if(both.exprs.begin(), both.exprs.end(),
                          [](const Expr& e) { return e.kind == ExprKind::reduce; }),
            2);
}

TEST_F(Schedules, RowsTooLongForAWorkgroupAreCut) {
  const std::vector<Item> list = steps(softmax(data({4, 40000})));
  EXPECT_GT(list.size(), 1u);
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    EXPECT_NE(list[i].region.kind, RegionKind::row_program);
  }
}

TEST_F(Schedules, ReductionTakesInProducersAndConsumers) {
  const NodeRef x = data({8, 9});
  const NodeRef squares = elementwise(Op::multiply, {x, x});
  const NodeRef norm = elementwise(Op::sqrt, {reduce(Op::sum, squares, Axes{1}, false)});
  const Region r = only_region(norm);
  EXPECT_EQ(r.kind, RegionKind::reduction);
  EXPECT_EQ(r.root_level, Level::row);
  EXPECT_EQ(r.operands.size(), 1u);
}

TEST_F(Schedules, ReductionOverOtherAxesIsItsOwnRegion) {
  const NodeRef x = data({8, 9});
  const NodeRef both = elementwise(Op::subtract, {x, reduce(Op::sum, x, Axes{0}, true)});
  EXPECT_EQ(reasons(both), (std::vector{SplitReason::reduction, SplitReason::root}));
  // A reduction of a reduction folds other rows.
  const NodeRef twice = reduce(Op::sum, reduce(Op::sum, x, Axes{1}, false), {}, false);
  EXPECT_EQ(reasons(twice), (std::vector{SplitReason::reduction, SplitReason::root}));
}

TEST_F(Schedules, DearValuesAreStoredOnceForSeveralReaders) {
  const NodeRef x = data({16, 16});
  const NodeRef dear = elementwise(Op::exp, {x});
  const NodeRef product = matmul(dear, dear);
  const NodeRef both = elementwise(Op::add, {product, dear});
  const auto why = reasons(both);
  // exp once, the product with the sum.
  EXPECT_EQ(why, (std::vector{SplitReason::materialized, SplitReason::root}));
}

TEST_F(Schedules, CheapValuesAreComputedAgain) {
  const NodeRef x = data({8, 9});
  const NodeRef cheap = elementwise(Op::negate, {x});
  const NodeRef sum = reduce(Op::sum, cheap, Axes{0}, true);
  const auto list = steps(elementwise(Op::add, {cheap, sum}));
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].region.operands[0].node.get(), x.get());
  EXPECT_EQ(list[1].region.operands.size(), 2u);
}

// Of a loop that was written out: no cut in the midst of a round, where several values would be
// stored, some of them by kernels of their own.
TEST_F(Schedules, RoundsThatAreAlikeStayWhole) {
  const NodeRef half = broadcast(number(0.5), {10}, {});
  NodeRef x = data({10});
  for (int i = 0; i < 100; ++i) {
    x = add(elementwise(Op::multiply, {elementwise(Op::sin, {x}), half}), x);
  }
  const auto list = steps(x);
  EXPECT_EQ(list.size(), 5u);  // 21 rounds each
  for (const Item& s : list) EXPECT_EQ(s.region.operands.size(), 1u);
  // A single value in which all comes together is no round.
  NodeRef y = data({10});
  for (int i = 0; i < 40; ++i) y = elementwise(Op::sin, {y});
  y = elementwise(Op::multiply, {y, y});
  for (int i = 0; i < 10; ++i) y = elementwise(Op::sin, {y});
  EXPECT_EQ(steps(y).size(), 1u);
}

TEST_F(Schedules, RegionsStayBelowTheirCaps) {
  NodeRef x = data({10});
  for (int i = 0; i < 300; ++i) x = elementwise(Op::sin, {x});
  for (const Item& s : steps(x)) {
    EXPECT_LE(s.region.exprs.size(), static_cast<size_t>(kMaxRegionOps) + 1);
  }
  const auto long_chain = reasons(x);
  EXPECT_EQ(std::count(long_chain.begin(), long_chain.end(), SplitReason::too_many_ops),
            static_cast<int64_t>(long_chain.size()) - 1);

  NodeRef sum = data({10});
  for (int i = 0; i < 30; ++i) sum = elementwise(Op::add, {sum, data({10})});
  size_t operands = 0;
  const auto wide = steps(sum);
  for (const Item& s : wide) {
    EXPECT_LE(s.region.operands.size(), static_cast<size_t>(kMaxRegionBuffers));
    operands += s.region.operands.size();
  }
  EXPECT_EQ(operands, 31 + wide.size() - 1);
}

TEST_F(Schedules, MatmulReadsViewsByTheirStrides) {
  const NodeRef a = data({4, 5}), b = data({4, 6});
  const NodeRef product = matmul(transpose(a, {1, 0}), b);
  std::vector<SplitReason> why;
  for (const Item& s : steps(product)) {
    if (s.is_alias) continue;
    why.push_back(s.region.reason);
    ASSERT_EQ(s.region.exprs.size(), 3u);
    EXPECT_EQ(s.region.contraction(), 2);
    EXPECT_EQ(s.region.exprs[2].args, (std::array<int16_t, 3>{0, 1, -1}));
    const auto words = record_at<ProductWords>(s.region.words, s.region.exprs[2].words);
    EXPECT_EQ(words.a.row_stride, 1u);
    EXPECT_EQ(words.a.column_stride, 5u);
    EXPECT_EQ(s.region.operands[1].words, word_offset(&ProductWords::b));
  }
  EXPECT_EQ(why.size(), 1u) << "the transposition is folded into the product";
  const NodeRef scaled = matmul(elementwise(Op::multiply, {a, number(2)}), data({5, 3}));
  bool materialized = false;
  for (const Item& s : steps(scaled)) {
    materialized |= !s.is_alias && s.region.reason == SplitReason::materialized;
  }
  EXPECT_TRUE(materialized);
}

// A convolution and its gradients, as Nx asks for them, in either order of axes: no patches in
// memory, no transposition of the input or of the result.
TEST_F(Schedules, ProductsGatherWindows) {
  using Options = std::vector<library::Option>;
  const library::Option low{"low", {1, 1}, {}}, high{"high", {1, 1}, {}};
  const auto axes = [](Axes input, Axes kernel, Axes output) {
    return Options{{"input_permutation", std::move(input), {}},
                   {"kernel_permutation", std::move(kernel), {}},
                   {"output_permutation", std::move(output), {}}};
  };
  const struct {
    const char* name;
    Shape x, kernel;
    Options options;
    int64_t copied;  // elements of the kernel, in another order
  } cases[] = {
      {"forward", {4, 8, 64, 64}, {16, 8, 3, 3}, {low, high}, 0},
      {"strides", {4, 8, 64, 64}, {16, 8, 3, 3}, {low, high, {"strides", {2, 2}, {}}}, 0},
      {"channels last",
       {4, 64, 64, 8},
       {3, 3, 8, 16},
       axes({0, 3, 1, 2}, {3, 2, 0, 1}, {0, 3, 1, 2}),
       0},
      {"input gradient of strides",
       {4, 16, 32, 32},
       {16, 8, 3, 3},
       {low,
        {"high", {2, 2}, {}},
        {"input_dilation", {2, 2}, {}},
        {"kernel_permutation", {1, 0, 2, 3}, {}}},
       int64_t{16} * 8 * 9},
      {"kernel gradient",
       {4, 8, 64, 64},
       {4, 16, 62, 62},
       axes({1, 0, 2, 3}, {1, 0, 2, 3}, {1, 0, 2, 3}),
       int64_t{4} * 16 * 62 * 62},
      {"kernel gradient, channels last",
       {4, 64, 64, 8},
       {4, 62, 62, 16},
       axes({3, 0, 1, 2}, {3, 0, 1, 2}, {2, 3, 0, 1}),
       0},
      {"groups", {4, 8, 64, 64}, {16, 4, 3, 3}, {low, high, {"feature_group_size", {2}, {}}}, 0},
      {"three axes", {2, 8, 16, 16, 16}, {16, 8, 3, 3, 3}, {}, 0},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<NodeRef> operands = {data(c.x), data(c.kernel)};
    const NodeRef root = library::call("conv", operands, c.options)[0];
    int gathered = 0;
    int64_t stored = 0;
    for (const Item& s : steps(root)) {
      if (s.is_alias) continue;
      stored += s.region.root->count;
      for (const Operand& o : s.region.operands) {
        gathered += o.addressing == Addressing::gathered && !o.gathered.is_matrices();
      }
    }
    EXPECT_EQ(gathered, 1);
    EXPECT_EQ(stored, root->count + c.copied);
  }
}

// Heads of attention, beside positions in memory: the batch has no one stride, each matrix has.
TEST_F(Schedules, MatricesOfSeveralBatchAxesAreReadWhereTheyAre) {
  const NodeRef q = data({2, 20, 3, 40}), k = data({2, 24, 3, 40});
  int regions = 0;
  for (const Item& s : steps(dot(q, k, {{3}, {3}, {0, 2}, {0, 2}}))) {
    if (s.is_alias) continue;
    ++regions;
    for (const Operand& o : s.region.operands) {
      EXPECT_EQ(o.addressing, Addressing::gathered);
      EXPECT_TRUE(o.gathered.is_matrices());
    }
  }
  EXPECT_EQ(regions, 1);
}

TEST_F(Schedules, ReshapeOfAStoredValueIsAnAlias) {
  const NodeRef x = data({4, 6});
  const auto list = steps(reshape(x, {24}));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_TRUE(list[0].is_alias);
  EXPECT_EQ(list[0].alias.source.get(), x.get());
}

TEST_F(Schedules, FailuresOfInputsComeBack) {
  const NodeRef x = data({4});
  const NodeRef lost = elementwise(Op::negate, {x});
  lost->set_failed({Status::arithmetic, "lost"});
  const NodeRef y = elementwise(Op::add, {elementwise(Op::sin, {x}), lost});
  try {
    steps(y);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::arithmetic);
  }
  EXPECT_EQ(y->scratch, -1);
  EXPECT_EQ(y->inputs[0]->scratch, -1);
}

TEST_F(Schedules, WithoutFusionEveryNodeIsARegion) {
  Options options;
  options.fuse = false;
  const NodeRef x = data({4, 5});
  const auto list = steps(softmax(x), options);
  // max, its broadcast, subtract, exp, sum, its broadcast, divide
  EXPECT_EQ(list.size(), 7u);
}

TEST_F(Schedules, KeysDependOnStructureAlone) {
  const auto keys = [&](int64_t rows, int64_t columns, double scalar) {
    std::vector<std::string> list;
    const NodeRef x = data({rows, columns});
    const NodeRef y = elementwise(Op::add, {transpose(data({columns, rows}), {1, 0}), x});
    const int64_t starts[] = {1, 0}, lengths[] = {rows - 1, columns}, strides[] = {1, 1};
    const NodeRef z =
        elementwise(Op::multiply, {slice(y, starts, lengths, strides), number(scalar)});
    for (const NodeRef& root : {softmax(x), z, matmul(x, transpose(x, {1, 0})),
                                pad(x, number(scalar), {{1, 1}, {2, 0}, {0, 1}})}) {
      for (const Item& s : steps(root)) {
        if (!s.is_alias) list.push_back(s.region.key);
      }
    }
    return list;
  };
  EXPECT_EQ(keys(10, 20, 1), keys(1000, 300, 2.5));
  const Region f32 = only_region(elementwise(Op::negate, {data({9})}));
  const Region f16 = only_region(elementwise(Op::negate, {data({9}, DType::f16)}));
  EXPECT_NE(f32.key, f16.key);
}

// The code of a fold is its function, that of a system whether it conjugates.
TEST_F(Schedules, KeysNameWhatTheCodeOfAnOperationDependsOn) {
  const auto fold = [&](Op op, double number_of_body, Shape shape) {
    const NodeRef p = parameter(owner_, DType::f32), acc = parameter(owner_, DType::f32);
    const NodeRef body = elementwise(op, {elementwise(Op::add, {p, number(number_of_body)}), acc});
    const NodeRef start = number(0);
    start->set_stored(nullptr);
    return only_region(library::call("reduce", std::vector{data(shape), start, p, acc, body},
                                     std::vector<library::Option>{{"axes", {1}, {}}})[0])
        .key;
  };
  EXPECT_EQ(fold(Op::multiply, 1, {3, 4}), fold(Op::multiply, 2, {30, 9}));
  EXPECT_NE(fold(Op::multiply, 1, {3, 4}), fold(Op::subtract, 1, {3, 4}));
  EXPECT_NE(fold(Op::multiply, 1, {3, 4}), fold(Op::multiply, 1, {3, 4, 5}));
  const auto system = [&](bool conjugate) {
    const std::vector operands = {data({3, 3}, DType::c64), data({3, 2}, DType::c64)};
    for (const NodeRef& o : operands) o->set_stored(nullptr);
    return library::make_node(Op::triangular_solve, DType::c64, {3, 2}, operands,
                              TriangularAttr{true, true, false, conjugate});
  };
  EXPECT_NE(only_region(system(false)).key, only_region(system(true)).key);
}

// Whatever else is referenced or pending, a graph is cut the same way.
TEST_F(Schedules, CutsDependOnTheGraphAlone) {
  const NodeRef x = data({20, 30});
  const NodeRef before = softmax(x);
  const auto first = reasons(before);
  const NodeRef other = elementwise(Op::sin, {before});
  std::vector<NodeRef> handles(50, before);
  EXPECT_EQ(reasons(before), first);
}

TEST_F(Schedules, StoredValuesAreOperands) {
  const NodeRef x = data({9});
  const NodeRef y = elementwise(Op::exp, {x});
  y->set_stored(nullptr);
  const Region r = only_region(elementwise(Op::negate, {y}));
  EXPECT_EQ(r.operands[0].node.get(), y.get());
}

// Each value of these chains is read through two views: computing it at both places would double
// the work at every link.
TEST_F(Schedules, ValuesReadThroughSeveralViewsAreStored) {
  const int64_t first[] = {0}, second[] = {16}, half[] = {16}, ones[] = {1};
  NodeRef rotated = data({32});
  NodeRef summed = elementwise(Op::exp, {data({32})});
  for (int i = 0; i < 40; ++i) {
    const NodeRef list[] = {slice(rotated, second, half, ones), slice(rotated, first, half, ones)};
    rotated = concatenate(list, 0);
    summed = elementwise(Op::add, {summed, reverse(summed, Axes{0})});
  }
  EXPECT_EQ(steps(rotated).size(), 40u);
  EXPECT_EQ(steps(summed).size(), 41u);
}

// A logarithm of each row takes less than one of each element.
TEST_F(Schedules, DearValuesThatBroadcastsRepeatAreStored) {
  const auto beside = [&](const NodeRef& rows, int64_t columns) {
    const NodeRef wide = iota(rows->shared_graveyard(), DType::f32, {4096, columns}, 1);
    const NodeRef log = elementwise(Op::log, {rows});
    return elementwise(Op::subtract, {wide, broadcast(log, wide->shape, {0, 1})});
  };
  EXPECT_EQ(reasons(beside(data({4096, 1}), 50304)),
            (std::vector{SplitReason::repeated, SplitReason::root}));
  EXPECT_EQ(reasons(beside(data({4096, 1}), 64)), (std::vector{SplitReason::root}));
  // A row program has it once a row already.
  const NodeRef x = iota(data({1})->shared_graveyard(), DType::f32, {4096, 8192}, 1);
  const NodeRef sums = reduce(Op::sum, elementwise(Op::exp, {x}), Axes{1}, true);
  EXPECT_EQ(reasons(beside(sums, 8192)), (std::vector{SplitReason::root}));
}

// A concatenation computes each part for all of its elements.
TEST_F(Schedules, DearPartsOfAConcatenationAreStored) {
  const auto joined = [&](Op op) {
    std::vector<NodeRef> parts;
    for (int i = 0; i < 3; ++i) {
      const NodeRef x = elementwise(op, {data({8}), data({8})});
      parts.push_back(reshape(elementwise(Op::multiply, {x, number(3)}), {8, 1}));
    }
    return concatenate(parts, 1);
  };
  EXPECT_EQ(reasons(joined(Op::pow)), (std::vector{SplitReason::repeated, SplitReason::repeated,
                                                   SplitReason::repeated, SplitReason::root}));
  EXPECT_EQ(reasons(joined(Op::add)), (std::vector{SplitReason::root}));
  // One part alone is computed once.
  const NodeRef only[] = {elementwise(Op::pow, {data({8}), data({8})})};
  EXPECT_EQ(reasons(elementwise(Op::negate, {concatenate(only, 0)})),
            (std::vector{SplitReason::root}));
}

// As positions are encoded by rotating halves: the waves are stored anyway, for both parts.
TEST_F(Schedules, PartsOfAConcatenationThatShareWhatIsDearAreNot) {
  const NodeRef x = data({8}), y = data({8}), angle = data({8});
  const NodeRef c = elementwise(Op::cos, {angle}), s = elementwise(Op::sin, {angle});
  const auto times = [](const NodeRef& a, const NodeRef& b) {
    return elementwise(Op::multiply, {a, b});
  };
  const NodeRef parts[] = {elementwise(Op::subtract, {times(x, c), times(y, s)}),
                           elementwise(Op::add, {times(x, s), times(y, c)})};
  const auto list = steps(concatenate(parts, 0));
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].region.roots.size(), 2u);  // cos and sin of the same angle
}

TEST_F(Schedules, LongChainsDoNotRecurse) {
  NodeRef x = data({4});
  for (int i = 0; i < 200000; ++i) x = elementwise(Op::negate, {x});
  EXPECT_EQ(steps(x).size(), (200000u + kMaxRegionOps - 1) / kMaxRegionOps);
}

}  // namespace
}  // namespace nxv::schedule

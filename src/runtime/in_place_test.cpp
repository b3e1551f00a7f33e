// Updates in place: what is stored into an argument or into the state of a loop touches nothing
// else, and nobody sees it who should not.
#include <gtest/gtest.h>

#include "library/registry.h"
#include "runtime/describe.h"
#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

constexpr int64_t kRows = 1024, kColumns = 1024;
constexpr uint64_t kBytes = kRows * kColumns * sizeof(float);

class InPlace : public FunctionFixture {
 protected:
  NodeRef num1(int32_t v) { return vector<int32_t>(*engine_, {v}); }
  NodeRef plus(const NodeRef& x, double v) { return elementwise(Op::add, {x, num(x->dtype, v)}); }
  static NodeRef put(const NodeRef& x, const NodeRef& part, Nodes starts) {
    Nodes operands{x, part};
    operands.insert(operands.end(), starts.begin(), starts.end());
    return library::call("put_slice", operands, {})[0];
  }
  // x, its rows i, i + 1, .. set to i.
  NodeRef put_row(const NodeRef& x, const NodeRef& i, int64_t rows = 1) {
    const NodeRef row = broadcast(cast(i, x->dtype), {rows, x->shape[1]});
    return put(x, row, {i, num(DType::s32, 0)});
  }
  // While i < n: what the body makes of x, i + 1.
  Nodes counted(const NodeRef& i, const NodeRef& n, const NodeRef& x,
                const std::function<NodeRef(const NodeRef&, const NodeRef&)>& body) {
    const auto like = [&](const NodeRef& v) { return param(v->dtype, v->shape); };
    const Nodes tested{like(i), like(n), like(x)}, state{like(i), like(n), like(x)};
    return loop(Nodes{i, n, x}, function(tested, {elementwise(Op::less, {tested[0], tested[1]})}),
                function(state, {plus(state[0], 1), state[1], body(state[2], state[0])}));
  }
  // Bytes that the kernels of a call write until its first result is there, which is what it gives.
  uint64_t written(const FunctionRef& f, Nodes arguments, NodeRef* result) {
    const uint64_t before = engine_->counters().bytes_written;
    *result = engine_->invoke(f, std::move(arguments))[0];
    engine_->trim();  // after the call
    return engine_->counters().bytes_written - before;
  }
  NodeRef zeros(const Shape& shape = {kRows * kColumns}) {
    return tensor(*engine_, shape, std::vector<float>(kRows * kColumns));
  }
};

TEST_F(InPlace, ALoopCopiesItsStateOnceAtMost) {
  const NodeRef flat = param(DType::f32, {kRows * kColumns});
  const auto body = [&](const NodeRef& x, const NodeRef& i) { return put_row(x, i); };
  const FunctionRef f = function({flat}, {counted(num(DType::s32, 0), num(DType::s32, 100),
                                                  reshape(flat, {kRows, kColumns}), body)[2]});
  const auto expect_rows = [&](const NodeRef& result) {
    const std::vector<float> x = elements<float>(*engine_, result);
    for (int64_t r : {0, 1, 57, 99}) EXPECT_EQ(x[r * kColumns + 7], static_cast<float>(r));
    EXPECT_EQ(x[100 * kColumns], 0);
  };
  const NodeRef held = zeros();
  NodeRef result;
  uint64_t bytes = written(f, {held}, &result);
  EXPECT_GE(bytes, kBytes + 100 * kColumns * 4);
  EXPECT_LE(bytes, 2 * kBytes);
  expect_rows(result);
  EXPECT_EQ(elements<float>(*engine_, held)[5 * kColumns], 0);
  // Where the call alone holds it, not at all.
  Nodes alone{zeros()};
  bytes = written(f, std::move(alone), &result);
  EXPECT_EQ(bytes, 100 * kColumns * 4);
  expect_rows(result);

  const std::string text = explain(*engine_, *f);
  EXPECT_NE(text.find("stores into argument 2, or a copy of it where somebody else holds it"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("writes 4096 bytes"), std::string::npos) << text;
}

// Rounds are recorded ahead of the condition, also those that are not run.
TEST_F(InPlace, ALoopThatTheDataEndsCopiesItsStateOnceAtMost) {
  for (int32_t rounds : {0, 1, 2, 3, 7, 8, 100}) {
    const NodeRef x = param(DType::f32, {kRows, kColumns}), limit = param(DType::f32);
    const auto like = [&](const NodeRef& v) { return param(v->dtype, v->shape); };
    const NodeRef total = num(DType::f32, 0);
    const Nodes tested{param(DType::s32), like(limit), like(x), like(total)};
    const Nodes state{param(DType::s32), like(limit), like(x), like(total)};
    const FunctionRef condition = function(tested, {elementwise(Op::less, {tested[3], tested[1]})});
    // Sums up what it has stored.
    const NodeRef after = put_row(state[2], state[0]);
    const Nodes operands{after, state[0], num(DType::s32, 0)};
    const NodeRef stored = library::call("slice_at", operands,
                                         std::vector<library::Option>{{"lengths", {1, 1}, {}}})[0];
    const FunctionRef body = function(
        state,
        {plus(state[0], 1), state[1], after,
         elementwise(Op::add,
                     {state[3],
                      plus(reshape(elementwise(Op::min, {stored, num(DType::f32, 0)}), {}), 1)})});
    const Nodes end = loop(Nodes{num(DType::s32, 0), limit, x, total}, condition, body);
    const FunctionRef f = function({x, limit}, {end[2], end[0], end[3]});

    const auto expect_rows = [&](const NodeRef& result) {
      const std::vector<float> y = elements<float>(*engine_, result);
      for (int64_t r = 0; r < 105; ++r) {
        ASSERT_EQ(y[r * kColumns + 7], r < rounds ? static_cast<float>(r) : -1) << rounds;
      }
    };
    const auto start = [&] {
      return tensor(*engine_, {kRows, kColumns}, std::vector<float>(kRows * kColumns, -1));
    };
    const NodeRef held = start(), most = tensor<float>(*engine_, {}, {static_cast<float>(rounds)});
    NodeRef result;
    EXPECT_LE(written(f, {held, most}, &result), 2.5 * kBytes);
    expect_rows(result);
    EXPECT_EQ(elements<float>(*engine_, held)[0], -1);
    Nodes alone{start(), most};
    EXPECT_LE(written(f, std::move(alone), &result), kBytes);
    expect_rows(result);
  }
}

TEST_F(InPlace, APartThatTakesElementsOfItsTargetIsComputedBefore) {
  const NodeRef x = param(DType::f32, {kRows, kColumns});
  // Row i becomes row i - 1 plus one: sums that run down.
  const auto body = [&](const NodeRef& a, const NodeRef& i) {
    const Nodes operands{a, plus(i, -1), num(DType::s32, 0)};
    const NodeRef above = library::call(
        "slice_at", operands, std::vector<library::Option>{{"lengths", {1, kColumns}, {}}})[0];
    return put(a, plus(above, 1), {i, num(DType::s32, 0)});
  };
  const FunctionRef f =
      function({x}, {counted(num(DType::s32, 1), num(DType::s32, 50), x, body)[2]});
  NodeRef result;
  Nodes alone{zeros({kRows, kColumns})};
  EXPECT_EQ(written(f, std::move(alone), &result), 49 * 2 * kColumns * 4);
  const std::vector<float> y = elements<float>(*engine_, result);
  EXPECT_EQ(y[49 * kColumns + 3], 49);
  EXPECT_EQ(y[20 * kColumns], 20);
  EXPECT_EQ(y[50 * kColumns], 0);
}

TEST_F(InPlace, UpdatesAreAddedInALoop) {
  const NodeRef x = param(DType::f32, {kRows, kColumns});
  const auto body = [&](const NodeRef& a, const NodeRef& i) {
    const Nodes places{reshape(i, {1}), num1(7)};
    const Nodes operands{a, reshape(concatenate(places, 0), {2, 1}),
                         broadcast(num(DType::f32, 1), {2, kColumns})};
    return library::call("indexed_add", operands, {})[0];
  };
  const FunctionRef f =
      function({x}, {counted(num(DType::s32, 0), num(DType::s32, 20), x, body)[2]});
  NodeRef result;
  Nodes alone{zeros({kRows, kColumns})};
  EXPECT_LT(written(f, std::move(alone), &result), 20 * 5 * kColumns * 4);
  std::vector<float> y = elements<float>(*engine_, result);
  EXPECT_EQ((std::vector{y[0], y[7 * kColumns], y[19 * kColumns], y[20 * kColumns]}),
            (std::vector<float>{1, 21, 1, 0}));
  const NodeRef held = zeros({kRows, kColumns});
  EXPECT_LT(written(f, {held}, &result), 2 * kBytes);
  EXPECT_EQ(elements<float>(*engine_, result), y);
  EXPECT_EQ(elements<float>(*engine_, held)[7 * kColumns], 0);
}

// Few and many updates, several of one slot, of rows and of single elements.
TEST_F(InPlace, UpdatesArePutInALoop) {
  for (int64_t count : {3, 100}) {
    for (bool rows : {true, false}) {
      const NodeRef flat = param(DType::f32, {kRows * kColumns});
      const NodeRef x = rows ? reshape(flat, {kRows, kColumns}) : flat;
      // Updates 0, 1, 2, .. of slots 0, 0, 1, 1, .. each a round further.
      const auto body = [&](const NodeRef& a, const NodeRef& i) {
        const NodeRef number = iota(engine_->graveyard(), DType::s32, {count, 1}, 0);
        const NodeRef slots =
            elementwise(Op::add, {elementwise(Op::quotient, {number, num(DType::s32, 2)}), i});
        const NodeRef updates = cast(
            rows ? broadcast(number, {count, kColumns}) : reshape(number, {count}), DType::f32);
        return library::call("indexed_put", Nodes{a, slots, updates}, {})[0];
      };
      const FunctionRef f =
          function({flat}, {counted(num(DType::s32, 0), num(DType::s32, 10), x, body)[2]});
      NodeRef result;
      Nodes alone{zeros()};
      const uint64_t bytes = written(f, std::move(alone), &result);
      // What is put, and of each update the slot.
      const int64_t row = rows ? kColumns : 1;
      EXPECT_LE(bytes, 10 * count * (row + 2) * 4) << count;
      const std::vector<float> y = elements<float>(*engine_, result);
      for (int64_t slot : {0, 5, 9}) EXPECT_EQ(y[slot * row], 1) << slot;
      const int64_t end = (count + 1) / 2 + 9;
      EXPECT_EQ(y[(end - 1) * row + row - 1], count - 1);
      EXPECT_EQ(y[end * row], 0);
    }
  }
}

TEST_F(InPlace, AnIndexOutOfBoundsFailsThePut) {
  const NodeRef x = param(DType::f32, {100}), i = param(DType::s32, {2, 1});
  const FunctionRef f = function(
      {x, i},
      {library::call("indexed_put",
                     Nodes{x, i, constant(engine_->graveyard(), make_scalar(DType::f32, 1.0), {2})},
                     {})[0]});
  const auto message = [&](int32_t second) {
    const Nodes r = engine_->invoke(
        f, {filled(*engine_, 100, 0), tensor<int32_t>(*engine_, {2, 1}, {3, second})});
    return read(*engine_, r[0]).failure.message.str();
  };
  EXPECT_EQ(message(99), "");
  EXPECT_EQ(message(100), "index is out of bounds in indexed_put at update 1");
  EXPECT_EQ(message(-1), "index is out of bounds in indexed_put at update 1");
}

// Whatever reads the value as it was comes first, and leaves the storage to the update.
TEST_F(InPlace, ReadersOfTheOldValueComeFirst) {
  const NodeRef x = param(DType::f32, {kRows, kColumns}), i = param(DType::s32);
  const NodeRef after = put_row(x, i), before = reduce(Op::sum, x, Axes{1}, false);
  const FunctionRef f = function({x, i}, {after, before, reduce(Op::sum, after, Axes{1}, false)});
  Nodes r = engine_->invoke(f, {zeros({kRows, kColumns}), tensor<int32_t>(*engine_, {}, {3})});
  EXPECT_EQ(elements<float>(*engine_, r[1])[3], 0);
  EXPECT_EQ(elements<float>(*engine_, r[2])[3], 3 * kColumns);
  const uint64_t in_use = settled(*engine_);
  EXPECT_LT(in_use, 2 * kBytes);
  EXPECT_EQ(elements<float>(*engine_, r[0])[3 * kColumns + 9], 3);

  // Two updates of one value: the first copies it.
  const FunctionRef both = function({x, i}, {after, put_row(x, plus(i, 1))});
  r = engine_->invoke(both, {zeros({kRows, kColumns}), tensor<int32_t>(*engine_, {}, {3})});
  const auto a = elements<float>(*engine_, r[0]), b = elements<float>(*engine_, r[1]);
  EXPECT_EQ((std::vector{a[3 * kColumns], a[4 * kColumns], b[3 * kColumns], b[4 * kColumns]}),
            (std::vector<float>{3, 0, 0, 4}));
}

// What a round takes of the state before it stores there keeps the elements that were there.
TEST_F(InPlace, WhatIsTakenBeforeIsOfTheOldValue) {
  const NodeRef x = param(DType::f32, {kRows, kColumns}), limit = param(DType::s32);
  const Nodes tested{param(DType::s32), param(DType::s32), param(DType::f32, x->shape),
                     param(DType::f32, {2, kColumns})};
  const Nodes state{param(DType::s32), param(DType::s32), param(DType::f32, x->shape),
                    param(DType::f32, {2, kColumns})};
  // Sums up rows i and i + 1 as they were; then adds the sums of before to them, and 1.
  const Nodes operands{state[2], state[0], num(DType::s32, 0)};
  const NodeRef old = library::call(
      "slice_at", operands, std::vector<library::Option>{{"lengths", {2, kColumns}, {}}})[0];
  const NodeRef after =
      put(state[2], plus(elementwise(Op::add, {old, state[3]}), 1), {state[0], num(DType::s32, 0)});
  const NodeRef sums = elementwise(Op::add, {state[3], old});
  const FunctionRef body = function(state, {plus(state[0], 1), state[1], after, sums});
  for (bool is_counted : {true, false}) {
    const NodeRef reached = cast(reduce(Op::reduce_max, tested[3], Axes{0, 1}, false), DType::s32);
    const FunctionRef condition =
        function(tested, {elementwise(Op::less, {is_counted ? tested[0] : reached, tested[1]})});
    const NodeRef none =
        constant(engine_->graveyard(), make_scalar(DType::f32, 0.0), {2, kColumns});
    const Nodes end = loop(Nodes{num(DType::s32, 0), limit, x, none}, condition, body);
    const FunctionRef f = function({x, limit}, {end[2], end[3], end[0]});
    // The rounds on the host.
    const auto rounds = [&](int32_t n) {
      std::vector<float> row(10);
      float first = 0, second = 0;
      for (int32_t i = 0; i < std::min(n, 9); ++i) {
        const float was[] = {row[i], row[i + 1]};
        row[i] += first + 1;
        row[i + 1] += second + 1;
        first += was[0];
        second += was[1];
      }
      row.insert(row.end(), {first, second});
      return row;
    };
    Nodes alone{zeros({kRows, kColumns}), tensor<int32_t>(*engine_, {}, {5})};
    const Nodes r = engine_->invoke(f, std::move(alone));
    const auto y = elements<float>(*engine_, r[0]), z = elements<float>(*engine_, r[1]);
    const int32_t run = elements<int32_t>(*engine_, r[2])[0];
    const std::vector<float> expected = rounds(run);
    EXPECT_EQ(run, is_counted ? 5 : 6);
    for (size_t i = 0; i < 10; ++i) EXPECT_EQ(y[i * kColumns + 3], expected[i]) << i;
    EXPECT_EQ((std::vector{z[5], z[kColumns + 5]}), (std::vector{expected[10], expected[11]}));
  }
}

TEST_F(InPlace, AnArgumentThatIsPassedTwiceIsCopied) {
  const NodeRef x = param(DType::f32, {kRows, kColumns}), y = param(DType::f32, x->shape);
  const FunctionRef f = function({x, y}, {put_row(x, num(DType::s32, 3)), plus(y, 1)});
  Nodes twice(2, zeros({kRows, kColumns}));
  const Nodes r = engine_->invoke(f, std::move(twice));
  EXPECT_EQ(elements<float>(*engine_, r[1])[3 * kColumns], 1);
  EXPECT_EQ(elements<float>(*engine_, r[0])[3 * kColumns], 3);
  EXPECT_EQ(elements<float>(*engine_, r[0])[4 * kColumns], 0);
}

TEST_F(InPlace, ViewsOfADonatedArgumentKeepItsElements) {
  const NodeRef x = param(DType::f32, {kRows, kColumns});
  const FunctionRef f = function({x}, {put_row(x, num(DType::s32, 3))});
  NodeRef given = zeros({kRows, kColumns});
  const NodeRef part = slice(given, Shape{2, 0}, Shape{3, 2}, Shape{1, 1});
  const Nodes alias{reshape(given, {kRows * kColumns})};
  engine_->evaluate(alias);
  Nodes alone{std::move(given)};
  const Nodes r = engine_->invoke(f, std::move(alone));
  EXPECT_EQ(elements<float>(*engine_, r[0])[3 * kColumns], 3);
  EXPECT_EQ(elements<float>(*engine_, part), std::vector<float>(6));
  EXPECT_EQ(elements<float>(*engine_, alias[0])[3 * kColumns], 0);
}

// One array under two names, from the start or after each round.
TEST_F(InPlace, AnArrayThatTwoElementsOfAStateShareIsCopied) {
  const Shape shape{kRows, kColumns};
  const NodeRef x = param(DType::f32, shape), limit = param(DType::f32);
  const auto state_of = [&] {
    return Nodes{param(DType::s32), param(DType::f32), param(DType::f32, shape),
                 param(DType::f32, shape)};
  };
  const Nodes tested = state_of(), state = state_of();
  const NodeRef reached = reshape(slice(tested[2], Shape{0, 0}, Shape{1, 1}, Shape{1, 1}), {});
  const FunctionRef condition = function(tested, {elementwise(Op::less, {reached, tested[1]})});
  // Its first row counts rounds. Row i of the other becomes i.
  const NodeRef first = slice(state[2], Shape{0, 0}, Shape{1, kColumns}, Shape{1, 1});
  const NodeRef counted = put(state[2], plus(first, 1), {num(DType::s32, 0), num(DType::s32, 0)});
  const NodeRef other = put_row(state[3], plus(state[0], 1));
  for (bool is_shared : {true, false}) {
    const FunctionRef round =
        function(state, {plus(state[0], 1), state[1], counted, is_shared ? counted : other});
    const Nodes end = loop(Nodes{num(DType::s32, 0), limit, x, x}, condition, round);
    const FunctionRef f = function({x, limit}, {end[2], end[3]});
    Nodes alone{zeros(shape), tensor<float>(*engine_, {}, {5})};
    const Nodes r = engine_->invoke(f, std::move(alone));
    const auto a = elements<float>(*engine_, r[0]), b = elements<float>(*engine_, r[1]);
    EXPECT_EQ((std::vector{a[0], a[kColumns]}), (std::vector<float>{5, 0}));
    EXPECT_EQ((std::vector{b[0], b[kColumns], b[5 * kColumns], b[6 * kColumns]}),
              is_shared ? (std::vector<float>{5, 0, 0, 0}) : (std::vector<float>{0, 1, 5, 0}));
  }
}

// Rounds are recorded ahead with indices that no round has.
TEST_F(InPlace, RoundsThatAreNotRunReportNoIndex) {
  for (int32_t rounds : {1, 5, 9, 10}) {
    const NodeRef x = param(DType::f32, {10}), limit = param(DType::f32);
    const auto state_of = [&] {
      return Nodes{param(DType::s32), param(DType::f32), param(DType::f32, {10})};
    };
    const Nodes tested = state_of(), state = state_of();
    const NodeRef sum = reduce(Op::sum, tested[2], {}, false);
    const FunctionRef condition = function(tested, {elementwise(Op::less, {sum, tested[1]})});
    const NodeRef one = constant(engine_->graveyard(), make_scalar(DType::f32, 1.0), {1});
    const FunctionRef body = function(
        state,
        {plus(state[0], 1), state[1],
         library::call("indexed_put", Nodes{state[2], reshape(state[0], {1, 1}), one}, {})[0]});
    const Nodes end = loop(Nodes{num(DType::s32, 0), limit, x}, condition, body);
    const FunctionRef f = function({x, limit}, {end[2]});
    const auto run = [&](float most) {
      return engine_->invoke(f, {filled(*engine_, 10, 0), tensor<float>(*engine_, {}, {most})})[0];
    };
    const std::vector<float> y = elements<float>(*engine_, run(static_cast<float>(rounds)));
    for (int32_t i = 0; i < 10; ++i) EXPECT_EQ(y[i], i < rounds ? 1 : 0) << rounds;
    EXPECT_EQ(read(*engine_, run(11)).failure.message,
              "index is out of bounds in indexed_put at update 0");
  }
}

// Elements of every width, at starts that are clamped, without fusion and donation and with them:
// parts that share words with what stays, and parts of whole words.
TEST_F(InPlace, BitsAreThoseOfCopies) {
  EngineOptions options = test_options();
  options.executor.schedule.fuse = options.executor.schedule.donate = false;
  NXV_OPEN_OR_SKIP(apart, options);
  const auto run = [](Engine& engine, DType type, int32_t start, bool whole) {
    const auto& owner = engine.graveyard();
    const Shape all = whole ? Shape{6, 16} : Shape{5, 13};
    const NodeRef x = parameter(owner, type, all), i = parameter(owner, DType::s32, {});
    const NodeRef part = cast(iota(owner, DType::s32, whole ? Shape{2, 8} : Shape{3, 5}, -1), type);
    const NodeRef once = put(x, part, {i, i}),
                  twice = put(once, part, {i, elementwise(Op::add, {i, i})});
    const FunctionRef f = function({x, i}, {twice});
    const NodeRef values =
        cast(elementwise(Op::remainder, {iota(owner, DType::s32, all, -1),
                                         constant(owner, make_scalar(DType::s32, int64_t{7}), {})}),
             type);
    return value(engine, engine.invoke(f, {values, tensor<int32_t>(engine, {}, {start})})[0]);
  };
  for (DType type : {DType::u8, DType::s16, DType::bf16, DType::f16, DType::f8_e4m3fn, DType::u4,
                     DType::f32, DType::s64, DType::c64}) {
    for (int32_t start : {-4, 0, 1, 2, 3, 4, 100}) {
      for (bool whole : {false, true}) {
        EXPECT_EQ(run(*engine_, type, start, whole).bytes, run(*apart, type, start, whole).bytes)
            << name(type) << " at " << start << (whole ? ", whole words" : "");
      }
    }
  }
}

// A fault in what is stored names the part's element, as it does where the part is computed alone.
TEST_F(InPlace, FaultsOfAPartNameItsElement) {
  const NodeRef x = param(DType::s32, {100}), d = param(DType::s32, {4}), i = param(DType::s32);
  const NodeRef part = elementwise(Op::quotient, {num(DType::s32, 8), d});
  const FunctionRef f = function({x, d, i}, {put(x, part, {i})});
  const NodeRef zero = constant(engine_->graveyard(), make_scalar(DType::s32, int64_t{0}), {100});
  const Nodes r = engine_->invoke(
      f, {zero, vector<int32_t>(*engine_, {1, 2, 0, 4}), tensor<int32_t>(*engine_, {}, {50})});
  const Failure failure = read(*engine_, r[0]).failure;
  EXPECT_EQ(failure.status, Status::arithmetic);
  EXPECT_NE(failure.message.str().find("element 2 of a result of shape {4}"), std::string::npos)
      << failure.message;
}

}  // namespace
}  // namespace nxv::runtime

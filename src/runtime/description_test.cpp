// What people are told of programs is what they do.
#include "runtime/description.h"

#include "library/registry.h"
#include "runtime/describe.h"
#include "runtime/layered_graph.h"
#include "runtime/picture.h"
#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

using Kind = StepDescription::Kind;
using Source = ValueDescription::Source;

class Descriptions : public FunctionFixture {
 protected:
  ProgramDescription described(const FunctionRef& f) {
    ProgramDescription d;
    engine_->call([&](Executor& e, vulkan::Device&) { d = describe(*f, e.programs()); });
    return d;
  }
};

// Of one region, as far as its data go: a multiplication and an addition for each element, a sum.
TEST_F(Descriptions, CountBytesAndFlops) {
  const NodeRef x = param(DType::f32, {8, 32}), y = param(DType::f32, {8, 32});
  const NodeRef z = elementwise(Op::add, {elementwise(Op::multiply, {x, y}), y});
  const ProgramDescription d = described(function({x, y}, {reduce(Op::sum, z, Axes{1}, false)}));
  ASSERT_EQ(d.steps.size(), 1U);
  EXPECT_EQ(d.flops, 3 * 256U);
  EXPECT_TRUE(d.is_flops_known);
  EXPECT_EQ(d.bytes_read, 2 * 256 * 4U);
  EXPECT_EQ(d.bytes_written, 8 * 4U);
  EXPECT_EQ(d.temporaries, 0U);
  EXPECT_EQ(names_of(d.steps[0].summary), "multiply, add, sum");
  EXPECT_EQ(d.results[0].index, 1);
  EXPECT_EQ(type_of(d.results[0]), "f32{8}");
}

TEST_F(Descriptions, CountProductsAndComplexNumbers) {
  const NodeRef a = param(DType::f32, {5, 7}), b = param(DType::f32, {7, 3});
  EXPECT_EQ(described(function({a, b}, {matmul(a, b)})).flops, 2 * 5 * 3 * 7U);
  const NodeRef c = param(DType::c64, {5, 7}), v = param(DType::c64, {7, 3});
  EXPECT_EQ(described(function({c, v}, {matmul(c, v)})).flops, 8 * 5 * 3 * 7U);
  const NodeRef e = elementwise(Op::add, {elementwise(Op::multiply, {c, c}), c});
  EXPECT_EQ(described(function({c}, {e})).flops, (6 + 2) * 35U);
  // What is done to integers, and what moves and chooses numbers, is no such operation.
  const NodeRef i = param(DType::s32, {9});
  const NodeRef f = cast(elementwise(Op::add, {i, i}), DType::f32);
  const NodeRef chosen = elementwise(Op::select, {elementwise(Op::less, {f, f}), f, f});
  EXPECT_EQ(described(function({i}, {chosen})).flops, 0U);
}

// Of scores {2, 5, 7}, of which products are 8 and 4 wide.
TEST_F(Descriptions, CountAttention) {
  Nodes p = {param(DType::f32, {1, 2, 5, 8}), param(DType::f32, {1, 2, 7, 8}),
             param(DType::f32, {1, 2, 7, 4})};
  const library::Option statistics = {"statistics", {1}, {}};
  const Nodes answers = library::call("attention", p, {&statistics, 1});
  Nodes given = p;
  given.insert(given.end(), {answers[0], answers[1], param(DType::f32, {1, 2, 5, 4})});
  const Nodes gradients = library::call("attention_gradient", given, {});
  p.push_back(given.back());
  const ProgramDescription d = described(function(p, gradients));
  const auto flops = [&](const char* name) {
    for (const StepDescription& step : d.steps) {
      if (names_of(step.summary) == name) return step.summary.flops;
    }
    return uint64_t{0};
  };
  EXPECT_EQ(flops("attention"), 2 * 70 * (8 + 4U));
  EXPECT_EQ(flops("attention_gradient"), 2 * 70 * (3 * 8 + 2 * 4U));
  EXPECT_TRUE(d.is_flops_known);
}

// What it says a call reads and writes is what the counters then count.
TEST_F(Descriptions, AgreeWithCounters) {
  const NodeRef x = param(DType::f32, {64, 48}), w = param(DType::f32, {48, 16});
  const NodeRef h = elementwise(Op::tanh, {matmul(x, w)});
  const NodeRef mean = reduce(Op::sum, h, Axes{0}, true);
  const FunctionRef f = function({x, w}, {elementwise(Op::subtract, {h, mean})});
  const ProgramDescription d = described(f);
  const Nodes arguments{tensor(*engine_, {64, 48}, std::vector<float>(64 * 48, 0.25F)),
                        tensor(*engine_, {48, 16}, std::vector<float>(48 * 16, 0.5F))};
  for (const NodeRef& a : arguments) elements<float>(*engine_, a);
  const Counters before = engine_->counters();
  elements<float>(*engine_, engine_->invoke(f, arguments)[0]);
  const Counters after = engine_->counters();
  EXPECT_EQ(after.bytes_read - before.bytes_read, d.bytes_read);
  EXPECT_EQ(after.bytes_written - before.bytes_written, d.bytes_written);
  EXPECT_EQ(after.dispatches - before.dispatches, static_cast<uint64_t>(d.dispatches));
  EXPECT_EQ(after.kernels_compiled, before.kernels_compiled) << "describing makes the kernels";
}

TEST_F(Descriptions, CallArgumentsByTheirNumbers) {
  const NodeRef x = param(DType::f32, {4}), y = param(DType::f32, {4});
  const FunctionRef f = function({x, y}, {elementwise(Op::add, {x, y}), y});
  const std::string text = explain(*engine_, *f, {.arguments = {2, 7}});
  EXPECT_NE(text.find("  argument 2: f32{4}"), std::string::npos) << text;
  EXPECT_NE(text.find("add; reads argument 2, argument 7\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  result 1: f32{4}, argument 7\n"), std::string::npos) << text;
}

TEST_F(Descriptions, NameArgumentsThatAreWrittenOverOrNotRead) {
  const NodeRef x = param(DType::f32, {4096}), y = param(DType::f32, {2});
  const ProgramDescription d =
      described(function({x, y}, {elementwise(Op::add, {x, num(DType::f32, 1)})}));
  EXPECT_EQ(d.donated, std::vector<int>{0});
  EXPECT_EQ(d.arguments[0].source, Source::argument);
  EXPECT_EQ(d.arguments[1].source, Source::none);
}

// A product, then what reads it twice: one temporary of 64 floats.
TEST_F(Descriptions, CountTemporaries) {
  const NodeRef a = param(DType::f32, {8, 8});
  const NodeRef p = matmul(a, a);
  const NodeRef total = reduce(Op::sum, p, Axes{0, 1}, false);
  const FunctionRef f = function({a}, {elementwise(Op::divide, {p, total})});
  const ProgramDescription d = described(f);
  ASSERT_GE(d.steps.size(), 2U);
  uint64_t workspaces = 0;
  for (const StepDescription& s : d.steps) workspaces = std::max(workspaces, s.workspaces);
  EXPECT_GE(d.temporaries, 64 * 4U);
  EXPECT_LE(d.temporaries, 64 * 4U + 16 + workspaces);
}

FunctionRef nested_loop(Engine& engine) {
  const auto param = [&](DType type, Shape shape = {}) {
    return parameter(engine.graveyard(), type, std::move(shape));
  };
  const auto num = [&](DType type, double v) {
    return constant(engine.graveyard(), make_scalar(type, v), {});
  };
  const NodeRef p = param(DType::f32, {3}), q = param(DType::f32, {3});
  const FunctionRef twice = function({p}, {elementwise(Op::add, {p, p})});
  const FunctionRef same = function({q}, {elementwise(Op::negate, {q})});
  const NodeRef i = param(DType::s32), v = param(DType::f32, {3});
  const NodeRef is_odd = elementwise(Op::bitwise_and, {i, num(DType::s32, 1)});
  const Nodes chosen = branch(Nodes{is_odd}, Nodes{v}, std::vector<FunctionRef>{twice, same});
  const FunctionRef body =
      function({i, v}, {elementwise(Op::add, {i, num(DType::s32, 1)}), chosen[0]});
  const NodeRef ci = param(DType::s32), cv = param(DType::f32, {3});
  const FunctionRef condition =
      function({ci, cv}, {elementwise(Op::less, {ci, num(DType::s32, 4)})});
  const NodeRef start = param(DType::s32), x = param(DType::f32, {3});
  return function({start, x}, {loop(Nodes{start, x}, condition, body)[1]});
}

TEST_F(Descriptions, HaveLoopsAndBranchesInside) {
  const ProgramDescription d = described(nested_loop(*engine_));
  ASSERT_EQ(d.steps.size(), 1U);
  const StepDescription& loop = d.steps[0];
  EXPECT_EQ(loop.kind, Kind::loop);
  EXPECT_EQ(loop.rounds, "counted on the host where it knows the start, else read in each round");
  ASSERT_EQ(loop.parts.size(), 2U);
  EXPECT_EQ(loop.parts[0].name, "condition");
  const ProgramDescription& body = loop.parts[1].program;
  const auto at = std::find_if(body.steps.begin(), body.steps.end(),
                               [](const auto& s) { return s.kind == Kind::branch; });
  ASSERT_NE(at, body.steps.end());
  ASSERT_EQ(at->parts.size(), 2U);
  EXPECT_EQ(at->parts[1].name, "else");
  EXPECT_EQ(names_of(at->parts[1].program.steps.at(0).summary), "negate");
  const std::string text = to_text(d);
  EXPECT_NE(text.find("\n    branch -> f32{3}\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n        pointwise region -> f32{3} (cut: root)\n"), std::string::npos)
      << text;
}

// What is counted inside of a loop does not have its condition read more often.
TEST_F(Descriptions, TellHowOftenAConditionIsRead) {
  const auto like = [&] { return param(DType::f32, {3}); };
  const auto is_small = [&](const NodeRef& v) {
    return elementwise(Op::less, {reduce(Op::sum, v, {}, false), num(DType::f32, 100)});
  };
  const auto repeat = [&](const NodeRef& x, int rounds) {
    const NodeRef i = param(DType::s32), j = param(DType::s32), v = like(), w = like();
    return loop(Nodes{num(DType::s32, 0), x},
                function({i, v}, {elementwise(Op::less, {i, num(DType::s32, rounds)})}),
                function({j, w}, {elementwise(Op::add, {j, num(DType::s32, 1)}),
                                  elementwise(Op::exp, {w})}))[1];
  };
  const NodeRef x = like(), a = like(), b = like(), c = like(), d = like();
  const FunctionRef condition = function({a}, {is_small(a)});
  const NodeRef counted = loop(Nodes{x}, condition, function({b}, {repeat(b, 100)}))[0];
  const NodeRef once = loop(Nodes{c}, condition, function({d}, {repeat(d, 100)}))[0];
  const NodeRef y = like();
  const NodeRef twice = loop(Nodes{y}, condition, function({c}, {once}))[0];
  EXPECT_EQ(described(function({x}, {counted})).steps[0].rounds,
            "the condition is read once a batch of rounds");
  EXPECT_EQ(described(function({y}, {twice})).steps[0].rounds,
            "the condition is read in each round");
}

TEST_F(Descriptions, EvaluationsAndFunctionsAreToldAlike) {
  const NodeRef x = filled(*engine_, 64, 2), p = param(DType::f32, {64});
  const auto graph = [](const NodeRef& v) { return elementwise(Op::exp, {v}); };
  const std::string evaluated = explain(*engine_, graph(x));
  const std::string called = explain(*engine_, *function({p}, {graph(p)}), {.name = "e"});
  const std::string line = "  step 1: exp; reads ";
  EXPECT_NE(evaluated.find(line + "stored value 0\n"), std::string::npos) << evaluated;
  EXPECT_NE(called.find(line + "argument 0\n"), std::string::npos) << called;
  EXPECT_EQ(
      called.find("program e: 1 step, 1 kernel, 1 dispatch; reads 256 bytes, writes 256 bytes, "
                  "64 FLOPs\n"),
      0U)
      << called;
  const auto key = [](const std::string& text) { return text.substr(text.find("; key "), 22); };
  EXPECT_EQ(key(evaluated), key(called)) << evaluated << called;
}

TEST_F(Descriptions, PicturesHaveACardForEachStep) {
  const FunctionRef f = nested_loop(*engine_);
  const std::string svg =
      explain(*engine_, *f, {.format = ExplainFormat::svg, .name = "a < b & \"c\""});
  EXPECT_EQ(svg.find("<?xml"), 0U);
  EXPECT_NE(svg.find("<title>a &lt; b &amp; &quot;c&quot;</title>"), std::string::npos);
  const auto count = [&](const std::string& what) {
    size_t n = 0;
    for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("<g>") + count("<g "), count("</g>"));
  EXPECT_EQ(count(">1  loop<"), 1U);
  EXPECT_EQ(count("  branch<"), 1U);
  EXPECT_EQ(count(">if operand 0 holds<"), 1U);
  EXPECT_EQ(count("nan"), 0U);
}

TEST(LayeredGraph, BoxesOfALayerDoNotOverlap) {
  std::vector<Placed> boxes(9);
  for (size_t i = 0; i < boxes.size(); ++i) boxes[i].width = boxes[i].height = 40.0 + 10.0 * i;
  boxes[3].depends_on = {0, 1};
  boxes[4].depends_on = {0, 3};
  boxes[5].depends_on = {2};
  boxes[6].depends_on = {0, 5};
  boxes[7].depends_on = {1, 4, 6};
  boxes[8].depends_on = {0, 7};
  const LayeredGraph graph = place(boxes);
  EXPECT_EQ(graph.lines.size(), 12U);
  for (const Placed& a : boxes) {
    EXPECT_GE(a.x, 0);
    EXPECT_LE(a.x + a.width, graph.width);
    EXPECT_LE(a.y + a.height, graph.height);
    for (size_t d : a.depends_on) EXPECT_GE(a.y, boxes[d].y + boxes[d].height);
    for (const Placed& b : boxes) {
      const bool is_apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y ||
                            b.y + b.height <= a.y;
      EXPECT_TRUE(&a == &b || is_apart);
    }
    // No line crosses a box in a layer that it passes.
    for (const auto& line : graph.lines) {
      for (size_t k = 1; k < line.size(); ++k) {
        if (line[k - 1].x != line[k].x) continue;
        const bool passes = line[k - 1].y < a.y + a.height && line[k].y > a.y;
        EXPECT_TRUE(!passes || line[k].x <= a.x || line[k].x >= a.x + a.width);
      }
    }
  }
}

}  // namespace
}  // namespace nxv::runtime

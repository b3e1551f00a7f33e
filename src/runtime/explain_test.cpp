#include <array>
#include <sstream>

#include "library/registry.h"
#include "runtime/describe.h"
#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

// Lines that begin with `start`.
std::vector<std::string> lines_of(const std::string& text, const std::string& start) {
  std::vector<std::string> found;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(start, 0) == 0) found.push_back(line);
  }
  return found;
}

NodeRef doubled_sum(Engine& engine) {
  const NodeRef x = filled(engine, 6, 2);
  return reduce(Op::sum, elementwise(Op::add, {x, x}), Axes{0}, false);
}

TEST(Explain, NamesRegionsReasonsAndKernels) {
  NXV_OPEN_OR_SKIP(engine);
  const std::string text = explain(*engine, doubled_sum(*engine));
  EXPECT_EQ(lines_of(text, "reduction region -> f32{} (cut: root)").size(), 1u) << text;
  EXPECT_EQ(lines_of(text, "kernel ").size(), 1u) << text;
  EXPECT_EQ(lines_of(text, "param ").size(), 0u) << text;
}

TEST(Explain, SaysThatWindowsAreGathered) {
  NXV_OPEN_OR_SKIP(engine);
  const std::vector<NodeRef> operands = {filled(*engine, 7, 1), filled(*engine, 3, 1)};
  const std::vector<NodeRef> shaped = {reshape(operands[0], {1, 1, 7}),
                                       reshape(operands[1], {1, 1, 3})};
  const std::vector<library::Option> options = {{"low", {1}, {}}, {"high", {1}, {}}};
  const std::string text = explain(*engine, library::call("conv", shaped, options)[0]);
  EXPECT_NE(text.find(", windows gathered by the kernel"), std::string::npos) << text;
}

TEST(Explain, StoredValuesRunNothing) {
  NXV_OPEN_OR_SKIP(engine);
  EXPECT_EQ(explain(*engine, filled(*engine, 6, 2)), "already stored: nothing to run\n");
}

// The steps of a decomposition are a line for each kernel, not for each dispatch.
TEST(Explain, CountsDispatchesOfAKernel) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = eye(engine->graveyard(), DType::f32, {40, 40});
  const std::string text = explain(*engine, library::call("lu", std::array{x}, {})[1]);
  EXPECT_EQ(lines_of(text, "kernel lu_rows: 5 times, up to ").size(), 1u) << text;
  EXPECT_EQ(lines_of(text, "kernel lu_rows").size(), 1u) << text;
}

// The 64-bit product is made of pairs where there are no 64-bit integers, and nothing is computed
// that nobody reads.
TEST(Explain, ShowsKernelsAsTheyRun) {
  EngineOptions options = test_options();
  options.device.plan.disable = {"int64"};
  NXV_OPEN_OR_SKIP(engine, options);
  const NodeRef x = vector(*engine, std::vector<int64_t>{1, 2, 3});
  const NodeRef square = elementwise(Op::multiply, {x, x});
  const std::string text = explain(*engine, square, {.ir = true});
  EXPECT_EQ(lines_of(text, "kernel pointwise, local_size").size(), 1u) << text;
  EXPECT_EQ(text.find("= mul s64"), std::string::npos) << text;
  EXPECT_NE(text.find("= mul u32"), std::string::npos) << text;
  EXPECT_EQ(text.find("mul u32 0,"), std::string::npos) << text;
}

}  // namespace
}  // namespace nxv::runtime

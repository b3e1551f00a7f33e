#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;

TEST(InterpreterRefuses, ArgumentsThatDoNotFit) {
  Builder b("arguments");
  b.set_subgroup_size(32);
  b.buffer("out", Access::write);
  b.param("n", ir::kU32);
  const ir::Kernel kernel = b.finish();
  std::vector<uint32_t> words(1);
  const std::vector<uint32_t> constant(1);
  const Argument n = Argument::number(1u);
  EXPECT_NO_THROW(run(kernel, {}, std::vector{Argument::buffer(words), n}));
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words)}), Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(constant), n}), Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words), Argument::buffer(words)}),
               Error);
  EXPECT_THROW(run(kernel, {}, std::vector{Argument::buffer(words), n}, {.subgroup_size = 8}),
               Error);
}

}  // namespace
}  // namespace nxv::testing

// What tests of Functions share: an engine, parameters and numbers of it, Functions of them.
#pragma once

#include <utility>

#include "graph/function.h"
#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {

using Nodes = std::vector<NodeRef>;

inline FunctionRef function(Nodes parameters, Nodes results) {
  return std::make_shared<const Function>(std::move(parameters), std::move(results));
}

class FunctionFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }
  NodeRef param(DType type, Shape shape = {}) {
    return parameter(engine_->graveyard(), type, std::move(shape));
  }
  NodeRef num(DType type, double v) {
    return constant(engine_->graveyard(), make_scalar(type, v), {});
  }

  std::shared_ptr<Engine> engine_;
};

}  // namespace nxv::runtime

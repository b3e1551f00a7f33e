// What the tests of this folder share: values to build graphs of, without an engine.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "graph/build.h"
#include "testing/reference/reference.h"

namespace nxv::schedule {

class Graphs : public ::testing::Test {
 protected:
  NodeRef data(Shape shape, DType type = DType::f32) {
    const auto bytes = static_cast<size_t>(element_count(shape) * storage_bytes(type));
    return host_value(owner_, type, std::move(shape), std::vector<std::byte>(bytes));
  }
  NodeRef number(double v, DType type = DType::f32) {
    return constant(owner_, make_scalar(type, v), {});
  }
  static NodeRef add(const NodeRef& a, const NodeRef& b) { return elementwise(Op::add, {a, b}); }

  const GraveyardRef owner_ = host_graveyard();
};

}  // namespace nxv::schedule

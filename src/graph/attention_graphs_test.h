// What tests of graphs with attention that is written out share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "testing/graph/written_softmax.h"
#include "testing/reference/reference.h"

namespace nxv {

class AttentionGraphs : public ::testing::Test {
 protected:
  // `type`: of queries, keys and values where a test names no other.
  explicit AttentionGraphs(DType type) : type_(type) {}

  NodeRef num(double v, DType type = DType::f32) const {
    return constant(yard_, make_scalar(type, v), {});
  }
  NodeRef iota_of(Shape shape, int64_t axis) const {
    return iota(yard_, DType::s32, std::move(shape), axis);
  }
  // Different numbers in [-2, 2].
  NodeRef noise(DType type, Shape shape) {
    const int64_t count = element_count(shape);
    std::vector<std::byte> stored(static_cast<size_t>(count * storage_bytes(type)));
    for (int64_t i = 0; i < count; ++i) {
      ++numbers_;
      const double v = 2 * std::sin(static_cast<double>(numbers_ * numbers_ % 1009));
      store_scalar(make_scalar(type, v), stored.data(), i);
    }
    return host_value(yard_, type, std::move(shape), std::move(stored));
  }

  NodeRef masked(const NodeRef& mask, const NodeRef& x, double low) const {
    return elementwise(Op::select, {broadcast(mask, x->shape), x, num(low, x->dtype)});
  }
  NodeRef causal(int64_t queries, int64_t keys, int64_t offset = 0) const {
    const NodeRef shifted = op(Op::add, iota_of({queries, keys}, 0),
                               constant(yard_, make_scalar(DType::s32, offset), {}));
    return op(Op::greater_equal, shifted, iota_of({queries, keys}, 1));
  }

  // {2, 3, 5, 8} queries, keys and values of 7; the product by heads.
  NodeRef scores() { return scores(type_); }
  NodeRef scores(DType type) {
    q_ = noise(type, {2, 3, 5, 8});
    k_ = noise(type, {2, 3, 7, 8});
    v_ = noise(type, {2, 3, 7, 4});
    return dot(q_, k_, {{3}, {3}, {0, 1}, {0, 1}});
  }
  NodeRef weighted(const NodeRef& weights) const {
    return dot(cast(weights, v_->dtype), v_, {{3}, {2}, {0, 1}, {0, 1}});
  }

  GraveyardRef yard_ = host_graveyard();
  NodeRef q_, k_, v_;

 private:
  const DType type_;
  int64_t numbers_ = 0;
};

}  // namespace nxv

// Expressions that are written down once: `explain` shows what they run, `bench` times them.
#pragma once

#include <span>
#include <string_view>

#include "graph/build.h"

namespace nxv::tools {

// Of f32 values; x and y of one shape.
NodeRef chain_of_eight(const NodeRef& x, const NodeRef& y);
NodeRef softmax(const NodeRef& x);     // along the last axis
NodeRef layer_norm(const NodeRef& x);  // along the last axis, without gain and bias
NodeRef mean(const NodeRef& x);        // of all elements
NodeRef scalar(const GraveyardRef& owner, double v);

struct Expression {
  std::string_view name, meaning;
  NodeRef (*build)(const GraveyardRef& owner);
};
std::span<const Expression> expressions();

}  // namespace nxv::tools

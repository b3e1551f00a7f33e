// Functions: closed graphs, results in terms of parameters.
//
// A Function is built as any value is, from parameter nodes. What its results need besides the
// parameters is part of it too: generators are computed on each call, values that somebody stored
// are captured when the Function is first called.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/node.h"

namespace nxv {

class Function {
 public:
  // Throws Error(invalid_argument) when a parameter is none or is named twice, when there is no
  // result, when a result depends on a parameter that is not among these, or when results belong to
  // different engines.
  Function(std::vector<NodeRef> parameters, std::vector<NodeRef> results);
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  const std::vector<NodeRef> parameters;
  const std::vector<NodeRef> results;
  // Of all Functions of the process.
  const uint64_t id;

  // For people who profile its calls; not changed any more once it was called.
  mutable std::string name;
  // Programs that the runtime made of it; the engine's thread only.
  mutable std::shared_ptr<void> program;
};

// Throws Error(invalid_argument), naming the first difference, when arguments are not of the
// parameters' types and shapes.
void check_arguments(const Function& function, std::span<const NodeRef> arguments);

// The results of a loop: while the condition of the state holds, the state becomes the body's
// results. The condition has one result, a scalar; the body's results are of the state's types and
// shapes. Throws Error(invalid_argument) otherwise.
std::vector<NodeRef> loop(std::span<const NodeRef> state, const FunctionRef& condition,
                          const FunctionRef& body);

// The results of one of the functions, called with the arguments: the first for which the
// predicate, a scalar, is not zero; else the last one. There is one predicate fewer than functions,
// and all have results of the same types and shapes.
std::vector<NodeRef> branch(std::span<const NodeRef> predicates, std::span<const NodeRef> arguments,
                            std::span<const FunctionRef> functions);

}  // namespace nxv

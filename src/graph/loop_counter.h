// What the host knows of a loop: the part of its state that follows from itself by integer
// arithmetic, and the condition, where that depends on no other part.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "graph/scalar_program.h"

namespace nxv {

class Function;

class LoopCounter {
 public:
  // Nothing where the condition depends on what only the device knows.
  static std::optional<LoopCounter> of(const Function& condition, const Function& body);

  // Whether another round follows; nothing where a value that this depends on is not known.
  std::optional<bool> holds(std::span<const std::optional<Scalar>> state) const;
  // The followed elements of the state after a round.
  void advance(std::vector<std::optional<Scalar>>& state) const;
  // Visits the followed elements, by their index.
  template <typename Visit>
  void each_element(Visit&& visit) const {
    for (const auto& [element, next] : carried_) visit(element);
  }

 private:
  ScalarProgram condition_, body_;
  int holds_ = 0;  // in the condition's values
  // An element of the state, its next value in the body's.
  std::vector<std::pair<size_t, size_t>> carried_;
};

}  // namespace nxv

#include "graph/loop_counter.h"

#include <algorithm>

#include "graph/function.h"

namespace nxv {

// Grows what is followed until it follows from itself.
std::optional<LoopCounter> LoopCounter::of(const Function& condition, const Function& body) {
  LoopCounter counter;
  const auto holds = counter.condition_.add(*condition.results[0], condition.parameters);
  if (!holds) return std::nullopt;
  counter.holds_ = *holds;
  std::vector<int> followed = counter.condition_.parameters();
  for (size_t i = 0; i < followed.size(); ++i) {
    const auto element = static_cast<size_t>(followed[i]);
    const auto next = counter.body_.add(*body.results[element], body.parameters);
    if (!next) return std::nullopt;
    counter.carried_.emplace_back(element, static_cast<size_t>(*next));
    for (int p : counter.body_.parameters()) {
      if (std::find(followed.begin(), followed.end(), p) == followed.end()) followed.push_back(p);
    }
  }
  return counter;
}

std::optional<bool> LoopCounter::holds(std::span<const std::optional<Scalar>> state) const {
  const std::optional<Scalar> value = condition_.run(state)[static_cast<size_t>(holds_)];
  if (!value) return std::nullopt;
  return to_int64(*value) != 0;
}

void LoopCounter::advance(std::vector<std::optional<Scalar>>& state) const {
  const std::vector<std::optional<Scalar>> next = body_.run(state);
  for (const auto& [element, value] : carried_) state[element] = next[value];
}

}  // namespace nxv

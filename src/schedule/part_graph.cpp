#include "schedule/part_graph.h"

#include <algorithm>
#include <utility>

namespace nxv::schedule {
namespace {

// Parts that a search looks at.
constexpr size_t kMostVisits = 1024;

void append(std::vector<int>& to, std::vector<int>& from) {
  to.insert(to.end(), from.begin(), from.end());
  from = {};
}

}  // namespace

PartGraph::PartGraph(std::vector<std::vector<int>> inputs)
    : inputs_(std::move(inputs)),
      readers_(inputs_.size()),
      joined_to_(inputs_.size()),
      levels_(inputs_.size()),
      visited_(inputs_.size()) {
  for (size_t i = inputs_.size(); i-- > 0;) {
    joined_to_[i] = static_cast<int>(i);
    for (int input : inputs_[i]) {
      readers_[input].push_back(static_cast<int>(i));
      levels_[i] = std::max(levels_[i], levels_[input] + 1);
    }
  }
}

int PartGraph::find(int part) const {
  while (joined_to_[part] != part) part = joined_to_[part];
  return part;
}

bool PartGraph::can_join(int a, int b) { return !leads_around(a, b) && !leads_around(b, a); }

bool PartGraph::leads_around(int from, int to) {
  std::vector<int> stack;
  ++visit_;
  const auto visit = [&](int part) {
    // Paths lead downwards.
    if (levels_[part] <= levels_[to] || visited_[part] == visit_) return;
    visited_[part] = visit_;
    stack.push_back(part);
  };
  for (int input : inputs_[from]) {
    if (find(input) != to) visit(find(input));
  }
  for (size_t visits = 0; !stack.empty(); ++visits) {
    if (visits == kMostVisits) return true;
    const int part = stack.back();
    stack.pop_back();
    for (int input : inputs_[part]) {
      if (find(input) == to) return true;
      visit(find(input));
    }
  }
  return false;
}

void PartGraph::join(int to, int from) {
  joined_to_[from] = to;
  append(inputs_[to], inputs_[from]);
  append(readers_[to], readers_[from]);
  const auto is_inner = [&](int part) { return find(part) == to; };
  std::erase_if(inputs_[to], is_inner);
  std::erase_if(readers_[to], is_inner);
  levels_[to] = std::max(levels_[to], levels_[from]);
  raise(to);
}

void PartGraph::put_before(int first, int then) {
  const auto is_then = [&](int input) { return find(input) == then; };
  const std::vector<int>& inputs = inputs_[first];
  const bool depends = std::any_of(inputs.begin(), inputs.end(), is_then);
  if (first == then || depends || leads_around(first, then)) return;
  inputs_[then].push_back(first);
  readers_[first].push_back(then);
  levels_[then] = std::max(levels_[then], levels_[first] + 1);
  raise(then);
}

// Lifts readers above it.
void PartGraph::raise(int part) {
  std::vector<int> stack = {part};
  while (!stack.empty()) {
    const int input = stack.back();
    stack.pop_back();
    for (int r : readers_[input]) {
      const int reader = find(r);
      if (levels_[reader] > levels_[input]) continue;
      levels_[reader] = levels_[input] + 1;
      stack.push_back(reader);
    }
  }
}

std::vector<int> PartGraph::order() const {
  std::vector<int> order;
  std::vector<bool> seen(inputs_.size());
  std::vector<std::pair<int, size_t>> stack;
  const auto visit = [&](int part) {
    if (seen[part]) return;
    seen[part] = true;
    stack.emplace_back(part, 0);
  };
  for (size_t i = inputs_.size(); i-- > 0;) {
    visit(find(static_cast<int>(i)));
    while (!stack.empty()) {
      auto& [part, next] = stack.back();
      if (next < inputs_[part].size()) {
        visit(find(inputs_[part][next++]));
      } else {
        order.push_back(part);
        stack.pop_back();
      }
    }
  }
  return order;
}

std::vector<int> PartGraph::concurrent_order(const std::vector<Traits>& traits,
                                             size_t ahead) const {
  std::vector<int> left = order(), result;
  // Parts of a group run at the same time; those of the next wait for them.
  std::vector<int> group_of(inputs_.size(), -1);
  int group = 0;
  // The earliest group that a part may belong to, or none while an input has none.
  const auto earliest = [&](int part) {
    int first = 0;
    for (int input : inputs_[part]) {
      const int before = find(input);
      if (before == part) continue;
      if (group_of[before] < 0) return -1;
      first = std::max(first, group_of[before] + !traits[before].is_free);
    }
    return first;
  };
  size_t begin = 0;  // of what is left
  while (begin < left.size()) {
    const size_t end = std::min(left.size(), begin + ahead);
    size_t chosen = begin;
    int first = earliest(left[begin]);
    for (size_t i = begin; i < end; ++i) {
      if (i > begin && !traits[left[i]].is_small) continue;
      const int candidate = earliest(left[i]);
      if (candidate < 0 || (candidate > group && !traits[left[i]].is_free)) continue;
      chosen = i;
      first = candidate;
      break;
    }
    const int part = left[chosen];
    if (!traits[part].is_free) group = std::max(group, first);
    group_of[part] = traits[part].is_free ? first : group;
    result.push_back(part);
    std::rotate(left.begin() + static_cast<std::ptrdiff_t>(begin),
                left.begin() + static_cast<std::ptrdiff_t>(chosen),
                left.begin() + static_cast<std::ptrdiff_t>(chosen) + 1);
    ++begin;
  }
  return result;
}

}  // namespace nxv::schedule

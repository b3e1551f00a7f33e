#include "runtime/pin_watch.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace nxv::runtime {
namespace {

bool is_view(const NodeRef& node) { return info(node->op).fusion == Fusion::view; }

// Whether everything below is known or stored: an upload may still be waiting for its turn.
class Readiness {
 public:
  bool operator()(const Node& node) {
    if (!node.is_pending()) return node.state() == State::stored;
    if (node.op == Op::data) return node.host_data != nullptr;
    const auto [known, is_new] = ready_.emplace(&node, true);
    if (!is_new) return known->second;
    const bool ready = std::all_of(node.inputs.begin(), node.inputs.end(),
                                   [&](const NodeRef& input) { return (*this)(*input); });
    return ready_[&node] = ready;
  }

 private:
  std::unordered_map<const Node*, bool> ready_;
};

// Moves the nodes that `wanted` holds for, and that can be computed, to the result. Without memory
// for that none is moved.
template <typename Wanted>
std::vector<NodeRef> take(std::vector<NodeRef>& watched, Wanted wanted) {
  Readiness is_ready;
  std::vector<NodeRef> result, rest;
  result.reserve(watched.size());
  rest.reserve(watched.size());
  std::vector<bool> is_taken;
  is_taken.reserve(watched.size());
  for (const NodeRef& node : watched) is_taken.push_back(wanted(node) && is_ready(*node));
  for (size_t i = 0; i < watched.size(); ++i) {
    (is_taken[i] ? result : rest).push_back(std::move(watched[i]));
  }
  watched = std::move(rest);
  return result;
}

}  // namespace

void PinWatch::add(const NodeRef& node) {
  // Builders may answer with a node that others know: its inputs are not ours to look at.
  if (node->references() != 1) return;
  const bool is_small = std::any_of(
      node->inputs.begin(), node->inputs.end(),
      [&](const NodeRef& input) { return input->storage_size() > kRatio * node->storage_size(); });
  if (!is_small) return;
  const std::lock_guard lock(mutex_);
  if (!closed_) added_.push_back(node);
}

void PinWatch::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  added_.clear();
  watched_.clear();
}

void PinWatch::forget() {
  {
    const std::lock_guard lock(mutex_);
    watched_.reserve(watched_.size() + added_.size());
    std::move(added_.begin(), added_.end(), std::back_inserter(watched_));
    added_.clear();
  }
  std::erase_if(watched_,
                [](const NodeRef& v) { return !v->is_pending() || v->references() == 1; });
}

std::vector<NodeRef> PinWatch::take_due() {
  struct Views {
    uint32_t references = 0;
    int64_t bytes = 0;
  };
  std::unordered_map<const Node*, Views> views_of;
  for (const NodeRef& view : watched_) {
    if (!is_view(view)) continue;
    for (const NodeRef& input : view->inputs) {
      if (input->state() != State::stored) continue;
      Views& views = views_of[input.get()];
      ++views.references;
      views.bytes += view->storage_size();
    }
  }
  const auto is_due = [&](const NodeRef& view) {
    return is_view(view) &&
           std::any_of(view->inputs.begin(), view->inputs.end(), [&](const NodeRef& input) {
             const auto found = views_of.find(input.get());
             return found != views_of.end() && input->references() == found->second.references &&
                    input->storage().use_count() == 1 &&
                    input->storage_size() > kRatio * found->second.bytes;
           });
  };
  return take(watched_, is_due);
}

std::vector<NodeRef> PinWatch::take_all() {
  return take(watched_, [](const NodeRef&) { return true; });
}

}  // namespace nxv::runtime

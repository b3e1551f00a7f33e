#include "runtime/pin_watch.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace nxv::runtime {
namespace {

bool is_view(const NodeRef& node) { return info(node->op).fusion == Fusion::view; }

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
  const auto due = std::stable_partition(watched_.begin(), watched_.end(),
                                         [&](const NodeRef& view) { return !is_due(view); });
  std::vector<NodeRef> taken(std::make_move_iterator(due), std::make_move_iterator(watched_.end()));
  watched_.erase(due, watched_.end());
  return taken;
}

}  // namespace nxv::runtime

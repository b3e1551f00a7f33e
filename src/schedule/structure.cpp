#include "schedule/structure.h"

#include <algorithm>

#include "graph/attribute_words.h"
#include "schedule/cost.h"

namespace nxv::schedule {
namespace {

class Writer {
 public:
  explicit Writer(std::vector<uint64_t>& out) : out_(out) {}

  void number(int64_t n) { out_.push_back(static_cast<uint64_t>(n)); }
  void numbers(const std::vector<int64_t>& list) {
    number(static_cast<int64_t>(list.size()));
    for (int64_t n : list) number(n);
  }

  // The scalars of constants and of random streams are words.
  void attributes(const Node& node) {
    is_complete = append_attributes(out_, node.attributes, false) && is_complete;
  }

  bool is_complete = true;

 private:
  std::vector<uint64_t>& out_;
};

}  // namespace

// Postorder without recursion: chains may be long.
void Structure::collect(std::span<Node* const> asked_for) {
  constexpr int32_t kVisiting = 0x7fffffff;
  nodes.clear();
  stack_.clear();
  const auto visit = [&](Node* n) {
    if (n->scratch >= 0) return;
    n->throw_if_unreadable();
    stack_.emplace_back(n, 0);
    n->scratch = kVisiting;
  };
  try {
    for (Node* root : asked_for) {
      visit(root);
      while (!stack_.empty()) {
        auto& [node, next] = stack_.back();
        if (!is_boundary(*node) && next < node->inputs.size()) {
          visit(node->inputs[next++].get());
        } else {
          node->scratch = static_cast<int32_t>(nodes.size());
          nodes.push_back(node);
          stack_.pop_back();
        }
      }
    }
  } catch (...) {
    for (auto& [node, next] : stack_) node->scratch = -1;
    for (Node* n : nodes) n->scratch = -1;
    throw;
  }
}

// Needs no look at who holds a value: one that is read again was held since.
void Structure::keep_what_is_read_again() {
  for (Node* reader : nodes) {
    if (is_boundary(*reader) || reader->was_computed) continue;
    for (const NodeRef& input : reader->inputs) {
      const Fusion fusion = info(input->op).fusion;
      const bool is_computed =
          fusion == Fusion::pointwise || fusion == Fusion::reduction || fusion == Fusion::gather;
      if (!is_computed || is_boundary(*input) || !input->was_computed) continue;
      if (std::find(roots.begin(), roots.end(), input.get()) == roots.end()) {
        roots.push_back(input.get());
      }
    }
  }
}

bool Structure::read(std::span<Node* const> asked_for) {
  collect(asked_for);
  const Positions positions(nodes);
  roots.assign(asked_for.begin(), asked_for.end());
  keep_what_is_read_again();
  signature.clear();
  Writer w(signature);
  for (Node* n : nodes) {
    const bool stored = is_boundary(*n);
    const Op op = stored ? Op::data : n->op;
    w.number(static_cast<int64_t>(op) | static_cast<int64_t>(n->dtype) << 16);
    w.numbers(n->shape);
    if (stored) continue;
    w.attributes(*n);
    w.number(static_cast<int64_t>(n->inputs.size()));
    for (const NodeRef& input : n->inputs) w.number(input->scratch);
  }
  for (Node* root : roots) w.number(root->scratch);
  return w.is_complete;
}

}  // namespace nxv::schedule

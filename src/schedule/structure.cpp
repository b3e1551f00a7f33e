#include "schedule/structure.h"

#include <algorithm>

#include "graph/attribute_words.h"
#include "schedule/cost.h"

namespace nxv::schedule {
namespace {

// Instructions of a mathematical function, by the op table.
constexpr int kFunction = 25;

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
      if (is_computed && !is_boundary(*input) && input->was_computed) keep(input.get());
    }
  }
}

void Structure::keep(Node* node) {
  if (std::find(roots.begin(), roots.end(), node) == roots.end()) roots.push_back(node);
}

// First: none of the kind, that is not stored anyway, is among what they are computed from.
void Structure::keep_first_shared(int64_t few) {
  struct Seen {
    int readers = 0;
    bool takes_function = false, has_shared = false;  // it or what it is computed from
  };
  std::vector<Seen> seen(nodes.size());
  for (Node* node : nodes) {
    if (is_boundary(*node)) continue;
    for (auto input = node->inputs.begin(); input != node->inputs.end(); ++input) {
      const auto same = [&](const NodeRef& other) { return other.get() == input->get(); };
      if (std::none_of(node->inputs.begin(), input, same)) ++seen[(*input)->scratch].readers;
    }
  }
  const size_t asked = roots.size();
  for (size_t i = 0; i < nodes.size(); ++i) {
    Node& node = *nodes[i];
    if (is_boundary(node)) continue;
    const bool is_pointwise = info(node.op).fusion == Fusion::pointwise;
    seen[i].takes_function = is_pointwise && info(node.op).cost >= kFunction;
    for (const NodeRef& input : node.inputs) {
      const Seen& of = seen[input->scratch];
      seen[i].takes_function |= is_pointwise && of.takes_function;
      seen[i].has_shared |= of.has_shared;
    }
    if (std::find(roots.begin(), roots.begin() + asked, &node) != roots.begin() + asked) {
      seen[i].has_shared = false;
    } else if (seen[i].takes_function && seen[i].readers > 1 && node.count > 1 &&
               node.count <= few) {
      if (!seen[i].has_shared) keep(&node);
      seen[i].has_shared = true;
    }
  }
}

bool Structure::read(std::span<Node* const> asked_for, int64_t few) {
  collect(asked_for);
  const Positions positions(nodes);
  roots.assign(asked_for.begin(), asked_for.end());
  keep_what_is_read_again();
  if (few > 0 && asked_for.size() == 1 && asked_for[0]->count == 1) keep_first_shared(few);
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

#include "schedule/structure.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "graph/function.h"
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

  // The scalars of constants and of random streams are words; the axes of a product follow from its
  // rank.
  void attributes(const Node& node) {
    std::visit(
        [&](const auto& a) {
          using T = std::decay_t<decltype(a)>;
          if constexpr (std::is_same_v<T, std::monostate> || std::is_same_v<T, ConstantAttr> ||
                        std::is_same_v<T, RandomAttr> || std::is_same_v<T, DotAxes>) {
          } else if constexpr (std::is_same_v<T, IotaAttr> || std::is_same_v<T, ConcatenateAttr>) {
            number(a.axis);
          } else if constexpr (std::is_same_v<T, AxesAttr> || std::is_same_v<T, ReduceAttr>) {
            numbers(a.axes);
          } else if constexpr (std::is_same_v<T, SliceAttr>) {
            numbers(a.starts);
            numbers(a.strides);
          } else if constexpr (std::is_same_v<T, PadAttr>) {
            numbers(a.low);
            numbers(a.interior);
            number(a.zeros);
          } else if constexpr (std::is_same_v<T, WindowsAttr>) {
            numbers(a.window);
            numbers(a.strides);
            numbers(a.dilations);
          } else if constexpr (std::is_same_v<T, ScanAttr>) {
            number(static_cast<int64_t>(a.combine));
            number(a.axis);
            number(a.reverse);
          } else if constexpr (std::is_same_v<T, SortAttr>) {
            number(a.axis);
            number(a.descending);
          } else if constexpr (std::is_same_v<T, FftAttr>) {
            number(a.inverse);
            number(std::bit_cast<int64_t>(a.epsilon));
          } else if constexpr (std::is_same_v<T, TriangularAttr>) {
            number(a.lower | a.left_side << 1 | a.transpose << 2 | a.conjugate << 3);
          } else if constexpr (std::is_same_v<T, ControlAttr>) {
            for (const FunctionRef& f : a.functions) number(static_cast<int64_t>(f->id));
          } else if constexpr (std::is_same_v<T, ResultAttr>) {
            number(a.index);
          } else {
            // Functions of scalars.
            static_assert(std::is_same_v<T, FoldAttr>);
            is_complete = false;
          }
        },
        node.attributes);
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
    n->scratch = kVisiting;
    stack_.emplace_back(n, 0);
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
  for (Node* n : nodes) n->scratch = -1;
  return w.is_complete;
}

}  // namespace nxv::schedule

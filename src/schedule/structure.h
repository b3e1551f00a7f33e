// The structure of a pending graph: all that its schedule depends on, and nothing of its values.
// Graphs of equal structure have equal schedules, up to the words that scalars are passed in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv::schedule {

struct Structure {
  // The pending nodes below the roots and the stored ones that they read, inputs before their
  // readers.
  std::vector<Node*> nodes;
  // Those that were asked for, then those that are stored beside: what an earlier evaluation
  // computed and this one, in which something new reads it, would compute again; and, where a
  // number is asked for, the first values of few elements that several operations read and that
  // take a function such as exp. The number may be the condition of a loop and they the state, from
  // which the next round then starts as this one did.
  std::vector<Node*> roots;
  // Equal for graphs of equal structure alone.
  std::vector<uint64_t> signature;

  // Fills all; they keep their capacity. `few`: elements, at most, of what costs nothing to store
  // beside. False when the graph has what a signature cannot say. Throws the failure of a failed or
  // deallocated node that a root depends on.
  bool read(std::span<Node* const> asked_for, int64_t few = 0);
  bool read(Node& root, int64_t few = 0) {
    Node* const node = &root;
    return read(std::span(&node, 1), few);
  }

 private:
  void collect(std::span<Node* const> asked_for);
  void keep(Node* node);
  void keep_what_is_read_again();
  void keep_first_shared(int64_t few);
  std::vector<std::pair<Node*, size_t>> stack_;
};

// To name nodes by their positions in `nodes` while this lives: Node::scratch holds them.
class Positions {
 public:
  explicit Positions(const std::vector<Node*>& nodes) : nodes_(nodes) {
    for (size_t i = 0; i < nodes.size(); ++i) nodes[i]->scratch = static_cast<int32_t>(i);
  }
  ~Positions() {
    for (Node* n : nodes_) n->scratch = -1;
  }
  Positions(const Positions&) = delete;
  Positions& operator=(const Positions&) = delete;

 private:
  const std::vector<Node*>& nodes_;
};

}  // namespace nxv::schedule

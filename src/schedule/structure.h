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
  // Those that were asked for, then those that an earlier evaluation computed and that this one, in
  // which something new reads them, would compute again: they are stored now.
  std::vector<Node*> roots;
  // Equal for graphs of equal structure alone.
  std::vector<uint64_t> signature;

  // Fills all; they keep their capacity. False when the graph has what a signature cannot say.
  // Throws the failure of a failed or deallocated node that a root depends on.
  bool read(std::span<Node* const> asked_for);
  bool read(Node& root) {
    Node* const node = &root;
    return read(std::span(&node, 1));
  }

 private:
  void collect(std::span<Node* const> asked_for);
  void keep_what_is_read_again();
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

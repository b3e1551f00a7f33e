// A Region while it is built, with what only its construction knows.
#pragma once

#include <vector>

#include "graph/region.h"
#include "schedule/partition.h"

namespace nxv::schedule {

// An index into a node's elements, before the spaces are collapsed and words assigned.
struct Address {
  Level level = Level::row;
  Addressing addressing = Addressing::linear;
  Layout layout;  // strided: over row dims, or over row and column dims
  int path = -1;  // mapped
};

struct RegionDraft {
  RegionDraft(Region& region, const Node& root, const Domain& domain)
      : region(region), root(root), domain(domain) {}

  Region& region;
  const Node& root;  // the first of them
  const Node* row_root =
      nullptr;  // the first of rows: mapped paths of rows start at its coordinates
  const Domain& domain;
  Shape row_shape;      // of rows
  Shape element_shape;  // rows, then columns
  Axes order;           // element_shape[i] is axis order[i] of the reductions' input
  size_t row_dims = 0;
  bool is_small_copy = false;              // of any value that strides express, by one kernel
  std::vector<Address> addresses;          // of each expression
  std::vector<Address> operand_addresses;  // of each operand
  // Of each path step; parents keep which base they start from.
  std::vector<int> parents, bases;

  int base(int path) const { return path < 0 ? path : bases[path]; }
  Level base_level(int base) const {
    if (base == kRowBase) return Level::row;
    return base == kElementBase ? Level::element : region.root_level;
  }
  // Whether some index is computed by walking through the path.
  bool is_mapped(int path) const;

  WordIndex next_word() const { return static_cast<WordIndex>(region.words.size()); }
  void push_word(int64_t v) { region.words.push_back(word(v)); }
  template <WordRecord R>
  void push(const R& record) {
    append(region.words, record);
  }
};

// Where elements of a node of this shape lie, seen through a path.
Address locate(const RegionDraft& draft, const Shape& shape, int path);

// Makes the region that of a kernel which others share: the same results, to the bit.
void share_kernel(RegionDraft& draft);

// Collapses the spaces and fills in the words of all but library regions.
void assign_words(RegionDraft& draft);

// Everything that a kernel's code depends on.
void write_key(RegionDraft& draft);

}  // namespace nxv::schedule

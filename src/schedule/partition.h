// Cuts the pending graph below its roots into regions. A pure function of the graph.
#pragma once

#include <span>
#include <vector>

#include "graph/region.h"

namespace nxv::schedule {

struct Options {
  bool fuse = true;
  // Values of at most so many elements are regions by themselves: small kernels that graphs share,
  // wherever they are cut. Generators are operands of theirs: an operation has one kernel.
  int64_t apart_elements = 0;
  // Constants of at most so many elements that somebody needs in memory are there: whoever runs the
  // regions puts them there.
  int64_t supplied_elements = 0;
  // The device runs regions that do not depend on each other at the same time.
  bool overlaps = false;
  // Products read 8-bit integers as they are, where casts have widened them for a product of the
  // same bits.
  bool narrow_factors = false;
  bool donate = true;  // results may take over the storage of operands that nobody needs any more
  // Where steps leave at least so many bytes for later ones, values that nobody else refers to give
  // up their storage with their last read. To find those costs time on the host.
  int64_t large_bytes = int64_t{16} << 20;
  // Longest row that one workgroup folds while others wait for its result.
  int64_t max_row_program_columns = 32768;
  // Reductions of one row program: each is a loop, and an invocation's loops are bounded.
  int max_row_program_reductions = 4;
};

// Where a reduction's elements lie relative to the root's.
enum class Shape2D : uint8_t {
  none,     // no reduction
  rows,     // the root has a point for each row
  elements  // the root has a point for each element
};

// Paths start at the root's space (-1); when that is one of rows, also at the elements (-2), and
// when it is one of elements, also at the rows (-3).
inline constexpr int kRootBase = -1;
inline constexpr int kElementBase = -2;
inline constexpr int kRowBase = -3;

// A node of the pending graph.
struct Entry {
  Node* node = nullptr;
  int cut = -1;            // that it belongs to
  int readers = 0;         // inputs of others that it is
  bool is_root = false;    // somebody asked for it
  bool is_stored = false;  // a root of a region
  bool is_alias = false;   // stored, but shares its input's storage
  bool is_shared = false;  // inlined into every region that reads it
};

// The points that a region has.
struct Domain {
  Shape2D layout = Shape2D::none;
  const Node* first_reduction = nullptr;  // defines rows and columns
  int reductions = 0;
  const Node* product = nullptr;  // of matrices: its elements are the points,
  bool is_transposed = false;     // or those of its transposition
};

struct Cut {
  int root = -1;  // entry
  SplitReason reason = SplitReason::root;
  Domain domain;
  int part = -1;  // of the partition
};

// What becomes a region: a cut, or several that are joined (joint_roots.h).
struct Part {
  struct Root {
    int entry = -1;
    int base = kRootBase;   // the space of its points
    bool is_stored = true;  // or computed for the other roots alone
  };
  std::vector<int> cuts;
  std::vector<Root> roots;  // inputs before their readers
  Domain domain;
};

// While it lives the nodes' scratch fields hold the positions of their entries.
struct Partition {
  Partition() = default;
  Partition(Partition&&) = default;
  Partition& operator=(Partition&&) = delete;
  ~Partition();

  std::vector<Entry> entries;  // inputs before their readers
  std::vector<Cut> cuts;       // readers before their inputs
  std::vector<Part> parts;     // those without cuts have been joined to others
  std::vector<int> order;      // of parts: each finds its operands stored
};

// Whether it is the root of a matmul, an alias, a library operation or a call of functions: what
// such a one reads is stored or a view of it, however much that is.
bool reads_stored(const Entry& root);

// Whether the value shares no region with others.
bool stays_apart(const Node& node, const Options& options);

// Each root that is pending is stored; what roots share is computed once. Throws the failure of a
// failed or deallocated node that a root depends on.
Partition partition(std::span<Node* const> roots, const Options& options);

}  // namespace nxv::schedule

// A Region: the body of one kernel, as data.
//
// A region computes stored values (its roots, most often one) from stored values (its operands).
// Its expressions form a DAG in topological order. Each is evaluated either once a row or once an
// element: the row space has one point for each result of the region's reductions (without
// reductions: for each element of a root), the element space has `row_count` x `col_count` points,
// the columns being what the reductions fold. A root has an element for each point of one of the
// two spaces. Library regions have one root.
//
// An overwrite region has one root, and a point for each element that it stores in there.
//
// A matmul region has one contraction. What roots make of its sum are expressions of the row
// space, one point for each element of the product. Its factors are expressions of the element
// level, evaluated at the points of a factor: [b, m, k] or [b, k, n].
//
// Everything that a kernel's code depends on goes into `key`; everything else (sizes, strides,
// offsets, scalars) is a 32-bit word in `words` (region_words.h), passed at run time. Expressions
// and operands refer to their words by index, so kernels are generated once a key and filled in on
// each use.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.h"
#include "graph/words.h"

namespace nxv {

enum class RegionKind : uint8_t { pointwise, reduction, row_program, matmul, overwrite, library };

// Why a value became a region of its own instead of part of its reader's.
enum class SplitReason : uint8_t {
  root,              // somebody asked for it
  contraction,       // matmul
  library,           // an operation with kernels of its own
  overwrite,         // stores elements in its target
  control,           // calls functions
  reduction,         // a reduction that its readers cannot take in
  shared,            // read by several regions, dearer to recompute than to store
  repeated,          // windows or parts of a concatenation would compute it again and again
  too_many_ops,      // its reader is at the limit of operations
  too_many_buffers,  // its reader is at the limit of buffers
  materialized,      // its reader needs a strided operand
  no_fusion,         // fusion is switched off, for all values or for those of few elements
};
std::string_view name(SplitReason reason);
std::string_view name(RegionKind kind);

inline constexpr int kMaxRegionOps = 64;
inline constexpr int kMaxRegionBuffers = 8;
inline constexpr int64_t kMaxFixedColumns = 64;

enum class Level : uint8_t { row, element };

// A space of points with mixed-radix coordinates. Words: a Divisor for each dimension but the
// first.
struct Space {
  Shape dims;
  WordIndex words = 0;
  bool of_any_lengths = false;  // kernels do not know which dimensions have length 1
  bool is_unit(size_t d) const { return dims[d] == 1 && !of_any_lengths; }
};

// How an operand's element is found from a point of its level's space.
enum class Addressing : uint8_t {
  linear,    // the point's linear index
  uniform,   // one element for all points; OffsetWords
  strided,   // OffsetWords, then a stride for each dimension of the level's space; of factors of
             // a contraction: MatrixWords
  mapped,    // through the steps of `path`; words: row-major strides of the node's axes
  gathered,  // factors of a contraction: by digits of their indices (GatheredShape)
};

// A factor whose elements are windows of a stored value. Its batch, its free index (the row of A,
// the column of B) and its depth are numbers of several digits each, every one of which moves the
// element by a stride, and the coordinates along axes that are checked by steps. Beyond the ends of
// those, and between the elements of an axis that is dilated, the factor is zero.
// Words: OffsetWords; CheckedAxis for each axis; for each digit, outermost first, of the batch,
// then of the free index and of the depth, DigitWords and a step along each axis.
struct GatheredShape {
  static constexpr size_t kMaxAxes = 4, kMaxDigits = 8;
  enum Index : uint8_t { batch, free, depth };
  std::array<uint8_t, 3> digits = {};  // of each index
  uint8_t axes = 0;                    // that are checked
  uint8_t dilated = 0;                 // of those, a bit each
  // Of each digit of an index, the axes that it moves along: a bit each.
  std::array<std::array<uint8_t, kMaxDigits>, 3> moves = {};

  // Strided matrices, of a batch whose index alone has several digits.
  bool is_matrices() const { return axes == 0 && digits[free] == 1 && digits[depth] == 1; }
};

// One step from the coordinates of a view to those of its input.
struct PathStep {
  const Node* view = nullptr;
  int32_t input = 0;    // which input of the view is followed
  int32_t parent = -1;  // the step before, -1: the region's space
  WordIndex words = 0;
};

// What a pad does along an axis: kernels leave out what does not matter.
enum class PadKind : uint8_t { none, ends, interior };
inline PadKind pad_kind(const PadAttr& pad, size_t axis) {
  if (pad.interior[axis] != 0) return PadKind::interior;
  return pad.low[axis] == 0 && pad.high[axis] == 0 ? PadKind::none : PadKind::ends;
}

enum class ExprKind : uint8_t {
  load,      // operand
  generate,  // constant, iota, eye, random: from the element's index
  compute,   // pointwise operation of `args`
  inside,    // pad, concatenate: u8, whether the point lies inside the part (`path`)
  choose,    // args[0] ? args[1] : args[2], of one type
  reduce,    // reduction of args[0] over the columns
  contract,  // sum over k of args[0] at [b, m, k] times args[1] at [b, k, n]
  gather,    // element of a dense operand, at the index args[0]
};

struct Expr {
  ExprKind kind = ExprKind::load;
  Level level = Level::row;
  Op op = Op::data;
  DType dtype = DType::f32;                    // of what is only moved: any of its width
  std::array<int16_t, 3> args = {-1, -1, -1};  // earlier expressions
  int16_t operand = -1;                        // load, gather
  Addressing addressing = Addressing::linear;  // generate, inside
  // contract: the factors have changed places, those of the transposed product. Its elements have
  // the bits that they have without.
  bool is_transposed = false;
  Precision precision = Precision::accurate;  // contract
  // generate, inside: when mapped. compute that may fault: when pads and concatenations on the path
  // leave points out.
  int32_t path = -1;
  WordIndex words = 0;  // generate: of the index, as for an operand; constant: the scalar's bits;
                        // gather: GatherWords; contract: ProductWords
  WordIndex extra = 0;  // iota along an axis: IotaWords; eye: EyeWords; random: RandomWords
  const Node* node = nullptr;
};

struct Operand {
  NodeRef node;
  Level level = Level::row;
  Addressing addressing = Addressing::linear;
  WordIndex words = 0;
  int32_t path = -1;
  bool unit_columns = false;  // strided: consecutive columns are adjacent elements
  // With OffsetWords or MatrixWords: the offset. Words have what of it they reach (offset_word).
  int64_t start = 0;
  GatheredShape gathered;
};

struct Root {
  NodeRef node;
  int16_t expr = -1;  // -1: of regions without expressions
  Level level = Level::row;
  // Of an overwrite region: the expression that names the element of each point, and the operand
  // that has all others.
  int16_t place = -1, target = -1;
};

struct Region {
  RegionKind kind = RegionKind::pointwise;
  SplitReason reason = SplitReason::root;
  std::vector<Root> roots;
  NodeRef root;                   // the first of them
  Level root_level = Level::row;  // of the space whose coordinates are those of a root
  int64_t row_count = 1, col_count = 1;
  Space rows;          // for row-level operands
  Space element_rows;  // for element-level operands: their row part
  Space element_cols;  // and their column part
  Space row_base;      // coordinates of mapped paths that start at a row
  Space element_base;  // coordinates of mapped paths that start at an element
  std::vector<Expr> exprs;
  size_t element_row_rank = 0;  // how many dimensions of element_base are those of rows
  // The columns are those of a small window, whose shape is part of the key: kernels may unroll it.
  bool fixed_columns = false;
  // Axis i of the reductions' input is coordinate element_axes[i] of element_base.
  Axes element_axes;
  std::vector<Operand> operands;
  std::vector<PathStep> paths;
  std::vector<uint32_t> words;
  std::string key;
  // Operations that may fault: a word each of the fault slot, in the order in which they compute.
  std::vector<Op> faults;
  void add_root(NodeRef node, int expr, Level level = Level::row) {
    if (roots.empty()) root = node;
    roots.push_back({std::move(node), static_cast<int16_t>(expr), level, -1, -1});
  }
  // Index of the contraction among the expressions, of matmul regions.
  int contraction() const {
    const auto at = std::find_if(exprs.begin(), exprs.end(),
                                 [](const Expr& e) { return e.kind == ExprKind::contract; });
    return at == exprs.end() ? -1 : static_cast<int>(at - exprs.begin());
  }
  bool can_fault() const { return !faults.empty(); }
  uint32_t fault_word(Op op) const {
    return static_cast<uint32_t>(std::find(faults.begin(), faults.end(), op) - faults.begin());
  }
};

// Appends a number to a key, whole: one byte for -1 to 253, nine for others. No sequence of numbers
// begins another one's bytes with different numbers.
void append_to_key(std::string& key, int64_t number);

// Whether an invocation of the region's kernel reads of the operand at most the elements, at the
// byte positions, that it then writes of the root: the two may share storage. A function of the
// key.
bool is_read_in_place(const Region& region, size_t operand, size_t root);

inline bool has_roots_of(const Region& region, Level level) {
  return std::any_of(region.roots.begin(), region.roots.end(),
                     [&](const Root& root) { return root.level == level; });
}
// Calls visit(index, expression) for each root of the level.
template <typename Visit>
void each_root_of(const Region& region, Level level, Visit&& visit) {
  for (size_t r = 0; r < region.roots.size(); ++r) {
    if (region.roots[r].level == level) visit(r, static_cast<int>(region.roots[r].expr));
  }
}

// What a root is computed from: by expression, by operand.
struct Dependencies {
  std::vector<bool> exprs, operands;
};
Dependencies dependencies_of(const Region& region, const Root& root);

}  // namespace nxv

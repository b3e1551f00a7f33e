// Sorting: sorts and scans.
#include <array>
#include <numeric>

#include "graph/build.h"
#include "library/families.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

using Results = std::vector<NodeRef>;

// Kernels of this family write whole words: narrower numbers come in a wider type, and are cast.
DType word_type(DType t) {
  if (storage_bytes(t) >= 4) return t;
  if (is_unsigned(t)) return DType::u32;
  return is_integer(t) ? DType::s32 : DType::f32;
}

void require_real(const Arguments& a) {
  if (is_complex(a.tensor(0)->dtype)) {
    a.fail("complex numbers have no order, got " + describe(a.tensor(0)));
  }
}

// ---- Scans ----

// The axes with `axis` last; its own inverse.
Axes swapped_to_last(const NodeRef& x, int64_t axis) {
  Axes axes(x->shape.size());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  std::swap(axes[static_cast<size_t>(axis)], axes.back());
  return axes;
}

// ---- Scans ----

// Long lines of which only a few are adjacent in memory are better turned first.
bool turns(const NodeRef& x, int64_t axis) {
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < x->shape.size(); ++d) inner *= x->shape[d];
  return inner > 1 && inner < 8 && x->shape[static_cast<size_t>(axis)] >= 1024;
}

NodeRef scan(Op combine, const NodeRef& x, int64_t axis, bool reverse) {
  return make_node(Op::scan, word_type(x->dtype), x->shape, {x}, ScanAttr{combine, axis, reverse});
}

template <Op combine>
Results cumulative(const Arguments& a) {
  a.require_rank(1);
  if (combine == Op::max || combine == Op::min) require_real(a);
  const NodeRef& x = a.tensor(0);
  const int64_t axis = a.axis("axis", 0);
  const bool reverse = a.flag("reverse");
  if (!turns(x, axis)) return {cast(scan(combine, x, axis, reverse), x->dtype)};
  const Axes axes = swapped_to_last(x, axis);
  const auto last = static_cast<int64_t>(axes.size()) - 1;
  return {cast(transpose(scan(combine, transpose(x, axes), last, reverse), axes), x->dtype)};
}

// ---- Sorts ----

// Sorted along the axis: the elements, or where they come from.
NodeRef sorted(Op op, const NodeRef& x, int64_t axis, bool descending) {
  const DType type = op == Op::sort ? word_type(x->dtype) : DType::s32;
  const Axes axes = swapped_to_last(x, axis);
  const NodeRef rows = transpose(x, axes);
  const auto last = static_cast<int64_t>(rows->shape.size()) - 1;
  return transpose(make_node(op, type, rows->shape, {rows}, SortAttr{last, descending}), axes);
}

Results sort(const Arguments& a) {
  a.require_rank(1);
  require_real(a);
  const NodeRef& x = a.tensor(0);
  return {cast(sorted(Op::sort, x, a.axis("axis", 0), a.flag("descending")), x->dtype)};
}

Results argsort(const Arguments& a) {
  a.require_rank(1);
  require_real(a);
  const DType type = a.type("type", DType::s32);
  if (!is_integer(type)) {
    a.fail("positions are integers, not " + std::string(name(type)));
  }
  return {cast(sorted(Op::argsort, a.tensor(0), a.axis("axis", 0), a.flag("descending")), type)};
}

// ---- The greatest ----

// The first k of each row of a matrix.
NodeRef first_of_rows(const NodeRef& x, int64_t k) {
  return slice(x, std::array<int64_t, 2>{}, std::array{x->shape[0], k},
               std::array<int64_t, 2>{1, 1});
}

// x[i][positions[i][j]] of matrices.
NodeRef at_positions(const NodeRef& x, const NodeRef& positions) {
  const auto& owner = x->shared_graveyard();
  const NodeRef row = iota(owner, DType::s32, positions->shape, 0);
  const NodeRef length = constant(owner, make_scalar(DType::s32, x->shape[1]), {});
  return gather(x, elementwise(Op::add, {elementwise(Op::multiply, {row, length}), positions}));
}

// Long rows are sorted by pieces of so many elements, which kernels hold in shared memory.
constexpr int64_t kPiece = 1024;

// Where the greatest k of each row of a matrix are, in order. Those of a long row are among those
// of its pieces: what is equal stays in the order of positions, since pieces do, and what fills the
// last piece comes after all that the row has.
NodeRef greatest(const NodeRef& x, int64_t k) {
  const int64_t rows = x->shape[0], columns = x->shape[1];
  if (columns <= 4 * kPiece || k > kPiece / 4) {
    return first_of_rows(sorted(Op::argsort, x, 1, true), k);
  }
  const int64_t pieces = (columns + kPiece - 1) / kPiece;
  const NodeRef filled =
      pad(x, lowest(x, x->dtype), {{0, 0}, {0, pieces * kPiece - columns}, {0, 0}});
  const NodeRef piece = reshape(filled, {rows * pieces, kPiece});
  const NodeRef inside = first_of_rows(sorted(Op::argsort, piece, 1, true), k);
  const NodeRef candidates = reshape(at_positions(piece, inside), {rows, pieces * k});
  const auto& owner = x->shared_graveyard();
  const NodeRef number = iota(owner, DType::s32, {rows, pieces, k}, 1);
  const NodeRef length = constant(owner, make_scalar(DType::s32, kPiece), {});
  const NodeRef begin = elementwise(Op::multiply, {number, length});
  const NodeRef place = elementwise(Op::add, {begin, reshape(inside, {rows, pieces, k})});
  return at_positions(reshape(place, {rows, pieces * k}), greatest(candidates, k));
}

Results top_k(const Arguments& a) {
  a.require_rank(1);
  require_real(a);
  const NodeRef& x = a.tensor(0);
  const int64_t k = a.integer("k", 1), columns = x->shape.back();
  if (k < 1 || k > columns) {
    a.fail("k must be between 1 and the length of the last axis, got " + std::to_string(k) +
               " for " + describe(x),
           Status::size_mismatch);
  }
  Shape shape = x->shape;
  shape.back() = k;
  const NodeRef rows = reshape(x, {x->count / columns, columns});
  const NodeRef positions = greatest(rows, k);
  return {reshape(at_positions(rows, positions), shape), reshape(positions, shape)};
}

}  // namespace

std::span<const Row> sorting_rows() {
  using enum OptionKind;
  static constexpr OptionRow kAlongAxis[] = {{"axis", integer}, {"reverse", flag}};
  static constexpr OptionRow kSort[] = {{"axis", integer}, {"descending", flag}};
  static constexpr OptionRow kArgsort[] = {{"axis", integer}, {"descending", flag}, {"type", type}};
  static constexpr OptionRow kTop[] = {{"k", integer}};
  static constexpr std::array kRows = {
      Row{"cumulative_sum", 1, kAlongAxis, cumulative<Op::add>,
          "x; axis (0), reverse. Running sums along the axis, in x's type"},
      Row{"cumulative_product", 1, kAlongAxis, cumulative<Op::multiply>,
          "x; axis (0), reverse. Running products along the axis, in x's type"},
      Row{"cumulative_max", 1, kAlongAxis, cumulative<Op::max>,
          "x; axis (0), reverse. Running maxima along the axis; NaN stays"},
      Row{"cumulative_min", 1, kAlongAxis, cumulative<Op::min>,
          "x; axis (0), reverse. Running minima along the axis; NaN stays"},
      Row{"sort", 1, kSort, sort,
          "x; axis (0), descending. Stable; NaN is above infinity, zeros are equal"},
      Row{"argsort", 1, kArgsort, argsort,
          "x; axis (0), descending, type (s32). Where the elements of sort come from"},
      Row{"top_k", 1, kTop, top_k,
          "x -> values, positions (s32); k (1). The greatest along the last axis"},
  };
  return kRows;
}

}  // namespace nxv::library

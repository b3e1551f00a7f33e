// Indexing: gathers, scatters, slices at dynamic starts.
//
// A gather is a linear index, composed of pointwise operations that fuse, and one load. A put finds
// the last update of each slot (the only kernel of its own) and gathers the updates through that.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "graph/build.h"
#include "library/families.h"
#include "library/linear_index.h"

namespace nxv::library {
namespace {

using Strides = std::vector<int64_t>;

void require_integer(const Arguments& a, const NodeRef& x, const char* what) {
  if (!is_integer(x->dtype)) a.fail(std::string(what) + " must be integers, got " + describe(x));
}

// The axes that are not listed, ascending.
Axes other_axes(const Axes& axes, size_t rank) {
  Axes rest;
  for (int64_t d = 0; d < static_cast<int64_t>(rank); ++d) {
    if (std::find(axes.begin(), axes.end(), d) == axes.end()) rest.push_back(d);
  }
  return rest;
}

Shape pick(const Shape& shape, const Axes& axes) {
  Shape picked;
  for (int64_t a : axes) picked.push_back(shape[static_cast<size_t>(a)]);
  return picked;
}

Shape joined(Shape a, const Shape& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// `x` with axes of one element after its own.
NodeRef with_trailing(const NodeRef& x, size_t axes) {
  return reshape(x, joined(x->shape, Shape(axes, 1)));
}

// The indexed axes: the first ones where the caller names none.
Axes axes_of(const Arguments& a) {
  if (a.has("axes")) return a.axes("axes", a.tensor(0));
  const NodeRef &x = a.tensor(0), &indices = a.tensor(1);
  const int64_t count = indices->shape.empty() ? 0 : indices->shape.back();
  Axes axes(static_cast<size_t>(std::min<int64_t>(count, static_cast<int64_t>(x->shape.size()))));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// What gather, indexed_add and indexed_put have in common: index tuples along some axes.
struct Tuples {
  explicit Tuples(const Arguments& a)
      : x(a.tensor(0)),
        indices(a.tensor(1)),
        axes(axes_of(a)),
        rest(other_axes(axes, x->shape.size())),
        tuple_shape(pick(x->shape, axes)),
        rest_shape(pick(x->shape, rest)) {
    require_integer(a, indices, "indices");
    const auto k = static_cast<int64_t>(axes.size());
    if (indices->shape.empty() || indices->shape.back() != k || k == 0) {
      a.fail("the last axis of the indices has one integer for each of " + std::to_string(k) +
                 " axes, got " + describe(indices),
             Status::size_mismatch);
    }
    if (!std::is_sorted(axes.begin(), axes.end())) {
      a.fail("the axes must ascend, got " + to_string(axes));
    }
    batch_shape.assign(indices->shape.begin(), indices->shape.end() - 1);
  }

  // Position of each tuple, with `strides` of the indexed axes.
  NodeRef linear(const Strides& strides) const {
    const Shape front = joined(tuple_shape, rest_shape);
    const auto k = static_cast<int64_t>(axes.size());
    const bool inside = known_inside(*indices, 0, k, front);
    NodeRef sum;
    for (size_t i = 0; i < axes.size(); ++i) {
      sum = plus(sum, times(position(column(i), inside, tuple_shape[i]), strides[i]));
    }
    return sum;
  }

  // What names the slot of each tuple: along one axis the indices themselves, which scatters check.
  NodeRef slots() const {
    const Shape shape{element_count(batch_shape)};
    if (axes.size() > 1) return reshape(linear(row_major_strides(tuple_shape)), shape);
    known_inside(*indices, 0, 1, joined(tuple_shape, rest_shape));
    return reshape(indices, shape);
  }

  // Integer i of each tuple.
  NodeRef column(size_t i) const {
    Shape lengths = indices->shape;
    lengths.back() = 1;
    std::vector<int64_t> starts(lengths.size() - 1, 0);
    starts.push_back(static_cast<int64_t>(i));
    const std::vector<int64_t> strides(lengths.size(), 1);
    return reshape(slice(indices, starts, lengths, strides), batch_shape);
  }

  const NodeRef &x, &indices;
  Axes axes, rest;
  Shape tuple_shape, rest_shape, batch_shape;
};

std::vector<NodeRef> bitcast_op(const Arguments& a) {
  return {bitcast(a.tensor(0), a.type("type"))};
}

std::vector<NodeRef> gather_op(const Arguments& a) {
  const Tuples t(a);
  const Strides strides = row_major_strides(t.x->shape);
  const NodeRef tuples = t.linear(pick(strides, t.axes));
  const Shape shape = joined(t.batch_shape, t.rest_shape);
  const Strides factors = joined(Shape(t.batch_shape.size(), 0), pick(strides, t.rest));
  const NodeRef index =
      plus(with_trailing(tuples, t.rest.size()), offsets(t.x->shared_graveyard(), shape, factors));
  return {gather(t.x, broadcast(index, shape))};
}

std::vector<NodeRef> take_op(const Arguments& a) {
  const NodeRef &x = a.tensor(0), &indices = a.tensor(1);
  require_integer(a, indices, "indices");
  a.require_rank(1);
  const auto axis = static_cast<size_t>(a.axis("axis", 0));
  const auto at = static_cast<std::ptrdiff_t>(axis);
  const Shape before(x->shape.begin(), x->shape.begin() + at);
  const Shape after(x->shape.begin() + at + 1, x->shape.end());
  const Strides strides = row_major_strides(x->shape);
  Strides factors(strides.begin(), strides.begin() + at);
  factors.insert(factors.end(), indices->shape.size(), 0);
  factors.insert(factors.end(), strides.begin() + at + 1, strides.end());
  const Shape shape = joined(joined(before, indices->shape), after);
  // Nx moves the axis to the front before it looks at the indices.
  const Shape front = joined({x->shape[axis]}, joined(before, after));
  const NodeRef along =
      times(position(indices, known_inside(*indices, 0, 1, front), front[0]), strides[axis]);
  const NodeRef index =
      plus(with_trailing(along, after.size()), offsets(x->shared_graveyard(), shape, factors));
  return {gather(x, broadcast(index, shape))};
}

std::vector<NodeRef> take_along_axis_op(const Arguments& a) {
  const NodeRef &x = a.tensor(0), &indices = a.tensor(1);
  require_integer(a, indices, "indices");
  a.require_rank(1);
  const auto axis = static_cast<size_t>(a.axis("axis", 0));
  Shape expected = x->shape;
  if (indices->shape.size() == expected.size()) expected[axis] = indices->shape[axis];
  if (indices->shape != expected) {
    a.fail("the shapes must be equal but along axis " + std::to_string(axis) + ", got " +
               describe(x) + " and " + describe(indices),
           Status::size_mismatch);
  }
  Strides factors = row_major_strides(x->shape);
  const int64_t stride = std::exchange(factors[axis], 0);
  const bool inside = known_inside(*indices, static_cast<int64_t>(axis), 1, x->shape);
  const NodeRef along = times(position(indices, inside, x->shape[axis]), stride);
  return {gather(x, plus(along, offsets(x->shared_graveyard(), indices->shape, factors)))};
}

// ---- Slices ----

// The operands from `first` on: a scalar integer for each axis of the first operand.
std::span<const NodeRef> starts_of(const Arguments& a, size_t first) {
  const std::span<const NodeRef> starts = a.tensors().subspan(first);
  if (starts.size() != a.tensor(0)->shape.size()) {
    a.fail("takes a start for each axis of " + describe(a.tensor(0)) + ", got " +
           std::to_string(starts.size()));
  }
  for (const NodeRef& start : starts) {
    require_integer(a, start, "starts");
    if (start->count != 1) a.fail("a start is a scalar, got " + describe(start));
  }
  return starts;
}

// The starts, where the host knows those that matter.
std::optional<std::vector<int64_t>> known_starts(std::span<const NodeRef> starts,
                                                 const Shape& shape, const Shape& lengths) {
  std::vector<int64_t> known;
  for (size_t d = 0; d < starts.size(); ++d) {
    const bool whole = shape[d] == lengths[d];
    const std::optional<int64_t> start = whole ? 0 : known_integer(*starts[d], 0);
    if (!start) return std::nullopt;
    known.push_back(std::clamp<int64_t>(*start, 0, shape[d] - lengths[d]));
  }
  return known;
}

std::vector<NodeRef> slice_at_op(const Arguments& a) {
  const NodeRef& x = a.tensor(0);
  const std::span<const NodeRef> starts = starts_of(a, 1);
  const Shape& lengths = a.integers("lengths");
  const Strides steps = a.for_each_axis("strides", 1);
  // Checks lengths and strides; the slice itself where all starts are known.
  const std::vector<int64_t> zeros(x->shape.size(), 0);
  const NodeRef first = slice(x, zeros, lengths, steps);
  if (const auto known = known_starts(starts, x->shape, lengths)) {
    return {slice(x, *known, lengths, steps)};
  }
  const Strides strides = row_major_strides(x->shape);
  Strides factors = strides;
  NodeRef origin;
  for (size_t d = 0; d < starts.size(); ++d) {
    if (first->shape[d] > 1) factors[d] *= steps[d];
    if (x->shape[d] == lengths[d]) continue;
    origin = plus(origin, times(clamped_start(starts[d], x->shape[d], lengths[d]), strides[d]));
  }
  const NodeRef index = plus(origin, offsets(x->shared_graveyard(), first->shape, factors));
  return {gather(x, broadcast(index, first->shape))};
}

// Of updates that are larger, a pass over all of x costs little more, and fuses.
constexpr int64_t kSmallPart = 4;

// Whether x is an argument or an element of a loop's state, or what was stored into one. Updates of
// a small part of it are stored in place: where x goes with the call or with the round, nothing
// else is touched.
bool is_updated_in_place(const NodeRef& x, int64_t elements) {
  if (!x->is_function) return false;  // and the engine may be dropping its inputs
  const Node* node = x.get();
  while (node->op == Op::reshape) node = node->inputs[0].get();
  const Fusion fusion = info(node->op).fusion;
  const bool is_stored = node->op == Op::parameter || fusion == Fusion::result ||
                         fusion == Fusion::overwrite || fusion == Fusion::library;
  return is_stored && elements <= x->count / kSmallPart;
}

// What stores the update at the starts, which are clamped.
NodeRef put_in_place(const NodeRef& x, const NodeRef& update, std::span<const NodeRef> starts) {
  const Shape &shape = x->shape, &lengths = update->shape;
  const Strides strides = row_major_strides(shape);
  NodeRef origin;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (lengths[d] == shape[d]) continue;
    origin = plus(origin, times(clamped_start(starts[d], shape[d], lengths[d]), strides[d]));
  }
  const NodeRef index = plus(origin, offsets(x->shared_graveyard(), lengths, strides));
  return overwrite(x, broadcast(index, lengths), update);
}

bool is_zero(const Node& x) {
  if (x.op != Op::constant || is_complex(x.dtype)) return false;
  const double v = to_double(x.attribute<ConstantAttr>().value);
  return v == 0 && !std::signbit(v);
}

std::vector<NodeRef> put_slice_op(const Arguments& a) {
  const std::span<const NodeRef> starts = starts_of(a, 2);
  const DType type = merge(a.tensor(0)->dtype, a.tensor(1)->dtype);
  const NodeRef x = cast(a.tensor(0), type), update = cast(a.tensor(1), type);
  const Shape &shape = x->shape, &lengths = update->shape;
  bool fits = lengths.size() == shape.size();
  for (size_t d = 0; fits && d < shape.size(); ++d) fits = lengths[d] <= shape[d];
  if (!fits) {
    a.fail(describe(update) + " does not fit in " + describe(x), Status::size_mismatch);
  }
  if (lengths == shape) return {update};
  if (is_updated_in_place(x, update->count)) return {put_in_place(x, update, starts)};

  const std::shared_ptr<Graveyard>& owner = x->shared_graveyard();
  NodeRef moved;
  if (const auto known = known_starts(starts, shape, lengths)) {
    PadAttr around{*known, {}, std::vector<int64_t>(shape.size(), 0)};
    for (size_t d = 0; d < shape.size(); ++d) {
      around.high.push_back(shape[d] - lengths[d] - around.low[d]);
    }
    moved = pad(update, constant(owner, make_scalar(type, int64_t{0}), {}), std::move(around));
    if (is_zero(*x)) return {moved};
  }
  const Strides strides = row_major_strides(lengths);
  NodeRef inside, origin;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (lengths[d] == shape[d]) continue;
    const NodeRef start = clamped_start(starts[d], shape[d], lengths[d]);
    origin = plus(origin, times(start, -strides[d]));
    // Before the start the difference is huge as an unsigned number.
    Strides coordinate(shape.size(), 0);
    coordinate[d] = 1;
    const NodeRef beyond = elementwise(Op::subtract, {offsets(owner, shape, coordinate), start});
    const NodeRef length = constant(owner, make_scalar(DType::u32, lengths[d]), {});
    const NodeRef within = elementwise(Op::less, {cast(beyond, DType::u32), length});
    inside = inside ? elementwise(Op::bitwise_and, {inside, within}) : within;
  }
  if (!moved) {
    moved = gather(update, broadcast(plus(origin, offsets(owner, shape, strides)), shape));
  }
  return {elementwise(Op::select, {broadcast(inside, shape), moved, x})};
}

// ---- Scatters ----

// The updates in the type of the result.
NodeRef updates_of(const Arguments& a, const Tuples& t, DType type) {
  const NodeRef& updates = a.tensor(2);
  const Shape expected = joined(t.batch_shape, t.rest_shape);
  if (updates->shape != expected) {
    a.fail("indices " + describe(t.indices) + " into " + describe(t.x) + " take updates of shape " +
               to_string(expected) + ", got " + describe(updates),
           Status::size_mismatch);
  }
  return cast(updates, type);
}

// Stores the last update of each slot, where the indexed axes are the first ones: slots lie one
// after the other.
NodeRef put_rows_in_place(const Tuples& t, const NodeRef& x, const NodeRef& updates) {
  const std::shared_ptr<Graveyard>& owner = x->shared_graveyard();
  const NodeRef slots = t.slots();
  const NodeRef last = make_node(Op::last_slot, DType::s32, slots->shape, {slots},
                                 SlotsAttr{element_count(t.tuple_shape)});
  const NodeRef slot = with_trailing(reshape(last, t.batch_shape), t.rest.size());
  const Strides strides = joined(Strides(t.batch_shape.size(), 0), row_major_strides(t.rest_shape));
  const NodeRef index =
      plus(times(slot, element_count(t.rest_shape)), offsets(owner, updates->shape, strides));
  const NodeRef none = s32(owner, -1);
  const NodeRef place =
      elementwise(Op::select, {elementwise(Op::equal, {slot, none}), none, index});
  return overwrite(x, broadcast(place, updates->shape), updates);
}

std::vector<NodeRef> indexed_put_op(const Arguments& a) {
  const Tuples t(a);
  const DType type = merge(t.x->dtype, a.tensor(2)->dtype);
  const NodeRef x = cast(t.x, type), updates = updates_of(a, t, type);
  const int64_t inner = element_count(t.rest_shape);
  const bool are_first = t.axes.back() == static_cast<int64_t>(t.axes.size()) - 1;
  if (are_first && is_updated_in_place(x, updates->count)) {
    return {put_rows_in_place(t, x, updates)};
  }
  const NodeRef last =
      make_node(Op::last_update, DType::s32, {element_count(t.tuple_shape)}, {t.slots()});

  // Over the axes of x: the indexed ones ascend, so that slots lie in row-major order.
  Shape slot_shape(x->shape.size(), 1);
  Strides factors(x->shape.size(), 0);
  const Strides inner_strides = row_major_strides(t.rest_shape);
  for (size_t k = 0; k < t.axes.size(); ++k) {
    slot_shape[static_cast<size_t>(t.axes[k])] = t.tuple_shape[k];
  }
  for (size_t k = 0; k < t.rest.size(); ++k) {
    factors[static_cast<size_t>(t.rest[k])] = inner_strides[k];
  }
  const std::shared_ptr<Graveyard>& owner = x->shared_graveyard();
  const NodeRef number = reshape(last, slot_shape);
  const NodeRef row = times(elementwise(Op::subtract, {number, s32(owner, 1)}), inner);
  const NodeRef index = plus(row, offsets(owner, x->shape, factors));
  return {elementwise(
      Op::select, {broadcast(number, x->shape), gather(updates, broadcast(index, x->shape)), x})};
}

std::vector<NodeRef> indexed_add_op(const Arguments& a) {
  const Tuples t(a);
  const DType type = merge(t.x->dtype, a.tensor(2)->dtype);
  const NodeRef updates = updates_of(a, t, type);
  const NodeRef slots = t.slots();
  const int64_t rows = element_count(t.tuple_shape), inner = element_count(t.rest_shape);

  const Axes order = joined(t.axes, t.rest);
  const NodeRef front = transpose(cast(t.x, type), order);
  const NodeRef sum =
      make_node(Op::scatter_add, type, {rows, inner},
                {reshape(front, {rows, inner}), slots, reshape(updates, {slots->count, inner})});
  Axes back(order.size());
  for (size_t d = 0; d < order.size(); ++d) {
    back[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
  }
  return {transpose(reshape(sum, front->shape), back)};
}

}  // namespace

std::span<const Row> indexing_rows() {
  using enum OptionKind;
  static constexpr OptionRow kType[] = {{"type", type}};
  static constexpr OptionRow kAxis[] = {{"axis", integer}};
  static constexpr OptionRow kAxes[] = {{"axes", integers}};
  static constexpr OptionRow kPart[] = {{"lengths", integers}, {"strides", integers}};
  static constexpr Row rows[] = {
      {"bitcast", 1, kType, bitcast_op, "x; type: the same bits as another type of the same width"},
      {"gather", 2, kAxes, gather_op,
       "x, indices {.., k}; axes: k ascending axes. The parts of x that the index tuples name"},
      {"take", 2, kAxis, take_op,
       "x, indices; axis. The parts of x along the axis that indices name"},
      {"take_along_axis", 2, kAxis, take_along_axis_op,
       "x, indices of x's shape but along axis; axis. Along the axis, the elements that indices "
       "name"},
      {"indexed_add", 3, kAxes, indexed_add_op,
       "x, indices {n, k}, updates {n, ..}; axes. Adds the updates; those of the same place in "
       "their order"},
      {"indexed_put", 3, kAxes, indexed_put_op,
       "x, indices {n, k}, updates {n, ..}; axes. Of updates of the same place the last stays"},
      {"slice_at", -1, kPart, slice_at_op,
       "x, a scalar integer for each axis; lengths, strides. A slice whose starts are data, "
       "clamped "
       "so that it fits"},
      {"put_slice",
       -2,
       {},
       put_slice_op,
       "x, slice, a scalar integer for each axis. x with the slice at clamped starts"}};
  return rows;
}

}  // namespace nxv::library

// Positions of extremes: argmax and argmin.
#include "graph/build.h"
#include "library/windows.h"

namespace nxv::library {
namespace {

// The extreme is found first, then the position of an element that equals it. Positions are ranked
// so that the one that is wanted is the least: NaN, of which the last counts, before all others.
NodeRef position_of(const NodeRef& x, Op extreme, int64_t axis, bool tie_high) {
  const NodeRef best = reduce(extreme, x, Axes{axis}, true);
  const NodeRef position = iota(x->shared_graveyard(), DType::s32, x->shape, axis);
  const NodeRef from_end = elementwise(Op::bitwise_not, {position});  // -1 - position
  const NodeRef none = highest(x, DType::s32);
  NodeRef rank = is_integer(x->dtype)
                     ? none
                     : elementwise(Op::select, {elementwise(Op::is_nan, {x}), from_end, none});
  rank = elementwise(Op::select,
                     {elementwise(Op::equal, {x, best}), tie_high ? from_end : position, rank});
  const NodeRef least = reduce(Op::reduce_min, rank, Axes{axis}, true);
  const NodeRef is_from_end = elementwise(Op::less, {least, scalar(x, DType::s32, 0)});
  return elementwise(Op::select, {is_from_end, elementwise(Op::bitwise_not, {least}), least});
}

std::vector<NodeRef> position(const Arguments& arguments, Op extreme) {
  const NodeRef& x = arguments.tensor(0);
  if (is_complex(x->dtype)) arguments.fail("complex numbers have no order, got " + describe(x));
  const DType type = arguments.type("type", DType::s32);
  if (!is_integer(type)) {
    arguments.fail("positions need an integer type, not " + std::string(name(type)));
  }
  const bool flat = !arguments.has("axis");
  const int64_t axis = flat ? 0 : arguments.axis("axis");
  const NodeRef from = flat ? reshape(x, {x->count}) : x;
  const NodeRef found = cast(position_of(from, extreme, axis, arguments.flag("tie_high")), type);
  if (flat) return {reshape(found, {})};  // Nx keeps no axes then
  if (arguments.flag("keep_axis")) return {found};
  return {squeeze(found, {axis})};
}

}  // namespace

std::vector<NodeRef> argmax(const Arguments& arguments) {
  return position(arguments, Op::reduce_max);
}

std::vector<NodeRef> argmin(const Arguments& arguments) {
  return position(arguments, Op::reduce_min);
}

}  // namespace nxv::library

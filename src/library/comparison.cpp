// Comparison of whole tensors.
#include "graph/build.h"
#include "library/families.h"

namespace nxv::library {
namespace {

NodeRef scalar_of(const NodeRef& like, DType type, double value) {
  return constant(like->shared_graveyard(), make_scalar(type, value), {});
}

// |a - b| <= atol + rtol |b| everywhere, infinities being close to themselves alone. The bound of
// integers is an f32, since the magnitude of the least one is not of its own type.
std::vector<NodeRef> all_close(const Arguments& arguments) {
  const NodeRef &a = arguments.tensor(0), &b = arguments.tensor(1);
  const bool integers = is_integer(a->dtype) && is_integer(b->dtype);
  const NodeRef size = elementwise(Op::abs, {integers ? cast(b, DType::f32) : b});
  // As a number beside a tensor: of the tensor's type if that is floating.
  const DType type = is_integer(size->dtype) ? DType::f32 : size->dtype;
  const NodeRef atol = scalar_of(a, type, arguments.real("atol", 1e-8));
  const NodeRef rtol = scalar_of(a, type, arguments.real("rtol", 1e-5));
  const NodeRef bound = elementwise(Op::add, {atol, elementwise(Op::multiply, {rtol, size})});
  const NodeRef distance = elementwise(Op::abs, {elementwise(Op::subtract, {a, b})});
  NodeRef close = elementwise(Op::less_equal, {distance, bound});
  if (!integers) {
    const NodeRef infinite = elementwise(
        Op::logical_or, {elementwise(Op::is_infinity, {a}), elementwise(Op::is_infinity, {b})});
    close = elementwise(Op::select, {infinite, elementwise(Op::equal, {a, b}), close});
    if (arguments.flag("equal_nan")) {
      const NodeRef both = elementwise(
          Op::logical_and, {elementwise(Op::is_nan, {a}), elementwise(Op::is_nan, {b})});
      close = elementwise(Op::logical_or, {both, close});
    }
  }
  return {reduce(Op::all, close, {}, false)};
}

}  // namespace

std::span<const Row> comparison_rows() {
  using enum OptionKind;
  static constexpr OptionRow kOptions[] = {{"atol", real}, {"rtol", real}, {"equal_nan", flag}};
  static constexpr Row kRows[] = {
      {"all_close", 2, kOptions, all_close,
       "a, b -> whether |a - b| <= atol + rtol |b| everywhere; atol, rtol (reals), equal_nan"},
  };
  return kRows;
}

}  // namespace nxv::library

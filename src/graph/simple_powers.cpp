#include "graph/simple_powers.h"

#include "graph/build.h"

namespace nxv {
namespace {

NodeRef product(const NodeRef& x, const NodeRef& y) { return elementwise(Op::multiply, {x, y}); }

}  // namespace

NodeRef simple_power(const NodeRef& x, const NodeRef& exponent, DType type) {
  if (exponent->op != Op::constant || x->dtype != type || is_complex(type)) return {};
  if (is_complex(exponent->dtype)) return {};
  const double n = to_double(exponent->attribute<ConstantAttr>().value);
  if (n == 2) return product(x, x);
  if (n != 3 || (type != DType::f16 && type != DType::bf16)) return {};
  const NodeRef wide = cast(x, DType::f32);
  return cast(product(product(wide, wide), wide), type);
}

}  // namespace nxv

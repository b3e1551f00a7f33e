#include "library/linear_index.h"

#include <algorithm>
#include <limits>
#include <string>

#include "graph/build.h"

namespace nxv::library {
namespace {

// An element of an integer tensor that the host knows.
std::optional<Scalar> known(const Node& n, int64_t i) {
  if (n.op == Op::constant) return n.attribute<ConstantAttr>().value;
  if (n.host_data == nullptr) return std::nullopt;
  return load_scalar(n.dtype, n.host_data->data(), i);
}

int64_t saturated(const Scalar& s) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  if (s.dtype == DType::u64 && s.lo > static_cast<uint64_t>(kLargest)) return kLargest;
  return to_int64(s);
}

}  // namespace

NodeRef s32(const std::shared_ptr<Graveyard>& owner, int64_t value) {
  return constant(owner, make_scalar(DType::s32, checked_position("index", value)), {});
}

NodeRef plus(const NodeRef& a, const NodeRef& b) {
  if (!a || !b) return a ? a : b;
  return elementwise(Op::add, {a, b});
}

NodeRef times(const NodeRef& x, int64_t factor) {
  if (factor == 1) return x;
  return elementwise(Op::multiply, {x, s32(x->shared_graveyard(), factor)});
}

NodeRef offsets(const std::shared_ptr<Graveyard>& owner, const Shape& shape,
                std::span<const int64_t> factors) {
  NodeRef sum;
  size_t last = shape.size();
  while (last > 0) {
    if (factors[last - 1] == 0 || shape[last - 1] == 1) {
      --last;
      continue;
    }
    // Axes that one flat index steps through.
    const int64_t factor = factors[last - 1];
    size_t first = last - 1;
    int64_t next = factor * shape[first];
    while (first > 0 && (shape[first - 1] == 1 || factors[first - 1] == next)) {
      --first;
      next *= shape[first];
    }
    Shape steps(shape.begin() + static_cast<std::ptrdiff_t>(first), shape.end());
    std::fill(steps.begin() + static_cast<std::ptrdiff_t>(last - first), steps.end(), 1);
    sum = plus(times(iota(owner, DType::s32, std::move(steps), -1), factor), sum);
    last = first;
  }
  return sum;
}

std::optional<int64_t> known_integer(const Node& node, int64_t i) {
  const std::optional<Scalar> s = known(node, i);
  return s ? std::optional(saturated(*s)) : std::nullopt;
}

NodeRef clamped_start(const NodeRef& start, int64_t size, int64_t length) {
  const std::shared_ptr<Graveyard>& owner = start->shared_graveyard();
  const int64_t last = checked_position("start", size - length);
  if (const std::optional<int64_t> known = known_integer(*start, 0)) {
    return s32(owner, std::clamp<int64_t>(*known, 0, last));
  }
  const bool wide = bits(start->dtype) == 64;
  const NodeRef scalar = reshape(start, {});
  const auto bound = [&](DType type, int64_t v) {
    return constant(owner, make_scalar(type, v), {});
  };
  if (is_unsigned(start->dtype)) {
    const DType type = wide ? DType::u64 : DType::u32;
    return cast(elementwise(Op::min, {cast(scalar, type), bound(type, last)}), DType::s32);
  }
  const DType type = wide ? DType::s64 : DType::s32;
  return cast(elementwise(Op::clip, {cast(scalar, type), bound(type, 0), bound(type, last)}),
              DType::s32);
}

bool known_inside(const Node& indices, int64_t first, int64_t axes, const Shape& shape) {
  const bool is_constant = indices.op == Op::constant;
  if (!is_constant && indices.host_data == nullptr) return false;
  for (int64_t i = 0; i < (is_constant ? axes : indices.count); ++i) {
    const int64_t axis = first + i % axes;
    const Scalar s = *known(indices, i);
    const int64_t index = saturated(s);
    if (index >= 0 && index < shape[static_cast<size_t>(axis)]) continue;
    const std::string text = s.dtype == DType::u64 ? std::to_string(s.lo) : std::to_string(index);
    throw Error(Status::out_of_bounds, "index " + text + " is out of bounds for axis " +
                                           std::to_string(axis) + " in shape " + to_string(shape));
  }
  return true;
}

NodeRef position(const NodeRef& indices, bool is_inside, int64_t size) {
  return is_inside ? cast(indices, DType::s32) : bounded_index(indices, size);
}

}  // namespace nxv::library

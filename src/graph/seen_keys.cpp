#include "graph/seen_keys.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "graph/build.h"
#include "graph/narrowed.h"

namespace nxv {
namespace {

// Positions are 32-bit numbers in kernels, and so are their differences.
constexpr int64_t kFarthest = int64_t{1} << 29;
constexpr int kDeepest = 12;  // nodes of a path; each may have two inputs

// What an axis of a value is in the mask.
enum class Role : uint8_t { other, query, key };
using Roles = std::vector<Role>;

// query * (number of the query) + key * (that of the key) + number + sign * data
struct Sum {
  int64_t query = 0, key = 0, number = 0;
  int sign = 0;
  NodeRef data;
};

std::optional<Sum> plus(const Sum& a, const Sum& b, int64_t sign) {
  if (a.data && b.data) return std::nullopt;
  Sum sum = a;
  sum.query += sign * b.query;
  sum.key += sign * b.key;
  sum.number += sign * b.number;
  if (b.data) {
    sum.data = b.data;
    sum.sign = static_cast<int>(sign) * b.sign;
  }
  if (std::abs(sum.number) > kFarthest) return std::nullopt;
  return sum;
}

bool is_position(DType type) { return type == DType::s32 || type == DType::s64; }

// Of the input of a view; nothing where it moves elements otherwise.
std::optional<Roles> input_roles(const Node& view, const Roles& roles) {
  const Shape& from = view.inputs[0]->shape;
  Roles result(from.size(), Role::other);
  if (view.op == Op::broadcast) {
    const Axes& axes = view.attribute<AxesAttr>().axes;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != 1) result[i] = roles[static_cast<size_t>(axes[i])];
    }
    return result;
  }
  if (view.op != Op::reshape) return std::nullopt;
  const auto axes = kept_axes(from, view.shape);
  if (!axes) return std::nullopt;
  for (size_t i = 0; i < from.size(); ++i) {
    if ((*axes)[i] >= 0) result[i] = roles[static_cast<size_t>((*axes)[i])];
  }
  return result;
}

std::optional<Sum> sum_of(const NodeRef& x, const Roles& roles, int depth = 0) {
  if (depth == kDeepest || !is_position(x->dtype)) return std::nullopt;
  if (x->op == Op::constant) {
    Sum sum;
    sum.number = to_int64(x->attribute<ConstantAttr>().value);
    return std::abs(sum.number) <= kFarthest ? std::optional(sum) : std::nullopt;
  }
  if (x->op == Op::iota) {
    Sum sum;
    auto axis = x->attribute<IotaAttr>().axis;
    for (size_t d = 0; axis < 0 && d < x->shape.size(); ++d) {
      if (x->shape[d] == x->count) axis = static_cast<int64_t>(d);
    }
    if (x->count == 1) return sum;
    if (axis < 0) return std::nullopt;
    if (x->shape[static_cast<size_t>(axis)] == 1) return sum;
    const Role role = roles[static_cast<size_t>(axis)];
    if (role == Role::other) return std::nullopt;
    (role == Role::query ? sum.query : sum.key) = 1;
    return sum;
  }
  if (x->is_pending() && (x->op == Op::broadcast || x->op == Op::reshape)) {
    const auto inner = input_roles(*x, roles);
    if (inner) return sum_of(x->inputs[0], *inner, depth + 1);
  }
  if (x->is_pending() && x->op == Op::cast && is_position(x->inputs[0]->dtype)) {
    return sum_of(x->inputs[0], roles, depth + 1);
  }
  if (x->is_pending() && (x->op == Op::add || x->op == Op::subtract)) {
    const auto a = sum_of(x->inputs[0], roles, depth + 1);
    const auto b = sum_of(x->inputs[1], roles, depth + 1);
    if (a && b) {
      if (const auto sum = plus(*a, *b, x->op == Op::add ? 1 : -1)) return sum;
    }
  }
  if (x->count != 1) return std::nullopt;
  Sum sum;
  sum.data = x;
  sum.sign = 1;
  return sum;
}

// `sum` >= 0
bool add_bound(SeenKeys& seen, const Sum& sum) {
  const auto least = [](std::optional<int64_t>& bound, int64_t v) {
    bound = bound ? std::min(*bound, v) : v;
  };
  if (!sum.data && sum.query == 1 && sum.key == -1) {
    least(seen.after, sum.number);
  } else if (!sum.data && sum.query == -1 && sum.key == 1) {
    least(seen.before, sum.number);
  } else if (sum.data && sum.sign == 1 && sum.query == 0 && sum.key == -1 && !seen.last) {
    seen.last = sum.data;
    seen.last_offset = sum.number;
  } else {
    return false;
  }
  return true;
}

bool add_condition(SeenKeys& seen, const NodeRef& x, const Roles& roles, int depth = 0) {
  if (depth == kDeepest || !x->is_pending()) return false;
  const auto both = [&](const auto& visit) { return visit(x->inputs[0]) && visit(x->inputs[1]); };
  switch (x->op) {
    case Op::broadcast:
    case Op::reshape: {
      const auto inner = input_roles(*x, roles);
      return inner && add_condition(seen, x->inputs[0], *inner, depth + 1);
    }
    case Op::logical_and:
      return both([&](const NodeRef& y) { return add_condition(seen, y, roles, depth + 1); });
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal: {
      const bool is_less = x->op == Op::less || x->op == Op::less_equal;
      const auto low = sum_of(x->inputs[is_less ? 0 : 1], roles);
      const auto high = sum_of(x->inputs[is_less ? 1 : 0], roles);
      if (!low || !high) return false;
      auto distance = plus(*high, *low, -1);
      if (!distance) return false;
      if (x->op == Op::less || x->op == Op::greater) --distance->number;
      return add_bound(seen, *distance);
    }
    default:
      return false;
  }
}

}  // namespace

bool SeenKeys::always_some(int64_t queries, int64_t keys) const {
  if (last) return false;
  if (after && *after < 0) return false;
  if (before && queries - 1 - *before > keys - 1) return false;
  return !after || !before || *after + *before >= 0;
}

std::optional<SeenKeys> seen_keys(const NodeRef& mask) {
  const size_t rank = mask->shape.size();
  if (rank < 2) return std::nullopt;
  Roles roles(rank, Role::other);
  roles[rank - 2] = Role::query;
  roles[rank - 1] = Role::key;
  SeenKeys seen;
  if (!add_condition(seen, mask, roles)) return std::nullopt;
  return seen;
}

}  // namespace nxv

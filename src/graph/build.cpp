#include "graph/build.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "graph/integer_arithmetic.h"

namespace nxv {
namespace {

[[noreturn]] void fail(Status status, std::string_view op, const std::string& what) {
  throw Error(status, std::string(op) + ": " + what);
}

std::string describe(const NodeRef& n) { return std::string(name(n->dtype)) + to_string(n->shape); }

constexpr size_t kMaxParts = 8;  // of one concatenate node

NodeRef make(const GraveyardRef& owner, Op op, DType type, Shape shape, std::vector<NodeRef> inputs,
             Attributes attributes = {}) {
  return NodeRef::adopt(std::make_unique<Node>(owner, op, type, std::move(shape), std::move(inputs),
                                               std::move(attributes))
                            .release());
}

// Where all operands are constants of one element, integer arithmetic is done here: so a scalar
// that the host knows stays known.
NodeRef make_pointwise(Op op, DType type, Shape shape, std::vector<NodeRef> inputs) {
  const GraveyardRef& owner = inputs[0]->shared_graveyard();
  const bool is_known = std::all_of(inputs.begin(), inputs.end(), [](const NodeRef& n) {
    return n->op == Op::constant && n->count == 1;
  });
  if (is_known) {
    std::vector<Scalar> values;
    for (const NodeRef& n : inputs) values.push_back(n->attribute<ConstantAttr>().value);
    if (const auto result = evaluate_integers(op, type, values)) {
      return make(owner, Op::constant, type, std::move(shape), {}, ConstantAttr{*result});
    }
  }
  return make(owner, op, type, std::move(shape), std::move(inputs));
}

NodeRef make_view(const NodeRef& x, Op op, Shape shape, Attributes attributes) {
  if (x->op == Op::constant && x->count == 1 && element_count(shape) == 1) {
    return make(x->shared_graveyard(), Op::constant, x->dtype, std::move(shape), {}, x->attributes);
  }
  return make(x->shared_graveyard(), op, x->dtype, std::move(shape), {x}, std::move(attributes));
}

void check_same_engine(std::string_view op, std::span<const NodeRef> nodes) {
  for (const NodeRef& n : nodes) {
    if (n->graveyard() != nodes[0]->graveyard()) {
      fail(Status::invalid_argument, op, "operands belong to different engines");
    }
  }
}

// Non-negative, in range, without duplicates.
Axes check_axes(std::string_view op, const NodeRef& x, Axes axes) {
  const auto rank = static_cast<int64_t>(x->shape.size());
  for (auto a = axes.begin(); a != axes.end(); ++a) {
    const int64_t given = *a;
    if (*a < 0) *a += rank;
    if (*a < 0 || *a >= rank) {
      fail(Status::invalid_argument, op,
           "axis " + std::to_string(given) + " is out of range for " + describe(x));
    }
    if (std::find(axes.begin(), a, *a) != a) {
      fail(Status::invalid_argument, op, "axis " + std::to_string(given) + " is given twice");
    }
  }
  return axes;
}

void check_length(std::string_view op, const NodeRef& x, size_t got, const char* what) {
  if (got != x->shape.size()) {
    fail(Status::invalid_argument, op,
         std::to_string(got) + " " + what + " given for " + describe(x));
  }
}

Shape broadcast_shape(Op op, std::span<const NodeRef> operands) {
  size_t rank = 0;
  for (const NodeRef& n : operands) rank = std::max(rank, n->shape.size());
  Shape shape(rank, 1);
  for (const NodeRef& n : operands) {
    for (size_t i = 0; i < n->shape.size(); ++i) {
      int64_t& d = shape[rank - n->shape.size() + i];
      if (d == 1) {
        d = n->shape[i];
      } else if (n->shape[i] != 1 && n->shape[i] != d) {
        std::string list;
        for (const NodeRef& each : operands) list += (list.empty() ? "" : " and ") + describe(each);
        fail(Status::size_mismatch, name(op), "cannot broadcast " + list);
      }
    }
  }
  return shape;
}

void check_accepts(Op op, std::span<const NodeRef> operands) {
  for (const NodeRef& n : operands) {
    const char* wanted = nullptr;
    switch (info(op).accepts) {
      case Accepts::any:
        break;
      case Accepts::real:
        wanted = is_complex(n->dtype) ? "real" : nullptr;
        break;
      case Accepts::integer:
        wanted = is_integer(n->dtype) ? nullptr : "integer";
        break;
      case Accepts::floating:
        wanted = is_integer(n->dtype) ? "floating" : nullptr;
        break;
      case Accepts::complex_only:
        wanted = is_complex(n->dtype) ? nullptr : "complex";
        break;
    }
    if (wanted != nullptr) {
      fail(Status::invalid_argument, name(op),
           std::string("expected ") + wanted + " operands, got " + describe(n));
    }
  }
}

// [M, K] by [K, N], or [B, M, K] by [B, K, N].
NodeRef product(const NodeRef& a, const NodeRef& b) {
  const bool is_batched = a->shape.size() == 3;
  Shape shape = a->shape;
  shape.back() = b->shape.back();
  return make(a->shared_graveyard(), Op::dot, merge(a->dtype, b->dtype), std::move(shape), {a, b},
              is_batched ? DotAxes{{2}, {1}, {0}, {0}} : DotAxes{{1}, {0}, {}, {}});
}

DType result_type(Op op, std::span<const NodeRef> operands) {
  DType merged = operands[0]->dtype;
  for (const NodeRef& n : operands.subspan(1)) merged = merge(merged, n->dtype);
  switch (info(op).type_rule) {
    case TypeRule::same:
      return operands[0]->dtype;
    case TypeRule::merge:
    case TypeRule::merge_integer:
      return merged;
    case TypeRule::floating:
    case TypeRule::real_floating:
      return to_floating(merged);
    case TypeRule::real_part:
      return to_real(merged);
    case TypeRule::to_complex:
      return to_complex(merged);
    case TypeRule::predicate:
      return DType::u8;
    case TypeRule::aggregate:
      return to_aggregate(merged);
    case TypeRule::explicit_type:
      break;
  }
  // select: the branches decide.
  return merge(operands[1]->dtype, operands[2]->dtype);
}

}  // namespace

void check_shape(std::string_view what, std::span<const int64_t> shape) {
  int64_t count = 1;
  for (int64_t d : shape) {
    if (d < 1) {
      fail(Status::empty_tensor, what,
           "shape " + to_string(shape) + " has a dimension below 1; tensors are never empty");
    }
    if (count > (int64_t{1} << 48) / d) {
      fail(Status::alloc_failed, what, "shape " + to_string(shape) + " has too many elements");
    }
    count *= d;
  }
}

NodeRef constant(const GraveyardRef& owner, const Scalar& value, Shape shape) {
  check_shape("constant", shape);
  return make(owner, Op::constant, value.dtype, std::move(shape), {}, ConstantAttr{value});
}

NodeRef iota(const GraveyardRef& owner, DType type, Shape shape, int64_t axis) {
  check_shape("iota", shape);
  if (axis < -1 || axis >= static_cast<int64_t>(shape.size())) {
    fail(Status::invalid_argument, "iota",
         "axis " + std::to_string(axis) + " is out of range for shape " + to_string(shape));
  }
  return make(owner, Op::iota, type, std::move(shape), {}, IotaAttr{axis});
}

NodeRef eye(const GraveyardRef& owner, DType type, Shape shape) {
  check_shape("eye", shape);
  if (shape.size() < 2) {
    fail(Status::invalid_argument, "eye", "needs at least two axes, got " + to_string(shape));
  }
  return make(owner, Op::eye, type, std::move(shape), {});
}

NodeRef random(const GraveyardRef& owner, Op op, DType type, Shape shape,
               const RandomAttr& stream) {
  check_shape(name(op), shape);
  if (!is_real_float(type)) {
    fail(Status::invalid_argument, name(op),
         "needs a floating type, got " + std::string(name(type)) + "; cast the result instead");
  }
  return make(owner, op, type, std::move(shape), {}, stream);
}

NodeRef host_value(const GraveyardRef& owner, DType type, Shape shape,
                   std::vector<std::byte> stored) {
  check_shape("tensor", shape);
  NodeRef n = make(owner, Op::data, type, std::move(shape), {});
  if (static_cast<int64_t>(stored.size()) != n->storage_size()) {
    fail(Status::size_mismatch, "tensor",
         std::to_string(stored.size()) + " bytes given for " + describe(n));
  }
  n->host_data = std::make_shared<const std::vector<std::byte>>(std::move(stored));
  return n;
}

NodeRef parameter(const GraveyardRef& owner, DType type, Shape shape) {
  check_shape("parameter", shape);
  return make(owner, Op::parameter, type, std::move(shape), {});
}

NodeRef elementwise(Op op, std::span<const NodeRef> operands) {
  if (info(op).fusion != Fusion::pointwise || op == Op::cast || op == Op::bitcast ||
      op == Op::bounded_index) {
    fail(Status::invalid_argument, name(op), "is not an elementwise operation");
  }
  if (operands.size() != info(op).arity) {
    fail(Status::invalid_argument, name(op),
         "takes " + std::to_string(info(op).arity) + " operands, got " +
             std::to_string(operands.size()));
  }
  check_same_engine(name(op), operands);
  check_accepts(op, operands);
  Shape shape = broadcast_shape(op, operands);
  std::vector<NodeRef> inputs;
  inputs.reserve(operands.size());
  for (const NodeRef& n : operands) {
    inputs.push_back(n->shape == shape ? n : broadcast(n, shape));
  }
  const DType type = result_type(op, operands);
  return make_pointwise(op, type, std::move(shape), std::move(inputs));
}

NodeRef cast(const NodeRef& x, DType type) {
  if (x->dtype == type) return x;
  return make_pointwise(Op::cast, type, x->shape, {x});
}

NodeRef bitcast(const NodeRef& x, DType type) {
  if (is_complex(x->dtype) || is_complex(type) || bits(x->dtype) != bits(type)) {
    fail(Status::invalid_argument, "bitcast",
         describe(x) + " is not " + std::string(name(type)) +
             " with the same bits: both must be real and equally wide");
  }
  if (x->dtype == type) return x;
  return make(x->shared_graveyard(), Op::bitcast, type, x->shape, {x});
}

NodeRef bounded_index(const NodeRef& index, int64_t size) {
  check_accepts(Op::bounded_index, {&index, 1});
  const NodeRef bound =
      constant(index->shared_graveyard(), make_scalar(DType::s32, size), index->shape);
  return make(index->shared_graveyard(), Op::bounded_index, DType::s32, index->shape,
              {index, bound});
}

NodeRef gather(const NodeRef& x, const NodeRef& index) {
  const NodeRef both[] = {x, index};
  check_same_engine("gather", both);
  if (index->dtype != DType::s32) {
    fail(Status::invalid_argument, "gather", "needs s32 indices, got " + describe(index));
  }
  return make(x->shared_graveyard(), Op::gather, x->dtype, index->shape, {x, index});
}

NodeRef reshape(const NodeRef& x, Shape shape) {
  check_shape("reshape", shape);
  if (element_count(shape) != x->count) {
    fail(Status::size_mismatch, "reshape", describe(x) + " does not fit in " + to_string(shape));
  }
  if (shape == x->shape) return x;
  return make_view(x, Op::reshape, std::move(shape), {});
}

NodeRef broadcast(const NodeRef& x, Shape shape, Axes axes) {
  check_shape("broadcast", shape);
  check_length("broadcast", x, axes.size(), "axes");
  const bool ascending = std::is_sorted(axes.begin(), axes.end(), std::less_equal<>());
  bool fits = ascending && x->shape.size() <= shape.size();
  for (size_t i = 0; fits && i < axes.size(); ++i) {
    fits = axes[i] >= 0 && axes[i] < static_cast<int64_t>(shape.size()) &&
           (x->shape[i] == 1 || x->shape[i] == shape[axes[i]]);
  }
  if (!fits) {
    fail(Status::size_mismatch, "broadcast",
         describe(x) + " does not broadcast to " + to_string(shape) + " along axes " +
             to_string(axes));
  }
  if (shape == x->shape) return x;
  return make_view(x, Op::broadcast, std::move(shape), AxesAttr{std::move(axes)});
}

NodeRef broadcast(const NodeRef& x, Shape shape) {
  if (x->shape.size() > shape.size()) {
    fail(Status::size_mismatch, "broadcast",
         describe(x) + " does not broadcast to " + to_string(shape));
  }
  Axes axes(x->shape.size());
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(shape.size() - x->shape.size()));
  return broadcast(x, std::move(shape), std::move(axes));
}

NodeRef transpose(const NodeRef& x, Axes axes) {
  check_length("transpose", x, axes.size(), "axes");
  axes = check_axes("transpose", x, std::move(axes));
  if (std::is_sorted(axes.begin(), axes.end())) return x;
  Shape shape(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) shape[i] = x->shape[axes[i]];
  return make_view(x, Op::transpose, std::move(shape), AxesAttr{std::move(axes)});
}

NodeRef slice(const NodeRef& x, std::span<const int64_t> starts, std::span<const int64_t> lengths,
              std::span<const int64_t> strides) {
  check_length("slice", x, starts.size(), "starts");
  check_length("slice", x, lengths.size(), "lengths");
  check_length("slice", x, strides.size(), "strides");
  SliceAttr attr;
  Shape shape(x->shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (lengths[i] < 1 || lengths[i] > x->shape[i] || strides[i] < 1) {
      fail(Status::invalid_argument, "slice",
           "length " + std::to_string(lengths[i]) + " with stride " + std::to_string(strides[i]) +
               " at axis " + std::to_string(i) + " of " + describe(x));
    }
    attr.starts.push_back(std::clamp<int64_t>(starts[i], 0, x->shape[i] - lengths[i]));
    attr.strides.push_back(strides[i]);
    shape[i] = (lengths[i] + strides[i] - 1) / strides[i];
  }
  if (shape == x->shape) return x;
  return make_view(x, Op::slice, std::move(shape), std::move(attr));
}

NodeRef reverse(const NodeRef& x, Axes axes) {
  axes = check_axes("reverse", x, std::move(axes));
  std::erase_if(axes, [&](int64_t a) { return x->shape[a] == 1; });
  if (axes.empty()) return x;
  std::sort(axes.begin(), axes.end());
  return make_view(x, Op::reverse, x->shape, AxesAttr{std::move(axes)});
}

NodeRef squeeze(const NodeRef& x, Axes axes) {
  const bool every = axes.empty();
  axes = check_axes("squeeze", x, std::move(axes));
  Shape shape;
  for (int64_t i = 0; i < static_cast<int64_t>(x->shape.size()); ++i) {
    const bool named =
        every ? x->shape[i] == 1 : std::find(axes.begin(), axes.end(), i) != axes.end();
    if (named && x->shape[i] != 1) {
      fail(Status::size_mismatch, "squeeze",
           "axis " + std::to_string(i) + " of " + describe(x) + " is not of length 1");
    }
    if (!named) shape.push_back(x->shape[i]);
  }
  return reshape(x, std::move(shape));
}

NodeRef pad(const NodeRef& x, const NodeRef& value, PadAttr amounts) {
  check_length("pad", x, amounts.low.size(), "amounts");
  check_length("pad", x, amounts.high.size(), "amounts");
  check_length("pad", x, amounts.interior.size(), "amounts");
  const NodeRef both[] = {x, value};
  check_same_engine("pad", both);
  if (value->count != 1) {
    fail(Status::size_mismatch, "pad", "the value must have one element, got " + describe(value));
  }
  Shape shape(x->shape.size());
  bool changes = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t interior = amounts.interior[i];
    if (interior < 0) {
      fail(Status::invalid_argument, "pad",
           "negative interior padding at axis " + std::to_string(i));
    }
    shape[i] = x->shape[i] + (x->shape[i] - 1) * interior + amounts.low[i] + amounts.high[i];
    changes |= interior != 0 || amounts.low[i] != 0 || amounts.high[i] != 0;
  }
  check_shape("pad", shape);
  const DType type = merge(x->dtype, value->dtype);
  const NodeRef from = cast(x, type);
  if (!changes) return from;
  return make(x->shared_graveyard(), Op::pad, type, std::move(shape),
              {from, reshape(cast(value, type), {})}, std::move(amounts));
}

NodeRef windows(const NodeRef& x, const WindowsAttr& geometry) {
  check_length("windows", x, geometry.window.size(), "window lengths");
  check_length("windows", x, geometry.strides.size(), "strides");
  check_length("windows", x, geometry.dilations.size(), "dilations");
  const size_t rank = x->shape.size();
  Shape shape(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t window = geometry.window[i], stride = geometry.strides[i];
    const int64_t dilation = geometry.dilations[i];
    const auto describe_window = [&] {
      return "a window of " + std::to_string(window) + " with stride " + std::to_string(stride) +
             " and dilation " + std::to_string(dilation) + " at axis " + std::to_string(i) +
             " of " + describe(x);
    };
    if (window < 1 || stride < 1 || dilation < 1) {
      fail(Status::invalid_argument, "windows", describe_window() + ": all must be at least 1");
    }
    shape[i] = window_count(x->shape[i], window, stride, dilation);
    shape[rank + i] = window;
    if (shape[i] < 1) {
      fail(Status::size_mismatch, "windows", describe_window() + " does not fit");
    }
  }
  if (rank == 0) return x;
  check_shape("windows", shape);
  return make_view(x, Op::windows, std::move(shape), geometry);
}

NodeRef concatenate(std::span<const NodeRef> parts, int64_t axis) {
  if (parts.empty()) fail(Status::invalid_argument, "concatenate", "needs at least one tensor");
  check_same_engine("concatenate", parts);
  axis = check_axes("concatenate", parts[0], {axis})[0];
  DType type = parts[0]->dtype;
  Shape shape = parts[0]->shape;
  for (const NodeRef& part : parts.subspan(1)) {
    bool fits = part->shape.size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      fits = static_cast<int64_t>(i) == axis || part->shape[i] == shape[i];
    }
    if (!fits) {
      fail(Status::size_mismatch, "concatenate",
           describe(parts[0]) + " and " + describe(part) + " differ outside axis " +
               std::to_string(axis));
    }
    shape[axis] += part->shape[axis];
    type = merge(type, part->dtype);
  }
  std::vector<NodeRef> inputs;
  for (const NodeRef& part : parts) inputs.push_back(cast(part, type));
  if (inputs.size() == 1) return inputs[0];
  if (inputs.size() > kMaxParts) {
    // A kernel reads a bounded number of buffers: join groups first.
    std::vector<NodeRef> joined;
    for (size_t i = 0; i < inputs.size(); i += kMaxParts) {
      const size_t n = std::min(kMaxParts, inputs.size() - i);
      joined.push_back(concatenate(std::span(inputs).subspan(i, n), axis));
    }
    return concatenate(joined, axis);
  }
  return make(parts[0]->shared_graveyard(), Op::concatenate, type, std::move(shape),
              std::move(inputs), ConcatenateAttr{axis});
}

NodeRef reduce(Op op, const NodeRef& x, std::optional<Axes> given, bool keep_axes) {
  if (info(op).fusion != Fusion::reduction) {
    fail(Status::invalid_argument, name(op), "is not a reduction");
  }
  const NodeRef operands[] = {x};
  check_accepts(op, operands);
  Axes axes;
  if (given) {
    axes = check_axes(name(op), x, std::move(*given));
  } else {
    axes.resize(x->shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  std::sort(axes.begin(), axes.end());
  Shape shape;
  for (int64_t i = 0; i < static_cast<int64_t>(x->shape.size()); ++i) {
    const bool reduced = std::binary_search(axes.begin(), axes.end(), i);
    if (!reduced) {
      shape.push_back(x->shape[i]);
    } else if (keep_axes) {
      shape.push_back(1);
    }
  }
  return make(x->shared_graveyard(), op, result_type(op, operands), std::move(shape), {x},
              ReduceAttr{std::move(axes), keep_axes});
}

NodeRef dot(const NodeRef& a, const NodeRef& b, const DotAxes& axes) {
  const NodeRef both[] = {a, b};
  check_same_engine("dot", both);
  const Axes ca = check_axes("dot", a, axes.contract_a), cb = check_axes("dot", b, axes.contract_b);
  const Axes ba = check_axes("dot", a, axes.batch_a), bb = check_axes("dot", b, axes.batch_b);
  bool fits = ca.size() == cb.size() && ba.size() == bb.size();
  for (size_t i = 0; fits && i < ca.size(); ++i) fits = a->shape[ca[i]] == b->shape[cb[i]];
  for (size_t i = 0; fits && i < ba.size(); ++i) fits = a->shape[ba[i]] == b->shape[bb[i]];
  if (!fits) {
    fail(Status::size_mismatch, "dot",
         describe(a) + " and " + describe(b) + " do not contract along " + to_string(ca) + " and " +
             to_string(cb) + " with batch axes " + to_string(ba) + " and " + to_string(bb));
  }
  // Every contraction is a product of [M, K] and [K, N], or a batch of them.
  const auto free_axes = [](const NodeRef& x, const Axes& contract, const Axes& batch) {
    Axes free;
    for (int64_t i = 0; i < static_cast<int64_t>(x->shape.size()); ++i) {
      if (std::find(contract.begin(), contract.end(), i) == contract.end() &&
          std::find(batch.begin(), batch.end(), i) == batch.end()) {
        free.push_back(i);
      }
    }
    return free;
  };
  const auto extent = [](const NodeRef& x, const Axes& list) {
    int64_t n = 1;
    for (int64_t i : list) n *= x->shape[i];
    return n;
  };
  const auto ordered = [](const NodeRef& x, const Axes& p, const Axes& q, const Axes& r) {
    Axes order = p;
    order.insert(order.end(), q.begin(), q.end());
    order.insert(order.end(), r.begin(), r.end());
    return transpose(x, order);
  };
  const Axes fa = free_axes(a, ca, ba), fb = free_axes(b, cb, bb);
  const int64_t batch = extent(a, ba), m = extent(a, fa), n = extent(b, fb), k = extent(a, ca);
  const auto canonical = [&](int64_t rows, int64_t columns) {
    return ba.empty() ? Shape{rows, columns} : Shape{batch, rows, columns};
  };
  const NodeRef lhs = reshape(ordered(a, ba, fa, ca), canonical(m, k));
  const NodeRef rhs = reshape(ordered(b, bb, cb, fb), canonical(k, n));
  Shape shape;
  for (int64_t i : ba) shape.push_back(a->shape[i]);
  for (int64_t i : fa) shape.push_back(a->shape[i]);
  for (int64_t i : fb) shape.push_back(b->shape[i]);
  return reshape(product(lhs, rhs), std::move(shape));
}

NodeRef matmul(const NodeRef& a, const NodeRef& b) {
  if (a->shape.empty() || b->shape.empty()) {
    fail(Status::size_mismatch, "matmul",
         "operands need an axis, got " + describe(a) + " and " + describe(b));
  }
  const int64_t ra = static_cast<int64_t>(a->shape.size());
  const int64_t rb = static_cast<int64_t>(b->shape.size());
  if (ra == 1 || rb == 1) return dot(a, b, {{ra - 1}, {std::max<int64_t>(rb - 2, 0)}, {}, {}});
  if (ra == 2 && rb == 2 && a->shape[1] == b->shape[0]) {
    const NodeRef both[] = {a, b};
    check_same_engine("matmul", both);
    return product(a, b);
  }
  // Leading axes broadcast against each other.
  const int64_t lead = std::max(ra, rb) - 2;
  Shape batch(lead, 1);
  for (const NodeRef* x : {&a, &b}) {
    const int64_t own = static_cast<int64_t>((*x)->shape.size()) - 2;
    for (int64_t i = 0; i < own; ++i) {
      int64_t& d = batch[lead - own + i];
      if (d == 1) d = (*x)->shape[i];
      if ((*x)->shape[i] != 1 && (*x)->shape[i] != d) {
        fail(Status::size_mismatch, "matmul",
             "cannot broadcast " + describe(a) + " and " + describe(b));
      }
    }
  }
  const auto widen = [&](const NodeRef& x) {
    Shape shape = batch;
    shape.insert(shape.end(), x->shape.end() - 2, x->shape.end());
    return broadcast(x, std::move(shape));
  };
  Axes axes(lead);
  std::iota(axes.begin(), axes.end(), 0);
  return dot(widen(a), widen(b), {{lead + 1}, {lead}, axes, axes});
}

}  // namespace nxv

// Reductions and products.
#include <algorithm>
#include <numeric>
#include <string>

#include "graph/building.h"

namespace nxv {

using namespace building;

namespace {

// [M, K] by [K, N], or [B, M, K] by [B, K, N].
NodeRef product(const NodeRef& a, const NodeRef& b, Precision precision) {
  const bool is_batched = a->shape.size() == 3;
  Shape shape = a->shape;
  shape.back() = b->shape.back();
  DotAttr attr = is_batched ? DotAttr{{2}, {1}, {0}, {0}} : DotAttr{{1}, {0}, {}, {}};
  // Of other types there is one precision.
  if (a->dtype == DType::f32 && b->dtype == DType::f32) attr.precision = precision;
  return make_node(a->shared_graveyard(), Op::dot, merge(a->dtype, b->dtype), std::move(shape),
                   {a, b}, std::move(attr));
}

}  // namespace

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
  return make_node(x->shared_graveyard(), op, result_type(op, operands), std::move(shape), {x},
                   ReduceAttr{std::move(axes), keep_axes});
}

NodeRef dot(const NodeRef& a, const NodeRef& b, const DotAttr& axes) {
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
  return reshape(product(lhs, rhs, axes.precision), std::move(shape));
}

NodeRef matmul(const NodeRef& a, const NodeRef& b, Precision precision) {
  if (a->shape.empty() || b->shape.empty()) {
    fail(Status::size_mismatch, "matmul",
         "operands need an axis, got " + describe(a) + " and " + describe(b));
  }
  const int64_t ra = static_cast<int64_t>(a->shape.size());
  const int64_t rb = static_cast<int64_t>(b->shape.size());
  if (ra == 1 || rb == 1) {
    return dot(a, b, {{ra - 1}, {std::max<int64_t>(rb - 2, 0)}, {}, {}, precision});
  }
  if (ra == 2 && rb == 2 && a->shape[1] == b->shape[0]) {
    const NodeRef both[] = {a, b};
    check_same_engine("matmul", both);
    return product(a, b, precision);
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
  return dot(widen(a), widen(b), {{lead + 1}, {lead}, axes, axes, precision});
}

}  // namespace nxv

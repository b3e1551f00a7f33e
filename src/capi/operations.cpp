#include <algorithm>
#include <complex>

#include "capi/handles.h"
#include "library/registry.h"

using nxv::Axes;
using nxv::Error;
using nxv::NodeRef;
using nxv::Op;
using nxv::Status;
using nxv::capi::create;
using nxv::capi::dtype;
using nxv::capi::guarded;
using nxv::capi::hand_over;
using nxv::capi::nodes_of;
using nxv::capi::require;
using nxv::capi::shape;
using nxv::capi::wrap;

namespace {

// Builds a node from tensors of one engine and wraps it.
template <typename Build>
nxv_status build(nxv_tensor* first, nxv_tensor** out, Build make) noexcept {
  return guarded(out, 1, [&] {
    require(first, "tensor");
    *out = wrap(first->engine, make());
  });
}

void require_count(int count, const char* what) {
  if (count < 0) throw Error(Status::invalid_argument, std::string(what) + ": a negative count");
}

Axes axes_of(int count, const int64_t* axes) {
  require_count(count, "axes");
  if (count > 0) require(axes, "axes");
  return count > 0 ? Axes(axes, axes + count) : Axes();
}

int rank_of(const nxv_tensor* t) { return static_cast<int>(t->shape.size()); }

std::vector<nxv::library::Option> options_of(int count, const nxv_option* options) {
  require_count(count, "options");
  if (count > 0) require(options, "options");
  std::vector<nxv::library::Option> list;
  for (int i = 0; i < count; ++i) {
    const nxv_option& o = options[i];
    require(o.name, "option name");
    require_count(o.count, o.name);
    if (o.count > 0 && o.integers == nullptr) require(o.reals, o.name);
    nxv::library::Option& option = list.emplace_back();
    option.name = o.name;
    if (o.integers != nullptr) option.integers.assign(o.integers, o.integers + o.count);
    if (o.reals != nullptr) option.reals.assign(o.reals, o.reals + o.count);
  }
  return list;
}

Op op_of(int op) {
  if (op < 0 || op >= nxv::kOpCount) {
    throw Error(Status::invalid_argument, "no operation has index " + std::to_string(op));
  }
  return static_cast<Op>(op);
}

}  // namespace

nxv_status nxv_constant_f64(nxv_engine* engine, nxv_dtype type, double value, double imag, int rank,
                            const int64_t* dims, nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    const nxv::DType t = dtype(type);
    const nxv::Scalar scalar = nxv::is_complex(t)
                                   ? nxv::make_scalar(t, std::complex<double>(value, imag))
                                   : nxv::make_scalar(t, value);
    return nxv::constant(owner, scalar, shape(rank, dims));
  });
}

nxv_status nxv_constant_s64(nxv_engine* engine, nxv_dtype type, int64_t value, int rank,
                            const int64_t* dims, nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    return nxv::constant(owner, nxv::make_scalar(dtype(type), value), shape(rank, dims));
  });
}

nxv_status nxv_iota(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims, int has_axis,
                    int axis, nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    const int64_t a = !has_axis ? -1 : axis < 0 ? axis + rank : axis;
    if (has_axis && (a < 0 || a >= rank)) {
      throw Error(Status::invalid_argument,
                  "iota: axis " + std::to_string(axis) + " is out of range");
    }
    return nxv::iota(owner, dtype(type), shape(rank, dims), a);
  });
}

nxv_status nxv_eye(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims,
                   nxv_tensor** out) noexcept {
  return create(engine, out,
                [&](const auto& owner) { return nxv::eye(owner, dtype(type), shape(rank, dims)); });
}

nxv_status nxv_random_uniform(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims,
                              uint64_t seed, uint64_t offset, double low, double high,
                              nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    return nxv::random(owner, Op::random_uniform, dtype(type), shape(rank, dims),
                       {seed, offset, low, high});
  });
}

nxv_status nxv_random_normal(nxv_engine* engine, nxv_dtype type, int rank, const int64_t* dims,
                             uint64_t seed, uint64_t offset, double mean, double deviation,
                             nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    return nxv::random(owner, Op::random_normal, dtype(type), shape(rank, dims),
                       {seed, offset, mean, deviation});
  });
}

nxv_status nxv_apply(int op, int count, nxv_tensor* const* operands, nxv_tensor** out) noexcept {
  return guarded(out, 1, [&] {
    const std::vector<NodeRef> nodes = nodes_of(count, operands);
    *out = wrap(operands[0]->engine, nxv::elementwise(op_of(op), nodes));
  });
}

nxv_status nxv_cast(nxv_tensor* tensor, nxv_dtype type, nxv_tensor** out) noexcept {
  return build(tensor, out, [&] { return nxv::cast(tensor->node(), dtype(type)); });
}

nxv_status nxv_reshape(nxv_tensor* tensor, int rank, const int64_t* dims,
                       nxv_tensor** out) noexcept {
  return build(tensor, out, [&] { return nxv::reshape(tensor->node(), shape(rank, dims)); });
}

nxv_status nxv_broadcast(nxv_tensor* tensor, int rank, const int64_t* dims, const int64_t* axes,
                         nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    if (axes == nullptr) return nxv::broadcast(tensor->node(), shape(rank, dims));
    return nxv::broadcast(tensor->node(), shape(rank, dims), axes_of(rank_of(tensor), axes));
  });
}

nxv_status nxv_transpose(nxv_tensor* tensor, const int64_t* axes, nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    const int rank = rank_of(tensor);
    Axes order = axes_of(axes == nullptr ? 0 : rank, axes);
    if (axes == nullptr) {
      for (int i = rank; i-- > 0;) order.push_back(i);
    }
    return nxv::transpose(tensor->node(), std::move(order));
  });
}

nxv_status nxv_slice(nxv_tensor* tensor, const int64_t* starts, const int64_t* lengths,
                     const int64_t* strides, nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    const int rank = rank_of(tensor);
    const Axes steps = strides == nullptr ? Axes(rank, 1) : axes_of(rank, strides);
    return nxv::slice(tensor->node(), axes_of(rank, starts), axes_of(rank, lengths), steps);
  });
}

nxv_status nxv_reverse(nxv_tensor* tensor, int count, const int64_t* axes,
                       nxv_tensor** out) noexcept {
  return build(tensor, out, [&] { return nxv::reverse(tensor->node(), axes_of(count, axes)); });
}

nxv_status nxv_squeeze(nxv_tensor* tensor, int count, const int64_t* axes,
                       nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    if (count == 0) return tensor->node();
    return nxv::squeeze(tensor->node(), count < 0 ? Axes() : axes_of(count, axes));
  });
}

nxv_status nxv_pad(nxv_tensor* tensor, nxv_tensor* value, const int64_t* low, const int64_t* high,
                   const int64_t* interior, nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    require(value, "value");
    const int rank = rank_of(tensor);
    return nxv::pad(tensor->node(), value->node(),
                    {axes_of(rank, low), axes_of(rank, high), axes_of(rank, interior)});
  });
}

nxv_status nxv_concatenate(int count, nxv_tensor* const* tensors, int axis,
                           nxv_tensor** out) noexcept {
  return guarded(out, 1, [&] {
    const std::vector<NodeRef> nodes = nodes_of(count, tensors);
    *out = wrap(tensors[0]->engine, nxv::concatenate(nodes, axis));
  });
}

nxv_status nxv_reduce(int op, nxv_tensor* tensor, int count, const int64_t* axes, int keep_axes,
                      nxv_tensor** out) noexcept {
  return build(tensor, out, [&] {
    std::optional<Axes> list;
    if (count >= 0) list = axes_of(count, axes);
    return nxv::reduce(op_of(op), tensor->node(), std::move(list), keep_axes != 0);
  });
}

nxv_status nxv_dot(nxv_tensor* a, nxv_tensor* b, int contract_count, const int64_t* contract_a,
                   const int64_t* contract_b, int batch_count, const int64_t* batch_a,
                   const int64_t* batch_b, nxv_tensor** out) noexcept {
  return build(a, out, [&] {
    require(b, "tensor");
    return nxv::dot(a->node(), b->node(),
                    {axes_of(contract_count, contract_a), axes_of(contract_count, contract_b),
                     axes_of(batch_count, batch_a), axes_of(batch_count, batch_b)});
  });
}

nxv_status nxv_matmul(nxv_tensor* a, nxv_tensor* b, nxv_tensor** out) noexcept {
  return build(a, out, [&] {
    require(b, "tensor");
    return nxv::matmul(a->node(), b->node());
  });
}

nxv_status nxv_call(const char* name, int count, nxv_tensor* const* operands, int option_count,
                    const nxv_option* options, int capacity, nxv_tensor** outs,
                    int* out_count) noexcept {
  const nxv_status status = guarded(outs, capacity, [&] {
    require(name, "name");
    require(out_count, "out_count");
    const std::vector<NodeRef> results =
        nxv::library::call(name, nodes_of(count, operands), options_of(option_count, options));
    if (results.size() > static_cast<size_t>(std::max(capacity, 0))) {
      throw Error(Status::size_mismatch,
                  std::string(name) + ": has " + std::to_string(results.size()) +
                      " results, room was given for " + std::to_string(capacity));
    }
    hand_over(operands[0]->engine, results, outs);
    *out_count = static_cast<int>(results.size());
  });
  if (status != NXV_OK && out_count != nullptr) *out_count = 0;
  return status;
}

nxv_status nxv_create(nxv_engine* engine, const char* name, int option_count,
                      const nxv_option* options, nxv_tensor** out) noexcept {
  return create(engine, out, [&](const auto& owner) {
    require(name, "name");
    return nxv::library::call(name, owner, {}, options_of(option_count, options)).at(0);
  });
}

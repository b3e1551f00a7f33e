#include "graph/build.h"

#include <algorithm>
#include <limits>
#include <string>

#include "graph/building.h"
#include "graph/exact_constants.h"
#include "graph/scalar_program.h"
#include "graph/simple_powers.h"

namespace nxv {

using namespace building;

namespace {

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

}  // namespace

NodeRef constant(const GraveyardRef& owner, const Scalar& value, Shape shape) {
  check_shape("constant", shape);
  return make_node(owner, Op::constant, value.dtype, std::move(shape), {}, ConstantAttr{value});
}

NodeRef iota(const GraveyardRef& owner, DType type, Shape shape, int64_t axis) {
  check_shape("iota", shape);
  if (axis < -1 || axis >= static_cast<int64_t>(shape.size())) {
    fail(Status::invalid_argument, "iota",
         "axis " + std::to_string(axis) + " is out of range for shape " + to_string(shape));
  }
  if (axis >= 0 && shape[axis] == element_count(shape)) axis = -1;  // the same numbers
  return make_node(owner, Op::iota, type, std::move(shape), {}, IotaAttr{axis});
}

NodeRef eye(const GraveyardRef& owner, DType type, Shape shape) {
  check_shape("eye", shape);
  if (shape.size() < 2) {
    fail(Status::invalid_argument, "eye", "needs at least two axes, got " + to_string(shape));
  }
  return make_node(owner, Op::eye, type, std::move(shape), {});
}

NodeRef random(const GraveyardRef& owner, Op op, DType type, Shape shape,
               const RandomAttr& stream) {
  check_shape(name(op), shape);
  if (!is_real_float(type)) {
    fail(Status::invalid_argument, name(op),
         "needs a floating type, got " + std::string(name(type)) + "; cast the result instead");
  }
  return make_node(owner, op, type, std::move(shape), {}, stream);
}

NodeRef host_value(const GraveyardRef& owner, DType type, Shape shape,
                   std::vector<std::byte> stored) {
  check_shape("tensor", shape);
  NodeRef n = make_node(owner, Op::data, type, std::move(shape), {});
  if (static_cast<int64_t>(stored.size()) != n->storage_size()) {
    fail(Status::size_mismatch, "tensor",
         std::to_string(stored.size()) + " bytes given for " + describe(n));
  }
  n->host_data = std::make_shared<const std::vector<std::byte>>(std::move(stored));
  return n;
}

NodeRef parameter(const GraveyardRef& owner, DType type, Shape shape) {
  check_shape("parameter", shape);
  return make_node(owner, Op::parameter, type, std::move(shape), {});
}

NodeRef scalar_argument(const GraveyardRef& owner, DType type, Shape shape) {
  return make_node(owner, Op::argument, type, std::move(shape), {});
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
  for (const NodeRef& n : with_exact_constants(op, operands)) {
    inputs.push_back(n->shape == shape ? n : broadcast(n, shape));
  }
  const DType type = result_type(op, operands);
  if (op == Op::pow) {
    if (NodeRef power = simple_power(inputs[0], operands[1], type)) return power;
  }
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
  return make_node(x->shared_graveyard(), Op::bitcast, type, x->shape, {x});
}

int64_t checked_position(std::string_view what, int64_t position) {
  if (position < std::numeric_limits<int32_t>::min() ||
      position > std::numeric_limits<int32_t>::max()) {
    fail(Status::unsupported, what,
         std::to_string(position) + " is no 32-bit position in a tensor: one of 2^31 elements or " +
             "more cannot be indexed");
  }
  return position;
}

void check_indexable(std::string_view what, const NodeRef& x) {
  if (x->count - 1 > std::numeric_limits<int32_t>::max()) {
    fail(Status::unsupported, what,
         describe(x) + " has more than 2^31 elements, which is more than can be indexed");
  }
}

NodeRef bounded_index(const NodeRef& index, int64_t size) {
  check_accepts(Op::bounded_index, {&index, 1});
  checked_position("bounded_index", size);
  const NodeRef bound =
      constant(index->shared_graveyard(), make_scalar(DType::s32, size), index->shape);
  return make_node(index->shared_graveyard(), Op::bounded_index, DType::s32, index->shape,
                   {index, bound});
}

NodeRef gather(const NodeRef& x, const NodeRef& index) {
  const NodeRef both[] = {x, index};
  check_same_engine("gather", both);
  check_indexable("gather", x);
  if (index->dtype != DType::s32) {
    fail(Status::invalid_argument, "gather", "needs s32 indices, got " + describe(index));
  }
  if (const auto known = integer_constant(*index)) {
    int64_t position = std::clamp<int64_t>(to_int64(*known), 0, x->count - 1);
    std::vector<int64_t> starts;
    for (const int64_t stride : row_major_strides(x->shape)) {
      starts.push_back(position / stride);
      position %= stride;
    }
    const std::vector<int64_t> ones(starts.size(), 1);
    return reshape(slice(x, starts, ones, ones), index->shape);
  }
  return make_node(x->shared_graveyard(), Op::gather, x->dtype, index->shape, {x, index});
}

NodeRef overwrite(const NodeRef& x, const NodeRef& index, const NodeRef& elements) {
  const NodeRef all[] = {x, index, elements};
  check_same_engine("overwrite", all);
  check_indexable("overwrite", x);
  if (index->dtype != DType::s32 || index->shape != elements->shape ||
      elements->dtype != x->dtype) {
    fail(Status::invalid_argument, "overwrite",
         describe(x) + " takes elements of its type and an s32 index for each, got " +
             describe(elements) + " and " + describe(index));
  }
  return make_node(x->shared_graveyard(), Op::overwrite, x->dtype, x->shape, {x, index, elements});
}

}  // namespace nxv

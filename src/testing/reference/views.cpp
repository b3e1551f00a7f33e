#include <string>

#include "base/error.h"
#include "testing/reference/number.h"
#include "testing/reference/structure.h"

namespace nxv::reference {
namespace {

// Index of the input element that output element `at` shows.
std::vector<int64_t> source(const Node& node, const Shape& from, const Walk& at) {
  std::vector<int64_t> index(from.size(), 0);
  switch (node.op) {
    case Op::broadcast: {
      const Axes& axes = node.attribute<AxesAttr>().axes;
      for (size_t i = 0; i < from.size(); ++i) index[i] = from[i] == 1 ? 0 : at[axes[i]];
      return index;
    }
    case Op::transpose: {
      const Axes& axes = node.attribute<AxesAttr>().axes;
      for (size_t i = 0; i < from.size(); ++i) index[axes[i]] = at[i];
      return index;
    }
    case Op::reverse: {
      index = at.index();
      for (int64_t a : node.attribute<AxesAttr>().axes) index[a] = from[a] - 1 - index[a];
      return index;
    }
    case Op::slice: {
      const auto& attr = node.attribute<SliceAttr>();
      for (size_t i = 0; i < from.size(); ++i) index[i] = attr.starts[i] + at[i] * attr.strides[i];
      return index;
    }
    case Op::windows: {
      const auto& attr = node.attribute<WindowsAttr>();
      for (size_t i = 0; i < from.size(); ++i) {
        index[i] = at[i] * attr.strides[i] + at[from.size() + i] * attr.dilations[i];
      }
      return index;
    }
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " is not a view");
  }
}

HostTensor reshape(const Node& node, const HostTensor& input) {
  HostTensor out = input;
  out.shape = node.shape;
  return out;
}

HostTensor pad(const Node& node, const HostTensor& input, const HostTensor& value) {
  const auto& attr = node.attribute<PadAttr>();
  HostTensor out(node.dtype, node.shape);
  const Scalar filler = convert(value.at(0), node.dtype);
  std::vector<int64_t> index(input.shape.size());
  Walk at(node.shape);
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    bool inside = true;
    for (size_t d = 0; d < index.size(); ++d) {
      const int64_t spread = at[d] - attr.low[d];  // where elements lie interior + 1 apart
      const int64_t step = attr.interior[d] + 1;
      index[d] = spread / step;
      inside = inside && spread >= 0 && spread % step == 0 && index[d] < input.shape[d];
    }
    const Scalar element =
        inside ? convert(input.at(position(index, input.shape)), node.dtype) : filler;
    out.set(i, element);
  }
  return out;
}

HostTensor concatenate(const Node& node, std::span<const HostTensor* const> inputs) {
  const int64_t axis = node.attribute<ConcatenateAttr>().axis;
  HostTensor out(node.dtype, node.shape);
  Walk at(node.shape);
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    std::vector<int64_t> index = at.index();
    size_t k = 0;
    while (index[axis] >= inputs[k]->shape[axis]) index[axis] -= inputs[k++]->shape[axis];
    out.set(i, convert(inputs[k]->at(position(index, inputs[k]->shape)), node.dtype));
  }
  return out;
}

}  // namespace

int64_t position(std::span<const int64_t> index, std::span<const int64_t> shape) {
  int64_t p = 0;
  for (size_t i = 0; i < shape.size(); ++i) p = p * shape[i] + index[i];
  return p;
}

HostTensor evaluate_view(const Node& node, std::span<const HostTensor* const> inputs) {
  const HostTensor& input = *inputs[0];
  if (node.op == Op::reshape) return reshape(node, input);
  if (node.op == Op::pad) return pad(node, input, *inputs[1]);
  if (node.op == Op::concatenate) return concatenate(node, inputs);
  HostTensor out(node.dtype, node.shape);
  Walk at(node.shape);
  for (int64_t i = 0; i < node.count; ++i, at.next()) {
    out.set(i, input.at(position(source(node, input.shape, at), input.shape)));
  }
  return out;
}

}  // namespace nxv::reference

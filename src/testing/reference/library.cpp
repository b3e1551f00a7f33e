#include "testing/reference/library.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "testing/reference/fourier.h"
#include "testing/reference/number.h"
#include "testing/reference/sorting.h"

namespace nxv::reference {
namespace {

// Indices are clamped.
HostTensor evaluate_gather(const Node& node, const HostTensor& x, const HostTensor& index) {
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < node.count; ++i) {
    out.set(i, x.at(std::clamp<int64_t>(to_int64(index.at(i)), 0, x.count() - 1)));
  }
  return out;
}

}  // namespace

HostTensor evaluate_library(const Node& node, std::span<const HostTensor* const> inputs) {
  switch (node.op) {
    case Op::gather:
      return evaluate_gather(node, *inputs[0], *inputs[1]);
    case Op::scan:
      return evaluate_scan(node, *inputs[0]);
    case Op::sort:
    case Op::argsort:
      return evaluate_sort(node, *inputs[0]);
    case Op::fft:
      return evaluate_fft(node, *inputs[0]);
    case Op::fold:
      return evaluate_fold(node, inputs);
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " has no reference");
  }
}

}  // namespace nxv::reference

#include "testing/reference/library.h"

#include <string>

#include "base/error.h"
#include "testing/reference/attention.h"
#include "testing/reference/fourier.h"
#include "testing/reference/indexing.h"
#include "testing/reference/linear.h"
#include "testing/reference/sorting.h"

namespace nxv::reference {

HostTensor evaluate_library(const Node& node, std::span<const HostTensor* const> inputs) {
  switch (node.op) {
    case Op::gather:
      return evaluate_gather(node, *inputs[0], *inputs[1]);
    case Op::overwrite:
      return evaluate_overwrite(node, *inputs[0], *inputs[1], *inputs[2]);
    case Op::scan:
      return evaluate_scan(node, *inputs[0]);
    case Op::sort:
    case Op::argsort:
      return evaluate_sort(node, *inputs[0]);
    case Op::fft:
      return evaluate_fft(node, *inputs[0]);
    case Op::fold:
      return evaluate_fold(node, inputs);
    case Op::last_update:
      return evaluate_last_update(node, *inputs[0]);
    case Op::last_slot:
      return evaluate_last_slot(node, *inputs[0]);
    case Op::scatter_add:
      return evaluate_scatter_add(node, *inputs[0], *inputs[1], *inputs[2]);
    case Op::attention:
      return std::move(evaluate_attention(node, inputs)[0]);
    case Op::triangular_solve:
    case Op::cholesky:
    case Op::lu:
    case Op::qr:
    case Op::eigh:
    case Op::svd:
      return evaluate_linear(node, inputs);
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " has no reference");
  }
}

}  // namespace nxv::reference

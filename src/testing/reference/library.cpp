#include "testing/reference/library.h"

#include <string>

#include "base/error.h"
#include "testing/reference/fourier.h"

namespace nxv::reference {

HostTensor evaluate_library(const Node& node, std::span<const HostTensor* const> inputs) {
  switch (node.op) {
    case Op::fft:
      return evaluate_fft(node, *inputs[0]);
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " has no reference");
  }
}

}  // namespace nxv::reference

#include "testing/reference/library.h"

#include <string>

#include "base/error.h"

namespace nxv::reference {

HostTensor evaluate_library(const Node& node, std::span<const HostTensor* const> inputs) {
  switch (node.op) {
    case Op::fold:
      return evaluate_fold(node, inputs);
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " has no reference");
  }
}

}  // namespace nxv::reference
